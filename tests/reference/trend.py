"""Makes tests/fixtures/theme/trend.json: what statsmodels and scipy say about shares.

    pip install -r tests/reference/requirements.txt
    python tests/reference/trend.py > tests/fixtures/theme/trend.json

The unit tests of src/theme/trend require the program to agree.
"""

import json
import random
import sys

import scipy
import statsmodels
from scipy.stats import fisher_exact
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

TABLES = [
    # recent count, recent of, baseline count, baseline of
    (0, 20, 0, 20), (0, 20, 1, 20), (0, 20, 20, 20), (20, 20, 20, 20), (20, 20, 0, 20),
    (1, 20, 0, 20), (1, 1, 0, 1), (1, 1, 1, 2), (3, 5, 40, 900), (0, 5, 40, 900),
    (0, 1000, 17, 1000000), (3, 1000, 17, 1000000), (56, 70, 48, 80), (9, 10, 3, 10),
    # a week of 2,000 against eight before it
    (60, 2000, 480, 16000), (120, 2000, 480, 16000), (30, 2000, 480, 16000), (5, 2000, 12, 16000),
    (7, 2000, 0, 16000), (0, 2000, 60, 16000), (1, 2000, 1, 16000), (600, 2000, 4800, 16000),
    (100, 500, 1000000, 5000000), (200000, 1000000, 1600000, 8000000),
]


def random_tables(count, seed):
    pick = random.Random(seed)
    tables = []
    for _ in range(count):
        sizes = [round(10 ** pick.uniform(0.5, 5)) for _ in range(2)]
        base = pick.random() ** 3
        counts = [min(n, round(n * min(1, max(0, base * pick.uniform(0.5, 1.5))))) for n in sizes]
        tables.append((counts[0], sizes[0], counts[1], sizes[1]))
    return tables


def case(table):
    a, n, c, m = table
    return {
        "table": table,
        "wilson": [float(end) for end in proportion_confint(a, n, method="wilson")],
        "newcombe": [float(end) for end in confint_proportions_2indep(a, n, c, m, method="newcomb")],
        "fisher": float(fisher_exact([[a, n - a], [c, m - c]])[1]),
    }


def families(seed):
    pick = random.Random(seed)
    for size in (1, 2, 5, 30, 200):
        p = [pick.random() ** pick.choice((1, 4)) for _ in range(size)]
        if size > 4:
            p[3] = p[1]
        yield {"p": p, "q": [float(q) for q in multipletests(p, method="fdr_bh")[1]]}


json.dump(
    {
        "made_with": {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__},
        "cases": [case(table) for table in TABLES + random_tables(60, 17)],
        "families": list(families(5)),
    },
    sys.stdout,
    indent=1,
)
print()
