"""A peer in a process of its own: loaded once, asked for one pass at a time, stopped in between."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

BLOCK = 64  # texts of like length that stay together in the sample of the warm-up
SAMPLE_TOKENS = 12_000
FINALISTS = 3


class Worker:
    """The parent's side. While it is not asked anything its process is stopped: no thread of it spins."""

    def __init__(self, name, folder):
        # numpy only pools here; its own threads would get in the way of the engine's.
        env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "true"}
        env |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}
        command = [sys.executable, "-W", "ignore", __file__, name, str(folder)]
        pipe = subprocess.PIPE
        self.name = name
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env)
        self.answer()

    def ask(self, **request):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of {self.name} ended with {self.process.wait()}")
        self.process.send_signal(signal.SIGSTOP)
        return json.loads(line)

    def warm_up(self, texts, lengths):
        """Chooses the setting on a sample, then does one whole pass; returns the setting,
        the vectors' file, and tokens/s of every setting tried."""
        places = sample(lengths)
        answer = self.ask(do="warm_up", texts=texts, sample=places)
        tokens = sum(lengths[place] for place in places)
        return {**answer, "tried": [(setting, tokens / seconds) for setting, seconds in answer["tried"]]}

    def one_pass(self):
        """Seconds of tokenising and encoding all texts."""
        return self.ask(do="pass")["seconds"]

    def close(self):
        self.process.kill()
        self.process.wait()


def sample(lengths):
    """Places of about `SAMPLE_TOKENS` worth of texts, in whole blocks of neighbours by length.

    Neighbours, because a thinned-out sample would need more padding in large batches than all texts do.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    blocks = [order[start : start + BLOCK] for start in range(0, len(order), BLOCK)]
    every = max(1, round(sum(lengths) / SAMPLE_TOKENS))
    return [place for block in blocks[every // 2 :: every] for place in block]


def timed(peer, setting, texts):
    """Seconds of a pass with `setting`; the pass before it only meets the shapes for the first time."""
    peer.use(setting)
    peer.encode(texts)
    start = time.perf_counter()
    peer.encode(texts)
    return time.perf_counter() - start


def choose(peer, texts):
    """The fastest setting, and all that were tried with their seconds, fastest first.

    One axis after the other from the first value of each; then the three fastest again, so that one
    disturbed pass does not decide.
    """
    best = {}

    def measure(setting):
        key = json.dumps(setting)
        best[key] = min(best.get(key, float("inf")), timed(peer, setting, texts))

    current = {axis: values[0] for axis, values in peer.axes.items()}
    for axis, values in peer.axes.items():
        for value in values:
            setting = {**current, axis: value}
            if json.dumps(setting) not in best:
                measure(setting)
        current = json.loads(min(best, key=best.get))
    finalists = sorted(best, key=best.get)[:FINALISTS]
    for key in finalists * 2:
        measure(json.loads(key))
    chosen = min(finalists, key=best.get)
    return json.loads(chosen), [(json.loads(key), best[key]) for key in sorted(best, key=best.get)]


def serve(name, folder):
    import numpy as np

    from peers import PEERS

    # Whatever a library prints goes to stderr: stdout is for answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    say = lambda **answer: print(json.dumps(answer), file=answers, flush=True)
    peer = PEERS[name](folder)
    texts = []
    say(ready=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "warm_up":
            texts = request["texts"]
            setting, tried = choose(peer, [texts[place] for place in request["sample"]])
            peer.use(setting)
            path = folder / f"{name}.npy"
            np.save(path, peer.encode(texts))
            say(setting=setting, tried=tried, vectors=str(path))
        else:
            start = time.perf_counter()
            peer.encode(texts)
            say(seconds=time.perf_counter() - start)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
