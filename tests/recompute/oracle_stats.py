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

# Two proportions.
import statsmodels.api as sm
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    power_proportions_2indep,
    proportion_confint,
    proportions_ztest,
)

for a, n, b, m in ((68, 2629, 39, 2551), (0, 40, 3, 55), (500, 1000, 620, 1010), (12, 12, 7, 11)):
    z, p = proportions_ztest([b, a], [m, n])
    chi2 = stats.chi2_contingency([[a, n - a], [b, m - b]], correction=False)
    assert abs(chi2.pvalue / p - 1) < 1e-9
    show(f"z_test {a}/{n} {b}/{m}", [z, p])
    show("  wald", confint_proportions_2indep(b, m, a, n, method="wald", compare="diff"))
    show("  newcombe", confint_proportions_2indep(b, m, a, n, method="newcomb", compare="diff"))
    show("  wilson right", proportion_confint(b, m, method="wilson"))
for p1, p2, n in ((0.015, 0.02, 5000), (0.5, 0.6, 200), (0.1, 0.1, 50)):
    show(f"power {p1} {p2} {n}", power_proportions_2indep(p2 - p1, p1, n, alpha=0.05).power)
need = optimize.brentq(lambda n: power_proportions_2indep(0.005, 0.015, n, alpha=0.05).power - 0.8, 100, 1e6)
show("trials for .015 .02", need)

# Arms without shared people.
welch = stats.ttest_ind(y60, x40, equal_var=False)
show("welch interval y60 x40", [*welch.confidence_interval(0.95), welch.df])
show("n an arm for d .2", TTestIndPower().solve_power(effect_size=0.2, alpha=0.05, power=0.8))
show("mde 30, 30", optimize.brentq(lambda d: exact_power(d, 58, 0.05) - 0.8, 0.5, 40, xtol=1e-13) * np.sqrt(2 / 30))
left, left_of = x40, np.arange(40) // 3
right, right_of = y60, np.arange(60) % 13
variances = []
for values, of in ((left, left_of), (right, right_of)):
    fit = sm.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": of})
    variances.append(fit.bse[0] ** 2)
show("clustered se", [right.mean() - left.mean(), np.sqrt(sum(variances))])

# Adjustment with covariates.
cov = [noise(100, 17, 3), noise(100, 23, 71) * 5 + 2]
arm = np.r_[np.zeros(40), np.ones(60)]
y = np.r_[x40, y60] + 1.5 * cov[0] - 0.2 * cov[1]
centred = [c - c.mean() for c in cov]
common = sm.OLS(y, np.column_stack([np.ones(100), arm, *cov])).fit(cov_type="HC2")
show("cuped common", [common.params[1], common.bse[1]])
lin = sm.OLS(y, np.column_stack([np.ones(100), arm, *centred, *[c * arm for c in centred]])).fit(cov_type="HC2")
show("cuped per arm", [lin.params[1], lin.bse[1]])
d = noise(40, 31, 7) - 0.55 + 0.8 * (noise(40, 17, 3) - 0.4)
fit = sm.OLS(d, np.column_stack([np.ones(40), noise(40, 17, 3) - 0.45])).fit(cov_type="HC2")
show("cuped paired, mean .45", [fit.params[0], fit.bse[0]])
fit = sm.OLS(d, np.column_stack([np.ones(40), noise(40, 17, 3) - noise(40, 17, 3).mean()])).fit(cov_type="HC2")
show("cuped paired, own mean", [fit.params[0], fit.bse[0]])

# Sequential: the mixtures by quadrature over the effect.
def t_mixture(t, degrees, information, rho):
    root = np.sqrt(information)
    ratio = lambda d: stats.nct.pdf(t, degrees, d * root) / stats.t.pdf(t, degrees) * stats.norm.pdf(d, scale=rho)
    return integrate.quad(ratio, -8 * rho, 8 * rho, epsabs=0, epsrel=1e-11, limit=400, points=[0, t / root])[0]


x60 = noise(60, 31, 7) - 0.2
t60 = stats.ttest_1samp(x60, 0).statistic
show("t mixture n=60 rho=.3", 1 / t_mixture(t60, 59, 60, 0.3))
bound = optimize.brentq(lambda t: t_mixture(t, 59, 60, 0.3) - 20, 1, 10, xtol=1e-12)
show("  half width", bound * stats.sem(x60))
left60, right60 = noise(60, 13, 29), noise(60, 11, 5) + 0.25
w = stats.ttest_ind(right60, left60, equal_var=False)
show("t mixture two means rho=.3", 1 / t_mixture(w.statistic, w.df, 30, 0.3))


def z_mixture(z, growth):
    """E of the likelihood ratio over effects N(0, growth - 1) in standard errors."""
    spread = np.sqrt(growth - 1)
    ratio = lambda d: np.exp(stats.norm.logpdf(z, d) - stats.norm.logpdf(z)) * stats.norm.pdf(d, scale=spread)
    return integrate.quad(ratio, -9 * spread, 9 * spread, epsabs=0, epsrel=1e-11, limit=400, points=[0, z])[0]


z, _ = proportions_ztest([39, 68], [2551, 2629])
show("z mixture rho=.05", 1 / z_mixture(z, 1 + 0.05**2 / (1 / 2629 + 1 / 2551)))

# Groups.
effect = np.array([0.03, -0.01, 0.12, 0.05, 0.2])
se = np.array([0.02, 0.03, 0.05, 0.02, 0.06])
found = combine_effects(effect, se**2, method_re="chi2")
show("Q, p", [found.q, stats.chi2.sf(found.q, 4)])
show("tau2 dl, i2", [found.tau2, found.i2])


def ln_restricted(tau2):
    w = 1 / (se**2 + tau2)
    mean = (w * effect).sum() / w.sum()
    return 0.5 * (np.log(w).sum() - (w * (effect - mean) ** 2).sum() - np.log(w.sum()))


best = optimize.minimize_scalar(lambda t: -ln_restricted(t), bounds=(0, 0.1), method="bounded", options={"xatol": 1e-13})
show("tau2 reml", best.x)


def given(tau, j):
    w = 1 / (se**2 + tau**2)
    mean, pull = (w * effect).sum() / w.sum(), se[j] ** 2 / (se[j] ** 2 + tau**2)
    return effect[j] + pull * (mean - effect[j]), np.sqrt(se[j] ** 2 * (1 - pull) + pull**2 / w.sum())


over = lambda f: integrate.quad(lambda t: f(t) * np.exp(ln_restricted(t * t) - best.fun * -1), 0, np.inf, epsrel=1e-9, limit=500)[0]
total = over(lambda t: 1.0)
for j in (1, 4):
    mean = over(lambda t: given(t, j)[0]) / total
    cdf = lambda x: over(lambda t: stats.norm.cdf(x, *given(t, j))) / total
    ends = [optimize.brentq(lambda x: cdf(x) - q, mean - 1, mean + 1, xtol=1e-10) for q in (0.025, 0.975)]
    show(f"shrunk {j}", [mean, *ends])
