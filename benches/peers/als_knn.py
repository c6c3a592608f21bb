"""ALS, item_knn and top-N: windtunnel against `implicit`, same pairs, same machine, one run.

    python3 -m venv .venv && .venv/bin/pip install -r benches/peers/requirements.txt
    .venv/bin/python benches/peers/als_knn.py ../shared/data/ml-1m/ratings.dat

Reads `user::item::…` or any file whose first two columns are user and item; prints a
Markdown table of seconds and ratios (ours / theirs). Both sides use all cores; epochs
are medians, and the matrices are binary.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as implicit asks: it threads over rows itself

import implicit
import numpy as np
import scipy.sparse as sp

ROOT = Path(__file__).resolve().parents[2]


def read_pairs(path):
    users, items = {}, {}
    pairs = set()
    with open(path, encoding="latin-1") as lines:
        for line in lines:
            fields = re.split(r"::|[\t, ]", line.strip())
            if len(fields) < 2 or not fields[0].isdigit():
                continue
            user = users.setdefault(fields[0], len(users))
            item = items.setdefault(fields[1], len(items))
            pairs.add((user, item))
    rows, columns = np.array(sorted(pairs)).T
    return sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)))


def epoch_seconds(factors, use_cg, iterations, matrix):
    laps = [time.perf_counter()]
    model = implicit.als.AlternatingLeastSquares(
        factors=factors, regularization=60, alpha=9.0, iterations=iterations,
        use_cg=use_cg, use_gpu=False, random_state=1,
    )
    model.fit(matrix, show_progress=False, callback=lambda *_: laps.append(time.perf_counter()))
    return model, float(np.median(np.diff(laps)))


def timed(work, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def theirs(matrix):
    users = np.arange(matrix.shape[0])
    model, found = epoch_seconds(64, True, 10, matrix)
    seconds = {"als_cg_64": found}
    seconds["als_top_20_all_users"] = timed(
        lambda: model.recommend(users, matrix, N=20, filter_already_liked_items=True), 5)
    seconds["als_cg_128"] = epoch_seconds(128, True, 10, matrix)[1]
    seconds["als_cholesky_64"] = epoch_seconds(64, False, 5, matrix)[1]
    knn = implicit.nearest_neighbours.CosineRecommender(K=200)
    seconds["item_knn_k200"] = timed(lambda: knn.fit(matrix, show_progress=False), 3)
    seconds["item_knn_top_20_all_users"] = timed(
        lambda: knn.recommend(users, matrix, N=20, filter_already_liked_items=True), 3)
    return seconds


def ours(matrix):
    coo = matrix.tocoo()
    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as file:
        file.writelines(f"{user} {item}\n" for user, item in zip(coo.row, coo.col))
    try:
        output = subprocess.run(
            ["cargo", "bench", "--bench", "peers_als_knn"], cwd=ROOT, check=True,
            stdout=subprocess.PIPE, text=True, env={**os.environ, "WINDTUNNEL_PAIRS": file.name},
        ).stdout
    finally:
        os.unlink(file.name)
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return {line["name"]: line["seconds"] for line in lines}


def main():
    matrix = read_pairs(sys.argv[1])
    print(f"{Path(sys.argv[1]).name}: {matrix.shape[0]} users, {matrix.shape[1]} items, {matrix.nnz} pairs; "
          f"{os.cpu_count()} cores; implicit {implicit.__version__}\n")
    mine, peers = ours(matrix), theirs(matrix)
    print("| work | windtunnel s | implicit s | ratio |\n|---|---|---|---|")
    for name, peer in peers.items():
        print(f"| {name} | {mine[name]:.4f} | {peer:.4f} | {mine[name] / peer:.2f} |")


if __name__ == "__main__":
    main()
