"""Reads the labelled sources: conversations by id, and the frame of turns a label can stand on.

The data is found at $UNDERTONE_DATA or ../shared/data beside the project. Nothing here writes text.
"""

import gzip
import json
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent

SOURCES = {
    "arena": "evaluation-only/arena_prompts.jsonl",
    "wildchat": "conversations/wildchat_a.jsonl.gz",
    "ubuntu": "conversations/ubuntu_irc_train.jsonl.gz",
}


def data_folder():
    given = os.environ.get("UNDERTONE_DATA")
    folder = pathlib.Path(given) if given else HERE.parents[2] / "shared" / "data"
    if not folder.is_dir():
        sys.exit(f"no data at {folder}: set UNDERTONE_DATA to the folder that holds {SOURCES['arena']}")
    return folder


def conversations(source):
    """The turns of every conversation of a source, by id."""
    path = data_folder() / SOURCES[source]
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8")
    with opened as lines:
        return {c["conversation_id"]: c["turns"] for c in map(json.loads, lines)}


def frame(turns):
    """Indices of the user turns that have an earlier user turn: only these can be units."""
    users = [i for i, turn in enumerate(turns) if turn["role"] == "user"]
    return users[1:]


def answers_between(turns, turn):
    """Indices of the assistant turns after the user turn before `turn`."""
    at = turn - 1
    while at >= 0 and turns[at]["role"] != "user":
        at -= 1
    return [i for i in range(at + 1, turn) if turns[i]["role"] == "assistant"]
