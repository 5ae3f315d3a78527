"""Language-script codes (`eng_Latn`) and what is known of a language: script, family, head or tail,
place in the tree of languages and on the globe, features of grammar and sound.

Imports no other room.
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
from .typology import branch, coordinates, feature_names, feature_states, features, glottocode, lineage


__all__ = [
    "LanguageScript",
    "branch",
    "coordinates",
    "detect_han_script",
    "detect_script",
    "family",
    "family_name",
    "feature_names",
    "feature_states",
    "features",
    "glottocode",
    "is_head",
    "language_name",
    "lineage",
    "list_codes",
    "nearest_codes",
    "parse_code",
    "resource",
    "script_group",
]
