"""The card of a folder that is published, by its kind: drawn anew, with what a person wrote into the one of before."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCardData, ModelCardData

from hf_mplm.jobs.files import parse_json
from hf_mplm.modeling.delta import is_delta
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
    folder: Path, kind: Kind, repo_id: str, license: str | None, files: Mapping[str, Path | bytes]
) -> dict[str, bytes] | None:
    """Draw the card of a folder, which is left as it is.

    Sections that a person changed in a card of ours stay as they are: nothing was trained since it was written.

    Args:
        folder (`Path`): what is published.
        kind (`Kind`): what it is.
        repo_id (`str`): what the card's code loads.
        license (`str`, *optional*): of what is published.
        files (`Mapping[str, Path | bytes]`): the files that go, some of which are written anew for the Hub.

    Returns:
        `dict[str, bytes]` or `None`: the card by its name, and a picture that it shows and the folder lacks; `None`
        where the folder's card is to stay, because a person wrote it or nothing tells what to draw it from.
    """
    path = folder / CARD_FILE
    is_checkpoint = kind.name in _CHECKPOINTS or (
        kind.name == "adapter" and is_delta(folder) and (folder / "config.json").is_file()
    )
    can_be_drawn = (folder / RECORD_FILE).is_file() if is_checkpoint else kind.name in _DRAWN
    if path.is_file() and not (is_own_card(folder) and can_be_drawn):
        return None
    base = _base_among(files)
    if is_checkpoint:
        text = draw_model_card(folder, name=repo_id, license=license, base_model=base)
    elif kind.name == "module":
        text = draw_module_card(folder, name=repo_id, license=license, base=base)
    elif kind.name in _DRAWN:
        text = _DRAWN[kind.name](folder, name=repo_id, license=license)
    else:
        text = _draw_folder_card(kind, repo_id, license, sorted(files), base)
    found: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="hf-mplm-card-") as scratch:
        card = Path(scratch) / CARD_FILE
        if path.is_file():
            card.write_bytes(path.read_bytes())
        save_card(text, card, keep_edited=True)
        found[CARD_FILE] = card.read_bytes()
    if is_checkpoint and CURVE_FILE not in files and (picture := loss_picture(folder)) is not None:
        found[CURVE_FILE] = picture
    return found


def _base_among(files: Mapping[str, Path | bytes]) -> str | None:
    """The repository of the base that weights among the files stand above."""
    for name, key in (("module.json", "base_model"), ("adapter_config.json", "base_model_name_or_path")):
        content = files.get(name)
        if content is not None:
            settings = parse_json(content if isinstance(content, bytes) else content.read_bytes())
            base = settings.get(key) if isinstance(settings, dict) else None
            if isinstance(base, str) and base and not base.startswith("."):
                return base
    return None


def _draw_folder_card(kind: Kind, repo_id: str, license: str | None, files: Sequence[str], base: str | None) -> str:
    known: dict[str, Any] = {"license": license, "tags": ["hf-mplm"]}
    data: ModelCardData | DatasetCardData
    if kind.repo_type == "dataset":
        data = DatasetCardData(**known)
    else:
        data = ModelCardData(
            **known,
            library_name=_LIBRARY.get(kind.name),
            base_model=base,
            base_model_relation="adapter" if base else None,
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
