"""From facts to a card: one family of templates, and what every card has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import jinja2
import yaml
from huggingface_hub import ModelCard, ModelCardData

from hf_mplm.jobs.files import DamagedError, atomic_write

from .sections import (
    BEGIN_RESULTS,
    digests_of,
    mark_sections,
    merge_metadata,
    merge_sections,
    read_digests,
    section_digests,
)


__all__ = ["FOLD_FROM", "is_own_card", "read_card", "render", "render_part", "save_card", "write_card_file"]

FOLD_FROM = 13
"""Languages from which on a list of them is folded away."""

_PACKAGES = ("hf-mplm", "transformers", "torch", "tokenizers")
_BLANK = re.compile(r"\n{3,}")


def render(template: str, data: Any, *, packages: Sequence[str] = _PACKAGES, **facts: Any) -> str:
    """Fill a template.

    Args:
        template (`str`): its name: a kind of card.
        data (`CardData`): the metadata.
        packages (`Sequence[str]`, *optional*): whose versions are told.
        **facts: what the template names.

    Returns:
        `str`: the card.
    """
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    text = _environment().get_template(f"{template}.md").render(card_data=data.to_yaml(), versions=versions, **facts)
    return _BLANK.sub("\n\n", text)


def render_part(part: str, **facts: Any) -> str:
    """Fill a part that several cards share; its section alone, without markers."""
    text = _environment().get_template(f"parts/{part}.md").render(**facts)
    return _BLANK.sub("\n\n", text).strip()


def is_own_card(folder: str | Path) -> bool:
    """Tell whether a folder's card was written by this package, and may be written anew; see [`read_card`]."""
    return BEGIN_RESULTS in read_card(folder).content


def read_card(folder: str | Path) -> ModelCard:
    """Read the card of a checkpoint.

    Args:
        folder (`str` or `Path`): the checkpoint's folder, with a `README.md`.

    Returns:
        `ModelCard`: the card.

    Raises:
        DamagedError: it is not UTF-8, or what stands between its `---` lines is not what the Hub reads there.
    """
    path = Path(folder) / "README.md"
    try:
        return ModelCard.load(path)
    except UnicodeDecodeError as error:
        raise DamagedError(path, f"it is not UTF-8 (byte {error.start})", "Save it as UTF-8.") from error
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        what = f"its front matter cannot be read ({' '.join(str(error).split())[:300]})"
        raise DamagedError(path, what, "Mend what stands between its --- lines, or delete them.") from error


def save_card(text: str, path: Path, *, keep_edited: bool = False) -> None:
    """Write a card over one of before, of which an author's words and metadata stay.

    Args:
        text (`str`): the card as it is now.
        path (`Path`): of the card.
        keep_edited (`bool`, *optional*, defaults to `False`): leave sections of ours as they are, too, in which a
            person has written since; for where nothing was trained or measured since.
    """
    card: Any = ModelCard(text)
    card.text = mark_sections(card.text)
    ours = card.data.to_dict()
    sections = section_digests(card.text)
    if path.is_file():
        before: Any = read_card(path.parent)
        wrote, wrote_sections, old = read_digests(before.text)
        card.text = merge_sections(old, card.text, wrote_sections, keep_edited=keep_edited)
        merged = merge_metadata(before.data.to_dict(), ours, wrote)
        # Results stand in a form of their own, which only the card that was read knows how to write.
        index = merged.pop("model-index", None)
        source = card if index and index == ours.get("model-index") else before
        results, name = (getattr(source.data, key, None) if index else None for key in ("eval_results", "model_name"))
        card.data = ModelCardData(**merged, **({"eval_results": results, "model_name": name} if results else {}))
    card.text = f"{card.text.rstrip()}\n\n{digests_of(ours, sections)}\n"
    write_card_file(card, path)


def write_card_file(card: Any, path: Path) -> None:
    """Write a card, whole or not at all."""
    with atomic_write(path) as file:
        file.write(str(card).encode("utf-8", errors="backslashreplace"))


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    templates = resources.files("hf_mplm.hub") / "templates"

    def load(name: str) -> str | None:
        found = templates.joinpath(*name.split("/"))
        return found.read_text(encoding="utf-8") if found.is_file() else None

    # Markdown, of which names are escaped where they are handed over.
    environment = jinja2.Environment(loader=jinja2.FunctionLoader(load), trim_blocks=True, lstrip_blocks=True)
    environment.globals["FOLD_FROM"] = FOLD_FROM
    return environment
