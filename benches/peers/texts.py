"""Draws the texts of the bench: real turns from the shared data, cut to what every engine reads whole."""

import csv
import gzip
import json
import random

from tokenizers import Tokenizer

SEED = 20261124
# With [CLS] and [SEP] the 256 tokens of the model; longer texts our program reads in several windows and
# the peers cut off, so that they would not do the same work.
CONTENT_TOKENS = 254

# One source a line; the draw takes equally many texts from each.
SHORT_SOURCES = {
    "banking77": ["themes/banking77.csv"],
    "hwu64": ["themes/hwu64.csv"],
    "dstc11": ["themes/dstc11_insurance.jsonl"],
    "sgd": ["themes/sgd_dev.jsonl.gz"],
    "goemotions": ["tone/goemotions.csv.gz"],
    "topical_chat": ["tone/topical_chat_valid_freq.jsonl.gz", "tone/topical_chat_valid_rare.jsonl.gz"],
    "ubuntu_irc": ["conversations/ubuntu_irc_train.jsonl.gz", "conversations/ubuntu_irc_dev.jsonl"],
    "chitchat": ["retention/chitchat_spring.jsonl.gz"],
    "oasst2": ["retention/oasst2_subset.jsonl"],
    "uss": ["evaluation-only/uss_ccpe.jsonl.gz", "evaluation-only/uss_mwoz.jsonl.gz"],
}
LONG_SOURCE = "conversations/wildchat_a.jsonl.gz"


def load_tokenizer(path):
    """The model's tokenizer without the fixed length its file asks for."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


class Draw:
    """Texts that differ in what the model reads: no two have the same token ids."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.seen = set()
        self.texts = []
        self.lengths = []  # tokens with [CLS] and [SEP]

    def take(self, candidates, limit=None):
        """Adds up to `limit` new texts, in the order given; returns how many."""
        taken = 0
        for candidate in candidates:
            if taken == limit:
                break
            text, ids = self.cut(" ".join(candidate.split()))
            if len(ids) > 2 and ids not in self.seen:
                self.seen.add(ids)
                self.texts.append(text)
                self.lengths.append(len(ids))
                taken += 1
        return taken

    def cut(self, text):
        """`text` from its start up to `CONTENT_TOKENS` tokens, and its ids."""
        limit = CONTENT_TOKENS
        encoding = whole = self.tokenizer.encode(text)
        while len(encoding.ids) > CONTENT_TOKENS + 2:
            # A cut inside a word may fall into more pieces than it had: then cut earlier.
            text = text[: whole.offsets[limit][1]].rstrip()
            encoding = self.tokenizer.encode(text)
            limit -= 1
        return text, tuple(encoding.ids)


def short_texts(data, tokenizer, count):
    """`count` turns, drawn equally from every source, seeded."""
    draw = Draw(tokenizer)
    for place, (name, files) in enumerate(SHORT_SOURCES.items()):
        turns = [turn for file in files for turn in user_turns(data / file)]
        random.Random(f"{SEED} {name}").shuffle(turns)
        share = (count - len(draw.texts)) // (len(SHORT_SOURCES) - place)
        draw.take(turns, share)
    if len(draw.texts) < count:
        raise ValueError(f"the data has {len(draw.texts)} distinct texts, {count} wanted")
    return shuffled(draw)


def long_texts(data, tokenizer):
    """Every distinct user turn of the real LLM chats."""
    draw = Draw(tokenizer)
    draw.take(user_turns(data / LONG_SOURCE))
    return shuffled(draw)


def shuffled(draw):
    order = list(range(len(draw.texts)))
    random.Random(SEED).shuffle(order)
    return [draw.texts[i] for i in order], [draw.lengths[i] for i in order]


def user_turns(path):
    """What users wrote in a file of the shared data, in file order."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as lines:
        if ".csv" in path.suffixes:
            yield from (row["text"] for row in csv.DictReader(lines))
            return
        for line in lines:
            record = json.loads(line)
            if "turns" in record:
                yield from (turn["text"] for turn in record["turns"] if turn["role"] == "user")
            else:
                yield record["text"]
