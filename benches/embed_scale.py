#!/usr/bin/env python3
"""Time and memory of embedding as it grows: linear in tokens, bounded in memory, short on the second night.

    cargo build --release
    python3 benches/embed_scale.py                      # 1k, 10k, 100k texts; start; two nights
    python3 benches/embed_scale.py --million            # and 1,000,000 texts from a stream (minutes)
    python3 benches/embed_scale.py --plot docs/embed-linear.svg

Needs python3 alone. Texts are user turns of simulated conversations, each made distinct by a number. Prints
one JSON object.
"""
import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIZES = [1_000, 10_000, 100_000]


def binary():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return os.environ.get("UNDERTONE_BIN", str(target / "release/undertone"))


def simulate(folder, conversations, seed=1):
    command = [binary(), "-q", "simulate", "--conversations", str(conversations), "--seed", str(seed)]
    subprocess.run([*command, "--out", str(folder)], check=True, stdout=subprocess.DEVNULL)
    return folder / "conversations.jsonl"


def turns(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            for turn in json.loads(line)["turns"]:
                if turn["role"] == "user":
                    yield " ".join(turn["text"].split())


def embed(texts, count, out):
    """Streams `count` texts through standard input; returns the program's own report with its peak memory."""
    command = [binary(), "--no-progress", "embed", "--input", "-", "--out", str(out), "--json"]
    start = time.perf_counter()
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for number in range(count):
        text = texts[number % len(texts)]
        child.stdin.write(json.dumps({"text": f"{text} {number}"}).encode() + b"\n")
    child.stdin.close()
    report = json.loads(child.stdout.read())
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, status
    out.unlink()
    seconds = time.perf_counter() - start
    return {**report, "wall_seconds": round(seconds, 2), "peak_mib": usage.ru_maxrss // 1024}


def first_vector(folder):
    """Seconds from starting the binary to its first vector, median of nine."""
    times = []
    for _ in range(9):
        start = time.perf_counter()
        subprocess.run([binary(), "-q", "embed"], input=b"hello\n", stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - start)
    return sorted(times)[4]


def nights(folder, conversations):
    """Two nights over a month that moves on by 5 %; seconds of the embed stage and the cache's account."""
    lines = simulate(folder / "month", conversations + conversations // 20).read_text().splitlines(True)
    found = []
    for name, part in (("first", lines[:conversations]), ("second", lines[conversations // 20 :])):
        export = folder / f"{name}.jsonl"
        export.write_text("".join(part))
        out = folder / "runs"
        command = [binary(), "-q", "run", "--conversations", str(export), "--out", str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)
        facts = json.loads((out / "latest/run.json").read_text())
        stage = next(stage for stage in facts["stages"] if stage["name"] == "embed")
        found.append({"seconds": round(stage["seconds"], 2), "texts": stage["rows"], "cache": facts["cache"]})
    first, second = found
    return {"first": first, "second": second, "ratio": round(second["seconds"] / first["seconds"], 4)}


def plot(rows, path):
    """Seconds over tokens, both logarithmic, with the line of a constant speed through the largest."""
    import math

    width, height, margin = 640, 400, 60
    xs = [math.log10(row["tokens"]) for row in rows]
    ys = [math.log10(row["seconds"]) for row in rows]
    low_x, high_x = math.floor(min(xs)), math.ceil(max(xs))
    low_y, high_y = math.floor(min(ys)), math.ceil(max(ys))
    across = lambda x: margin + (x - low_x) / (high_x - low_x) * (width - 2 * margin)
    up = lambda y: height - margin - (y - low_y) / (high_y - low_y) * (height - 2 * margin)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">']
    parts.append('<rect width="100%" height="100%" fill="white"/>')
    for x in range(low_x, high_x + 1):
        parts.append(f'<line x1="{across(x)}" y1="{up(low_y)}" x2="{across(x)}" y2="{up(high_y)}" stroke="#ddd"/>')
        parts.append(f'<text x="{across(x)}" y="{height - margin + 20}" text-anchor="middle">{10**x:,}</text>')
    for y in range(low_y, high_y + 1):
        parts.append(f'<line x1="{across(low_x)}" y1="{up(y)}" x2="{across(high_x)}" y2="{up(y)}" stroke="#ddd"/>')
        parts.append(f'<text x="{margin - 8}" y="{up(y) + 4}" text-anchor="end">{10.0**y:g} s</text>')
    speed = xs[-1] - ys[-1]
    start = max(low_x, low_y + speed)
    end = min(high_x, high_y + speed)
    parts.append(f'<line x1="{across(start)}" y1="{up(start - speed)}" x2="{across(end)}" y2="{up(end - speed)}" stroke="#888" stroke-dasharray="5 4"/>')
    for x, y, row in zip(xs, ys, rows):
        parts.append(f'<circle cx="{across(x)}" cy="{up(y)}" r="5" fill="#1a5fb4"/>')
        label = f'{row["texts"]:,} texts, {row["tokens"] / row["seconds"]:,.0f} tokens/s'
        left = x < (low_x + high_x) / 2
        shift, anchor = (10, "start") if left else (-10, "end")
        parts.append(f'<text x="{across(x) + shift}" y="{up(y) + (16 if left else -8)}" text-anchor="{anchor}">{label}</text>')
    parts.append(f'<text x="{width / 2}" y="{height - 12}" text-anchor="middle">tokens</text>')
    parts.append('<text x="12" y="24">seconds of embedding; dashed: constant speed</text></svg>')
    Path(path).write_text("\n".join(parts) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--nights", type=int, default=10_000, help="conversations a night; 0 for none")
    parser.add_argument("--plot", help="an SVG of seconds over tokens")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        texts = sorted(set(turns(simulate(folder / "texts", 3_000))))
        sizes = SIZES + [1_000_000] * args.million
        rows = [embed(texts, size, folder / "vectors.parquet") for size in sizes]
        result = {"sizes": rows, "first_vector_seconds": round(first_vector(folder), 3)}
        if args.nights:
            result["nights"] = nights(folder, args.nights)
    if args.plot:
        plot(rows, args.plot)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
