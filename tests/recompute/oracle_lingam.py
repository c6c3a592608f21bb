"""Prints what other people's libraries find in made-up data, for src/study/causes/oracle.rs.

    pip install lingam==1.13.0 scikit-learn==1.9.1 numpy==2.2.6
    python oracle_lingam.py > lingam.json

`order` and `coefficients` are lingam.DirectLiNGAM's (coefficients[to][from]), `lasso` is scikit-learn's LassoLarsIC
(criterion "bic") of the last variable on all others: every knot of its path is a row of [alpha, coefficients…], then what
BIC chose. The data come from SplitMix64, the same in any language.
"""

import json
import math

import lingam
import numpy as np
from sklearn.linear_model import LassoLarsIC, lars_path

MASK = (1 << 64) - 1


class Noise:
    """SplitMix64 (Steele, Lea, Flood 2014)."""

    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return ((z ^ (z >> 31)) >> 11) * 2.0**-53

    def of(self, kind):
        u = self.uniform() - 0.5
        if kind == "uniform":
            return u
        return -math.copysign(math.log(1.0 - 2.0 * abs(u)), u) / 4.0


def data(seed, n_variables, n_rows, kind, share):
    """Rows of a random linear model whose variables stand in shuffled places; also each one's place in its order."""
    noise = Noise(seed)
    places = list(range(n_variables))
    for last in range(n_variables - 1, 0, -1):
        other = int(noise.uniform() * (last + 1))
        places[last], places[other] = places[other], places[last]
    weights = [[0.0] * n_variables for _ in range(n_variables)]
    for to in range(n_variables):
        for source in range(to):
            size = 0.3 + 1.2 * noise.uniform()
            sign = 1.0 if noise.uniform() < 0.5 else -1.0
            if noise.uniform() < share:
                weights[to][source] = sign * size
    scales = [0.5 + 2.0 * noise.uniform() for _ in range(n_variables)]
    rows = []
    for _ in range(n_rows):
        by_order = []
        for to in range(n_variables):
            value = scales[to] * noise.of(kind)
            for source in range(to):
                value += weights[to][source] * by_order[source]
            by_order.append(value)
        row = [0.0] * n_variables
        for nth, place in enumerate(places):
            row[place] = 3.0 + by_order[nth]
        rows.append(row)
    order = [0] * n_variables
    for nth, place in enumerate(places):
        order[place] = nth
    return np.array(rows), order


def tiers_of(order, n_tiers):
    """Variables in as many tiers, by their true order."""
    return [place * n_tiers // len(order) for place in order]


def prior_of_tiers(tiers):
    n = len(tiers)
    prior = np.full((n, n), -1)
    for to in range(n):
        for source in range(n):
            if tiers[source] > tiers[to]:
                prior[to, source] = 0
    return prior


def prior_of_paths(order):
    """Knows one path (first to last) and that the third variable in order causes nothing."""
    n = len(order)
    at = {nth: variable for variable, nth in enumerate(order)}
    return lingam.utils.make_prior_knowledge(n, paths=[(at[0], at[n - 1])], sink_variables=[at[2]])


def lasso(rows):
    x, y = rows[:, :-1], rows[:, -1]
    model = LassoLarsIC(criterion="bic").fit(x, y)
    x, y = x - x.mean(axis=0), y - y.mean()
    alphas, _, path = lars_path(x, y, method="lasso", Gram=x.T @ x)
    return {
        "path": [[alpha, *map(float, coefficients)] for alpha, coefficients in zip(alphas, path.T)],
        "chosen": list(map(float, model.coef_)),
    }


def case(seed, n_variables, n_rows, kind, share, prior_kind):
    rows, order = data(seed, n_variables, n_rows, kind, share)
    tiers = None
    if prior_kind == "none":
        prior = None
    elif prior_kind == "paths":
        prior = prior_of_paths(order)
    else:
        tiers = tiers_of(order, int(prior_kind))
        prior = prior_of_tiers(tiers)
    model = lingam.DirectLiNGAM(prior_knowledge=prior).fit(rows)
    effects = np.linalg.inv(np.eye(n_variables) - model.adjacency_matrix_) - np.eye(n_variables)
    return {
        "seed": seed,
        "n_variables": n_variables,
        "n_rows": n_rows,
        "noise": kind,
        "share": share,
        "tiers": tiers,
        "prior": None if prior is None else prior.tolist(),
        "first_row": rows[0].tolist(),
        "order": list(map(int, model.causal_order_)),
        "coefficients": model.adjacency_matrix_.tolist(),
        "total_effects": effects.tolist(),
        "lasso": lasso(rows),
    }


def main():
    cases = []
    for seed, (n_variables, n_rows, kind, share, prior) in enumerate(
        [
            (5, 200, "uniform", 0.6, "none"),
            (5, 2000, "laplace", 0.6, "none"),
            (6, 400, "uniform", 0.4, "none"),
            (7, 1000, "laplace", 0.4, "none"),
            (7, 3000, "uniform", 0.8, "none"),
            (5, 60, "laplace", 0.5, "none"),
            (6, 30, "uniform", 0.3, "none"),
            (5, 500, "uniform", 0.7, "5"),
            (5, 80, "laplace", 0.7, "4"),
            (6, 300, "laplace", 0.5, "3"),
            (7, 800, "uniform", 0.5, "2"),
            (6, 500, "uniform", 0.5, "paths"),
            (7, 150, "laplace", 0.3, "paths"),
        ]
    ):
        cases.append(case(seed + 1, n_variables, n_rows, kind, share, prior))
    print("[")
    print(",\n".join(json.dumps(one) for one in cases))
    print("]")


if __name__ == "__main__":
    main()
