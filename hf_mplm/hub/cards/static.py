"""Cards of static embeddings, drawn from their configuration."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from huggingface_hub import ModelCardData

from hf_mplm.jobs.files import DamagedError, read_json
from hf_mplm.languages import language_name
from hf_mplm.report.table import markdown_escape, markdown_table

from ..publish_metadata import hub_languages
from .rendering import is_own_card, render, save_card


__all__ = ["draw_static_card", "write_static_card"]

logger = logging.getLogger(__name__)

_PACKAGES = ("hf-mplm", "numpy", "torch", "transformers")
# Keys of the configuration that have a place of their own in the card.
_PLACED = ("model_type", "dimension", "languages", "mapping", "segmenters")
_WORDS_FILE = "words.parquet"
# From which on the nearest word of another language is a matter of luck less often.
_FEW_WORDS = 5000


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
    save_card(draw_static_card(folder, name=name or folder.resolve().name), path)
    return path


def draw_static_card(folder: Path, *, name: str, license: str | None = None) -> str:
    """The card that [`write_static_card`] writes, as text; the errors are the same.

    Args:
        folder (`Path`): the folder.
        name (`str`): what the card calls them, and its code loads.
        license (`str`, *optional*): the Hub's licence identifier.
    """
    config = read_json(folder / "config.json")
    if config is None:
        raise FileNotFoundError(f"{folder} holds no config.json: a card is written for saved static embeddings")
    sizes = config.get("languages") if isinstance(config, dict) else None
    if not isinstance(sizes, dict) or not sizes:
        raise DamagedError(folder / "config.json", "it lists no languages of static embeddings")
    languages = sorted(sizes)
    mapping = config.get("mapping") if isinstance(config.get("mapping"), dict) else {}
    encoder = config.get("encoder")
    base = encoder if isinstance(encoder, str) and "/" in encoder and not Path(encoder).exists() else None
    data = ModelCardData(
        language=hub_languages(languages) or None,
        license=license,
        library_name="hf-mplm",
        pipeline_tag="feature-extraction",
        base_model=base,
        base_model_relation="finetune" if base else None,
        tags=["hf-mplm", "static-embeddings"],
    )
    rows = [[_name(code), code, f"{sizes[code]:,}"] for code in sorted(sizes, key=lambda code: (sizes[code], code))]
    return render(
        "static",
        data,
        packages=_PACKAGES,
        name=markdown_escape(name.split("/")[-1]),
        quoted_name=json.dumps(name, ensure_ascii=False),
        words=f"{sum(sizes.values()):,}",
        dimension=config.get("dimension"),
        languages=languages,
        hub=mapping.get("hub", ""),
        example_word=json.dumps(_first_word(folder, languages[0]), ensure_ascii=False),
        example_language=json.dumps(languages[0]),
        other_language=json.dumps(mapping.get("hub") or languages[-1]),
        language_table=markdown_table(["language", "code", "words"], rows, aligned=False),
        making=[markdown_escape(line) for line in _lines(config)],
        mapped=[markdown_escape(line) for line in _mapped(mapping)],
        limits=_limits(sizes, mapping),
    )


def _limits(sizes: Mapping[str, int], mapping: Mapping[str, Any]) -> list[str]:
    lines = ["A word has one vector, whatever it means where it stands; words that are not in the list have none."]
    few = sorted(code for code, size in sizes.items() if size < _FEW_WORDS)
    if few:
        lines.append(f"Fewer than {_FEW_WORDS:,} words: {', '.join(f'{code} ({sizes[code]:,})' for code in few)}.")
    entries = [entry for entry in mapping.get("languages") or () if isinstance(entry, Mapping)]
    apart = sorted(str(entry.get("language")) for entry in entries if not entry.get("mapped"))
    if apart:
        lines.append(f"Not mapped, because they do not gain: {', '.join(map(markdown_escape, apart))}.")
    if not mapping and len(sizes) > 1:
        lines.append("No mapping was learnt: vectors compare between languages only as far as their encoder's do.")
    return lines


def _name(code: str) -> str:
    try:
        return language_name(code)
    except (ValueError, KeyError):
        return code


def _first_word(folder: Path, language: str) -> str:
    """A word to show the use by: the first of a language."""
    path = folder / _WORDS_FILE
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(1024, columns=["language", "word"]):
                for row in batch.to_pylist():
                    if row["language"] == language:
                        return str(row["word"])
    except (OSError, ValueError, KeyError):
        logger.debug("%s holds no words to show", path)
    return "..."


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
