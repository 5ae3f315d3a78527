"""From the names by which a benchmark calls its languages to the codes that are used everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from hf_mplm.languages import LanguageScript, detect_han_script, parse_code


__all__ = ["Meaning", "Names", "may_mean", "meaning_of", "resolve_codes"]

# Chinese languages, which are written in either form of the characters.
CHINESE = frozenset("cdo cjy cnp cpx csp czh czo gan hak hsn lzh mnp nan wuu yue zho".split())
# The form that is meant where a text does not tell, because it has no character of one form alone, or many of both.
USUAL_HAN = {"zho": "Hans", "yue": "Hant"}


class Meaning(NamedTuple):
    """What a benchmark means by one of its names, where that is not what ISO 639 means by it.

    Args:
        code (`str`): A code with or without its script; `""` if there is none for it.
        variety (`str`, *optional*): What it is, where it is a variety that shares its code with another name of the
            benchmark. That other name goes first.
    """

    code: str
    variety: str = ""


class Names(NamedTuple):
    """What the names of a benchmark mean.

    Args:
        codes (`dict[str, str]`): Code of a language-script to the benchmark's name for it.
        refused (`dict[str, str]`): Codes that two names mean, to the reason why neither is read.
        unused (`dict[str, str]`): Names that are not used, to the reason.
    """

    codes: dict[str, str]
    refused: dict[str, str]
    unused: dict[str, str]


def resolve_codes(
    names: Iterable[str],
    sample: Callable[[str], str],
    meanings: Mapping[str, Meaning] | None = None,
    folder: Path | None = None,
) -> Names:
    """Find the code of each name by which a benchmark calls a language.

    Args:
        names (`Iterable[str]`): Names such as `"cmn"`, `"zho_Hans"` or `"gn"`.
        sample (`Callable[[str], str]`): Gives some text of a language, from which a missing script is detected; `""`
            if there is none.
        meanings (`Mapping[str, Meaning]`, *optional*): The names that mean something else in this benchmark.
        folder (`Path`, *optional*): Where the names stand, for messages.

    Returns:
        `Names`: For example `Names({"zho_Hans": "cmn"}, {}, {"notes": "... is not a language code ..."})`.
    """
    found: dict[str, list[str]] = {}
    unused: dict[str, str] = {}
    meanings = meanings or {}
    for name in names:
        meaning = meaning_of(name, meanings)
        if not meaning.code:
            unused[name] = f"{name} is {meaning.variety}"
            continue
        try:
            found.setdefault(_resolve(meaning.code, lambda name=name: sample(name)), []).append(name)  # type: ignore[misc]
        except ValueError as error:
            unused[name] = str(error)
    codes: dict[str, str] = {}
    refused: dict[str, str] = {}
    for code, same in found.items():
        main = [name for name in same if name.lower() not in meanings or not meanings[name.lower()].variety]
        chosen = main if main else same[:1]
        if len(chosen) > 1:
            where = f"{folder}: " if folder is not None else ""
            refused[code] = (
                f"{where}{' and '.join(map(repr, chosen))} are both {code}, and neither is read; move one away: "
                f"mv {folder or '.'}/{chosen[1]} ."
            )
            unused.update((name, refused[code]) for name in same)
            continue
        codes[code] = chosen[0]
        for name in same:
            if name != chosen[0]:
                variety = meanings[name.lower()].variety
                unused[name] = f"{name} is {variety}; {code} is read from {chosen[0]!r} (remove that to read {name!r})"
    return Names(codes, refused, unused)


def meaning_of(name: str, meanings: Mapping[str, Meaning]) -> Meaning:
    """Tell what a benchmark means by a name.

    Args:
        name (`str`): The name.
        meanings (`Mapping[str, Meaning]`): Names in lower case that mean something else than in ISO 639.

    Returns:
        `Meaning`: The name itself where nothing else is said of it.
    """
    return meanings.get(name.lower(), Meaning(name))


def may_mean(meaning: Meaning, codes: Iterable[str]) -> bool:
    """Tell whether a name may mean one of some language-scripts, before there is text that tells its script.

    Args:
        meaning (`Meaning`): What the benchmark means by the name.
        codes (`Iterable[str]`): Codes with their scripts.

    Returns:
        `bool`: `False` where no text could make [`resolve_codes`] find one of them.
    """
    if not meaning.code:
        return False
    try:
        if not _says_script(meaning.code):
            # With each script in turn, because the script can tell the language of a macrolanguage.
            return any(parse_code(f"{meaning.code}_{code[-4:]}").code == code for code in codes)
        parsed = parse_code(meaning.code)
    except ValueError:
        return False
    if parsed.script == "Hani" and parsed.language in CHINESE:
        return any(code.startswith(f"{parsed.language}_") for code in codes)
    return parsed.code in codes


def _says_script(name: str) -> bool:
    return any(len(part) == 4 and part.isalpha() for part in name.replace("-", "_").split("_")[1:])


def _resolve(name: str, sample: Callable[[], str]) -> str:
    parsed, text = _parse(name, sample)
    if parsed.script == "Hani" and parsed.language in CHINESE:
        # A name that says Hani, or nothing, leaves open what the text tells.
        script = detect_han_script(sample() if text is None else text)
        return f"{parsed.language}_{USUAL_HAN.get(parsed.language, script) if script == 'Hani' else script}"
    return parsed.code


def _parse(name: str, sample: Callable[[], str]) -> tuple[LanguageScript, str | None]:
    """The code, and the text if it was needed."""
    if _says_script(name):
        return parse_code(name), None
    text = sample()
    try:
        return parse_code(name, text=text or None), text
    except ValueError:
        # Text without letters, as in an empty file that has yet to be found faulty: the usual script is taken.
        try:
            return parse_code(name), text
        except ValueError:
            language = name.split("_")[0]
            usual = {"zh", "zho", "cmn", "chi"}
            if language.lower() in usual:
                return parse_code("zho_Hani"), text
            raise
