"""Prints units to be read and labelled, with what came before them, in the order of units.csv.

    UNDERTONE_DATA=.../data python3 tests/labels/show.py FIRST [COUNT]

Shown: the user turns before the unit (U), the answers before it (A), and the unit itself (>>>). Long turns are
cut in the middle; of an earlier turn that is long and begins like the unit, what differs is shown as well.
Never shown: the stratum, and anything that follows the unit. The text goes to the terminal only.
"""

import csv
import functools
import os.path
import sys

from corpus import HERE, answers_between, conversations

UNIT, NEAR, FAR, ANSWER = 1200, 420, 110, 600
NEAR_TURNS, FAR_TURNS = 6, 14

load = functools.lru_cache(conversations)


def cut(text, most):
    text = "\\n".join(text.splitlines()).replace("\x00", "")
    if len(text) <= most:
        return text
    head = most * 2 // 3
    return f"{text[:head]} [... {len(text) - most} characters ...] {text[head - most:]}"


def difference(earlier, unit):
    """What of two turns that begin alike is not shared, or None when they do not begin alike."""
    if earlier == unit:
        return "the same text as >>>"
    before = len(os.path.commonprefix([earlier, unit]))
    if len(earlier) <= NEAR or before < 80:
        return None
    after = min(len(os.path.commonprefix([earlier[::-1], unit[::-1]])), min(len(earlier), len(unit)) - before)
    here, there = (cut(text[max(0, before - 30):len(text) - after + 30], 500) for text in (earlier, unit))
    return f"differs: here «{here}» there «{there}»"


def show(number, unit):
    turns, turn = load(unit["source"])[unit["conversation_id"]], int(unit["turn"])
    text = turns[turn]["text"]
    between = set(answers_between(turns, turn))
    users = [i for i in range(turn) if turns[i]["role"] == "user"]
    near = set(users[:1] + users[-NEAR_TURNS:])
    far = set(users[-NEAR_TURNS - FAR_TURNS:]) - near
    print(f"#{number} {unit['source']}")
    for i in range(turn):
        if i in near or i in far:
            print(f"  U{i}: {cut(turns[i]['text'], NEAR if i in near else FAR)}")
            different = difference(turns[i]["text"], text)
            if different:
                print(f"      ({different})")
        elif i in between:
            print(f"  A{i}: {cut(turns[i]['text'], ANSWER)}")
        elif turns[i]["role"] == "assistant" and i > users[-min(4, len(users))]:
            print(f"  A{i}: {cut(turns[i]['text'], 200)}")
    hidden = len(users) - len(near | far)
    if hidden:
        print(f"  ({hidden} user turns after the first not shown)")
    print(f">>> {cut(text, UNIT)}\n")


if __name__ == "__main__":
    first, count = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 25
    with open(HERE / "units.csv", encoding="utf-8") as file:
        units = list(csv.DictReader(file))
    for number in range(first, min(first + count, len(units))):
        show(number, units[number])
