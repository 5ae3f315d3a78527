"""Seeds of what a study draws, each a pure function of what it is for."""

from __future__ import annotations

import hashlib


__all__ = ["seed_of"]


def seed_of(seed: int, *parts: str | int) -> int:
    """A seed below 2**63 of a study's seed and of what is drawn, the same on every machine.

    Args:
        seed (`int`): of the study.
        *parts (`str` or `int`): what is drawn: a language, a repeat, a step.
    """
    text = "\0".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1
