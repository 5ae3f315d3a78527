"""The card of a folder that is published, by its kind: drawn anew, with what a person wrote into the one of before."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCardData, ModelCardData

from hf_mplm.jobs.files import read_json
from hf_mplm.report.table import markdown_code, markdown_escape

from ..publish_kinds import CARD_FILE, RECORD_FILE, Kind
from .checkpoint import CURVE_FILE, draw_model_card, loss_picture
from .collection import draw_collection_card
from .module import draw_module_card
from .rendering import is_own_card, render, save_card
from .static import draw_static_card


__all__ = ["make_card"]

# How the card of a kind is drawn, of a folder, under a name and a licence.
_DRAWN: dict[str, Callable[..., str]] = {
    "collection": draw_collection_card,
    "encoder": draw_model_card,
    "langsamp": draw_model_card,
    "module": draw_module_card,
    "static": draw_static_card,
}
_CHECKPOINTS = ("encoder", "langsamp")
_LIBRARY = {"sentence-transformers": "sentence-transformers", "adapter": "peft", "onnx": "onnx"}
_PIPELINE = {"sentence-transformers": "sentence-similarity", "onnx": "feature-extraction"}
_USE = {
    "sentence-transformers": "from sentence_transformers import SentenceTransformer\n\n"
    'model = SentenceTransformer({name})\nvectors = model.encode(["..."])',
    "adapter": "from hf_mplm.evaluation import load_model\n\nencoder = load_model({name})",
    "onnx": "from huggingface_hub import snapshot_download\nfrom onnxruntime import InferenceSession\n\n"
    'session = InferenceSession(snapshot_download({name}) + "/onnx/model.onnx")',
    "results": "import pandas\nfrom huggingface_hub import snapshot_download\n\n"
    'table = pandas.read_parquet(snapshot_download({name}, repo_type="dataset") + "/results.parquet")',
    "token-store": "from huggingface_hub import snapshot_download\n\nfrom hf_mplm import load_store\n\n"
    'store = load_store(snapshot_download({name}, repo_type="dataset"))',
    "romanised-corpus": "from huggingface_hub import snapshot_download\n\nfrom hf_mplm import iter_corpus\n\n"
    'rows = iter_corpus(snapshot_download({name}, repo_type="dataset"))',
}


def make_card(
    folder: Path, kind: Kind, repo_id: str, license: str | None, files: Sequence[str]
) -> dict[str, bytes] | None:
    """Draw the card of a folder, which is left as it is.

    Sections that a person changed in a card of ours stay as they are: nothing was trained since it was written.

    Args:
        folder (`Path`): what is published.
        kind (`Kind`): what it is.
        repo_id (`str`): what the card's code loads.
        license (`str`, *optional*): of what is published.
        files (`Sequence[str]`): the files that go.

    Returns:
        `dict[str, bytes]` or `None`: the card by its name, and a picture that it shows and the folder lacks; `None`
        where the folder's card is to stay, because a person wrote it or nothing tells what to draw it from.
    """
    path = folder / CARD_FILE
    draw = _DRAWN.get(kind.name)
    if path.is_file() and not (is_own_card(folder) and draw is not None and _can_be_drawn(folder, kind)):
        return None
    text = _draw_folder_card(folder, kind, repo_id, license, files) if draw is None else None
    if draw is not None:
        text = draw(folder, name=repo_id, license=license)
    assert text is not None
    found: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="hf-mplm-card-") as scratch:
        card = Path(scratch) / CARD_FILE
        if path.is_file():
            card.write_bytes(path.read_bytes())
        save_card(text, card, keep_edited=True)
        found[CARD_FILE] = card.read_bytes()
    if kind.name in _CHECKPOINTS and CURVE_FILE not in files and (picture := loss_picture(folder)) is not None:
        found[CURVE_FILE] = picture
    return found


def _can_be_drawn(folder: Path, kind: Kind) -> bool:
    """Whether everything that a card tells stands in the folder: of a checkpoint, its record."""
    return kind.name not in _CHECKPOINTS or (folder / RECORD_FILE).is_file()


def _draw_folder_card(folder: Path, kind: Kind, repo_id: str, license: str | None, files: Sequence[str]) -> str:
    config = read_json(folder / "adapter_config.json") if kind.name == "adapter" else None
    base = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    on_hub = isinstance(base, str) and bool(base) and not Path(base).exists()
    known: dict[str, Any] = {"license": license, "tags": ["hf-mplm"]}
    data: ModelCardData | DatasetCardData
    if kind.repo_type == "dataset":
        data = DatasetCardData(**known)
    else:
        data = ModelCardData(
            **known,
            library_name=_LIBRARY.get(kind.name),
            base_model=base if on_hub else None,
            base_model_relation="adapter" if on_hub else None,
            pipeline_tag=_PIPELINE.get(kind.name),
        )
    return render(
        "folder",
        data,
        name=markdown_escape(repo_id.split("/")[-1]),
        what=f"{kind.what[:1].upper()}{kind.what[1:]}",
        use=_USE[kind.name].format(name=json.dumps(repo_id, ensure_ascii=False)),
        license_text=f"Licence: {markdown_escape(license)}." if license else "No licence was given.",
        files=list(map(markdown_code, files[:40])),
    )
