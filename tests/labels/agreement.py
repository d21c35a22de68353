"""Checks the label files and prints how far the two passes agree: Cohen's kappa per label, with n and intervals.

    python3 tests/labels/agreement.py

Needs no data: ids and labels only. Kappa follows Cohen, "A coefficient of agreement for nominal scales",
Educational and Psychological Measurement 20 (1960); its 95 % interval is a percentile bootstrap over whole
conversations, since turns of one conversation are not independent. Beside it stand the counts, the share of
units the passes agree on, and positive agreement (2 both / (a + b)), which does not flatter rare labels.
The first table takes all units; the second only those neither pass left in doubt for the label.
"""

import csv
import random
import sys

from corpus import HERE

LABELS = ("rephrase", "retry", "correction", "doubt", "escalation", "refusal", "gratitude", "closing")
MARKS = ("lang",)
ROUNDS, SEED = 2000, 7


def read(name):
    with open(HERE / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def key(row):
    return row["source"], row["conversation_id"], row["turn"]


def members(cell):
    return frozenset(cell.split("|")) - {"", "none"}


def faults(name, rows, units):
    """What is wrong with a file of labels, line by line."""
    if [key(row) for row in rows] != [key(unit) for unit in units]:
        yield f"{name}: its rows are not the units of units.csv in their order"
    for line, row in enumerate(rows, start=2):
        given, doubted = members(row["labels"]), members(row["unsure"])
        if given - set(LABELS + MARKS) or doubted - set(LABELS + ("all",)):
            yield f"{name}:{line}: a label that is none of {', '.join(LABELS)}"
        if not row["labels"] or ("none" in row["labels"].split("|")) != (not given & set(LABELS)):
            yield f"{name}:{line}: `none` stands where no label does, and only there"
        if {"rephrase", "retry"} <= given:
            yield f"{name}:{line}: rephrase and retry exclude each other"
        if row["source"] == "arena" and "refusal" in given:
            yield f"{name}:{line}: no answer is kept in the arena, so none that declines"


def changed(final, first, second):
    """Where the final labels leave what both passes said."""
    for line, (row, a, b) in enumerate(zip(final, first, second), start=2):
        if (row["pass_a"], row["pass_b"]) != (a["labels"], b["labels"]):
            yield f"labels.csv:{line}: the passes' columns differ from their files"
        given = [members(r["labels"]) for r in (row, a, b)]
        for label in LABELS + MARKS:
            here, there, yonder = (label in g for g in given)
            if there == yonder != here:
                yield f"labels.csv:{line}: {label} is not what both passes say"


def kappa(pairs):
    """Cohen's kappa of pairs of booleans; None where chance alone explains everything."""
    n = len(pairs)
    if not n:
        return None
    observed = sum(a == b for a, b in pairs) / n
    first, second = (sum(pair[i] for pair in pairs) / n for i in (0, 1))
    chance = first * second + (1 - first) * (1 - second)
    return None if chance == 1 else (observed - chance) / (1 - chance)


def interval(groups):
    """95 % percentile bootstrap of kappa over conversations."""
    pick, drawn = random.Random(SEED), []
    groups = list(groups.values())
    for _ in range(ROUNDS):
        value = kappa([pair for group in pick.choices(groups, k=len(groups)) for pair in group])
        if value is not None:
            drawn.append(value)
    drawn.sort()
    if len(drawn) < ROUNDS * 0.95:
        return None
    return drawn[int(0.025 * len(drawn))], drawn[int(0.975 * len(drawn))]


def compare(first, second, sure_only):
    print(f"{'label':12}{'n':>5}{'a':>5}{'b':>5}{'both':>6}{'agree':>8}{'positive':>10}{'kappa':>8}   95 % interval")
    for label in LABELS + MARKS:
        groups = {}
        for a, b in zip(first, second):
            if label == "refusal" and a["source"] == "arena":
                continue
            if sure_only and (members(a["unsure"]) | members(b["unsure"])) & {label, "all"}:
                continue
            pair = label in members(a["labels"]), label in members(b["labels"])
            groups.setdefault(key(a)[:2], []).append(pair)
        pairs = [pair for group in groups.values() for pair in group]
        one, two, both = sum(a for a, _ in pairs), sum(b for _, b in pairs), sum(a and b for a, b in pairs)
        value, ends = kappa(pairs), interval(groups)
        print(f"{label:12}{len(pairs):5}{one:5}{two:5}{both:6}{sum(a == b for a, b in pairs) / len(pairs):8.3f}"
              f"{2 * both / (one + two) if one + two else float('nan'):10.2f}"
              f"{'' if value is None else format(value, '8.2f'):>8}"
              f"{'   none: too few' if ends is None else f'   {ends[0]:.2f} to {ends[1]:.2f}'}")


def count(final, units):
    sources = ("arena", "wildchat", "ubuntu")
    print(f"{'label':12}{'tuning':>8}{'test':>8}{'doubted: given':>16}{'not':>5}   share of all turns, weighted: {'/'.join(sources)}")
    for label in LABELS + MARKS:
        halves, doubted = {"tuning": 0, "test": 0}, [0, 0]
        weight = {source: [0.0, 0.0] for source in sources}
        for row, unit in zip(final, units):
            given = label in members(row["labels"])
            if members(row["unsure"]) & {label, "all"}:
                doubted[given] += 1
                continue
            halves[unit["half"]] += given
            weight[unit["source"]][given] += float(unit["weight"])
        shares = [f"{100 * yes / (no + yes):.1f} %" for no, yes in weight.values()]
        if label == "refusal":
            shares[0] = "-"
        print(f"{label:12}{halves['tuning']:8}{halves['test']:8}{doubted[1]:16}{doubted[0]:5}   {' / '.join(shares)}")
    for half in halves:
        rows = [row for row, unit in zip(final, units) if unit["half"] == half]
        print(f"{half}: {len(rows)} units, {sum(not row['unsure'] for row in rows)} of them in no doubt at all")


if __name__ == "__main__":
    units, passes = read("units.csv"), {name: read(name) for name in ("pass_a.csv", "pass_b.csv")}
    wrong = [fault for name, rows in passes.items() for fault in faults(name, rows, units)]
    final = read("labels.csv") if (HERE / "labels.csv").exists() else None
    if final:
        wrong += list(faults("labels.csv", final, units)) + list(changed(final, *passes.values()))
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"All {len(units)} units\n")
    compare(*passes.values(), sure_only=False)
    print("\nUnits in no doubt for the label\n")
    compare(*passes.values(), sure_only=True)
    if final:
        print("\nFinal labels: positives in no doubt, and how many more stand in doubt\n")
        count(final, units)
