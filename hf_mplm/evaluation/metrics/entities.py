"""Entities in sequences of labels, and their F1, as CoNLL-2003's scorer and seqeval's default mode have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


__all__ = ["entity_f1", "find_entities"]

# What must follow what for an entity to end, or to begin, when its type stays the same.
_ENDS = {"BB", "BS", "BO", "IB", "IS", "IO"}
_BEGINS = {"EE", "EI", "SE", "SI", "OE", "OI"}
_OUTSIDE = "O."

Entity = tuple[str, int, int]


def find_entities(labels: Sequence[str]) -> set[Entity]:
    """Find the entities of one sequence, whatever scheme its labels follow or break.

    The first character of a label is its part in an entity (B, I, E, S, O), what stands behind the first hyphen, or
    else behind that character, is the type. Labels without such parts are read in the same way, so that on
    part-of-speech tags equal neighbours become one entity and `CCONJ` and `SCONJ` have one type. This is the F1 that
    the papers report on POS.

    Args:
        labels (`Sequence[str]`): The labels, such as `["B-PER", "I-PER", "O"]`.

    Returns:
        `set[tuple[str, int, int]]`: Type, first and last position of each entity.
    """
    entities: set[Entity] = set()
    previous, previous_type, begin = "O", "", 0
    for position, label in enumerate([*labels, "O"]):
        part, kind = label[:1], label[1:].split("-", maxsplit=1)[-1] or "_"
        changed = previous_type != kind
        if previous in "ES" or previous + part in _ENDS or (previous not in _OUTSIDE and changed):
            entities.add((previous_type, begin, position - 1))
        if part in "BS" or previous + part in _BEGINS or (part not in _OUTSIDE and changed):
            begin = position
        previous, previous_type = part, kind
    return entities


def entity_f1(gold: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]) -> float:
    """Harmonic mean of precision and recall over the entities of all sequences.

    Args:
        gold (`Iterable[Sequence[str]]`): The right labels of each sequence.
        predicted (`Iterable[Sequence[str]]`): The predicted ones, as many.

    Returns:
        `float`: Between 0 and 1; 0 where neither side has an entity, as seqeval has it.
    """
    true, guessed = find_entities(_join(gold)), find_entities(_join(predicted))
    return 2 * len(true & guessed) / (len(true) + len(guessed)) if true or guessed else 0.0


def _join(sequences: Iterable[Sequence[str]]) -> list[str]:
    # As seqeval does; an O between two sequences is not the same as two separate sequences for labels without parts.
    return [label for sequence in sequences for label in [*sequence, "O"]]
