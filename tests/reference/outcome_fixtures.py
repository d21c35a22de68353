"""Makes tests/fixtures/outcome/reference.json: what statsmodels and scipy say about counts.

    pip install -r tests/reference/outcome.txt
    python tests/reference/outcome_fixtures.py > tests/fixtures/outcome/reference.json

The unit tests of src/estimate.rs require the program to agree.
"""

import json
import math
import random
import sys

import scipy
import statsmodels
from scipy.optimize import brentq
from scipy.stats import fisher_exact
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    power_proportions_2indep,
    proportion_confint,
    proportions_ztest,
)

TABLES = [
    # exposed count, exposed of, unexposed count, unexposed of
    (0, 20, 0, 20), (0, 20, 1, 20), (0, 20, 20, 20), (20, 20, 20, 20), (20, 20, 0, 20),
    (1, 20, 0, 20), (1, 20, 1, 20), (19, 20, 20, 20), (1, 1, 0, 1), (1, 1, 1, 2),
    (0, 1, 5, 9), (3, 5, 40, 900), (5, 5, 40, 900), (0, 5, 40, 900), (0, 1000, 0, 1000000),
    (0, 1000, 17, 1000000), (3, 1000, 17, 1000000), (999999, 1000000, 20, 20),
    (500000, 1000000, 499000, 1000000), (500000, 1000000, 500001, 1000000),
    (800, 1000, 200, 1000), (990, 1000, 10, 1000), (9900, 10000, 100, 10000),
    (47, 108, 24, 82), (24, 82, 47, 108), (56, 70, 48, 80), (9, 10, 3, 10), (10, 10, 0, 20),
    (0, 10, 0, 20), (10, 10, 20, 20), (6, 7, 2, 7), (5, 56, 0, 29), (15, 148, 123, 579),
    (7, 34, 1, 34), (2, 40, 3000, 60000), (38, 40, 57000, 60000),
]
POWER_ALPHA = 0.05
POWER = 0.80


def random_tables(count, seed):
    pick = random.Random(seed)
    tables = []
    for _ in range(count):
        sizes = [round(10 ** pick.uniform(0.5, 5.5)) for _ in range(2)]
        base = pick.random() ** 2
        counts = [min(n, round(n * min(1, max(0, base + pick.gauss(0, 0.05))))) for n in sizes]
        tables.append((counts[0], sizes[0], counts[1], sizes[1]))
    return tables


def interval(pair):
    return [float(pair[0]), float(pair[1])]


def equal_rates_p(a, n1, c, n2):
    """Pooled z unless a cell expects fewer than 5 users, then Fisher's exact test."""
    total, hits = n1 + n2, a + c
    expected = min(n * k / total for n in (n1, n2) for k in (hits, total - hits))
    if hits in (0, total):
        return 1.0
    if expected < 5:
        return float(fisher_exact([[a, n1 - a], [c, n2 - c]])[1])
    return float(proportions_ztest([a, c], [n1, n2])[1])


def minimum_detectable(n1, base, n2):
    """Difference from `base` towards the far end of 0..1 that is seen with 80 % power.

    One tail at half of alpha: the other tail would count differences seen the wrong way round.
    """
    sign = 1.0 if base <= 0.5 else -1.0
    limit = 1 - base if sign > 0 else base

    def shortfall(difference):
        result = power_proportions_2indep(
            sign * difference, base, n1, ratio=n2 / n1, alpha=POWER_ALPHA / 2, return_results=False,
            alternative="larger" if sign > 0 else "smaller",
        )
        return float(result) - POWER

    if limit <= 0 or shortfall(limit * (1 - 1e-15)) < 0:
        return 1.0
    return brentq(shortfall, 1e-12, limit * (1 - 1e-15), xtol=1e-15, rtol=1e-14, maxiter=500)


def describe(table):
    a, n1, c, n2 = table
    ratio = None
    if a and c:
        ratio = interval(
            confint_proportions_2indep(a, n1, c, n2, method="log", compare="ratio", correction=False)
        )
    return {
        "table": list(table),
        "wilson": interval(proportion_confint(a, n1, method="wilson")),
        "newcombe": interval(
            confint_proportions_2indep(a, n1, c, n2, method="newcomb", compare="diff")
        ),
        "katz": ratio,
        "p": equal_rates_p(*table),
        "minimum_detectable": minimum_detectable(n1, c / n2, n2),
    }


def families(seed):
    pick = random.Random(seed)
    lists = [[], [0.04], [0.01, 0.04, 0.03, 0.005], [1.0, 1.0, 0.0], [0.05] * 7,
             [pick.random() ** 3 for _ in range(40)], [1e-200, 1e-9, 0.5, 0.5, 0.049]]
    return [{"p": p, "q": [float(q) for q in multipletests(p, method="fdr_bh")[1]] if p else []}
            for p in lists]


def main():
    cases = [describe(table) for table in TABLES + random_tables(28, seed=7)]
    assert all(math.isfinite(case["p"]) for case in cases)
    made_by = {"statsmodels": statsmodels.__version__, "scipy": scipy.__version__}
    json.dump({"made_by": made_by, "cases": cases, "families": families(11)}, sys.stdout, indent=1)
    print()


main()
