"""Language-script codes (`eng_Latn`) and what is known of a language: script, family, head or tail.

Imports nothing of the package.
"""

from __future__ import annotations

from .codes import (
    LanguageScript,
    detect_script,
    family,
    family_name,
    is_head,
    language_name,
    list_codes,
    nearest_codes,
    parse_code,
    resource,
    script_group,
)
from .script_detection import detect_han_script


__all__ = [
    "LanguageScript",
    "detect_han_script",
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
