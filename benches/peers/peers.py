"""The other systems behind the same words: `axes` of settings, `use(setting)`, `encode(texts)`."""

import threading

import numpy as np

from texts import load_tokenizer

THREADS = 2
BATCHES = (16, 4, 8, 32, 64)  # the first is where the search for a setting starts


def padded(encodings, size):
    """Batches of texts of like length: rows, ids `(b, l)` and mask `(b, l)`; the longest first."""
    order = sorted(range(len(encodings)), key=lambda i: len(encodings[i]), reverse=True)
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        ids = np.zeros((len(rows), len(encodings[rows[0]])), np.int64)
        mask = np.zeros_like(ids)
        for line, row in enumerate(rows):
            own = encodings[row].ids
            ids[line, : len(own)] = own
            mask[line, : len(own)] = 1
        yield rows, ids, mask


def pool(state, mask):
    """Mean of `state` `(b, l, d)` over real tokens, unit length."""
    mean = np.matmul(mask[:, None, :].astype(np.float32), state)[:, 0]
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


class Ort:
    """ONNX Runtime: one session of two threads, or two sessions of one thread each."""

    def __init__(self, folder, files):
        self.folder = folder
        self.tokenizer = load_tokenizer(folder / "torch" / "tokenizer.json")
        self.axes = {"sessions": (2, 1), "batch": BATCHES, "file": files}
        self.loaded = None

    def use(self, setting):
        wanted = setting["file"], setting["sessions"]
        if self.loaded != wanted:
            self.sessions = [self.session(*wanted) for _ in range(setting["sessions"])]
            self.loaded = wanted
        self.batch = setting["batch"]

    def session(self, file, sessions):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS // sessions
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = str(self.folder / file)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def encode(self, texts):
        batches = padded(self.tokenizer.encode_batch_fast(texts), self.batch)
        vectors, lock = np.empty((len(texts), 384), np.float32), threading.Lock()

        def work(session):
            while True:
                with lock:
                    batch = next(batches, None)
                if batch is None:
                    return
                rows, ids, mask = batch
                (state,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
                vectors[rows] = pool(state, mask)

        workers = [threading.Thread(target=work, args=[session]) for session in self.sessions[1:]]
        for worker in workers:
            worker.start()
        work(self.sessions[0])
        for worker in workers:
            worker.join()
        return vectors


class OpenVino:
    """OpenVINO on the CPU through its asynchronous queue; `precision` None leaves it to the library."""

    def __init__(self, folder, precision):
        import openvino

        self.core, self.precision = openvino.Core(), precision
        self.model = self.core.read_model(folder / "plain.onnx")
        self.tokenizer = load_tokenizer(folder / "torch" / "tokenizer.json")
        self.axes = {"streams": (2, 1), "batch": BATCHES}
        self.loaded = (None, None)

    def use(self, setting):
        import openvino

        streams, self.batch = setting["streams"], setting["batch"]
        if self.loaded[0] == streams:
            return
        config = {
            "PERFORMANCE_HINT": "THROUGHPUT" if streams > 1 else "LATENCY",
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": THREADS,
        }
        if self.precision:
            config["INFERENCE_PRECISION_HINT"] = self.precision
        compiled = self.core.compile_model(self.model, "CPU", config)
        self.loaded = (streams, openvino.AsyncInferQueue(compiled, streams))

    def encode(self, texts):
        queue, vectors = self.loaded[1], np.empty((len(texts), 384), np.float32)

        def done(request, given):
            rows, mask = given
            vectors[rows] = pool(request.get_output_tensor(0).data, mask)

        queue.set_callback(done)
        for rows, ids, mask in padded(self.tokenizer.encode_batch_fast(texts), self.batch):
            queue.start_async({"input_ids": ids, "attention_mask": mask}, (rows, mask))
        queue.wait_all()
        return vectors


class SentenceTransformers:
    """sentence-transformers on torch, with its own tokenising, sorting and pooling."""

    def __init__(self, folder):
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

        torch.set_num_threads(THREADS)
        self.axes = {"batch": (32, 16, 8, 64, 128)}
        transformer = Transformer(str(folder / "torch"), max_seq_length=256)
        self.model = SentenceTransformer(
            modules=[transformer, Pooling(384, pooling_mode="mean"), Normalize()], device="cpu"
        )

    def use(self, setting):
        self.batch = setting["batch"]

    def encode(self, texts):
        return self.model.encode(texts, batch_size=self.batch, show_progress_bar=False)


PEERS = {
    "ort_fp32": lambda folder: Ort(folder, ["plain.onnx", "fused.onnx"]),
    "ort_int8": lambda folder: Ort(folder, ["plain-int8.onnx", "fused-int8.onnx"]),
    "sentence_transformers": SentenceTransformers,
    "openvino": lambda folder: OpenVino(folder, "f32"),
    # Not among the ratios: where the machine has bf16, OpenVINO takes it unless told otherwise.
    "openvino_default": lambda folder: OpenVino(folder, None),
}
