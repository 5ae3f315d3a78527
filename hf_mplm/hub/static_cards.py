"""Cards of static embeddings, drawn from their configuration."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from hf_mplm.jobs.files import DamagedError, read_json
from hf_mplm.report.table import markdown_escape

from .cards import is_own_card, save_card
from .publish_metadata import hub_languages


__all__ = ["write_static_card"]

logger = logging.getLogger(__name__)

_PACKAGES = ("hf-mplm", "numpy", "torch", "transformers")
# Keys of the configuration that have a place of their own in the card.
_PLACED = ("model_type", "dimension", "languages", "mapping", "segmenters")


def write_static_card(folder: str | Path, *, name: str | None = None) -> Path:
    """Write `README.md` into a folder of static embeddings.

    A card that a person has written is left as it is; in one that this function wrote, what a person added stays.

    Args:
        folder (`str` or `Path`): the folder; its `config.json` is read.
        name (`str`, *optional*): what the card calls them; the folder's name by default.

    Returns:
        `Path`: of the card.

    Raises:
        FileNotFoundError: if there is no `config.json`.
        DamagedError: if it is none of static embeddings.
    """
    folder = Path(folder)
    path = folder / "README.md"
    if path.is_file() and not is_own_card(folder):
        logger.info("kept %s, which somebody wrote by hand", path)
        return path
    config = read_json(folder / "config.json")
    if config is None:
        raise FileNotFoundError(f"{folder} holds no config.json: a card is written for saved static embeddings")
    sizes = config.get("languages") if isinstance(config, dict) else None
    if not isinstance(sizes, dict) or not sizes:
        raise DamagedError(folder / "config.json", "it lists no languages of static embeddings")
    name = name or folder.resolve().name
    languages = sorted(sizes)
    mapping = config.get("mapping") if isinstance(config.get("mapping"), dict) else {}
    encoder = config.get("encoder")
    base = encoder if isinstance(encoder, str) and "/" in encoder and not Path(encoder).exists() else None
    card = ModelCard.from_template(
        ModelCardData(
            language=hub_languages(languages) or None,
            library_name="hf-mplm",
            pipeline_tag="feature-extraction",
            base_model=base,
            tags=["hf-mplm", "static-embeddings"],
        ),
        template_str=(resources.files(__package__) / "templates" / "static.md").read_text(encoding="utf-8"),
        name=markdown_escape(name.split("/")[-1]),
        quoted_name=json.dumps(name, ensure_ascii=False),
        words=f"{sum(sizes.values()):,}",
        dimension=config.get("dimension"),
        languages=languages,
        hub=mapping.get("hub", ""),
        example_language=json.dumps(languages[0]),
        other_language=json.dumps(mapping.get("hub") or languages[-1]),
        language_counts=", ".join(f"{code} ({count:,})" for code, count in sorted(sizes.items())),
        making=[markdown_escape(line) for line in _lines(config)],
        mapped=[markdown_escape(line) for line in _mapped(mapping)],
        versions=", ".join(f"{package} {metadata.version(package)}" for package in _PACKAGES),
    )
    save_card(card, path)
    return path


def _lines(config: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What is known of their making, one setting a line; what takes more than a line is in `config.json`."""
    lines = []
    for key, value in config.items():
        if isinstance(value, Mapping) and not prefix and key not in _PLACED:
            lines += _lines(value, f"{key}: ")
        elif isinstance(value, str | int | float) and key not in _PLACED:
            lines.append(f"{prefix}{key.replace('_', ' ')}: {value}")
    return [line for line in lines if len(line) < 200]


def _mapped(mapping: Mapping[str, Any]) -> list[str]:
    lines = [f"{key.replace('_', ' ')}: {mapping[key]}" for key in ("mode", "method") if key in mapping]
    for entry in mapping.get("languages") or ():
        if not {"language", "mapped", "judged_by", "before", "after"} <= entry.keys():
            continue
        what = "mapped" if entry["mapped"] else "not mapped, because it does not gain"
        lines.append(
            f"{entry['language']}: {what} ({entry['judged_by']} {entry['before']:.3f} before, {entry['after']:.3f} "
            "after)"
        )
    return lines
