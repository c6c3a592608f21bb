"""Prints the expected numbers of `src/stats/oracle.rs` with scipy and statsmodels.

Run by hand when a test needs a new number: python tests/recompute/oracle_stats.py
"""

import numpy as np
from scipy import integrate, optimize, stats
from scipy.special import gammaln
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower


def exact_power(noncentrality, df, alpha):
    """Power of the two-sided t-test by adaptive quadrature over s = sqrt(chi2 / df)."""
    critical = stats.t.isf(alpha / 2, df)
    log_norm = np.log(2) + df / 2 * np.log(df / 2) - gammaln(df / 2)

    def integrand(s):
        density = np.exp(log_norm + (df - 1) * np.log(s) - df * s * s / 2)
        return density * (stats.norm.cdf(noncentrality - critical * s) + stats.norm.cdf(-noncentrality - critical * s))

    width = 10 / np.sqrt(2 * df)
    low, high = max(1e-300, 1 - width), 1 + width
    return integrate.quad(integrand, low, high, epsabs=1e-14, epsrel=1e-13, limit=500)[0]


def exact_mde(n, alpha, power):
    """What TTestPower().solve_power finds to four digits, to ten."""
    found = optimize.brentq(lambda d: exact_power(d, n - 1, alpha) - power, 0.5, 40, xtol=1e-13)
    near = TTestPower().solve_power(nobs=n, alpha=alpha, power=power, alternative="two-sided")
    assert abs(found / np.sqrt(n) / near - 1) < 1e-4, (n, found / np.sqrt(n), near)
    return found / np.sqrt(n)


def noise(n, a, b):
    """Numbers that look random and are the same everywhere: multiples of 1/1009 in [0, 1)."""
    return np.array([(i * i * a + i * b + 17) % 1009 for i in range(1, n + 1)]) / 1009


def show(name, value):
    print(f"{name:28} {np.asarray(value, dtype=float).tolist()!r}")


x40 = noise(40, 31, 7) - 0.55
x400 = noise(400, 31, 7) - 0.48
ties = np.array([1, -2, 0, 3, 3, -1, 2, 0, 4, -2, 1, 1, 5, 0, 2, -3, 2, 2], dtype=float)
show("paired_t x40", stats.ttest_1samp(x40, 0).pvalue)
show("paired_t x400", stats.ttest_1samp(x400, 0).pvalue)
show("paired_t x40 + 3", stats.ttest_1samp(x40 + 3, 0).pvalue)
show("wilcoxon exact x40", stats.wilcoxon(x40).pvalue)
show("wilcoxon exact 7", stats.wilcoxon([1.5, -0.5, 2.5, 3.5, -4.5, 5.5, 6.5]).pvalue)
show("wilcoxon normal x400", stats.wilcoxon(x400).pvalue)
show("wilcoxon ties, zeros", stats.wilcoxon(ties, method="approx", correction=False).pvalue)
y60 = noise(60, 5, 311) * 3 - 1
show("welch x40 y60", stats.ttest_ind(x40, y60, equal_var=False).pvalue)
p = [0.001, 0.04, 0.03, 0.2, 0.011, 0.011, 0.9]
show("holm", multipletests(p, method="holm")[1])
show("bh", multipletests(p, method="fdr_bh")[1])
show("sem x40", stats.sem(x40))
show("quantile x40", np.quantile(x40, [0, 0.025, 0.5, 0.9, 1]))
for n in (2, 3, 5, 10, 30, 1000, 50_000):
    show(f"mde n={n}", exact_mde(n, 0.05, 0.8))
show("mde n=30 .01/.9", exact_mde(30, 0.01, 0.9))
show("n for .2", TTestPower().solve_power(effect_size=0.2, alpha=0.05, power=0.8, alternative="two-sided"))
show("power df 9, d 0.7", TTestPower().power(0.7, 10, 0.05))

num = noise(60, 13, 29) ** 3
den = 1 + noise(60, 7, 101) * 3
num2 = noise(60, 11, 5) ** 2
den2 = 1 + noise(60, 3, 41) * 3
ratio = lambda a, b: a.sum(-1) / b.sum(-1)
difference = lambda a, b, c, d: ratio(c, d) - ratio(a, b)
for method in ("BCa", "percentile"):
    kw = dict(n_resamples=400_000, paired=True, vectorized=False, method=method, batch=1000, rng=np.random.default_rng(1))
    stat = lambda a, b: a.sum() / b.sum()
    many = {**kw, "vectorized": True}
    r = stats.bootstrap((num, den), lambda a, b, axis=-1: a.sum(axis) / b.sum(axis), **many)
    show(f"{method} ratio", [r.confidence_interval.low, r.confidence_interval.high])
    r = stats.bootstrap(
        (num, den, num2, den2),
        lambda a, b, c, d, axis=-1: c.sum(axis) / d.sum(axis) - a.sum(axis) / b.sum(axis),
        **many,
    )
    show(f"{method} difference", [r.confidence_interval.low, r.confidence_interval.high])

for left, right in (
    ([1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 7, 6]),
    ([1, 2, 3, 4, 5, 6, 7], [2, 1, 4, 3, 6, 5, 7]),
    ([0.1, 0.2, 0.3], [3, 2, 1]),
    ([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]),
    ([1, 1, 2, 2, 3, 3, 3], [1, 2, 1, 2, 3, 3, 4]),
    ([1, 2], [5, 5]),
):
    show(f"tau-b {left} {right}", stats.kendalltau(left, right).statistic)
