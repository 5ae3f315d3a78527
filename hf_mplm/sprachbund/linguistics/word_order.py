"""What URIEL says of a language's order of words, as one class a language (Fan et al., 2021, Figure 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from hf_mplm.languages import features


__all__ = ["WORD_ORDERS", "word_order"]

WORD_ORDERS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "word order": MappingProxyType({f"S_{order}": order for order in ("SVO", "SOV", "VSO", "VOS", "OVS", "OSV")}),
        "adjective": MappingProxyType(
            {"S_ADJECTIVE_BEFORE_NOUN": "before noun", "S_ADJECTIVE_AFTER_NOUN": "after noun"}
        ),
        "adposition": MappingProxyType(
            {"S_ADPOSITION_BEFORE_NOUN": "preposition", "S_ADPOSITION_AFTER_NOUN": "postposition"}
        ),
    }
)
"""The paper's three syntactic features: URIEL's names, and what a language is called of which one is true."""


def word_order(codes: Sequence[str], feature: str) -> list[str | None]:
    """The class of each language.

    Args:
        codes (`Sequence[str]`): language-script codes.
        feature (`str`): `"word order"`, `"adjective"` or `"adposition"`.

    Returns:
        `list[str | None]`: For example `"SVO"`; `None` where URIEL knows of no order, or of more than one.

    Raises:
        ValueError: Another feature.
    """
    if feature not in WORD_ORDERS:
        raise ValueError(f"there is no class of {feature!r}; needed is one of {', '.join(WORD_ORDERS)}")
    found: list[str | None] = []
    for code in codes:
        known = features(code)
        classes = [name for key, name in WORD_ORDERS[feature].items() if known.get(key)]
        found.append(classes[0] if len(classes) == 1 else None)
    return found
