"""Makes tests/fixtures/outcome/adjust.json: what statsmodels and scipy say about adjusted comparisons.

    pip install -r tests/reference/outcome.txt
    python tests/reference/adjust_fixtures.py > tests/fixtures/outcome/adjust.json

The unit tests of src/outcome/adjust require the program to agree. What no package computes (Sato's
variance, the exact conditional test, Firth's fit) is written out here once more, with exact fractions or
a general-purpose solver in place of the program's method.
"""

import json
import math
import random
import sys
import warnings
from fractions import Fraction

import numpy as np
import scipy
import statsmodels
import statsmodels.api as sm
from scipy.optimize import root
from scipy.special import expit
from scipy.stats import chi2, hypergeom
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

Z = 1.959963984540054
# Tolbutamide and death, under 55 years and over (University Group Diabetes Program 1970, as printed by
# Rothman, Greenland & Lash 2008, "Modern epidemiology", table 15-1).
TOLBUTAMIDE = [(8, 106, 5, 120), (22, 98, 16, 85)]
TABLES = [
    # strata of: exposed count, exposed of, unexposed count, unexposed of
    TOLBUTAMIDE,
    [(30, 100, 50, 120)],
    [(0, 20, 0, 30), (0, 25, 0, 25)],
    [(20, 20, 30, 30), (25, 25, 24, 24)],
    [(0, 30, 3, 40), (0, 20, 1, 90)],
    [(1, 4, 0, 5), (2, 3, 1, 4), (0, 2, 1, 6), (1, 1, 2, 5)],
    [(3, 5, 0, 0), (0, 0, 4, 9), (10, 40, 12, 30)],
    [(1, 1, 0, 1)] * 9 + [(0, 1, 1, 1)] * 4 + [(1, 1, 1, 1)] * 7,
    [(500, 1000, 30000, 50000), (90, 4000, 2000, 60000)],
]


def random_strata(seed, strata, size):
    pick = random.Random(seed)
    tables = []
    for _ in range(strata):
        n1, n0 = pick.randint(0, size), pick.randint(0, 4 * size)
        base = pick.uniform(0.02, 0.9)
        draw = lambda n, p: sum(pick.random() < p for _ in range(n))
        tables.append((draw(n1, max(0, base - 0.08)), n1, draw(n0, base), n0))
    return tables


def exact_p(tables):
    weights, seen = np.array([1.0]), 0
    for a, n1, c, n0 in tables:
        low, high = max(0, a + c - n0), min(n1, a + c)
        weights = np.convolve(weights, hypergeom.pmf(np.arange(low, high + 1), n1 + n0, a + c, n1))
        seen += a - low
    return float(min(1.0, weights[weights <= weights[seen] * (1 + 1e-7)].sum()))


def ordinary_least_squares(rows, groups=None):
    """Exposure with a constant for each stratum: its coefficient is the Mantel-Haenszel difference."""
    y = np.array([r["y"] for r in rows], dtype=float)
    strata = sorted({r["s"] for r in rows})
    x = np.array([[float(r["e"]), *(float(r["s"] == s) for s in strata)] for r in rows])
    if groups is None:
        return float(sm.OLS(y, x).fit().params[0])
    fitted = sm.OLS(y, x).fit(cov_type="cluster", cov_kwds={"groups": np.array(groups)})
    return fitted


def pooled(tables):
    both = [t for t in tables if t[1] and t[3]]
    exact = [tuple(Fraction(v) for v in t) for t in both]
    w = sum(n1 * n0 / (n1 + n0) for _, n1, _, n0 in exact)
    r1 = sum(a * n0 / (n1 + n0) for a, n1, _, n0 in exact) / w
    r0 = sum(c * n1 / (n1 + n0) for _, n1, c, n0 in exact) / w
    p = sum((n1**2 * c - n0**2 * a + n1 * n0 * (n0 - n1) / 2) / (n1 + n0) ** 2 for a, n1, c, n0 in exact)
    q = sum((a * (n0 - c) + c * (n1 - a)) / (2 * (n1 + n0)) for a, n1, c, n0 in exact)
    variance = max(Fraction(0), ((r1 - r0) * p + q) / w**2)
    m1 = w**2 / sum((n1 * n0 / (n1 + n0)) ** 2 / n1 for _, n1, _, n0 in exact)
    m0 = w**2 / sum((n1 * n0 / (n1 + n0)) ** 2 / n0 for _, n1, _, n0 in exact)
    alike = r1 * (1 - r1) / m1 + r0 * (1 - r0) / m0
    effect = max(variance / alike, Fraction(1, 20)) if alike else Fraction(1)
    wilson = lambda r, m: proportion_confint(float(r * m), float(m), method="wilson")
    (l1, u1), (l0, u0) = wilson(r1, m1 / effect), wilson(r0, m0 / effect)
    r1, r0 = float(r1), float(r0)
    interval = [r1 - r0 - math.hypot(r1 - l1, u0 - r0), r1 - r0 + math.hypot(u1 - r1, r0 - l0)]
    if len(both) == 1:
        a, n1, c, n0 = both[0]
        newcombe = confint_proportions_2indep(a, n1, c, n0, method="newcomb", compare="diff")
        assert np.allclose(interval, newcombe, rtol=1e-12), (interval, newcombe)
    small = sum(n1 + n0 for _, n1, _, n0 in both) < 5000
    if small:
        rows = [dict(s=i, e=e, y=int(k < count)) for i, t in enumerate(both)
                for e, count, of in ((1, t[0], t[1]), (0, t[2], t[3])) for k in range(of)]
        assert math.isclose(ordinary_least_squares(rows), r1 - r0, abs_tol=1e-9)

    table = StratifiedTable([[[a, n1 - a], [c, n0 - c]] for a, n1, c, n0 in both])
    ratio = None
    if r1 > 0 and r0 > 0:
        top = sum((n1 * n0 * (a + c) - a * c * (n1 + n0)) / (n1 + n0) ** 2 for a, n1, c, n0 in exact)
        bottom = sum(a * n0 / (n1 + n0) for a, n1, _, n0 in exact) * sum(c * n1 / (n1 + n0) for _, n1, c, n0 in exact)
        spread = Z * math.sqrt(max(top / bottom, 0))
        value = float(table.riskratio_pooled)
        ratio = [value, value * math.exp(-spread), value * math.exp(spread)]
    events = [(a + c, n1, n0) for a, n1, c, n0 in both]
    expected = sum(m * n1 / (n1 + n0) for m, n1, n0 in events)
    room = min(expected - sum(max(0, m - n0) for m, _, n0 in events),
               sum(min(m, n1) for m, n1, _ in events) - expected)
    if all(m in (0, n1 + n0) for m, n1, n0 in events):
        p_value = 1.0
    else:
        p_value = exact_p(both) if room < 5 else float(chi2.sf(table.test_null_odds(correction=False).statistic, 1))
    return {
        "difference": [r1 - r0, *interval], "error": math.sqrt(variance), "ratio": ratio, "p": p_value,
        "exact": room < 5, "strata": len(both), "left_out": sum(t[1] + t[3] for t in tables if t not in both),
    }


def units(seed, count, covariates, users, effect, scale=1.0):
    """Exposure first, then covariates; several rows to a user, who have something in common."""
    pick = random.Random(seed)
    common = [pick.gauss(0, 0.8) for _ in range(users)]
    data = {"rows": [], "outcomes": [], "users": []}
    for _ in range(count):
        user = pick.randrange(users)
        x = [round((pick.gauss(0, 1) + 5) * scale, 4) for _ in range(covariates)]
        lean = sum(v / scale - 5 for v in x)
        exposed = float(pick.random() < expit(lean + common[user]))
        data["rows"].append([exposed, *x])
        data["outcomes"].append(bool(pick.random() < expit(-0.4 + effect * exposed + 0.5 * lean + common[user])))
        data["users"].append(user)
    return data


def logit(data):
    x = sm.add_constant(np.array(data["rows"]), has_constant="add")
    y = np.array(data["outcomes"], dtype=float)
    model = sm.Logit(y, x)
    fit = lambda **more: model.fit(method="newton", tol=1e-13, maxiter=100, disp=0, **more)
    margin = lambda fitted: fitted.get_margeff(at="overall", method="dydx", dummy=True)
    # A cluster to each row: statsmodels leaves HC1 of a Logit without its correction.
    own = np.arange(len(y))
    plain, robust = fit(), fit(cov_type="cluster", cov_kwds={"groups": own})
    clustered = fit(cov_type="cluster", cov_kwds={"groups": np.array(data["users"])})
    effect, effect_clustered = margin(robust), margin(clustered)
    return {
        "coefficients": plain.params.tolist(), "log_likelihood": float(plain.llf),
        "errors": plain.bse.tolist(), "robust": robust.bse.tolist(), "clustered": clustered.bse.tolist(),
        "difference": float(effect.margeff[0]), "difference_error": float(effect.margeff_se[0]),
        "difference_clustered": float(effect_clustered.margeff_se[0]),
    }


def firth(rows, outcomes):
    """Root of Firth's modified score, by a general solver."""
    x = np.column_stack([np.ones(len(rows)), np.array(rows)])
    y = np.array(outcomes, dtype=float)

    def information(b):
        p = expit(x @ b)
        return x.T @ (x * (p * (1 - p))[:, None])

    def score(b):
        p = expit(x @ b)
        h = np.einsum("ij,jk,ik->i", x, np.linalg.inv(information(b)), x) * p * (1 - p)
        return x.T @ (y - p + h * (0.5 - p))

    solved = root(score, np.zeros(x.shape[1]), tol=1e-14)
    assert np.abs(score(solved.x)).max() < 1e-9, solved
    return {"coefficients": solved.x.tolist(),
            "errors": np.sqrt(np.diag(np.linalg.inv(information(solved.x)))).tolist()}


def separated(seed):
    pick = random.Random(seed)
    rows, outcomes = [], []
    for i in range(60):
        exposed, x = float(i % 3 == 0), round(pick.gauss(0, 1), 4)
        rows.append([exposed, x])
        outcomes.append(bool(not exposed and pick.random() < expit(0.5 * x)))
    return {"rows": rows, "outcomes": outcomes, **firth(rows, outcomes)}


def episodes(seed, count, users, strata):
    pick = random.Random(seed)
    kind = [pick.random() for _ in range(users)]
    rows = []
    for _ in range(count):
        user = pick.randrange(users)
        stratum = min(strata - 1, int(kind[user] * strata))
        exposed = pick.random() < 0.2 + 0.5 * kind[user]
        rows.append({"u": user, "s": stratum, "e": int(exposed),
                     "y": int(pick.random() < 0.2 + 0.6 * kind[user] - 0.08 * exposed)})
    fitted = ordinary_least_squares(rows, [r["u"] for r in rows])
    return {
        "episodes": [[r["u"], r["s"], r["e"], r["y"]] for r in rows],
        "value": float(fitted.params[0]), "error": float(fitted.bse[0]),
    }


def main():
    warnings.simplefilter("ignore")
    tables = TABLES + [random_strata(seed, *shape) for seed, shape in
                       enumerate([(3, 200), (12, 40), (40, 6), (100, 3), (5, 2000)])]
    fits = [units(1, 300, 2, 80, -0.5), units(2, 800, 4, 100, 0.0), units(3, 200, 1, 190, 1.0, scale=1e5)]
    out = {
        "made_by": {"statsmodels": statsmodels.__version__, "scipy": scipy.__version__},
        "strata": [{"tables": t, **pooled(t)} for t in tables],
        "logistic": [{**data, **logit(data)} for data in fits],
        "separated": separated(4),
        "episodes": [episodes(5, 300, 50, 3), episodes(6, 600, 250, 1), episodes(7, 400, 40, 5)],
    }
    json.dump(out, sys.stdout)
    print()


main()
