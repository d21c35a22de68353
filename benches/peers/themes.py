"""Groups the same labelled texts, by the same vectors, with undertone, BERTopic and scikit-learn, and scores all alike."""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

import machine

ROOT = Path(__file__).resolve().parents[2]
FILES = {"banking77.csv": "test", "dstc11_insurance.jsonl": None, "hwu64.csv": "test"}  # name: split
SEEDS = [1, 2, 3]
# Numbers of clusters that k-means tries: every one below 20, then wider steps, so that a file takes seconds.
CANDIDATES = [*range(2, 20), *range(20, 100, 5), *range(100, 251, 10)]
FIGURES = ["n", "k_true", "k_found", "noise_share", "acc", "nmi", "ami", "ari", "v_measure", "seconds"]


def say(text):
    print(text, file=sys.stderr, flush=True)


def read(path, split):
    """Texts and labels of a file, as `undertone evaluate` takes them."""
    with open(path, encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines)) if path.suffix == ".csv" else [json.loads(line) for line in lines]
    rows = [row for row in rows if split in (None, row["split"])]
    return [row["text"] for row in rows], [row["label"] for row in rows]


def called(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}")
    return json.loads(done.stdout)


def embed(binary, texts):
    """(n, 384) unit vectors of the encoder that `evaluate` uses, and the seconds they took."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "texts.jsonl"), Path(folder, "vectors.jsonl")
        source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        command = [binary, "embed", "--quiet", "--threads", "2", "--json", "--input", str(source), "--out", str(out)]
        seconds = called(command)["seconds"]
        with open(out, encoding="utf-8") as rows:
            vectors = np.array([json.loads(row)["vector"] for row in rows], np.float32)
    if len(vectors) != len(texts) or abs(np.linalg.norm(vectors, axis=1) - 1).max() > 1e-4:
        raise RuntimeError(f"{len(texts)} texts gave {vectors.shape} vectors, or not all of unit length")
    return vectors, seconds


def ours(binary, path, split):
    """The whole command, so that its seconds include loading the model and encoding."""
    command = [binary, "evaluate", "themes", str(path), "--label", "label", "--quiet", "--threads", "2", "--json"]
    start = time.perf_counter()
    figures = called(command + (["--split", split] if split else []))
    return {**figures, "seconds": time.perf_counter() - start}


def bertopic(texts, vectors, seed, _):
    from bertopic import BERTopic

    model = BERTopic()
    # The only setting: without a seed UMAP cannot be repeated (and with one it keeps to one thread).
    model.umap_model.random_state = seed
    return model.fit_transform(texts, vectors)[0]


def hdbscan(_, vectors, *__):
    from sklearn.cluster import HDBSCAN

    return HDBSCAN(copy=True).fit_predict(vectors)


def kmeans_by_silhouette(_, vectors, seed, __):
    from sklearn.metrics import silhouette_score
    from sklearn.metrics.pairwise import cosine_distances

    distances = cosine_distances(vectors)
    found = [kmeans(None, vectors, seed, k) for k in CANDIDATES]
    return max(found, key=lambda labels: silhouette_score(distances, labels, metric="precomputed"))


def kmeans(_, vectors, seed, k):
    from sklearn.cluster import KMeans

    return KMeans(k, random_state=seed).fit_predict(vectors)


# Name: what groups, and with which seeds.
PEERS = {
    "bertopic": (bertopic, SEEDS),
    "kmeans_silhouette": (kmeans_by_silhouette, SEEDS),
    "hdbscan": (hdbscan, SEEDS[:1]),
    "kmeans_true_k": (kmeans, SEEDS),
}


def score(truth, found):
    """The figures of `undertone evaluate themes`; noise, labelled -1, counts as one more cluster."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment
    from sklearn import metrics
    from sklearn.metrics.cluster import contingency_matrix

    found = np.asarray(found)
    table = contingency_matrix(truth, found)
    return {
        "n": len(truth),
        "k_true": len(set(truth)),
        "k_found": len(set(found.tolist()) - {-1}),
        "noise_share": float((found == -1).mean()),
        "acc": float(table[linear_sum_assignment(-table)].sum() / len(truth)),
        "nmi": metrics.normalized_mutual_info_score(truth, found),
        "ami": metrics.adjusted_mutual_info_score(truth, found),
        "ari": metrics.adjusted_rand_score(truth, found),
        "v_measure": metrics.v_measure_score(truth, found),
    }


def peer(name, texts, labels, vectors):
    """The median of every figure over the seeds, and each seed's ARI and ACC."""
    group, seeds = PEERS[name]
    runs = []
    for seed in seeds:
        start = time.perf_counter()
        found = group(texts, vectors, seed, len(set(labels)))
        seconds = time.perf_counter() - start
        runs.append({**score(labels, found), "seconds": seconds})
        say(f"  {name}, seed {seed}: {runs[-1]['k_found']} found, ARI {runs[-1]['ari']:.3f}, {seconds:.1f} s")
    row = {figure: median(run[figure] for run in runs) for figure in FIGURES}
    return {**row, "runs": [{figure: run[figure] for figure in FIGURES[2:]} for run in runs]}


def compare(binary, path, split):
    """Every system's figures on a file, and where ours are ahead."""
    say(path.name)
    texts, labels = read(path, split)
    vectors, seconds = embed(binary, texts)
    own = ours(binary, path, split)
    if own["n"] != len(texts):
        raise RuntimeError(f"{path}: the program scored {own['n']} rows, the peers have {len(texts)}")
    say(f"  undertone: {own['k_found']} found, ARI {own['ari']:.3f}, {own['seconds']:.1f} s")
    systems = {"undertone": own}
    for name in PEERS:
        row = systems[name] = peer(name, texts, labels, vectors)
        row["ours_ahead"] = {figure: own[figure] > row[figure] for figure in ("ari", "acc")}
        row["ours_ahead"]["noise_share"] = own["noise_share"] < row["noise_share"]
    ahead = all(systems["bertopic"]["ours_ahead"].values())
    return {"split": split, "encode_seconds": seconds, "ahead": ahead, "systems": systems}


def table(report):
    """The report for people."""
    print(f"{report['machine']['cpu']}, 2 threads; medians of {len(SEEDS)} seeds")
    for name, part in report["files"].items():
        own = part["systems"]["undertone"]
        print(f"\n{name}{', split ' + part['split'] if part['split'] else ''}: {own['n']} texts, {own['k_true']} labels")
        print(f"{'system':20}{'found':>6}{'unassigned':>12}{'ACC':>8}{'NMI':>8}{'AMI':>8}{'ARI':>8}{'V':>8}{'seconds':>10}")
        for system, row in part["systems"].items():
            scores = "".join(f"{row[figure]:8.3f}" for figure in ("acc", "nmi", "ami", "ari", "v_measure"))
            print(f"{system:20}{row['k_found']:6.0f}{row['noise_share']:12.3f}{scores}{row['seconds']:10.2f}")
        print(f"ahead of BERTopic in ARI, ACC and unassigned: {'yes' if part['ahead'] else 'NO'}")


def main():
    parser = argparse.ArgumentParser(prog="benches/peers/run themes", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    args = parser.parse_args()
    machine.confine()
    data = Path(os.environ.get("UNDERTONE_DATA") or ROOT.parent / "shared" / "data") / "themes"
    missing = [name for name in FILES if not (data / name).is_file()]
    if missing:
        say(f"{data}: no {', '.join(missing)} here; NOTHING WAS COMPARED (name the data's folder in UNDERTONE_DATA)")
        sys.exit(2)
    binary = os.environ.get("UNDERTONE_BIN", "")
    if not Path(binary).is_file():
        say(f"UNDERTONE_BIN names no program: {binary!r}; benches/peers/run builds it where it is unset")
        sys.exit(2)
    # UMAP says at every fit that a seed means one thread.
    warnings.filterwarnings("ignore", message="n_jobs value")
    files = {name: compare(binary, data / name, split) for name, split in FILES.items()}
    ahead = all(part["ahead"] for part in files.values())
    report = {"ahead": ahead, "seeds": SEEDS, "machine": machine.describe(), "files": files}
    print(json.dumps(report)) if args.json else table(report)


if __name__ == "__main__":
    main()
