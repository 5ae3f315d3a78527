"""Cards of collections: several models, each for a group of languages."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData

from hf_mplm.jobs.files import DamagedError, read_json
from hf_mplm.report.table import markdown_code, markdown_escape, markdown_table

from ..publish_metadata import hub_languages
from .rendering import is_own_card, render, save_card


__all__ = ["draw_collection_card", "write_collection_card"]

logger = logging.getLogger(__name__)

_FILE = "sprachbunds.json"
_PACKAGES = ("hf-mplm", "transformers", "torch")
_PAPER = {
    "title": "Discovering Representation Sprachbund For Multilingual Pre-Training",
    "url": "https://aclanthology.org/2021.findings-emnlp.75",
    "citation": """@inproceedings{fan-etal-2021-discovering,
  title = {Discovering Representation Sprachbund For Multilingual Pre-Training},
  author = {Fan, Yimin and Liang, Yaobo and Muzio, Alexandre and Hassan, Hany and Li, Houqiang and
            Zhou, Ming and Duan, Nan},
  booktitle = {Findings of EMNLP 2021},
  year = {2021}
}""",
}


def write_collection_card(folder: str | Path, *, name: str | None = None) -> Path:
    """Write `README.md` into a collection.

    A card that a person has written is left as it is; in one that this function wrote, what a person added stays.

    Args:
        folder (`str` or `Path`): the collection; its `sprachbunds.json` is read.
        name (`str`, *optional*): what the card calls it; the folder's name by default.

    Returns:
        `Path`: of the card.

    Raises:
        FileNotFoundError: if there is no `sprachbunds.json`.
        DamagedError: if it is that of no collection.
    """
    folder = Path(folder)
    path = folder / "README.md"
    if path.is_file() and not is_own_card(folder):
        logger.info("kept %s, which somebody wrote by hand", path)
        return path
    save_card(draw_collection_card(folder, name=name or folder.resolve().name), path)
    return path


def draw_collection_card(folder: Path, *, name: str, license: str | None = None) -> str:
    """The card that [`write_collection_card`] writes, as text; the errors are the same.

    Args:
        folder (`Path`): the collection.
        name (`str`): what the card calls it, and its code loads.
        license (`str`, *optional*): the Hub's licence identifier.
    """
    content = read_json(folder / _FILE)
    if content is None:
        raise FileNotFoundError(f"{folder} holds no {_FILE}: a card is written for a collection")
    try:
        return _draw(content, name, license)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DamagedError(folder / _FILE, f"it is no collection ({error!r})") from error


def _draw(content: dict[str, Any], name: str, license: str | None) -> str:
    members, base, training = content["clusters"], content["base"], content["training"]
    languages = sorted(code for member in members for code in member["languages"])
    rows = [
        [
            member["folder"],
            member["pivot"],
            len(member["languages"]),
            member["tokens"],
            member["steps"],
            " ".join(member["languages"]),
        ]
        for member in members
    ]
    header = ["folder", "pivot", "languages", "tokens", "steps", "codes"]
    told = {"clusters": content["arm"], "budget": training["budget"], "method": training["method"]}
    # Collections of before have no `source`, and the way to a folder as its name.
    on_hub = base["source"] == "hub" if "source" in base else not Path(base["name"]).exists()
    rank = training.get("delta")
    data = ModelCardData(
        language=hub_languages(languages) or None,
        license=license,
        library_name="hf-mplm",
        pipeline_tag="fill-mask",
        base_model=base["name"] if on_hub else None,
        base_model_relation=("adapter" if rank else "finetune") if on_hub else None,
        tags=["hf-mplm", "masked-lm", "multilingual", "representation-sprachbund"],
    )
    return render(
        "collection",
        data,
        packages=_PACKAGES,
        name=markdown_escape(name.split("/")[-1]),
        quoted_name=json.dumps(name, ensure_ascii=False),
        base=markdown_code(base["name"] if on_hub else Path(base["name"]).name),
        members=members,
        plain=training["method"] == "mlm",
        rank=rank,
        languages=languages,
        example_language=json.dumps(members[0]["pivot"]),
        table=markdown_table(header, rows, aligned=False),
        training=[markdown_escape(f"{key}: {value}") for key, value in told.items()],
        limits=_limits(members),
        paper=_PAPER,
    )


def _limits(members: list[dict[str, Any]]) -> list[str]:
    lines = ["Groups come from an encoder's own view of some text, and are not families."]
    alone = sorted(member["languages"][0] for member in members if len(member["languages"]) == 1)
    if alone:
        lines.append(f"Alone in their group, so that no other language helps them: {', '.join(alone)}.")
    if len({member["steps"] for member in members}) == 1 and len(members) > 1:
        lines.append(
            "Every model was trained for as many steps: languages of small groups were seen more often than one model "
            "of all would see them with the same budget."
        )
    return lines
