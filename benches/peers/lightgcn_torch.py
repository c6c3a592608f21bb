"""LightGCN: one epoch here against PyTorch on a sparse CSR graph.

    python3 -m venv .venv && .venv/bin/pip install -r benches/peers/requirements.txt
    .venv/bin/python benches/peers/lightgcn_torch.py ../shared/data/agent4rec/cf_data/train.txt

Same pairs, batch size, layers, loss, optimiser and number of threads. The PyTorch side is
written to be fast: the graph's gradient is taken by its symmetry, Adam is fused, negatives
are drawn by numpy for a whole epoch at once.
"""

import argparse
import os
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("path", type=Path)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--batch-size", type=int, default=2048)
parser.add_argument("--epochs", type=int, default=10)
arguments = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(arguments.threads)

import numpy as np
import torch
import training_data as data

EMBEDDING_SIZE, N_LAYERS, LEARNING_RATE, REG, INIT_STD = 64, 2, 0.005, 0.001, 0.1


class Propagate(torch.autograd.Function):
    """One step over the graph; the graph is symmetric, so backward is the same product."""

    @staticmethod
    def forward(context, graph, dense):
        context.graph = graph
        return torch.sparse.mm(graph, dense)

    @staticmethod
    def backward(context, gradient):
        return None, torch.sparse.mm(context.graph, gradient)


def graph_of(train):
    n_users, n_items = train.shape
    coo = train.tocoo()
    degree = np.concatenate([np.diff(train.indptr), np.bincount(coo.col, minlength=n_items)])
    rows = np.concatenate([coo.row, coo.col + n_users])
    columns = np.concatenate([coo.col + n_users, coo.row])
    weights = (1.0 / np.sqrt(degree[rows].astype(np.float64) * degree[columns])).astype(np.float32)
    n = n_users + n_items
    full = data.sp.csr_matrix((weights, (rows, columns)), shape=(n, n))
    return torch.sparse_csr_tensor(
        torch.from_numpy(full.indptr.astype(np.int64)), torch.from_numpy(full.indices.astype(np.int64)),
        torch.from_numpy(full.data), size=(n, n))


def negatives(users, n_items, owned, rng):
    """Items the users do not have; `owned` holds `user * n_items + item`, ascending."""
    found = rng.integers(0, n_items, len(users))
    while True:
        keys = users * n_items + found
        at = np.minimum(np.searchsorted(owned, keys), len(owned) - 1)
        bad = np.flatnonzero(owned[at] == keys)
        if not len(bad):
            return found
        found[bad] = rng.integers(0, n_items, len(bad))


def theirs(train, held_out):
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    n_users, n_items = train.shape
    graph = graph_of(train)
    ego = torch.nn.Parameter(torch.randn(n_users + n_items, EMBEDDING_SIZE) * INIT_STD)
    adam = torch.optim.Adam([ego], lr=LEARNING_RATE, fused=True)
    coo = train.tocoo()
    pairs = np.c_[coo.row, coo.col].astype(np.int64)
    owned = np.sort(pairs[:, 0] * n_items + pairs[:, 1])

    def smooth():
        layer, total = ego, ego
        for _ in range(N_LAYERS):
            layer = Propagate.apply(graph, layer)
            total = total + layer
        return total / (N_LAYERS + 1)

    laps = [time.perf_counter()]
    for epoch in range(arguments.epochs):
        adam.param_groups[0]["lr"] = LEARNING_RATE * (1 - epoch / arguments.epochs)
        order = rng.permutation(len(pairs))
        users, positives = pairs[order, 0], pairs[order, 1]
        negative = negatives(users, n_items, owned, rng)
        rows = torch.from_numpy(np.c_[users, positives + n_users, negative + n_users])
        for batch in rows.split(arguments.batch_size):
            adam.zero_grad(set_to_none=True)
            final = smooth()
            user, pos, neg = (final.index_select(0, batch[:, k]) for k in range(3))
            loss = -torch.nn.functional.logsigmoid((user * (pos - neg)).sum(1)).mean()
            loss = loss + REG / 2 * ego.index_select(0, batch.flatten()).pow(2).sum() / len(batch)
            loss.backward()
            adam.step()
        laps.append(time.perf_counter())
    with torch.no_grad():
        final = smooth().numpy()
    recall = data.recall_at_20(lambda rows: final[rows] @ final[n_users:].T, train, held_out)
    return {"epoch_seconds": float(np.median(np.diff(laps[1:]))), "recall_at_20": recall}


def main():
    train, held_out = data.split(data.read(arguments.path))
    params = (f"embedding_size = {EMBEDDING_SIZE}; n_layers = {N_LAYERS}; epochs = {arguments.epochs}; "
              f"batch_size = {arguments.batch_size}; learning_rate = {LEARNING_RATE}; reg = {REG}; "
              f"init_std = {INIT_STD}")
    mine = data.ours("lightgcn", params, train, held_out, arguments.threads)
    peer = theirs(train, held_out)
    print(f"{arguments.path.name}: {train.shape[0]} users, {train.shape[1]} items, {train.nnz} training pairs; "
          f"batch {arguments.batch_size}; {arguments.threads} threads; PyTorch {torch.__version__}\n")
    print(data.table("PyTorch", [("lightgcn_epoch_64", mine, peer)]))


if __name__ == "__main__":
    main()
