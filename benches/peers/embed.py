"""Encodes the same texts with undertone and with five other systems, in alternated rounds of one run."""

import argparse
import json
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import machine

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "all-MiniLM-L6-v2"
RATIOS = ["ort_fp32", "ort_int8", "sentence_transformers", "candle", "openvino"]


def say(text):
    print(text, file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="benches/peers/run embed", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--rounds", type=int, help="passes of every engine (default 5; 3 with --quick)")
    parser.add_argument("--quick", action="store_true", help="1,000 texts, no long ones")
    parser.add_argument("--original", type=Path, required=True, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.rounds = args.rounds or (3 if args.quick else 5)
    return args


def engines(folder, binary, stack):
    """Name -> engine: ours and candle by the binary, the others each in a process that `stack` will end."""
    from ours import BACKENDS, Ours
    from peers import PEERS
    from worker import Worker

    found = {name: Ours(name, folder, binary) for name in BACKENDS}
    for name in PEERS:
        say(f"loading {name}")
        found[name] = Worker(name, folder)
        stack.callback(found[name].close)
    return found


def words(setting):
    return " ".join(f"{key}={value}" for key, value in setting.items()) or "as it comes"


def alternate(engines, texts, lengths, rounds):
    """Every engine once a round, the first one changing; the figures of each engine."""
    tokens, rows, names = sum(lengths), {}, list(engines)
    for name, engine in engines.items():
        warm = engine.warm_up(texts, lengths)
        rows[name] = {"setting": warm["setting"], "speeds": [], "vectors": warm["vectors"]}
        say(f"  {name}: {words(warm['setting'])}")
        for setting, speed in warm["tried"]:
            say(f"    {speed:8.0f} tokens/s in the warm-up: {words(setting)}")
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            rows[name]["speeds"].append(tokens / engines[name].one_pass())
        say(f"  round {number + 1}: " + ", ".join(f"{name} {rows[name]['speeds'][-1]:.0f}" for name in names))
    for row in rows.values():
        row["tokens_per_second"] = median(row["speeds"])
    return rows


def ratios(rows):
    """The median over rounds of ours against each peer in the same round."""
    ours = rows["undertone"]["speeds"]
    return {name: round(median(a / b for a, b in zip(ours, rows[name]["speeds"])), 3) for name in RATIOS}


def summary(rows, lengths, peak):
    """The figures of one set of texts."""
    share = machine.flop_per_token(lengths) / (peak * 1e9)
    for row in rows.values():
        row["share_of_f32_peak"] = round(row["tokens_per_second"] * share, 3)
        row["tokens_per_second"] = round(row["tokens_per_second"])
        row["speeds"] = [round(speed) for speed in row["speeds"]]
    return {
        "ratios": ratios(rows),
        "tokens_per_second": rows["undertone"]["tokens_per_second"],
        "share_of_f32_peak": rows["undertone"]["share_of_f32_peak"],
        "texts": len(lengths),
        "tokens": sum(lengths),
        "engines": rows,
    }


def fidelity(rows, texts, original):
    """Every engine's worst cosine to the f32 original goes to its row; ours and int8's recall is returned."""
    import numpy as np

    from fidelity import min_cosine, original_vectors, recall_at_10

    say("the f32 original")
    reference = original_vectors(MODEL, original, texts)
    recall = {}
    for name, row in rows.items():
        vectors = np.load(row["vectors"])
        row["min_cosine"] = min_cosine(vectors, reference)
        if name in ("undertone", "ort_int8"):
            recall[name] = recall_at_10(vectors, reference)
    return {
        "min_cosine": rows["undertone"]["min_cosine"],
        "ort_int8_min_cosine": rows["ort_int8"]["min_cosine"],
        "recall_at_10": recall["undertone"],
        "ort_int8_recall_at_10": recall["ort_int8"],
    }


def table(report):
    """The report for people."""
    print(f"{report['machine']['cpu']}, 2 threads, f32 peak {report['f32_peak_gflops']:.0f} GFLOP/s")
    for title, part in (("short", report), ("long", report.get("long"))):
        if not part:
            continue
        print(f"\n{title}: {part['texts']} texts, {part['tokens']} tokens")
        print(f"{'engine':24}{'tokens/s':>10}{'ours is':>10}{'of peak':>9}{'min cosine':>13}  setting")
        for name, row in sorted(part["engines"].items(), key=lambda item: -item[1]["tokens_per_second"]):
            ratio = f"{part['ratios'][name]:.2f} x" if name in part["ratios"] else ""
            cosine = f"{row['min_cosine']:.7f}" if "min_cosine" in row else ""
            share = row["share_of_f32_peak"]
            print(f"{name:24}{row['tokens_per_second']:>10}{ratio:>10}{share:>9.2f}{cosine:>13}  {words(row['setting'])}")
    print(f"\nrecall@10: ours {report['recall_at_10']:.4f}, int8 {report['ort_int8_recall_at_10']:.4f}")


def main():
    args = arguments()
    machine.confine()
    # A terminated run, too, ends its workers and removes its files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    data = Path(os.environ.get("UNDERTONE_DATA") or ROOT.parent / "shared" / "data")
    if not data.is_dir():
        say(f"{data}: no data here; the bench reads real turns from it (name it in UNDERTONE_DATA)")
        sys.exit(2)
    binary = os.environ.get("UNDERTONE_BIN", "")
    if not Path(binary).is_file():
        say(f"UNDERTONE_BIN names no program: {binary!r}; benches/peers/run builds it where it is unset")
        sys.exit(2)
    from models import write_all
    from texts import load_tokenizer, long_texts, short_texts

    tokenizer = load_tokenizer(MODEL / "tokenizer.json")
    sets = {"short": short_texts(data, tokenizer, 1000 if args.quick else 5000)}
    if not args.quick:
        sets["long"] = long_texts(data, tokenizer)
    peak = machine.f32_peak_gflops()
    measured = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        say("writing the peers' model files")
        write_all(MODEL, Path(folder))
        running = engines(Path(folder), binary, stack)
        for title, (texts, lengths) in sets.items():
            say(f"{title}: {len(texts)} texts, {sum(lengths)} tokens")
            rows = alternate(running, texts, lengths, args.rounds)
            close = fidelity(rows, texts, args.original) if title == "short" else {}
            for row in rows.values():
                del row["vectors"]
            measured[title] = rows, lengths, close
    # Once more, so that a disturbed moment at the start does not lower the peak.
    peak = max(peak, machine.f32_peak_gflops())
    parts = {title: {**summary(rows, lengths, peak), **close} for title, (rows, lengths, close) in measured.items()}
    report = {**parts["short"], "machine": machine.describe(), "f32_peak_gflops": round(peak, 1)}
    if "long" in parts:
        report["long"] = parts["long"]
    print(json.dumps(report)) if args.json else table(report)


if __name__ == "__main__":
    main()
