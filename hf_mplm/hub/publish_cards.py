"""The card of a folder that has none, by its kind."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCardData, ModelCardData

from hf_mplm.jobs.files import read_json
from hf_mplm.report.table import markdown_escape

from .cards import write_model_card
from .collection_cards import write_collection_card
from .publish_kinds import Kind
from .static_cards import write_static_card


__all__ = ["make_card"]

# What the templates are filled from.
_READ = ("config.json", "training_args.json", "trainer_state.json", "run.json", "hf_mplm.json", "sprachbunds.json")
_WRITERS: dict[str, Callable[..., Path]] = {
    "collection": write_collection_card,
    "encoder": write_model_card,
    "langsamp": write_model_card,
    "static": write_static_card,
}
_LIBRARY = {"sentence-transformers": "sentence-transformers", "adapter": "peft", "onnx": "onnx"}
_USE = {
    "sentence-transformers": "from sentence_transformers import SentenceTransformer\n\n"
    'model = SentenceTransformer({name})\nmodel.encode(["..."])',
    "adapter": "from peft import PeftConfig\n\nPeftConfig.from_pretrained({name}).base_model_name_or_path",
    "onnx": "from huggingface_hub import hf_hub_download\nfrom onnxruntime import InferenceSession\n\n"
    'session = InferenceSession(hf_hub_download({name}, "onnx/model.onnx"))',
    "results": "from datasets import load_dataset\n\nload_dataset({name})",
}


def make_card(folder: Path, kind: Kind, repo_id: str, license: str | None, files: Sequence[str]) -> str:
    """Write the card of a folder, which is left as it is.

    Args:
        folder (`Path`): what is published.
        kind (`Kind`): what it is.
        repo_id (`str`): what the card's code loads.
        license (`str`, *optional*): of what is published.
        files (`Sequence[str]`): the files that go.

    Returns:
        `str`: the card.
    """
    writer = _WRITERS.get(kind.name)
    if writer is None:
        return _short_card(folder, kind, repo_id, license, files)
    with tempfile.TemporaryDirectory(prefix="hf-mplm-card-") as scratch:
        for name in _READ:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, Path(scratch) / name)
        known = {"license": license} if writer is write_model_card else {}
        return writer(Path(scratch), name=repo_id, **known).read_text(encoding="utf-8")


def _short_card(folder: Path, kind: Kind, repo_id: str, license: str | None, files: Sequence[str]) -> str:
    config = read_json(folder / "adapter_config.json") if kind.name == "adapter" else None
    base = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    known: dict[str, Any] = {"license": license, "tags": ["hf-mplm"]}
    data: ModelCardData | DatasetCardData
    if kind.repo_type == "dataset":
        data = DatasetCardData(**known)
    else:
        data = ModelCardData(
            **known,
            library_name=_LIBRARY.get(kind.name),
            base_model=base if isinstance(base, str) and base and not Path(base).exists() else None,
            pipeline_tag="sentence-similarity" if kind.name == "sentence-transformers" else None,
        )
    use = _USE.get(kind.name, "").format(name=json.dumps(repo_id, ensure_ascii=False))
    listed = "\n".join(f"- `{name}`" for name in files[:40])
    parts = [
        f"---\n{data.to_yaml()}\n---\n",
        f"# {markdown_escape(repo_id.split('/')[-1])}\n",
        f"{kind.what[:1].upper()}{kind.what[1:]}, made with [hf_mplm](https://pypi.org/project/hf-mplm/).\n",
        f"## Use\n\n```python\n{use}\n```\n" if use else "",
        f"## Files\n\n{listed}\n",
        "" if license else "No licence was given.\n",
    ]
    return "\n".join(part for part in parts if part)
