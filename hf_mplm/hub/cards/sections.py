"""What we write in a card stands between markers, section by section; what an author writes around them stays."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any


__all__ = [
    "BEGIN_RESULTS",
    "digests_of",
    "mark_sections",
    "merge_metadata",
    "merge_sections",
    "name_repository",
    "read_digests",
    "replace_section",
    "section_digests",
    "title_of",
    "used_names",
]

RESULTS = "results"
BEGIN_RESULTS = "<!-- hf_mplm: results -->"
# Beside the digests of metadata, whose keys have no blanks.
_SECTIONS = "our sections"
_SECTION = re.compile(
    r"<!-- hf_mplm: (?!end of |wrote )(?P<name>[a-z -]+) -->\n(?P<body>.*?)<!-- hf_mplm: end of (?P=name) -->",
    re.DOTALL,
)
_HEADING = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
_WROTE = re.compile(r"\n*<!-- hf_mplm: wrote (?P<json>\{.*\}) -->\n*")
_CODE = re.compile(r"```python\n.*?```", re.DOTALL)
_LOADS = re.compile(
    r"""((?:from_pretrained|load_model|load_encoder|SentenceTransformer|snapshot_download|load_dataset)\()"""
    r"""("(?:[^"\\]|\\.)*")"""
)


def mark_sections(text: str) -> str:
    """Put markers around every section of a card that we wrote, named by its heading; what has some keeps them."""
    places = [match.start() for match in _HEADING.finditer(text)]
    kept = [(match.start(), match.end()) for match in _SECTION.finditer(text)]
    bounds = sorted({*places, *(edge for pair in kept for edge in pair), len(text)})
    parts, position = [], 0
    for bound in bounds:
        part, start = text[position:bound], position
        position = bound
        heading = _HEADING.match(part)
        if heading is None or any(first <= start < last for first, last in kept):
            parts.append(part)
            continue
        name = re.sub(r"[^a-z]+", " ", heading["title"].lower()).strip()
        body = part.rstrip("\n")
        parts.append(
            f"<!-- hf_mplm: {name} -->\n{body}\n<!-- hf_mplm: end of {name} -->{part[len(body) :] or chr(10)}"
        )
    return "".join(parts)


def merge_sections(old: str, new: str, wrote: Mapping[str, str] | None = None, *, keep_edited: bool = False) -> str:
    """A card of before with our sections as they are now.

    What stands outside the markers stays, and so does a gap where an author took a section away. Results stay where
    the new card has none. A section that is new comes after the one that it follows.

    Args:
        old (`str`): the card of before.
        new (`str`): the card as it would be written anew.
        wrote (`Mapping[str, str]`, *optional*): digests of the sections that we wrote then, see [`section_digests`].
        keep_edited (`bool`, *optional*, defaults to `False`): leave sections as they are that a person has changed.
    """
    before, wrote = _names(old), wrote or {}
    if set(before) <= {RESULTS}:
        # Of a version that marked its results alone: nothing tells an author's words from ours.
        kept = before.get(RESULTS, "")
        return replace_section(new, RESULTS, kept) if kept.strip() else new
    merged, previous = old, ""
    for name, body in _names(new).items():
        is_empty = name == RESULTS and not body.strip()
        if name in before:
            edited = keep_edited and name in wrote and wrote[name] != _digest(before[name])
            if not is_empty and not edited:
                merged = replace_section(merged, name, body)
        elif wrote and name not in wrote and previous and not is_empty:
            end = f"<!-- hf_mplm: end of {previous} -->"
            merged = merged.replace(end, f"{end}\n\n{_block(name, body)}", 1)
        else:
            continue
        previous = name
    return merged


def section_digests(text: str) -> dict[str, str]:
    """Digests of our sections of a card, by which it is told later which of them a person has changed."""
    return {name: _digest(body) for name, body in _names(text).items()}


def replace_section(text: str, name: str, body: str) -> str:
    """A card of which one section is another; as it was where it has no such section.

    Args:
        text (`str`): the card.
        name (`str`): of the section, as its marker has it.
        body (`str`): what stands between the markers, with a line feed at its end.
    """
    return _SECTION.sub(lambda match: _block(name, body) if match["name"] == name else match[0], text)


def merge_metadata(old: Mapping[str, Any], new: Mapping[str, Any], wrote: Mapping[str, str]) -> dict[str, Any]:
    """Metadata as it is now, with the keys that a person changed as they left them.

    Args:
        old (`Mapping[str, Any]`): of the card of before.
        new (`Mapping[str, Any]`): what we would write.
        wrote (`Mapping[str, str]`): digests of what we wrote then, see [`digests_of`].
    """
    merged = dict(new)
    for key, value in old.items():
        ours = wrote.get(key) == _digest(value)
        if key in new and wrote and not ours:
            merged[key] = value
        elif key not in new and (not ours or key == "model-index"):
            merged[key] = value
    for key in wrote:
        if key in new and key not in old:  # somebody took it out
            del merged[key]
    return merged


def digests_of(data: Mapping[str, Any], sections: Mapping[str, str]) -> str:
    """The comment at a card's end that tells later what of it is ours.

    Args:
        data (`Mapping[str, Any]`): the metadata that we wrote.
        sections (`Mapping[str, str]`): see [`section_digests`].
    """
    wrote: dict[str, Any] = {key: _digest(value) for key, value in sorted(data.items())}
    return f"<!-- hf_mplm: wrote {json.dumps({**wrote, _SECTIONS: dict(sections)})} -->"


def read_digests(text: str) -> tuple[dict[str, str], dict[str, str], str]:
    """What [`digests_of`] left in a card, of metadata and of sections, and the card without it."""
    match = _WROTE.search(text)
    if match is None:
        return {}, {}, text
    try:
        wrote = json.loads(match["json"])
    except ValueError:
        wrote = {}
    sections = wrote.pop(_SECTIONS, {})
    return wrote, sections if isinstance(sections, dict) else {}, _WROTE.sub("\n", text)


def name_repository(text: str, repo_id: str, names: set[str]) -> str:
    """A card whose code loads from a repository.

    Args:
        text (`str`): the card.
        repo_id (`str`): `OWNER/NAME`.
        names (`set[str]`): what the code loads now: the folder, or another repository of before.
    """
    quoted = json.dumps(repo_id, ensure_ascii=False)
    wanted = {json.dumps(name, ensure_ascii=False) for name in names}
    mended = _CODE.sub(
        lambda code: _LOADS.sub(lambda call: call[1] + (quoted if call[2] in wanted else call[2]), code[0]), text
    )
    titles = {f"# {name}" for name in names}
    return re.sub(
        r"^# .*$",
        lambda title: f"# {repo_id.split('/')[-1]}" if title[0].replace("\\", "") in titles else title[0],
        mended,
        count=1,
        flags=re.MULTILINE,
    )


def title_of(text: str) -> str | None:
    """The heading of a card, without its escapes."""
    match = re.search(r"^# (.+)$", text, re.MULTILINE)
    return match[1].replace("\\", "").strip() if match else None


def used_names(text: str) -> set[str]:
    """What the code in our own section on use loads."""
    body = _names(text).get("use", "")
    return {json.loads(call[2]) for code in _CODE.findall(body) for call in _LOADS.finditer(code)}


def _names(text: str) -> dict[str, str]:
    return {match["name"]: match["body"] for match in _SECTION.finditer(text)}


def _block(name: str, body: str) -> str:
    return f"<!-- hf_mplm: {name} -->\n{body}<!-- hf_mplm: end of {name} -->"


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
