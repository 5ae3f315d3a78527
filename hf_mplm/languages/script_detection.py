"""Which script a text is written in, from the Unicode property Script of its letters."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

from .tables import iso_scripts


__all__ = ["detect_han_script", "detect_script", "detected_as"]

# Japanese prose is about half kana and Korean with Chinese characters about half Hangul; a Chinese text that quotes a
# word of either stays far below this share of its East Asian letters.
_MIXED_SHARE = 0.1

# Tried first, because most letters are theirs.
_FREQUENT = ("Latn", "Cyrl", "Arab", "Deva", "Hani", "Hang", "Hira", "Kana", "Beng", "Ethi", "Thai", "Grek", "Hebr")


@functools.cache
def _patterns() -> tuple[Any, dict[str, Any]]:
    # The standard library has no Script property. `regex`, which transformers requires, has it, under the ISO 15924
    # codes, and follows each Unicode release.
    import regex

    scripts = {}
    for script in (*_FREQUENT, *iso_scripts()):
        if script not in scripts:
            try:
                scripts[script] = regex.compile(rf"\p{{Script={script}}}")
            except regex.error:
                # ISO 15924 also names what Unicode does not tell apart: Hans, Jpan, Latf, ...
                continue
    return regex.compile(r"\p{L}"), scripts


@functools.lru_cache(maxsize=65536)
def _script_of(char: str) -> str | None:
    letter, scripts = _patterns()
    if not letter.match(char):
        return None
    return next((script for script, pattern in scripts.items() if pattern.match(char)), None)


# Scripts of codes that [`detect_script`] does not tell from another.
_DETECTED_AS = {"Hans": "Hani", "Hant": "Hani", "Kore": "Hang", "Hira": "Jpan", "Kana": "Jpan"}


def detected_as(script: str) -> str:
    """What text in a script counts as where scripts are compared with those of text: `Hani` for `Hans`.

    Args:
        script (`str`): ISO 15924 code, of a language's code or of what [`detect_script`] found.
    """
    return _DETECTED_AS.get(script, script)


def detect_script(text: str) -> str:
    """The ISO 15924 code of the script that most letters of a text are written in.

    Letters are counted by the Unicode property Script; digits, punctuation, marks and the letters that scripts share
    do not count. Kana and Chinese characters together are `Jpan` and Chinese characters alone `Hani`: which of Hans
    and Hant they are is not decided. Hangul is `Hang`, also with some Chinese characters, and `Kore` where these
    prevail.

    Args:
        text (`str`): Any text.

    Returns:
        `str`: The script, for example `"Cyrl"`.

    Raises:
        ValueError: The text has no letters, or two scripts have equally many.

    Example:

    ```python
    >>> from hf_mplm.languages import detect_script
    >>> detect_script("Все люди рождаются свободными")
    'Cyrl'

    ```
    """
    counts: Counter[str] = Counter()
    for char, number in Counter(text).items():
        script = _script_of(char)
        if script is not None:
            counts[script] += number
    _join_east_asian(counts)
    ranked = counts.most_common(2)
    if not ranked:
        raise ValueError(
            f"{_shown(text)} has no letters, so its script cannot be told; "
            "give text with letters, or the whole code, for example 'swh_Latn'"
        )
    if len(ranked) == 2 and ranked[0][1] == ranked[1][1]:
        raise ValueError(
            f"{_shown(text)} has as many {ranked[0][0]} as {ranked[1][0]} letters ({ranked[0][1]}), so its script "
            "cannot be told; give more text, or the whole code, for example 'swh_Latn'"
        )
    return ranked[0][0]


# Of the characters that are of one form only, the share from which a text is in that form.
_CLEAR_SHARE = 0.9


@functools.lru_cache(maxsize=65536)
def _han_form(char: str) -> str | None:
    # GB 2312 holds the simplified characters and Big5 the traditional ones. What both hold is of neither form.
    if not "\u3400" <= char <= "\u9fff":
        return None
    simplified, traditional = _is_encodable(char, "gb2312"), _is_encodable(char, "big5")
    return None if simplified == traditional else "Hans" if simplified else "Hant"


def _is_encodable(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def detect_han_script(text: str) -> str:
    """Whether a Chinese text is in simplified or in traditional characters.

    Counted are the characters that only one of the two standards of encoding has: GB 2312 for the simplified and Big5
    for the traditional ones.

    Args:
        text (`str`): Text in a Chinese language; of another, such as Japanese, the answer means nothing.

    Returns:
        `str`: `"Hans"` or `"Hant"` if nine in ten of these characters are of that form, else `"Hani"`.

    Example:

    ```python
    >>> from hf_mplm.languages import detect_han_script
    >>> detect_han_script("人人生而自由，在尊严和权利上一律平等")
    'Hans'

    ```
    """
    counts: Counter[str] = Counter()
    for char, number in Counter(text).items():
        form = _han_form(char)
        if form is not None:
            counts[form] += number
    total = counts.total()
    return next((form for form, number in counts.items() if number >= _CLEAR_SHARE * total), "Hani")


def _join_east_asian(counts: Counter[str]) -> None:
    han, kana, hangul = counts["Hani"], counts["Hira"] + counts["Kana"], counts["Hang"]
    if kana and kana >= _MIXED_SHARE * (han + kana):
        counts["Jpan"] = han + kana
        del counts["Hani"], counts["Hira"], counts["Kana"]
    elif hangul and hangul >= _MIXED_SHARE * (han + hangul):
        del counts["Hani"], counts["Hang"]
        counts["Hang" if hangul >= han else "Kore"] = han + hangul
    for script in [script for script, number in counts.items() if number == 0]:
        del counts[script]


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
