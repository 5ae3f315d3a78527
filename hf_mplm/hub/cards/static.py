"""Cards of static embeddings, drawn from their configuration."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from huggingface_hub import ModelCardData

from hf_mplm.jobs.files import DamagedError, read_json
from hf_mplm.languages import language_name
from hf_mplm.report.table import markdown_code, markdown_escape

from ..publish_metadata import hub_languages
from .describing import is_local
from .languages import known_columns
from .rendering import is_own_card, render, save_card
from .sources import hub_datasets, license_of, license_text, source_lines


__all__ = ["draw_static_card", "write_static_card"]

logger = logging.getLogger(__name__)

_PACKAGES = ("hf-mplm", "numpy", "torch", "transformers")
# Keys of the configuration that have a place of their own in the card.
_PLACED = ("model_type", "dimension", "languages", "mapping", "segmenters", "text", "sources")
# By what it is judged whether a language gains, and what that number is.
_JUDGED_BY = {
    "held-out words": "share of words, unseen by the map, whose translation is the nearest by CSLS",
    "mutual neighbours": "mean CSLS of words that are each other's nearest",
}
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
    mapping, text = _mapping_in(config, "mapping"), _mapping_in(config, "text")
    text = {code: read for code, read in text.items() if code in sizes}
    sources = [one for one in config.get("sources") or () if isinstance(one, Mapping)]
    hub = mapping.get("hub", "")
    # What is shown is a language that was mapped, and the words of the hub beside it.
    example = next((code for code in sorted(sizes) if code != hub), hub)
    table, meanings = _language_table(sizes, text, mapping)
    encoder, base = _encoder_of(config)
    data = ModelCardData(
        language=hub_languages(sizes) or None,
        license=license or license_of(sources),
        library_name="hf-mplm",
        pipeline_tag="feature-extraction",
        base_model=base,
        base_model_relation="finetune" if base else None,
        datasets=hub_datasets(sources) or None,
        tags=["hf-mplm", "static-embeddings"],
    )
    return render(
        "static",
        data,
        packages=_PACKAGES,
        name=markdown_escape(name.split("/")[-1]),
        quoted_name=json.dumps(name, ensure_ascii=False),
        words=f"{sum(sizes.values()):,}",
        dimension=config.get("dimension"),
        encoder=markdown_code(encoder) if encoder else "",
        languages=sorted(sizes),
        hub=hub,
        example_word=json.dumps(_first_word(folder, example), ensure_ascii=False),
        example_language=json.dumps(example),
        other_language=json.dumps(hub if hub in sizes else max(sizes)),
        language_table=table,
        column_meanings=meanings,
        making=[markdown_escape(line) for line in _making({**config, "encoder": encoder})],
        mapped=[markdown_escape(line) for line in _mapping_settings(mapping)],
        n_sentences=_total(text, "sentences"),
        n_words=_total(text, "words"),
        sources=source_lines(sources),
        license_text=license_text(license or license_of(sources), is_given=license is not None),
        limits=_limits(sizes, mapping),
    )


def _mapping_in(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config.get(key)
    return value if isinstance(value, Mapping) else {}


def _encoder_of(config: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """What the encoder is called, and its repository, if it has one."""
    encoder = config.get("encoder")
    if not isinstance(encoder, str):
        return None, None
    # The revision of an encoder that lay in a folder, of whatever machine, is a digest of its files.
    if is_local(encoder) or str(config.get("revision")).startswith("xxh3:"):
        return Path(encoder).name, None
    return encoder, encoder if "/" in encoder else None


def _language_table(
    sizes: Mapping[str, int], text: Mapping[str, Any], mapping: Mapping[str, Any]
) -> tuple[str, list[str]]:
    """A row a language, and what the columns are: its words, what of its text they cover, and what mapping gave."""
    ordered = sorted(sizes, key=lambda code: (sizes[code], code))
    entries = {str(entry.get("language")): entry for entry in _entries(mapping)}
    found: list[Mapping[str, Any]] = [entries.get(code, {}) for code in ordered]
    covered = [_share(_mapping_in(text, code), "known_words", "words") for code in ordered]
    pairs = [
        f"{one.get('covered_pairs', 0):,} of {one['dictionary_pairs']:,}" if one.get("dictionary_pairs") else None
        for one in found
    ]
    columns: list[tuple[str, str, Sequence[Any]]] = [
        ("language", "", [_name(code) for code in ordered]),
        ("code", "", ordered),
        ("words", "", [f"{sizes[code]:,}" for code in ordered]),
        ("of its text", "share of the words of its text, repeated ones included, that have a vector", covered),
        ("pairs", "of the dictionary, those of which both words have a vector", pairs),
    ]
    for judge, meaning in _JUDGED_BY.items():
        columns.append((judge, f"{meaning}, before and after mapping", [_gain(one, judge) for one in found]))
    hub = mapping.get("hub")
    states = ["the hub" if code == hub else _state(entries.get(code)) for code in ordered]
    columns.append(("mapped", "", states if mapping else [None] * len(ordered)))
    return known_columns(columns)


def _gain(entry: Mapping[str, Any], judge: str) -> str | None:
    numbers = entry.get("before"), entry.get("after")
    if entry.get("judged_by") != judge or not all(isinstance(one, int | float) for one in numbers):
        return None
    return f"{numbers[0]:.3f} → {numbers[1]:.3f}"


def _state(entry: Mapping[str, Any] | None) -> str | None:
    return None if entry is None else "yes" if entry.get("mapped") else "no"


def _share(read: Mapping[str, Any], part: str, whole: str) -> str | None:
    return f"{read.get(part, 0) / read[whole]:.1%}" if read.get(whole) else None


def _total(text: Mapping[str, Any], key: str) -> str:
    found = sum(_mapping_in(text, code).get(key, 0) for code in text)
    return f"{found:,}" if found else ""


def _entries(mapping: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [entry for entry in mapping.get("languages") or () if isinstance(entry, Mapping)]


def _limits(sizes: Mapping[str, int], mapping: Mapping[str, Any]) -> list[str]:
    lines = ["A word has one vector, whatever it means where it stands; words that are not in the list have none."]
    few = sorted(code for code, size in sizes.items() if size < _FEW_WORDS)
    if few:
        lines.append(f"Fewer than {_FEW_WORDS:,} words: {', '.join(f'{code} ({sizes[code]:,})' for code in few)}.")
    apart = sorted(str(entry.get("language")) for entry in _entries(mapping) if not entry.get("mapped"))
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


def _making(config: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What is known of their making, one setting a line; what takes more than a line is in `config.json`."""
    lines = []
    for key, value in config.items():
        if isinstance(value, Mapping) and not prefix and key not in _PLACED:
            lines += _making(value, f"{key}: ")
        elif isinstance(value, str | int | float) and key not in _PLACED:
            lines.append(f"{prefix}{key.replace('_', ' ')}: {value}")
    return [line for line in lines if len(line) < 200]


def _mapping_settings(mapping: Mapping[str, Any]) -> list[str]:
    """How languages were mapped, one setting a line, of those that this way of mapping reads."""
    learning = _mapping_in(mapping, "self_learning")
    told = {key: mapping.get(key) for key in ("hub", "mode", "method")}
    if mapping.get("method") == "multi-step":
        told |= {key: mapping.get(key) for key in ("exponents", "ridge", "dimensions")}
    told["share of the pairs held out"] = mapping.get("held_out")
    if mapping.get("mode") != "supervised":
        told |= {f"self-learning: {key}": value for key, value in learning.items()}
    return [f"{key.replace('_', ' ')}: {value}" for key, value in told.items() if value is not None]
