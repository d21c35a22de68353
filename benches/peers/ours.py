"""undertone itself, and candle through it: a process a pass, timed by the program without loading."""

import json
import os
import subprocess

import numpy as np

# candle at its best: one single-thread model for each worker, or products split over both threads as well.
SETTINGS = {"undertone": [{}], "candle": [{"RAYON_NUM_THREADS": "1"}, {"RAYON_NUM_THREADS": "2"}]}
BACKENDS = {"undertone": "kernel", "candle": "candle"}


class Ours:
    """Answers like a `Worker`."""

    def __init__(self, name, folder, binary):
        self.name, self.folder, self.binary = name, folder, binary
        self.input = folder / "texts.jsonl"
        self.setting = {}

    def warm_up(self, texts, lengths):
        lines = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
        self.input.write_text("".join(lines), encoding="utf-8")
        # JSON Lines keep every bit of an f32 and are read without a Parquet library.
        out = self.folder / f"{self.name}.jsonl"
        tried = []
        for setting in SETTINGS[self.name]:
            report = self.run(setting, out)
            if report["tokens"] != sum(lengths):
                raise RuntimeError(f"{self.name} read {report['tokens']} tokens, the peers {sum(lengths)}")
            tried.append((setting, report["tokens"] / report["seconds"]))
        tried.sort(key=lambda row: -row[1])
        self.setting = tried[0][0]
        with open(out, encoding="utf-8") as rows:
            vectors = np.array([json.loads(row)["vector"] for row in rows], np.float32)
        path = self.folder / f"{self.name}.npy"
        np.save(path, vectors)
        setting = {**self.setting, "backend": report["backend"], "instructions": report.get("instructions")}
        return {"setting": setting, "tried": tried, "vectors": str(path)}

    def one_pass(self):
        return self.run(self.setting, self.folder / f"{self.name}.parquet")["seconds"]

    def run(self, setting, out):
        command = [self.binary, "embed", "--backend", BACKENDS[self.name], "--threads", "2", "--json"]
        command += ["--no-progress", "--input", str(self.input), "--out", str(out)]
        done = subprocess.run(command, env={**os.environ, **setting}, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}")
        return json.loads(done.stdout)
