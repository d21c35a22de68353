"""Draws the units to label: tests/labels/units.csv and strata.csv, ids only, the same for the same seed.

    UNDERTONE_DATA=.../data python3 tests/labels/draw.py

A unit is a user turn that has an earlier user turn in its conversation. Each source's units are parted
into strata that do not overlap (the first that fits, in the order of STRATA); from each a simple random
sample without replacement is drawn. So the inclusion probability of a unit is drawn / frame of its
stratum and its weight is frame / drawn: weighted counts estimate counts among all units of the source.
About half of each source comes from `rest`, where no cue fits. The cues only enrich the sample: they
are no label, and whoever labels does not see them.
"""

import collections
import csv
import hashlib
import math
import random
import re

from corpus import HERE, SOURCES, answers_between, conversations, frame

SEED = 20261124
# Of a turn only so much is compared: pasted documents would drown the request.
COMPARED_CHARACTERS = 2000
SAME, ALIKE = 0.9, 0.45


def cue(words):
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)


HUMAN = cue(r"humans?|real person|(?:live|human) agent|manager|supervisor|customer service|support team|operator"
            r"|(?:someone|somebody|anyone|anybody) else|talk to (?:a|some)\w*|bug report|report (?:a|this) bug|forums?")
CORRECTION = cue(r"no|nope|nah|not what|i meant?|i said|i asked|wrong|incorrect|mistakes?|actually|instead"
                 r"|you (?:forgot|missed|didn'?t|did not|are not|aren'?t|keep)|that'?s not|that is not|it'?s not|isn'?t")
DOUBT = cue(r"(?:are )?(?:you|u) (?:sure|certain)|sure about|sure that|really|seriously|is (?:that|this|it) (?:right|correct|true)"
            r"|i thought|i don'?t (?:think|believe)|i doubt|but (?:isn'?t|doesn'?t|why|how)|doesn'?t (?:that|it)|hmm+|double check")
AGAIN = cue(r"again|regenerate|retry|re-?do|re-?try|re-?write|once more|one more time|repeat|same question|still")
REFUSED = cue(r"(?:i'?m|i am|i) (?:sorry|unable|not able)|sorry|apologi[sz]e|as an? (?:ai|language|large)\b.{0,40}?"
              r"|(?:i )?(?:cannot|can'?t|won'?t)|no idea|don'?t know|dunno|not sure|off-?topic|not supported|wrong channel")
CLOSING = cue(r"thanks?|thank you|thx|ty|tnx|thanx|cheers|bye|goodbye|cya|solved|fixed|works? now|worked|working now|perfect"
              r"|great|awesome|got it|appreciate\w*|good ?night|merci|gracias|danke|спасибо|obrigad[oa]|谢谢")

# Units drawn per source and stratum; all of a stratum that holds fewer. `rest` takes about half.
STRATA = {
    "same": (24, 14, 14),
    "human": (10, 6, 14),
    "correction": (28, 16, 22),
    "doubt": (24, 8, 16),
    "again": (16, 8, 10),
    "refused": (0, 16, 12),
    "alike": (44, 16, 12),
    "closing": (18, 10, 22),
    "rest": (152, 76, 108),
}


def fold(text):
    return " ".join(re.findall(r"\w+", text[:COMPARED_CHARACTERS].lower()))


def trigrams(text):
    folded = f" {fold(text)} "
    return collections.Counter(folded[i:i + 3] for i in range(len(folded) - 2))


def cosine(a, b):
    if len(b) < len(a):
        a, b = b, a
    dot = sum(n * b[gram] for gram, n in a.items() if gram in b)
    size = math.sqrt(sum(n * n for n in a.values()) * sum(n * n for n in b.values()))
    return dot / size if size else 0.0


def strata_of(turns):
    """Stratum of each unit of a conversation, by turn index."""
    grams = {i: trigrams(t["text"]) for i, t in enumerate(turns) if t["role"] == "user"}
    found = {}
    for turn in frame(turns):
        likeness = max(cosine(grams[turn], grams[i]) for i in grams if i < turn)
        # What the user says himself stands at the two ends of a turn, not inside what he pasted.
        text = turns[turn]["text"]
        said = text if len(text) <= 400 else f"{text[:200]}\n{text[-200:]}"
        answer = "\n".join(turns[i]["text"][:400] for i in answers_between(turns, turn))
        tests = {
            "same": likeness >= SAME,
            "human": HUMAN.search(said),
            "correction": CORRECTION.search(said),
            "doubt": DOUBT.search(said),
            "again": AGAIN.search(said),
            "refused": REFUSED.search(answer),
            "alike": likeness >= ALIKE,
            "closing": CLOSING.search(said),
            "rest": True,
        }
        found[turn] = next(name for name in STRATA if tests[name])
    return found


def half(conversation_id):
    """Tuning or test, by conversation, whatever else is drawn."""
    digest = hashlib.blake2b(f"{SEED}/{conversation_id}".encode(), digest_size=8).digest()
    return "tuning" if digest[0] % 2 else "test"


def draw():
    units, table = [], []
    for column, source in enumerate(SOURCES):
        members = collections.defaultdict(list)
        for conversation_id, turns in sorted(conversations(source).items()):
            for turn, stratum in strata_of(turns).items():
                members[stratum].append((conversation_id, turn))
        for stratum, wanted in STRATA.items():
            pool = members[stratum]
            if not pool:
                continue  # the arena has no answers, so none that decline
            drawn = random.Random(f"{SEED}/{source}/{stratum}").sample(pool, min(wanted[column], len(pool)))
            table.append((source, stratum, len(pool), len(drawn)))
            for conversation_id, turn in drawn:
                weight = f"{len(pool) / len(drawn):.6f}"
                units.append((source, conversation_id, turn, stratum, weight, half(conversation_id)))
    # An order that tells nothing of the stratum, so that reading goes unprompted.
    random.Random(f"{SEED}/order").shuffle(units)
    return units, table


def write(name, header, rows):
    with open(HERE / name, "w", newline="", encoding="utf-8") as out:
        csv.writer(out, lineterminator="\n").writerows([header, *rows])


if __name__ == "__main__":
    units, table = draw()
    write("units.csv", ("source", "conversation_id", "turn", "stratum", "weight", "half"), units)
    write("strata.csv", ("source", "stratum", "frame", "drawn"), table)
    for row in table:
        print(*row, sep="\t")
    print(len(units), "units in", len({u[1] for u in units}), "conversations;",
          collections.Counter(u[5] for u in units))
