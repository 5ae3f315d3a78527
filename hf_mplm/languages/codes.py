"""Language-script codes such as `swh_Latn`, and what is known of the languages that they name.

A code is ISO 639-3, an underscore and ISO 15924, as FLORES-200, Glot500 and FineWeb2 write it. `parse_code` is the
border: it takes what data sets and people write (`de`, `cmn_Hans`, `zh-TW`, `sr-Latn`, `hi_rom`) and gives the one
code that is used everywhere inside. The tables and the package of ISO codes are read when they are first needed.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field

from . import tables
from .edit_distance import edit_distance
from .script_detection import detect_script


__all__ = [
    "LanguageScript",
    "detect_script",
    "family",
    "family_name",
    "is_head",
    "language_name",
    "list_codes",
    "nearest_codes",
    "parse_code",
    "resource",
    "script_group",
]

_FORM = "codes are ISO 639-3 + '_' + ISO 15924, for example 'swh_Latn'"
_QUALIFIER = re.compile(r" \((individual language|macrolanguage|[^()]*\d[^()]*)\)$")
_HAN = ("Hans", "Hant")
# The longest name of a language has 58 characters, the longest code 15.
_LONGEST = 64
_LONGEST_PART = 12
# A BCP-47 region says how Chinese is written where no script does.
_CHINESE_REGIONS = {"CN": "Hans", "HK": "Hant", "MO": "Hant", "MY": "Hans", "SG": "Hans", "TW": "Hant"}


@dataclass(frozen=True, order=True)
class LanguageScript:
    """A language in a script. `str()` and `.code` give the code; equality and order go by language and script alone.

    Args:
        language (`str`): ISO 639-3 code, FLORES-200's choice where there are several.
        script (`str`): ISO 15924 code.
        source_code (`str`, *optional*, defaults to `""`): What was parsed, as it was written.
    """

    language: str
    script: str
    source_code: str = field(default="", compare=False)

    @property
    def code(self) -> str:
        return f"{self.language}_{self.script}"

    def __str__(self) -> str:
        return self.code


def parse_code(code: str, *, text: str | None = None, fold_han: bool = False) -> LanguageScript:
    """Parses a language-script code in any of the usual forms.

    Upper and lower case, `-` for `_`, ISO 639-1 and ISO 639-2/B codes, macrolanguages, BCP-47 regions (which are
    dropped, but tell `zh-TW` from `zh-CN`) and the names of CC-100 and Wikipedia are taken; `language_aliases.tsv`
    holds what becomes what, and why. A real variety keeps its own code: `yue` is not `zho`, `quy` is not `que`.

    Args:
        code (`str`): The code, with or without its script.
        text (`str`, *optional*): Text in that language, from which a missing script is detected. Without it, a missing
            script is filled in where FLORES-200, XLM-R or the UDHR write the language in one script only.
        fold_han (`bool`, *optional*, defaults to `False`): Whether to write Hans and Hant as `Hani`, as Glot500 does.

    Returns:
        [`LanguageScript`]: Language, script, and the code as it was given.

    Raises:
        ValueError: No such language or script, or the script is missing and cannot be told.

    Example:

    ```python
    >>> from hf_mplm.languages import parse_code
    >>> str(parse_code("cmn-Hans"))
    'zho_Hans'
    >>> str(parse_code("kur", text="هەموو مرۆڤەکان ئازاد لەدایک دەبن"))
    'ckb_Arab'

    ```
    """
    language, script = _resolve(code)
    if script is None:
        found = _default_script(code, language, fold_han) if text is None else _detected_script(code, language, text)
        # Which language a macrolanguage stands for can depend on the script: kur_Arab is not kur_Latn.
        language, aliased = _to_flores(_split(code)[0], found)
        script = aliased or found
    return LanguageScript(language, "Hani" if fold_han and script in _HAN else script, code)


def nearest_codes(code: str, n: int = 3) -> list[str]:
    """The valid codes that are most like a wrong one.

    Likeness is edit distance, where a swap of neighbours counts once. Among equals, the codes of FLORES-200 and XLM-R
    come before those of the UDHR, and these before the rest of ISO 639-3. An English language name finds its codes.

    Args:
        code (`str`): What was written.
        n (`int`, *optional*, defaults to 3): How many to return.

    Returns:
        `list[str]`: Language-script codes, the nearest first.
    """
    # What is longer than any code is like none, and its distance to all of them takes its length in time.
    written = code.strip().lower()[:_LONGEST]
    known = tables.known_codes()
    named = [other for other in known if language_name(other).lower() == written]
    language, _, script = written.replace("-", "_").partition("_")
    language, script = language[:_LONGEST_PART], script[:_LONGEST_PART]
    exact = _known_language(language)
    if exact is not None:
        language = _to_flores(exact, script.title())[0]

    to_language = functools.cache(functools.partial(edit_distance, language))
    to_script = functools.cache(lambda other: edit_distance(script, other.lower()))
    nearest_script = min(tables.iso_scripts(), key=lambda other: (to_script(other), other))
    # A script of which most letters differ is not the one that was meant.
    weigh = to_script if to_script(nearest_script) <= 2 else (lambda _: 0)
    if weigh is not to_script:
        nearest_script = "Latn"

    ranked: list[tuple[int, int, str]] = []
    for other, row in known.items():
        usual = (row.flores200 or row.xlm_r) and not row.romanized
        ranked.append((to_language(other[:3]) + weigh(other[4:]), 0 if usual else 1, other))
    # Where the language is right, the rest of ISO 639-3 has nothing better to offer.
    others = {language} if exact is not None else tables.iso_languages().keys() - tables.aliases().keys()
    ranked.extend((to_language(other) + weigh(nearest_script), 2, f"{other}_{nearest_script}") for other in others)
    return list(dict.fromkeys([*named, *(other for _, _, other in sorted(ranked))]))[: max(n, 0)]


def list_codes(source: str) -> tuple[str, ...]:
    """The codes of a well-known list, in alphabetical order.

    Args:
        source (`str`): `"flores200"` (204 codes), `"xlm-r"` (XLM-R's training languages) or `"udhr"` (457 codes).

    Returns:
        `tuple[str, ...]`: Language-script codes.

    Raises:
        ValueError: Another list.
    """
    if source not in ("flores200", "xlm-r", "udhr"):
        raise ValueError(f"no list of codes is called {source!r}; there are 'flores200', 'xlm-r' and 'udhr'")
    column = source.replace("-", "_")
    return tuple(code for code, row in tables.known_codes().items() if getattr(row, column))


@functools.lru_cache(maxsize=65536)
def is_head(code: str | LanguageScript) -> bool:
    """Whether XLM-R was trained on this language in this script (Conneau et al. 2020, 100 languages).

    The languages are those of XLM-R's README. Each counts in the script that it is usually written in, the five
    romanised ones in Latin script, and Serbian in both of its scripts, as in Glot500's lists; `zho_Hani` counts as
    Hans and Hant do. A variety that keeps a code of its own (`prs`, `zlm`, `arz`) does not count by its macrolanguage.

    Args:
        code (`str`): A code that `parse_code` takes.

    Returns:
        `bool`: `True` for a head language, `False` for a tail language.

    Raises:
        ValueError: Not a code, or its script cannot be told.
    """
    parsed = parse_code(str(code))
    scripts = ("Hani", "Hans", "Hant") if parsed.script == "Hani" else (parsed.script,)
    known = tables.known_codes()
    return any(
        f"{parsed.language}_{script}" in known and known[f"{parsed.language}_{script}"].xlm_r for script in scripts
    )


def resource(code: str | LanguageScript) -> str:
    """`"head"` for what `is_head` says yes to, else `"tail"`: the groups of LangSAMP (section 4.1)."""
    return "head" if is_head(code) else "tail"


def script_group(code: str | LanguageScript) -> str:
    """`"Latn"` for Latin script, else `"non-Latn"`: the groups of LangSAMP (section 4.3)."""
    return "Latn" if parse_code(str(code)).script == "Latn" else "non-Latn"


def family(code: str | LanguageScript) -> str:
    """Glottolog's identifier of the top-level family of a language, as LangSAMP's table 6 names families.

    Args:
        code (`str`): A code that `parse_code` takes; its script may be missing.

    Returns:
        `str`: For example `"indo1319"`, or `"unknown"`. An isolate is a family of its own.

    Raises:
        ValueError: Not a code.
    """
    entry = tables.families().get(_resolve(str(code))[0])
    return "unknown" if entry is None else entry.id


def family_name(code: str | LanguageScript) -> str:
    """The English name of what `family` gives, for example `"Indo-European"`, or `"unknown"`."""
    entry = tables.families().get(_resolve(str(code))[0])
    return "unknown" if entry is None else entry.name


def language_name(code: str | LanguageScript) -> str:
    """The English name of a language, from ISO 639-3, for example `"Swahili"` for `swh_Latn`.

    Args:
        code (`str`): A code that `parse_code` takes; its script may be missing.

    Returns:
        `str`: The name.

    Raises:
        ValueError: Not a code.
    """
    return _QUALIFIER.sub("", tables.iso_languages()[_resolve(str(code))[0]])


def resolve_language(code: str) -> str:
    """The language that a code names, as FLORES-200 writes it, whether or not the code has a script."""
    return _resolve(code)[0]


@functools.lru_cache(maxsize=65536)
def _resolve(code: str) -> tuple[str, str | None]:
    """Language as FLORES-200 writes it, and the script if the code has one."""
    return _to_flores(*_split(code))


@functools.lru_cache(maxsize=65536)
def _split(code: str) -> tuple[str, str | None]:
    """ISO 639-3 language, not yet as FLORES-200 writes it, and the script if the code has one."""
    if not isinstance(code, str):
        raise ValueError(f"a language code is a string, not {_shown(code)}; {_FORM}")
    if len(code) > _LONGEST:
        raise UnknownCodeError(code, f"it has {len(code):,} characters")
    parts = re.split("[-_]", tables.whole_aliases().get(code.lower().replace("-", "_"), code))
    language = _known_language(parts[0].lower())
    if language is None:
        raise UnknownCodeError(code, f"{_shown(parts[0])} is no language of ISO 639")
    script: str | None = None
    for part in parts[1:]:
        if len(part) == 4 and part.isalpha() and script is None:
            script = part.title()
            script = tables.aliases().get(script, script)
            if script not in tables.all_known_scripts() and script not in tables.iso_scripts():
                raise UnknownCodeError(code, f"{_shown(part)} is no script of ISO 15924")
        elif re.fullmatch("[A-Za-z]{2}|[0-9]{3}", part):
            if language == "zho" and script is None:
                script = _CHINESE_REGIONS.get(part.upper())
        else:
            raise UnknownCodeError(code, f"{_shown(part)} is neither a script nor a region")
    return language, script


def _known_language(language: str) -> str | None:
    if language in tables.known_scripts() or language in tables.iso_languages():
        return language
    return tables.aliases().get(language) or tables.iso_short_languages().get(language)


def _to_flores(language: str, script: str | None) -> tuple[str, str | None]:
    aliases = tables.aliases()
    target = aliases.get(f"{language}_{script}") or aliases.get(language) or language
    language, _, target_script = target.partition("_")
    return language, target_script or script


def _default_script(code: str, language: str, fold_han: bool) -> str:
    scripts = tables.known_scripts().get(language, ())
    if fold_han:
        scripts = tuple(dict.fromkeys("Hani" if script in _HAN else script for script in scripts))
    if len(scripts) == 1:
        return scripts[0]
    choices = " or ".join(repr(f"{language}_{script}") for script in scripts or ("Latn",))
    example = "" if scripts else "for example "
    raise ValueError(
        f"{_shown(code)} lacks its script; write {example}{choices}, or give text to detect it from: "
        f"parse_code({_shown(code)}, text=...)"
    )


def _detected_script(code: str, language: str, text: str) -> str:
    try:
        script = detect_script(text)
    except ValueError as error:
        raise ValueError(f"{_shown(code)} lacks its script, and {error}") from error
    # A Japanese text may be all Chinese characters, but it is never in another script for that.
    return "Jpan" if script == "Hani" and "Jpan" in tables.known_scripts().get(language, ()) else script


def _shown(value: object) -> str:
    # `repr` escapes what a terminal would act on.
    return repr(value if not isinstance(value, str) or len(value) <= 40 else value[:37] + "...")[:80]


class UnknownCodeError(ValueError):
    """What was given is no language code.

    A corpus may have millions of rows of such, and the nearest codes take a moment to find: they are looked for when
    somebody reads the message.

    Args:
        code (`str`): what was given.
        reason (`str`): why it is none, as a clause.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason

    def __str__(self) -> str:
        nearest = ", ".join(nearest_codes(self.code))
        return f"{_shown(self.code)} is not a language code: {self.reason}; nearest are {nearest}; {_FORM}"
