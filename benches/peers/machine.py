"""The machine: which processors the bench runs on, and their f32 matrix-product peak."""

import os
import platform
import sys
import time
from pathlib import Path

import numpy as np

FLAGS = {"avx2": "avx2", "avx512": "avx512f", "vnni": "avx512_vnni", "avx_vnni": "avx_vnni", "bf16": "avx512_bf16"}
# A machine's settings for its own OpenBLAS or thread counts must not decide a peer's speed.
FOREIGN = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"]
FOREIGN += ["MKL_NUM_THREADS", "RAYON_NUM_THREADS"]


def confine():
    """Starts this program again on two processors, without foreign settings, unless it is so already.

    Again, because libraries count processors and read settings while they are loaded.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        print("the bench needs two processors", file=sys.stderr)
        sys.exit(2)
    found = [name for name in FOREIGN if name in os.environ]
    if len(allowed) == 2 and not found:
        return
    by_core = {}
    for cpu in allowed:
        core = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        by_core.setdefault(core.read_text() if core.exists() else str(cpu), cpu)
    two = sorted(by_core.values())[:2] if len(by_core) > 1 else allowed[:2]
    os.sched_setaffinity(0, two)
    for name in found:
        del os.environ[name]
    os.execv(sys.executable, [sys.executable, *sys.argv])


def describe():
    info = Path("/proc/cpuinfo")
    lines = dict.fromkeys(info.read_text().splitlines()) if info.exists() else {}
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set(fields.get("flags", "").split())
    return {
        "cpu": fields.get("model name", platform.processor()),
        "threads": 2,
        "flags": {name: flag in flags for name, flag in FLAGS.items()},
    }


def f32_peak_gflops(repetitions=5):
    """The best that numpy's or torch's matrix product reaches on two threads, over sizes."""
    import torch

    torch.set_num_threads(2)
    best = 0.0
    for size in (1024, 2048, 4096):
        a = np.random.default_rng(0).standard_normal((size, size), np.float32)
        b, out = a.T.copy(), np.empty_like(a)
        tensors = [torch.from_numpy(array) for array in (a, b, out)]
        products = [lambda: np.matmul(a, b, out=out), lambda: torch.mm(*tensors[:2], out=tensors[2])]
        for product in products * repetitions:
            start = time.perf_counter()
            product()
            best = max(best, 2 * size**3 / (time.perf_counter() - start) / 1e9)
    return best


def flop_per_token(lengths, layers=6, width=384):
    """Multiplications and additions of the encoder, averaged over tokens: linear layers and attention."""
    linear = 2 * layers * 12 * width * width  # 2 x 10,616,832
    tokens = sum(lengths)
    attention = sum(length * 2 * 2 * length * width * layers for length in lengths) / tokens
    return linear + attention
