"""Clustering side by side: ours against faiss-cpu, scikit-learn and the Python package hdbscan.

    pip install -r requirements-cluster.txt
    python cluster.py --ours PATH/cluster_bench [--quick] [--only kmeans] [--real ROWS.npy] > cluster.json

Same rows, same parameters, two threads each, every run in a process of its own, runs of the systems in turn
(the order turns too), medians. k-means: 25 iterations, no early stop but at rest; from the same start for all, and from
each system's own (k-means++ for ours and scikit-learn's, random rows for faiss).
Seconds are of the fit alone: neither imports nor reading. Progress goes to stderr, one JSON object to stdout.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

THREADS = "2"
ENVIRONMENT = {name: THREADS for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                                          "LOKY_MAX_CPU_COUNT", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS")}
WIDTH = 384
ITERATIONS = 25


def mixture(rows, centres, spreads, noise, seed):
    """Unit rows around `centres` directions, a share of them anywhere."""
    import numpy

    rng = numpy.random.default_rng(seed)
    places = rng.standard_normal((centres, WIDTH), dtype=numpy.float32)
    places /= numpy.linalg.norm(places, axis=1, keepdims=True)
    which = rng.integers(0, centres, rows)
    spread = rng.uniform(*spreads, centres).astype(numpy.float32)[which, None]
    values = places[which]
    values[rng.random(rows) < noise] = 0
    values += spread * rng.standard_normal((rows, WIDTH), dtype=numpy.float32) / numpy.float32(WIDTH**0.5)
    return values / numpy.linalg.norm(values, axis=1, keepdims=True)


def peak_mb():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def worker(system, algorithm, rows, labels, *parameters):
    """One fit of a peer in this process."""
    import time

    import numpy

    values = numpy.load(rows)
    # A number of clusters in place of a start: the system's own way to begin, seeded.
    start, k = None, 0
    if algorithm == "kmeans":
        start = numpy.load(parameters[1])
        k = len(start)
    elif algorithm == "kmeans++":
        k = int(parameters[1])
    if system == "faiss":
        import faiss

        faiss.omp_set_num_threads(int(THREADS))
        model = faiss.Kmeans(WIDTH, k, niter=ITERATIONS, seed=1, max_points_per_centroid=2**31 - 1,
                             min_points_per_centroid=1)

        def fit():
            model.train(values, init_centroids=start)
            return model.index.search(values, 1)
    elif system == "hdbscan":
        import hdbscan

        model = hdbscan.HDBSCAN(min_cluster_size=int(parameters[0]), min_samples=int(parameters[1]),
                                core_dist_n_jobs=int(THREADS))

        def fit():
            return model.fit(values)
    else:
        from sklearn.cluster import DBSCAN, KMeans

        if algorithm.startswith("kmeans"):
            model = KMeans(k, init="k-means++" if start is None else start, n_init=1, max_iter=ITERATIONS, tol=0,
                           algorithm="lloyd", random_state=1)
        else:
            model = DBSCAN(eps=float(parameters[0]), min_samples=int(parameters[1]), n_jobs=int(THREADS))

        def fit():
            return model.fit(values)

    before = peak_mb()
    begin = time.perf_counter()
    result = fit()
    seconds = time.perf_counter() - begin
    report = {"seconds": seconds, "peak_mb": peak_mb(), "before_mb": before}
    if system == "faiss":
        found = result[1][:, 0]
        report |= {"inertia": float(result[0].astype(numpy.float64).sum()), "iterations": ITERATIONS}
    else:
        found = model.labels_
        if algorithm.startswith("kmeans"):
            report |= {"inertia": float(model.inertia_), "iterations": int(model.n_iter_)}
    if system == "hdbscan":
        numpy.save(f"{labels}.strengths.npy", model.probabilities_.astype(numpy.float32))
    numpy.save(labels, found.astype(numpy.int64))
    print(json.dumps(report))


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | ENVIRONMENT, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(ours, peer):
    """How far two labellings agree."""
    import numpy
    from sklearn.metrics import adjusted_rand_score

    a, b = numpy.load(ours), numpy.load(peer)
    report = {"ari": float(adjusted_rand_score(a, b)), "noise": [float((a < 0).mean()), float((b < 0).mean())],
              "clusters": [int(a.max() + 1), int(b.max() + 1)]}
    pairs = set(zip(a.tolist(), b.tolist()))
    report["identical"] = len(pairs) == len(set(a.tolist())) == len(set(b.tolist()))
    try:
        x, y = numpy.load(f"{ours}.strengths.npy"), numpy.load(f"{peer}.strengths.npy")
    except FileNotFoundError:
        return report
    both = (a >= 0) & (b >= 0)
    gap = numpy.abs(x - y)[both]
    report |= {"labelled_by_one_only": int(((a < 0) != (b < 0)).sum()),
               "strengths_over_1e-4": int((gap > 1e-4).sum()), "strengths_gap": float(gap.max(initial=0))}
    return report


def settings(quick, real):
    """name, algorithm, rows, parameters, peers, rounds."""
    small = 10 if quick else 1
    many = ((1.2, 1.8), 0.0)
    crowds = ((0.4, 1.0), 0.1)
    for rows, k in ((100_000, 50), (50_000, 200)):
        yield f"kmeans n={rows // small} k={k}", "kmeans", (rows // small, 1000, *many, 1), k, ["faiss", "sklearn"], 3
        yield (f"kmeans own start n={rows // small} k={k}", "kmeans++", (rows // small, 1000, *many, 1),
               (str(ITERATIONS), str(k)), ["faiss", "sklearn"], 3)
    for rows, rounds in ((10_000, 3), (100_000, 1)):
        peers = ["sklearn"] if rows == 10_000 else []
        yield f"dbscan n={rows // small}", "dbscan", (rows // small, 100, *crowds, 2), ("0.85", "5"), peers, rounds
    for rows, rounds in ((5_000, 3), (50_000, 1)):
        peers = ["hdbscan"] if rows == 5_000 else []
        yield f"hdbscan n={rows // small}", "hdbscan", (rows // small, 50, *crowds, 3), ("15", "15"), peers, rounds
    if real:
        yield "kmeans real k=77", "kmeans", real, 77, ["faiss", "sklearn"], 3
        yield "dbscan real", "dbscan", real, ("0.6", "8"), ["sklearn"], 3
        yield "hdbscan real, 10 samples", "hdbscan", real, ("10", "10"), ["hdbscan"], 1
        yield "hdbscan real, 5 samples", "hdbscan", real, ("15", "5"), ["hdbscan"], 1


def measure(ours, folder, algorithm, rows, parameters, peers, rounds):
    import numpy

    values = numpy.load(rows) if isinstance(rows, str) else mixture(*rows)
    path = str(folder / "rows.npy")
    numpy.save(path, values)
    if algorithm == "kmeans":
        start = str(folder / "start.npy")
        numpy.save(start, values[numpy.random.default_rng(4).choice(len(values), parameters, replace=False)])
        parameters = (str(ITERATIONS), start)
    label_path = {system: str(folder / f"{system}.npy") for system in ["ours", *peers]}
    runs = {system: [] for system in label_path}
    for turn in range(rounds):
        order = list(label_path)
        for system in order[turn % len(order):] + order[:turn % len(order)]:
            place = label_path[system]
            command = [ours, path, place, algorithm] if system == "ours" else [
                sys.executable, "-W", "ignore", __file__, "--worker", system, algorithm, path, place]
            runs[system].append(run([*command, *parameters]))
            print(f"  {system} {runs[system][-1]}", file=sys.stderr)
    report = {"rows": len(values), "width": values.shape[1], "parameters": list(parameters), "systems": {}}
    for system, done in runs.items():
        seconds = statistics.median(each["seconds"] for each in done)
        report["systems"][system] = {"seconds": seconds, "all_seconds": [each["seconds"] for each in done],
                                     **{key: value for key, value in done[-1].items() if key != "seconds"}}
    own = report["systems"]["ours"]
    for system in peers:
        peer = report["systems"][system]
        peer["times_ours"] = peer["seconds"] / own["seconds"]
        peer["memory_times_ours"] = peer["peak_mb"] / own["peak_mb"]
        peer["agreement"] = compare(label_path["ours"], label_path[system])
    return report


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", help="the program cluster_bench")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--only", default="", help="settings whose name holds this")
    parser.add_argument("--rounds", type=int, default=9, help="runs of each system at most")
    parser.add_argument("--real", help=".npy of f32 rows of real embeddings")
    arguments = parser.parse_args()
    if not arguments.ours:
        parser.error("--ours is needed")
    results = {"threads": int(THREADS), "load_before": os.getloadavg()}
    for name, *setting in settings(arguments.quick, arguments.real):
        if arguments.only in name:
            print(name, file=sys.stderr)
            with tempfile.TemporaryDirectory() as folder:
                *setting, rounds = setting
                rounds = min(rounds, arguments.rounds)
                results[name] = measure(arguments.ours, pathlib.Path(folder), *setting, rounds)
                results[name]["load_after"] = os.getloadavg()
    print(json.dumps(results, indent=1))


if sys.argv[1:2] == ["--worker"]:
    worker(*sys.argv[2:])
elif __name__ == "__main__":
    main()
