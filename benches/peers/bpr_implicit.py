"""BPR matrix factorisation: one epoch here against `implicit`, at equal factors.

    python3 -m venv .venv && .venv/bin/pip install -r benches/peers/requirements.txt
    .venv/bin/python benches/peers/bpr_implicit.py ../shared/data/ml-1m/ratings.dat

An epoch is one sample a training pair on both sides. implicit's items carry a bias inside
its factors: 63 factors and the bias make rows of 64 numbers, as ours.
"""

import argparse
import time
from pathlib import Path

import implicit
import numpy as np
import training_data as data
from implicit.bpr import BayesianPersonalizedRanking

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("path", type=Path)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--epochs", type=int, default=60)
arguments = parser.parse_args()


def theirs(train, held_out):
    model = BayesianPersonalizedRanking(
        factors=63, iterations=arguments.epochs, learning_rate=0.05, regularization=0.01,
        num_threads=arguments.threads, random_state=1, verify_negative_samples=True)
    laps = [time.perf_counter()]
    model.fit(train, show_progress=False, callback=lambda *_: laps.append(time.perf_counter()))
    recall = data.recall_at_20(
        lambda rows: model.user_factors[rows] @ model.item_factors.T, train, held_out)
    return {"epoch_seconds": float(np.median(np.diff(laps[1:]))), "recall_at_20": recall}


def main():
    train, held_out = data.split(data.read(arguments.path))
    params = f"embedding_size = 64; epochs = {arguments.epochs}; learning_rate = 0.05; reg = 0.01"
    mine = data.ours("mf", params, train, held_out, arguments.threads)
    peer = theirs(train, held_out)
    print(f"{arguments.path.name}: {train.shape[0]} users, {train.shape[1]} items, {train.nnz} training pairs; "
          f"{arguments.threads} threads; implicit {implicit.__version__}\n")
    print(data.table("implicit", [("mf_bpr_epoch_64", mine, peer)]))


if __name__ == "__main__":
    main()
