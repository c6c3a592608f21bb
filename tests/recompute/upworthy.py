"""Writes tests/golden/upworthy_p_values.csv: p-values of headline tests by statsmodels and scipy.

Run by hand: python tests/recompute/upworthy.py DATA/upworthy-ab/tests.csv tests/golden/upworthy_p_values.csv
The data (Upworthy Research Archive, Matias et al. 2021) are not part of this repository; the file holds p-values only, of
every sixth headline test, each arm against the test's first.
"""

import sys

import numpy as np
import pandas as pd
from scipy import integrate, stats
from statsmodels.stats.proportion import proportions_ztest

EVERY = 6
RHO = 0.05


def sequential(z, growth):
    """1 / E of the likelihood ratio of z over effects N(0, growth - 1) in standard errors, by quadrature."""
    spread = np.sqrt(growth - 1)
    # Where the integrand is: the posterior of the effect.
    centre, width = z * (1 - 1 / growth), np.sqrt(1 - 1 / growth)
    ln = lambda d: stats.norm.logpdf(z, d) - stats.norm.logpdf(z) + stats.norm.logpdf(d, scale=spread)
    top = ln(centre)
    area = integrate.quad(lambda d: np.exp(ln(d) - top), centre - 12 * width, centre + 12 * width, epsrel=1e-12, limit=200)[0]
    return min(1.0, np.exp(-top) / area)


data = pd.read_csv(sys.argv[1])
rows = []
for number, (_, test) in enumerate(data.groupby("test_id", sort=False)):
    if number % EVERY:
        continue
    clicks, shown = test.clicks.to_numpy(), test.impressions.to_numpy()
    for arm in range(1, len(test)):
        z, p = proportions_ztest([clicks[arm], clicks[0]], [shown[arm], shown[0]])
        information = 1 / (1 / shown[arm] + 1 / shown[0])
        p_sequential = sequential(z, 1 + RHO**2 * information) if np.isfinite(z) else np.nan
        rows.append((number, arm, repr(float(p)), repr(float(p_sequential))))
pd.DataFrame(rows, columns=["test", "arm", "p_value", "p_sequential"]).to_csv(sys.argv[2], index=False)
print(len(rows), "comparisons")
