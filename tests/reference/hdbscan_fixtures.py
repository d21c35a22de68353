"""Makes tests/fixtures/cluster/hdbscan.json: what the Python package hdbscan says about synthetic rows.

    pip install hdbscan==0.8.40 numpy==2.1.3 scikit-learn==1.5.2
    python tests/reference/hdbscan_fixtures.py > tests/fixtures/cluster/hdbscan.json

The unit test of src/theme/hdbscan.rs requires the program to agree. -1 is noise. The spanning tree there is
asked to be exact; where several trees are minimal, cases whose clusters depend on which (found by shuffling
the rows) are refused here: they would be tests of an accident.
"""

import json
import sys

import hdbscan
import numpy


SHUFFLES = 60


def fitted(rows, least, samples):
    model = hdbscan.HDBSCAN(
        min_cluster_size=least,
        min_samples=samples,
        algorithm="prims_kdtree",
        approx_min_span_tree=False,
        core_dist_n_jobs=1,
    ).fit(rows.astype(numpy.float64))
    return model.labels_, model.probabilities_


def same(a, b):
    pairs = set(zip(a.tolist(), b.tolist()))
    return len(pairs) == len(set(a.tolist())) == len(set(b.tolist())) and all((x < 0) == (y < 0) for x, y in pairs)


def steady(rows, least, samples):
    labels, strengths = fitted(rows, least, samples)
    for seed in range(SHUFFLES):
        order = numpy.random.default_rng(seed).permutation(len(rows))
        shuffled, shares = fitted(rows[order], least, samples)
        if not same(labels[order], shuffled) or abs(strengths[order] - shares).max() > 1e-9:
            return None
    return labels, strengths


def mixture(rng, rows, width, centres, spread, noise, unit):
    places = rng.standard_normal((centres, width))
    spreads = spread * rng.uniform(0.4, 1.6, centres)
    which = rng.integers(0, centres, rows)
    values = places[which] + spreads[which, None] * rng.standard_normal((rows, width))
    values[: int(noise * rows)] = rng.standard_normal((int(noise * rows), width)) * 1.5
    if unit:
        values /= numpy.linalg.norm(values, axis=1, keepdims=True)
    return numpy.round(values, 4).astype(numpy.float32)


SHAPES = [
    ("plane", 150, 2, 4, 0.25, 0.1, False, 5, 5),
    ("plane, few samples", 150, 2, 5, 0.2, 0.2, False, 8, 2),
    ("plane, one sample", 120, 2, 3, 0.3, 0.1, False, 10, 1),
    ("unit circle", 120, 2, 4, 0.1, 0.1, True, 6, 4),
    ("unit, 8 wide", 200, 8, 6, 0.35, 0.2, True, 5, 5),
    ("unit, 8 wide, more samples", 200, 8, 6, 0.35, 0.2, True, 6, 12),
    ("unit, 24 wide", 150, 24, 5, 0.5, 0.2, True, 5, 3),
    ("unit, 24 wide, loose", 150, 24, 3, 0.9, 0.3, True, 4, 4),
    ("more samples than rows", 12, 3, 2, 0.1, 0.0, False, 3, 40),
    ("noise", 80, 6, 1, 1.0, 1.0, False, 10, 10),
]


def cases():
    for name, rows, width, centres, spread, noise, unit, least, samples in SHAPES:
        for seed in range(20261124, 20261224):
            rng = numpy.random.default_rng(seed)
            values = mixture(rng, rows, width, centres, spread, noise, unit)
            found = steady(values, least, samples)
            clusters = 0 if found is None else found[0].max() + 1
            if found is not None and (clusters > 1 or name in ("noise", "more samples than rows")):
                break
        else:
            sys.exit(f"{name}: no seed gives clusters that do not hang on ties")
        labels, strengths = found
        print(f"{name}: seed {seed}, {clusters} clusters, {sum(labels < 0)} noise", file=sys.stderr)
        yield {
            "name": name,
            "rows": [[round(float(value), 4) for value in row] for row in values],
            "min_cluster_size": least,
            "min_samples": samples,
            "labels": labels.tolist(),
            "strengths": [round(float(strength), 6) for strength in strengths],
        }


json.dump(list(cases()), sys.stdout, separators=(",", ":"))
print()
