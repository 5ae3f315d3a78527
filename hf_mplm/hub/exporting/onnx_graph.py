"""An encoder as an ONNX graph, and its weights as bytes."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hf_mplm._imports import require
from hf_mplm.modeling.pooling import mean_pool

from .stock_encoder import StockEncoder


__all__ = ["EXTERNAL_BYTES", "INPUTS", "MODEL_FILE", "QUANTIZED_FILE", "quantize_graph", "write_graph"]

# Where transformers.js and sentence-transformers look.
MODEL_FILE, QUANTIZED_FILE = "onnx/model.onnx", "onnx/model_quantized.onnx"
INPUTS = ("input_ids", "attention_mask")
STATES, VECTORS = "last_hidden_state", "sentence_embedding"

EXTERNAL_BYTES = 2_000_000_000
"""From so many bytes on, weights stand in a file beside the graph: no protobuf message is larger than 2 GiB."""

_OPSET = 18


class _Exported(nn.Module):
    """What is traced: ids and mask in; states, and vectors of sentences where they are asked for, out."""

    def __init__(self, encoder: StockEncoder, with_pooling: bool) -> None:
        super().__init__()
        self.model, self.with_pooling = encoder.model, with_pooling
        self.layer = None if encoder.is_cut else encoder.layer

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        asked = self.layer is not None
        outputs = self.model(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=asked)
        states = outputs.last_hidden_state if self.layer is None else outputs.hidden_states[self.layer]
        return (states, mean_pool(states, attention_mask)) if self.with_pooling else (states,)


def write_graph(
    encoder: StockEncoder, path: Path, *, with_pooling: bool = False, external_bytes: int = EXTERNAL_BYTES
) -> None:
    """Write an encoder as an ONNX graph whose batch and length are free.

    Args:
        encoder (`StockEncoder`): The encoder.
        path (`Path`): The graph's file; weights that it does not hold stand beside it, under its name and `_data`.
        with_pooling (`bool`, *optional*, defaults to `False`): Whether it gives `sentence_embedding`, the mean of the
            states, beside `last_hidden_state`.
        external_bytes (`int`, *optional*): From so many bytes of weights on they stand in a file of their own.

    Raises:
        ImportError: If `hf-mplm[export]` is not installed.
        ValueError: If torch cannot trace the architecture.
    """
    require("onnxscript", "export")
    path.parent.mkdir(parents=True, exist_ok=True)
    module = _Exported(encoder, with_pooling).eval()
    # Two rows of unequal length: a size of 1 would be taken for a constant.
    ids = torch.full((2, 7), encoder.tokenizer.pad_token_id or 0)
    ids[:, :5] = torch.arange(5) + 3
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    batch, length = torch.export.Dim.DYNAMIC, torch.export.Dim.DYNAMIC
    size = sum(weights.numel() * weights.element_size() for weights in encoder.model.state_dict().values())
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program: Any = torch.onnx.export(
                module,
                (ids, mask),
                dynamo=True,
                opset_version=_OPSET,
                input_names=list(INPUTS),
                output_names=[STATES, VECTORS] if with_pooling else [STATES],
                dynamic_shapes={name: {0: batch, 1: length} for name in INPUTS},
                verbose=False,
            )
            _forget_sources(program.model)
            _save(program.model, path, is_large=size >= external_bytes)
    except torch.onnx.OnnxExporterError as error:
        lines = str(error).strip().splitlines() or ["no reason given"]
        raise ValueError(
            f"torch cannot trace a {encoder.model.config.model_type} to ONNX ({lines[0][:200]}); known to work are "
            "xlm-roberta, bert and modernbert"
        ) from error
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


def quantize_graph(path: Path, quantized: Path, *, external_bytes: int = EXTERNAL_BYTES) -> None:
    """Write a graph with its weights as bytes; activations become bytes when they are computed (dynamic int8).

    Args:
        path (`Path`): The graph, as [`write_graph`] wrote it.
        quantized (`Path`): Where to.
        external_bytes (`int`, *optional*): From so many bytes of weights on they stand in a file of their own.

    Raises:
        ImportError: If `hf-mplm[export]` is not installed.
    """
    quantization = require("onnxruntime.quantization", "export")
    size = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    is_large = size // 4 >= external_bytes
    # The root logger would be told to run another tool first, which changes nothing here.
    disabled, logging.root.disabled = logging.root.disabled, True
    try:
        quantization.quantize_dynamic(
            str(path),
            str(quantized),
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            use_external_data_format=is_large,
        )
    finally:
        logging.root.disabled = disabled
    if is_large:
        # Under the name that other tools look for.
        written = quantized.with_name(f"{quantized.name}.data")
        _save(require("onnx_ir", "export").load(str(quantized)), quantized, is_large=True)
        written.unlink(missing_ok=True)


def _save(model: Any, path: Path, *, is_large: bool) -> None:
    require("onnx_ir", "export").save(model, str(path), external_data=f"{path.name}_data" if is_large else None)


def _forget_sources(model: Any) -> None:
    """Leave out where each node stands in whose source: paths of this machine, and most of a small graph's bytes."""
    graphs = [model.graph, *model.functions.values()]
    for graph in graphs:
        for node in graph.all_nodes():
            node.metadata_props.clear()
            node.doc_string = None
            for value in node.outputs:
                value.metadata_props.clear()
    for value in [*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()]:
        value.metadata_props.clear()
    model.graph.metadata_props.clear()
    model.metadata_props.clear()
