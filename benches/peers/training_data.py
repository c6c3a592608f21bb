"""What the training benches share: reading interactions, a random holdout, our half, recall@20."""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse as sp

ROOT = Path(__file__).resolve().parents[2]


def read(path):
    """Binary user × item matrix of `user::item::…` lines or of `user item item …` lists."""
    users, items, pairs = {}, {}, set()
    with open(path, encoding="latin-1") as lines:
        for line in lines:
            fields = line.strip().split("::") if "::" in line else re.split(r"[\t, ]", line.strip())
            owned = fields[1:2] if "::" in line else fields[1:]
            for item in owned:
                pairs.add((users.setdefault(fields[0], len(users)), items.setdefault(item, len(items))))
    rows, columns = np.array(sorted(pairs)).T
    return sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)))


def split(matrix, seed=1):
    """Train and held-out matrices, one pair in ten held out."""
    coo = matrix.tocoo()
    held_out = np.random.default_rng(seed).random(matrix.nnz) < 0.1
    return [
        sp.csr_matrix((coo.data[mask], (coo.row[mask], coo.col[mask])), shape=matrix.shape)
        for mask in (~held_out, held_out)
    ]


def ours(kind, params, train, held_out, threads):
    """Our median epoch seconds and recall@20."""
    with tempfile.TemporaryDirectory() as folder:
        names = {"WINDTUNNEL_PAIRS": train, "WINDTUNNEL_HELD_OUT": held_out}
        environment = {"WINDTUNNEL_KIND": kind, "WINDTUNNEL_PARAMS": params, "RAYON_NUM_THREADS": str(threads)}
        for name, matrix in names.items():
            coo = matrix.tocoo()
            environment[name] = os.path.join(folder, name)
            np.savetxt(environment[name], np.c_[coo.row, coo.col], fmt="%d")
        output = subprocess.run(
            ["cargo", "bench", "--bench", "peers_train"], cwd=ROOT, check=True,
            stdout=subprocess.PIPE, text=True, env={**os.environ, **environment},
        ).stdout
    return json.loads(next(line for line in output.splitlines() if line.startswith("{")))


def recall_at_20(scores_of, train, held_out, block=1024):
    """Mean recall@20 over users with held-out items; `scores_of(rows)` gives dense scores."""
    users = np.flatnonzero(np.diff(held_out.indptr))
    total = 0.0
    for start in range(0, len(users), block):
        rows = users[start:start + block]
        scores = np.array(scores_of(rows), dtype=np.float32)
        scores[train[rows].nonzero()] = -np.inf
        top = np.argpartition(-scores, 20, axis=1)[:, :20]
        for row, items in zip(rows, top):
            truth = held_out.indices[held_out.indptr[row]:held_out.indptr[row + 1]]
            total += np.isin(truth, items).sum() / len(truth)
    return total / len(users)


def table(peer, rows):
    """A Markdown table; `rows` are (work, our result, their result)."""
    lines = [f"| work | windtunnel s | {peer} s | ratio | recall@20 ours | theirs |", "|---|---|---|---|---|---|"]
    for work, mine, theirs in rows:
        a, b = mine["epoch_seconds"], theirs["epoch_seconds"]
        quality = f"{mine['recall_at_20']:.4f} | {theirs['recall_at_20']:.4f}"
        lines.append(f"| {work} | {a:.4f} | {b:.4f} | {a / b:.2f} | {quality} |")
    return "\n".join(lines)
