"""Makes tests/fixtures/cluster/reference.json: what scikit-learn and scipy say about agreement.

    pip install scikit-learn==1.9.1
    python tests/reference/cluster_fixtures.py > tests/fixtures/cluster/reference.json

The unit tests of src/theme/score.rs require the program to agree. -1 is noise, one more cluster.
"""

import json
import random
import sys

from scipy.optimize import linear_sum_assignment
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    normalized_mutual_info_score,
    v_measure_score,
)
from sklearn.metrics.cluster import contingency_matrix


def accuracy(truth, found):
    table = contingency_matrix(truth, found)
    rows, columns = linear_sum_assignment(-table)
    return table[rows, columns].sum() / len(truth)


def noisy(rng, truth, share, clusters):
    return [rng.randrange(-1, clusters) if rng.random() < share else label for label in truth]


def cases():
    rng = random.Random(20261123)
    yield "equal", [0, 0, 1, 1], [0, 0, 1, 1]
    yield "renamed", [0, 0, 1, 1, 2], [2, 2, 0, 0, 1]
    yield "one label, one theme", [0, 0, 0], [0, 0, 0]
    yield "one theme", [0, 0, 1, 1], [0, 0, 0, 0]
    yield "one label", [0, 0, 0, 0], [0, 1, 2, 3]
    yield "each alone", [0, 1, 2, 3], [0, 1, 2, 3]
    yield "all noise", [0, 1, 2, 2], [-1, -1, -1, -1]
    yield "crossed", [0, 0, 1, 1], [0, 1, 0, 1]
    yield "more themes", [0] * 6 + [1] * 6, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    yield "fewer themes", [0, 0, 1, 1, 2, 2, 3, 3], [0, 0, 0, 0, 1, 1, 1, -1]
    for rows, labels, share, clusters in [
        (50, 5, 0.3, 5), (200, 10, 0.5, 20), (500, 20, 1.0, 3), (1000, 64, 0.4, 70), (3080, 77, 0.6, 60),
    ]:
        truth = [rng.randrange(labels) for _ in range(rows)]
        yield f"{rows} rows", truth, noisy(rng, truth, share, clusters)


def judged(name, truth, found):
    return {
        "name": name,
        "truth": truth,
        "found": found,
        "acc": float(accuracy(truth, found)),
        "nmi": float(normalized_mutual_info_score(truth, found)),
        "ami": float(adjusted_mutual_info_score(truth, found)),
        "ari": float(adjusted_rand_score(truth, found)),
        "v_measure": float(v_measure_score(truth, found)),
    }


json.dump([judged(*case) for case in cases()], sys.stdout, separators=(",", ":"))
print()
