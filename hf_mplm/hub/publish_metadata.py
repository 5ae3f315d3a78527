"""What stands above a card, as the Hub filters by it, and whether the Hub will take it: told without the network."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from hf_mplm._lists import as_list
from hf_mplm.jobs.files import DamagedError
from hf_mplm.languages import tables


__all__ = ["check_metadata", "hub_languages", "is_hub_language"]

_FRONT = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
# The Hub takes words beside codes.
_LANGUAGE_WORDS = frozenset({"multilingual", "code"})


def hub_languages(codes: str | Iterable[str]) -> list[str]:
    """Languages as the Hub filters by them: two letters where the language or its macrolanguage has them.

    `arb` becomes `ar`, `swh` `sw`; any other keeps its ISO 639-3 code. What ISO 639-3 does not hold, or holds no
    longer (`ajp`, `kzj`, `eml`), the Hub refuses, and with it the whole card
    (https://github.com/huggingface/huggingface_hub/issues/3862): it is left out, and stands in the text alone.

    Args:
        codes (`Iterable[str]`): languages or language-scripts, such as `swh_Latn`.

    Returns:
        `list[str]`: sorted, each once.

    Example:

        >>> hub_languages(["swh_Latn", "arb_Arab", "ajp_Arab", "fon_Latn"])
        ['ar', 'fon', 'sw']
    """
    found = set()
    short, macro = tables.two_letters(), tables.macrolanguages()
    for code in as_list(codes):
        language = str(code).partition("_")[0]
        if language in tables.BEYOND_ISO_639_3 or language not in tables.iso_languages():
            continue
        found.add(short.get(language) or short.get(macro.get(language, "")) or language)
    return sorted(found)


def is_hub_language(code: Any) -> bool:
    """Whether the Hub takes a word as a language of a card."""
    if code in _LANGUAGE_WORDS:
        return True
    if not isinstance(code, str) or code in tables.BEYOND_ISO_639_3:
        return False
    return code in tables.iso_languages() if len(code) == 3 else code in set(tables.two_letters().values())


def check_metadata(text: str, path: Path) -> dict[str, Any]:
    """Read what stands between a card's `---` lines, and refuse what the Hub would refuse after everything was sent.

    Args:
        text (`str`): the card.
        path (`Path`): its file, for the message.

    Returns:
        `dict[str, Any]`: the metadata.

    Raises:
        DamagedError: if it is no YAML mapping, or holds a language or a licence that the Hub does not take.
    """
    match = _FRONT.match(text)
    try:
        data = yaml.safe_load(match[1]) if match else {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        what = f"its front matter cannot be read ({' '.join(str(error).split())[:300]})"
        raise DamagedError(path, what, "Mend what stands between its --- lines, or delete them.") from error
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise DamagedError(path, "what stands between its --- lines is no mapping", "Mend it, or delete it.")
    languages = data.get("language") or []
    refused = [code for code in as_list(languages, keep_spaces=True) if not is_hub_language(code)]
    if refused:
        raise DamagedError(
            path,
            f"the Hub takes no language {', '.join(map(repr, refused[:5]))}",
            "Write ISO 639-1 or ISO 639-3 codes of today there, and name the others in the text.",
        )
    license = data.get("license")
    if license is not None and not all(
        isinstance(one, str) and _LICENSE.fullmatch(one) for one in as_list(license, keep_spaces=True)
    ):
        raise DamagedError(path, f"the Hub takes no licence {license!r}", "Write its identifier, such as apache-2.0.")
    return data
