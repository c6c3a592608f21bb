"""Prints the expected numbers of `tests/off_policy.rs`: point values by Open Bandit Pipeline (PyPI `obp` 0.4.1),
what it lacks and all standard errors by numpy, written anew.

Run by hand when a test needs a new number: python tests/recompute/oracle_off_policy.py
"""

import sys
import types

import numpy as np
from scipy import stats

try:
    import torch  # noqa: F401
except ImportError:
    # obp names torch in its signatures only; nothing here uses it.
    torch = types.ModuleType("torch")
    torch.Tensor = type("Tensor", (), {})
    for name in ("torch.nn", "torch.nn.functional", "torch.optim", "torch.utils", "torch.utils.data"):
        sys.modules[name] = types.ModuleType(name)
    torch.nn = sys.modules["torch.nn"]
    torch.nn.Module = object
    torch.optim = sys.modules["torch.optim"]
    sys.modules["torch"] = torch

try:
    from obp.ope.estimators import (
        DirectMethod,
        DoublyRobust,
        InverseProbabilityWeighting,
        SelfNormalizedInverseProbabilityWeighting,
        SwitchDoublyRobust,
    )
    from obp.ope.estimators_slate import SlateIndependentIPS, SlateRewardInteractionIPS, SlateStandardIPS
except ImportError as error:
    sys.exit(f"obp is not there: {error}")


def noise(n, a, b):
    """Numbers that look random and are the same everywhere: multiples of 1/1009 in [0, 1)."""
    return np.array([(i * i * a + i * b + 17) % 1009 for i in range(1, n + 1)]) / 1009


def clustered(numerator, denominator, cluster):
    """Value and cluster-robust standard error of a ratio of sums, by its influence function."""
    value = numerator.sum() / denominator.sum()
    sums = np.array([(numerator - value * denominator)[cluster == c].sum() for c in np.unique(cluster)])
    g = len(sums)
    return value, np.sqrt(g / (g - 1) * (sums**2).sum()) / denominator.sum()


def rows():
    """120 decisions of 40 people between 3 actions."""
    n, m = 120, 3
    behaviour = 0.1 + noise(n * m, 31, 7).reshape(n, m)
    behaviour /= behaviour.sum(1, keepdims=True)
    target = 0.05 + noise(n * m, 5, 311).reshape(n, m) ** 2
    target /= target.sum(1, keepdims=True)
    q = noise(n * m, 77, 3).reshape(n, m)
    action = (np.arange(n) * 7 // 3) % m
    reward = (noise(n, 13, 101) < 0.4).astype(float)
    cluster = np.arange(n) // 3
    return behaviour, target, q, action, reward, cluster


def single():
    behaviour, target, q, action, reward, cluster = rows()
    n = len(action)
    at = np.arange(n)
    log = dict(
        reward=reward,
        action=action,
        position=np.zeros(n, int),
        pscore=behaviour[at, action],
        action_dist=target[:, :, None],
    )
    model = dict(estimated_rewards_by_reg_model=q[:, :, None])
    w = target[at, action] / behaviour[at, action]
    one = np.ones(n)
    expected = (target * q).sum(1)
    tau = 1.5
    for name, obp, numerator, denominator in [
        ("ips", InverseProbabilityWeighting().estimate_policy_value(**log), w * reward, one),
        ("snips", SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**log), w * reward, w),
        ("clipped_ips", None, np.minimum(w, np.sqrt(n)) * reward, one),
        ("dm", DirectMethod().estimate_policy_value(**log, **model), expected, one),
        ("dr", DoublyRobust().estimate_policy_value(**log, **model), expected + w * (reward - q[at, action]), one),
        (
            "switch_dr at 1.5",
            SwitchDoublyRobust(tau=tau).estimate_policy_value(**log, **model),
            expected + (w <= tau) * w * (reward - q[at, action]),
            one,
        ),
    ]:
        value, std_error = clustered(numerator, denominator, cluster)
        assert obp is None or abs(obp - value) < 1e-12, (name, obp, value)
        print(f'("{name}", {float(value)!r}, {float(std_error)!r}),')
    print("effective sample size", w.sum() ** 2 / (w**2).sum(), "largest weight", w.max())


def slates():
    """60 pages of 3 places of 30 people."""
    n, k = 60, 3
    behaviour = 0.2 + 0.8 * noise(n * k, 31, 7).reshape(n, k)
    behaviour_marginal = 0.2 + 0.8 * noise(n * k, 5, 311).reshape(n, k)
    target = 0.9 * noise(n * k, 77, 3).reshape(n, k)
    target_marginal = 0.9 * noise(n * k, 13, 101).reshape(n, k)
    reward = (noise(n * k, 3, 55) < 0.4).astype(float).reshape(n, k)
    cluster = np.arange(n) // 2
    down_b, down_t = behaviour.cumprod(1), target.cumprod(1)
    whole = np.repeat((down_t / down_b)[:, -1:], k, 1)
    down = down_t / down_b
    single = target_marginal / behaviour_marginal
    ids = np.repeat(np.arange(n), k)
    position = np.tile(np.arange(k), n)
    common = dict(slate_id=ids, reward=reward.ravel(), position=position)
    flat = lambda x: np.repeat(x[:, -1:], k, 1).ravel()
    obp = {
        "sips": SlateStandardIPS(len_list=k).estimate_policy_value(
            **common, pscore=flat(down_b), evaluation_policy_pscore=flat(down_t)
        ),
        "rips": SlateRewardInteractionIPS(len_list=k).estimate_policy_value(
            **common, pscore_cascade=down_b.ravel(), evaluation_policy_pscore_cascade=down_t.ravel()
        ),
        "iips": SlateIndependentIPS(len_list=k).estimate_policy_value(
            **common, pscore_item_position=behaviour_marginal.ravel(),
            evaluation_policy_pscore_item_position=target_marginal.ravel(),
        ),
    }
    rows_of = np.repeat(cluster, k)
    for name, w in [("sips", whole), ("rips", down), ("iips", single)]:
        value, std_error = clustered((w * reward).ravel(), np.ones(n * k), rows_of)
        # obp sums over the places of a page; here it is the mean.
        assert abs(obp[name] / k - value) < 1e-12, (name, obp[name] / k, value)
        print(f'("{name}", {float(value)!r}, {float(std_error)!r}),')
        values = [(w[:, j] * reward[:, j]).sum() / w[:, j].sum() for j in range(k)]
        influence = sum((w[:, j] * (reward[:, j] - values[j])) / w[:, j].sum() / k for j in range(k))
        sums = np.array([influence[cluster == c].sum() for c in np.unique(cluster)])
        g = len(sums)
        print(f'("sn{name}", {float(np.mean(values))!r}, {float(np.sqrt(g / (g - 1) * (sums**2).sum()))!r}),')
    # Swaminathan et al. 2017 with the matrices written out: for a page of places filled independently,
    # weight = 1ᵀ_page Γ⁺ E_π[1], Γ = E_μ[1 1ᵀ].
    check_pseudoinverse()
    w = np.repeat(single.sum(1, keepdims=True) - k + 1, k, 1)
    value, std_error = clustered((w * reward).ravel(), np.ones(n * k), rows_of)
    print(f'("pi", {float(value)!r}, {float(std_error)!r}),')


def check_pseudoinverse():
    m, k = 4, 3
    mu = 0.1 + noise(m * k, 31, 7).reshape(k, m)
    mu /= mu.sum(1, keepdims=True)
    pi = 0.1 + noise(m * k, 5, 311).reshape(k, m)
    pi /= pi.sum(1, keepdims=True)
    gamma = np.outer(mu.ravel(), mu.ravel())
    for j in range(k):
        gamma[j * m : (j + 1) * m, j * m : (j + 1) * m] = np.diag(mu[j])
    inverse = np.linalg.pinv(gamma)
    for page in np.ndindex(m, m, m):
        shown = np.zeros((k, m))
        shown[np.arange(k), page] = 1
        weight = shown.ravel() @ inverse @ pi.ravel()
        closed = sum(pi[j, a] / mu[j, a] for j, a in enumerate(page)) - k + 1
        assert abs(weight - closed) < 1e-9, (page, weight, closed)


def folded():
    for bias in (0.0, 0.5, 1.0, 2.0):
        print("cv", bias, np.sqrt(stats.ncx2.ppf(0.95, 1, bias**2)) if bias else stats.norm.ppf(0.975))
    print(stats.t.interval(0.95, 4, 4.0, stats.sem([1, 4, 2, 8, 5])), stats.sem([1, 4, 2, 8, 5]))


single()
slates()
folded()
