"""What text something was made from, in words: corpora by name, revision and licence, and the licence of the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hf_mplm.report.table import markdown_code, markdown_escape


__all__ = ["hub_datasets", "license_of", "license_text", "source_lines"]


def source_lines(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each corpus in a line.

    Args:
        sources (`Sequence[Mapping[str, Any]]`): what [`~hf_mplm.data.corpus.provenance.describe_sources`] gave.
    """
    return list(map(_source, sources))


def hub_datasets(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    """Ids of those that are datasets on the Hub, sorted; see [`source_lines`]."""
    return sorted({str(one["name"]) for one in sources if one.get("kind") == "hub"})


def license_of(sources: Sequence[Mapping[str, Any]]) -> str | None:
    """The licence that all of the text has; `None` where there is no such; see [`source_lines`]."""
    licenses = {one.get("license") for one in sources}
    return next(iter(licenses)) if len(licenses) == 1 else None


def license_text(license: str | None, *, is_given: bool) -> str:
    """What a card says of its licence.

    Args:
        license (`str`, *optional*): the Hub's identifier.
        is_given (`bool`): whether somebody gave it, or it is that of the text.
    """
    if not license:
        return "No licence was given, and the training text names none that all of it has."
    return f"Licence: {markdown_escape(license)}{'.' if is_given else ', that of the training text.'}"


def _source(source: Mapping[str, Any]) -> str:
    name = markdown_code(str(source.get("name")))
    if source.get("kind") == "hub":
        name = f"[{name}](https://huggingface.co/datasets/{source.get('name')})"
    revision = source.get("revision")
    license = source.get("license")
    parts = [name, f"revision {markdown_code(str(revision)[:12])}" if revision else ""]
    parts.append(f"licence {markdown_escape(str(license))}" if license else "no licence is named there")
    return ", ".join(part for part in parts if part)
