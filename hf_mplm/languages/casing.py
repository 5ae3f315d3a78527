"""Lower case as a language has it."""

from __future__ import annotations

from .codes import parse_code


__all__ = ["DOTTED_LANGUAGES", "lower_case"]

# Turkish and Azerbaijani tell i from dotless i, which `str.lower` does not.
DOTTED_LANGUAGES = {"tur", "aze", "azj", "crh", "kaz", "tat"}
_DOTTED_LATIN = str.maketrans({"İ": "i", "I": "ı"})


def lower_case(text: str, language: str) -> str:
    """Lower case as the language has it: of Turkish, I becomes dotless."""
    code = parse_code(language) if "_" not in language else None
    name = code.language if code else language.partition("_")[0]
    if name in DOTTED_LANGUAGES and (language.endswith("Latn") or code):
        text = text.translate(_DOTTED_LATIN)
    return text.lower()
