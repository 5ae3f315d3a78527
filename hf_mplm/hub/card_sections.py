"""What we write in a card stands between markers, section by section; what an author writes around them stays."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any


__all__ = ["digests_of", "mark_sections", "merge_metadata", "merge_sections", "name_repository", "read_digests"]

RESULTS = "results"
_SECTION = re.compile(
    r"<!-- hf_mplm: (?!end of |wrote )(?P<name>[a-z -]+) -->\n(?P<body>.*?)<!-- hf_mplm: end of (?P=name) -->",
    re.DOTALL,
)
_HEADING = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
_WROTE = re.compile(r"\n*<!-- hf_mplm: wrote (?P<json>\{.*?\}) -->\n*")
_CODE = re.compile(r"```python\n.*?```", re.DOTALL)
_LOADS = re.compile(r"""((?:from_pretrained|load_model|load_encoder|SentenceTransformer)\()("(?:[^"\\]|\\.)*")""")


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


def merge_sections(old: str, new: str) -> str:
    """A card of before with our sections as they are now.

    What stands outside the markers stays, and so does a gap where an author took a section away. Results stay where
    the new card has none.
    """
    if set(_names(old)) <= {RESULTS}:
        # Of a version that marked its results alone: nothing tells an author's words from ours.
        before = _names(old).get(RESULTS, "")
        return _replace(new, RESULTS, before) if before.strip() else new
    merged = old
    for name, body in _names(new).items():
        if name != RESULTS or body.strip():
            merged = _replace(merged, name, body)
    return merged


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


def digests_of(data: Mapping[str, Any]) -> str:
    """The comment at a card's end that tells later what of its metadata is ours."""
    wrote = json.dumps({key: _digest(value) for key, value in sorted(data.items())})
    return f"<!-- hf_mplm: wrote {wrote} -->"


def read_digests(text: str) -> tuple[dict[str, str], str]:
    """What [`digests_of`] left in a card, and the card without it."""
    match = _WROTE.search(text)
    if match is None:
        return {}, text
    try:
        wrote = json.loads(match["json"])
    except ValueError:
        wrote = {}
    return wrote, _WROTE.sub("\n", text)


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


def _replace(text: str, name: str, body: str) -> str:
    block = f"<!-- hf_mplm: {name} -->\n{body}<!-- hf_mplm: end of {name} -->"
    return _SECTION.sub(lambda match: block if match["name"] == name else match[0], text)


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
