"""Cards of collections: several models, each for a group of languages."""

from __future__ import annotations

import json
import logging
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from hf_mplm.jobs.files import DamagedError, read_json
from hf_mplm.report.table import markdown_code, markdown_escape, markdown_table

from .cards import is_own_card, save_card
from .publish_metadata import hub_languages


__all__ = ["write_collection_card"]

logger = logging.getLogger(__name__)

_FILE = "sprachbunds.json"
_PACKAGES = ("hf-mplm", "transformers", "torch")


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
    content = read_json(folder / _FILE)
    if content is None:
        raise FileNotFoundError(f"{folder} holds no {_FILE}: a card is written for a collection")
    try:
        return _write(path, content, name or folder.resolve().name)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DamagedError(folder / _FILE, f"it is no collection ({error!r})") from error


def _write(path: Path, content: dict[str, Any], name: str) -> Path:
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
    card = ModelCard.from_template(
        ModelCardData(
            language=hub_languages(languages) or None,
            library_name="hf-mplm",
            pipeline_tag="fill-mask",
            base_model=base["name"] if on_hub else None,
            tags=["hf-mplm", "masked-lm", "multilingual", "representation-sprachbund"],
        ),
        template_str=(resources.files(__package__) / "templates" / "collection.md").read_text(encoding="utf-8"),
        name=markdown_escape(name.split("/")[-1]),
        quoted_name=json.dumps(name, ensure_ascii=False),
        base=markdown_code(base["name"] if on_hub else Path(base["name"]).name),
        members=members,
        plain=training["method"] == "mlm",
        rank=training.get("delta"),
        languages=languages,
        example_language=json.dumps(members[0]["pivot"]),
        table=markdown_table(header, rows, aligned=False),
        training=[markdown_escape(f"{key}: {value}") for key, value in told.items()],
        versions=", ".join(f"{package} {metadata.version(package)}" for package in _PACKAGES),
    )
    save_card(card, path)
    return path
