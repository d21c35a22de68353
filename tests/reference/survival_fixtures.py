"""Makes tests/fixtures/outcome/survival.json: what lifelines and statsmodels say about survival.

    pip install -r tests/reference/outcome.txt
    python tests/reference/survival_fixtures.py > tests/fixtures/outcome/survival.json

The unit tests of src/outcome/survival require the program to agree. The data are simulated here, but
for the remission times of 42 children with leukaemia (Freireich et al. 1963), whose results are in print.
"""

import json
import math
import random
import sys
import warnings

import lifelines
import numpy as np
import pandas as pd
import statsmodels
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from lifelines.utils import median_survival_times
from statsmodels.duration.hazard_regression import PHReg

REMISSION = [
    # treated with 6-MP; a minus sign marks a censored time
    [6, 6, 6, -6, 7, -9, 10, -10, -11, 13, 16, -17, -19, -20, 22, 23, -25, -32, -32, -34, -35],
    # placebo
    [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23],
]


def remission():
    rows = [(abs(t), t > 0, g) for g, times in enumerate(REMISSION) for t in times]
    return {
        "name": "remission",
        "time": [float(r[0]) for r in rows], "event": [bool(r[1]) for r in rows],
        "group": [r[2] for r in rows], "covariates": [[float(r[2])] for r in rows],
    }


def simulated(name, seed, subjects, groups, covariates, days, censored, scale=1.0):
    """Churn in whole days when `days`, else in continuous time; everybody leaves sight at random."""
    pick = random.Random(seed)
    data = {"name": name, "time": [], "event": [], "group": [], "covariates": []}
    for i in range(subjects):
        group = i % groups
        x = [float(group > 0), *(round((pick.gauss(0, 1) + 7) * scale, 4) for _ in range(covariates - 1))]
        rate = 0.05 * math.exp(0.5 * x[0] + sum(0.3 / scale * (v - 7 * scale) for v in x[1:]))
        death, end = pick.expovariate(rate), pick.uniform(0, 2 * days) / max(censored, 1e-9)
        time = min(death, end, 60.0)
        data["time"].append(float(int(time)) if days == 30 else round(time, 6))
        data["event"].append(death <= min(end, 60.0))
        data["group"].append(group)
        data["covariates"].append(x)
    return data


def kaplan_meier(time, event):
    fitted = KaplanMeierFitter().fit(time, event)
    table, interval = fitted.event_table, fitted.confidence_interval_
    low, high = interval.iloc[:, 0], interval.iloc[:, 1]
    steps = []
    for t, row in table.iterrows():
        if row["removed"] == 0:
            continue
        survival = float(fitted.survival_function_at_times(t).iloc[0])
        # On the log-log scale 1 and 0 have no interval.
        bounds = [float(low[t]), float(high[t])] if 0 < survival < 1 else None
        steps.append([float(t), int(row["at_risk"]), int(row["observed"]), survival, bounds])
    ends = median_survival_times(interval)
    finite = lambda v: None if np.isinf(v) or np.isnan(v) else float(v)
    return {
        "steps": steps, "median": finite(fitted.median_survival_time_),
        "median_interval": [finite(ends.iloc[0, 0]), finite(ends.iloc[0, 1])],
    }


def cox(data):
    x = np.array(data["covariates"])
    model = PHReg(data["time"], x, status=np.array(data["event"], dtype=int), ties="efron")
    fitted = model.fit(method="newton", maxiter=200, tol=1e-14)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])
    frame["time"], frame["event"] = data["time"], data["event"]
    second = CoxPHFitter().fit(frame, "time", "event", fit_options={"precision": 1e-12})
    assert np.allclose(fitted.params, second.params_, rtol=1e-6), (fitted.params, second.params_)
    assert np.allclose(fitted.bse, second.standard_errors_, rtol=1e-6)
    return {
        "value": fitted.params.tolist(), "error": fitted.bse.tolist(),
        "p": fitted.pvalues.tolist(), "log_likelihood": float(fitted.llf),
        "likelihood_ratio_p": float(second.log_likelihood_ratio_test().p_value),
    }


def log_rank(data):
    result = multivariate_logrank_test(data["time"], data["group"], data["event"])
    return {"statistic": float(result.test_statistic), "p": float(result.p_value)}


def main():
    warnings.simplefilter("ignore")
    sets = [
        remission(),
        simulated("days", 1, 240, 2, 3, 30, 0.8),
        simulated("four groups", 2, 300, 4, 2, 30, 1.0),
        simulated("continuous", 3, 150, 3, 2, 25, 1.0),
        simulated("mostly censored", 4, 200, 2, 2, 30, 6.0),
        simulated("wide scale", 5, 200, 2, 2, 30, 0.5, scale=1000.0),
        simulated("large", 6, 1500, 2, 4, 30, 0.7),
    ]
    for data in sets:
        groups = sorted(set(data["group"]))
        members = [[i for i, g in enumerate(data["group"]) if g == group] for group in groups]
        data["kaplan_meier"] = [
            kaplan_meier([data["time"][i] for i in m], [data["event"][i] for i in m]) for m in members
        ]
        data["log_rank"] = log_rank(data)
        data["cox"] = cox(data)
    made_by = {"lifelines": lifelines.__version__, "statsmodels": statsmodels.__version__}
    json.dump({"made_by": made_by, "sets": sets}, sys.stdout)
    print()


main()
