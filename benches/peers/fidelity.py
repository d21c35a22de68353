"""How close vectors stay to those of the published f32 weights, computed in f64."""

import numpy as np
import torch

from models import bert, original_weights
from texts import load_tokenizer


def original_vectors(model_folder, original_folder, texts):
    """`(n, d)` unit vectors in f64: texts of one length together, so nothing is padded."""
    torch.set_num_threads(2)
    model = bert(model_folder, original_weights(original_folder)).double()
    tokenizer = load_tokenizer(model_folder / "tokenizer.json")
    ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
    by_length = {}
    for place, own in enumerate(ids):
        by_length.setdefault(len(own), []).append(place)
    vectors = np.empty((len(texts), model.config.hidden_size))
    with torch.inference_mode():
        for rows in by_length.values():
            for start in range(0, len(rows), 32):
                some = rows[start : start + 32]
                batch = torch.tensor([ids[row] for row in some])
                mask = torch.ones_like(batch)
                mean = model(input_ids=batch, attention_mask=mask).last_hidden_state.mean(1)
                vectors[some] = torch.nn.functional.normalize(mean).numpy()
    return vectors


def min_cosine(vectors, reference):
    """The worst text's cosine."""
    vectors = vectors.astype(np.float64)
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(reference, axis=1)
    return float(((vectors * reference).sum(1) / norms).min())


def recall_at_10(vectors, reference):
    """Share of every text's ten nearest others by the reference that are among its ten nearest here."""
    near, truth = nearest(vectors), nearest(reference)
    return sum(len(set(a) & set(b)) for a, b in zip(near.tolist(), truth.tolist())) / truth.size


def nearest(vectors, count=10):
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    return np.argpartition(-similarity, count, axis=1)[:, :count]
