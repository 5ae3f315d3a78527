"""The card of an export, with the lines that load it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import ModelCardData

from hf_mplm.report.table import markdown_code, markdown_escape

from .rendering import is_own_card, render, save_card


__all__ = ["write_export_card"]


def write_export_card(
    folder: Path,
    *,
    name: str,
    base_model: str | Path,
    license: str | None = None,
    layer: int,
    depth: int,
    is_cut: bool,
    max_length: int,
    centred_on: str = "",
    onnx_files: Sequence[str] = (),
    with_pooling: bool = False,
    measured: Sequence[str] = (),
    before: Path | None = None,
) -> Path:
    """Write `README.md` into an export, with what a person wrote into the one of before.

    Args:
        folder (`Path`): Where.
        name (`str`): What the card calls the model.
        base_model (`str` or `Path`): Hub id or folder that was exported; a local path is not told.
        license (`str`, *optional*): The Hub's licence identifier.
        layer (`int`): The layer that is pooled.
        depth (`int`): The layers of the whole encoder.
        is_cut (`bool`): Whether the layers after it are gone.
        max_length (`int`): Tokens after which a text is cut.
        centred_on (`str`, *optional*): The text whose mean vector is subtracted.
        onnx_files (`Sequence[str]`, *optional*): The ONNX files, of an export to ONNX.
        with_pooling (`bool`, *optional*, defaults to `False`): Whether these give vectors of sentences too.
        measured (`Sequence[str]`, *optional*): What was measured of the export, a sentence each.
        before (`Path`, *optional*): The card of an export that this one replaces.

    Returns:
        `Path`: Of the card.
    """
    from_hub = isinstance(base_model, str) and not Path(base_model).exists()
    kind = ["onnx"] if onnx_files else ["sentence-transformers"]
    is_quantized = any("quantized" in file for file in onnx_files)
    data = ModelCardData(
        license=license,
        library_name="onnxruntime" if onnx_files else "sentence-transformers",
        pipeline_tag="feature-extraction" if onnx_files else "sentence-similarity",
        base_model=str(base_model) if from_hub else None,
        base_model_relation=("quantized" if is_quantized else "finetune") if from_hub else None,
        tags=sorted({"hf-mplm", "feature-extraction", *kind}),
    )
    text = render(
        "export",
        data,
        name=markdown_escape(name.split("/")[-1]),
        quoted_name=json.dumps(name, ensure_ascii=False),
        base=markdown_code(str(base_model)) if from_hub else "",
        layer=layer,
        depth=depth,
        is_cut=is_cut and layer < depth,
        centred_on=markdown_escape(Path(centred_on).name if centred_on else ""),
        onnx_files=list(map(markdown_code, onnx_files)),
        first_file=json.dumps(onnx_files[-1]) if onnx_files else "",
        with_pooling=with_pooling,
        measured=list(measured),
        limits=[
            f"A text is cut after {max_length:,} tokens.",
            "It knows the languages that its encoder was trained on.",
        ],
    )
    path = folder / "README.md"
    if before is not None and before.is_file():
        shutil.copyfile(before, path)
        if not is_own_card(folder):
            return path
    save_card(text, path)
    return path
