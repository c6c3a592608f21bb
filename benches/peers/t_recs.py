"""Simulated user-steps a second: windtunnel beside T-RECS (Lucherini et al., 2021), same machine, one run.

    python3 -m venv .venv && .venv/bin/pip install -r benches/peers/requirements-t-recs.txt
    .venv/bin/pip install --no-deps trecs==0.2.1
    .venv/bin/python benches/peers/t_recs.py [USERSxITEMSxAGENTS …]

Equal on both sides: the number of users, items, latent dimensions and items a step; recommendations by inner products
of given vectors; nothing is shown twice; nothing is retrained between steps. Each side ranks and lets its users choose:
a T-RECS user takes the best of what it is shown, a windtunnel agent goes through its six steps and may leave. Where
there are more agents than users, agents are copies of users, and T-RECS gets a row for each.

Prints a Markdown table; ours is the median of five runs, theirs the faster of two where a run takes seconds.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from trecs.models import ContentFiltering

ROOT = Path(__file__).resolve().parents[2]
SHAPES = ["1000x1000x1000", "6040x3706x6040", "6040x3706x24160"]
N_FACTORS = 64
ITEMS_A_STEP = 4
N_STEPS = 5


def theirs(n_users, n_items, n_agents):
    rng = np.random.default_rng(1)
    users = np.resize(rng.standard_normal((n_users, N_FACTORS)), (n_agents, N_FACTORS))
    items = rng.standard_normal((N_FACTORS, n_items))
    rates = []
    for _ in range(2 if n_agents * n_items < 30_000_000 else 1):
        model = ContentFiltering(
            user_representation=users,
            item_representation=items,
            actual_user_representation=users,
            actual_item_representation=items,
            num_items_per_iter=ITEMS_A_STEP,
            seed=1,
        )
        start = time.perf_counter()
        model.run(timesteps=N_STEPS, train_between_steps=False, repeated_items=False, disable_tqdm=True)
        rates.append(n_agents * N_STEPS / (time.perf_counter() - start))
    return max(rates)


def ours(shapes):
    """User-steps a second by shape and number of threads."""
    environment = dict(os.environ, WINDTUNNEL_SHAPES=" ".join(shapes))
    command = ["cargo", "bench", "--quiet", "--bench", "peers_t_recs"]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    rates = {}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            rates.setdefault((row["shape"], row["threads"]), []).append(row["rate"])
    return {key: statistics.median(of_key) for key, of_key in rates.items()}


def main():
    warnings.simplefilter("ignore")
    shapes = sys.argv[1:] or SHAPES
    rates = ours(shapes)
    # T-RECS leaves a log file wherever it runs.
    os.chdir(tempfile.mkdtemp())
    print("| users × items, agents | T-RECS | windtunnel, 1 thread | ratio | all threads | ratio |")
    print("|---|---|---|---|---|---|")
    for shape in shapes:
        n_users, n_items, n_agents = map(int, shape.split("x"))
        peer = theirs(n_users, n_items, n_agents)
        n_threads = max(threads for name, threads in rates if name == shape)
        one, every = rates[shape, 1], rates[shape, n_threads]
        print(
            f"| {n_users:,} × {n_items:,}, {n_agents:,} | {peer:,.0f} | {one:,.0f} | {one / peer:,.0f} "
            f"| {every:,.0f} | {every / peer:,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
