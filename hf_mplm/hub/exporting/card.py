"""The card of an export, with the lines that load it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import metadata, resources
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData

from hf_mplm.jobs.files import atomic_write
from hf_mplm.report.table import markdown_code, markdown_escape


__all__ = ["write_export_card"]

_PACKAGES = ("hf-mplm", "transformers", "torch", "tokenizers")


def write_export_card(
    folder: Path,
    *,
    name: str,
    base_model: str | Path,
    license: str | None = None,
    layer: int,
    depth: int,
    is_cut: bool,
    centred_on: str = "",
    onnx_files: Sequence[str] = (),
    with_pooling: bool = False,
    measured: Sequence[str] = (),
) -> Path:
    """Write `README.md` into an export.

    Args:
        folder (`Path`): Where.
        name (`str`): What the card calls the model.
        base_model (`str` or `Path`): Hub id or folder that was exported; a local path is not told.
        license (`str`, *optional*): The Hub's licence identifier.
        layer (`int`): The layer that is pooled.
        depth (`int`): The layers of the whole encoder.
        is_cut (`bool`): Whether the layers after it are gone.
        centred_on (`str`, *optional*): The text whose mean vector is subtracted.
        onnx_files (`Sequence[str]`, *optional*): The ONNX files, of an export to ONNX.
        with_pooling (`bool`, *optional*, defaults to `False`): Whether these give vectors of sentences too.
        measured (`Sequence[str]`, *optional*): What was measured of the export, a sentence each.

    Returns:
        `Path`: Of the card.
    """
    from_hub = isinstance(base_model, str) and not Path(base_model).exists()
    kind = ["onnx"] if onnx_files else ["sentence-transformers"]
    card = ModelCard.from_template(
        ModelCardData(
            license=license,
            library_name="onnxruntime" if onnx_files else "sentence-transformers",
            pipeline_tag="feature-extraction" if onnx_files else "sentence-similarity",
            base_model=str(base_model) if from_hub else None,
            base_model_relation="quantized" if any("quantized" in file for file in onnx_files) and from_hub else None,
            tags=sorted({"hf-mplm", "feature-extraction", *kind}),
        ),
        template_str=(resources.files("hf_mplm.hub") / "templates" / "export.md").read_text(encoding="utf-8"),
        name=markdown_escape(name),
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
        versions=", ".join(f"{package} {metadata.version(package)}" for package in _PACKAGES),
    )
    path = folder / "README.md"
    with atomic_write(path) as handle:
        handle.write(str(card).encode("utf-8", errors="backslashreplace"))
    return path
