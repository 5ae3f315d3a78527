from __future__ import annotations

from collections.abc import Sequence

import numpy as np


__all__ = ["GOLDEN", "check_seed", "mix64", "permute", "philox4x32", "random_words"]

_Words = np.ndarray | np.uint64

# SplitMix64's increment and finaliser (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators").
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIER_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLIER_2 = np.uint64(0x94D049BB133111EB)

# Philox4x32-10's multipliers, key increments and number of rounds.
_PHILOX_LEFT, _PHILOX_RIGHT = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_PHILOX_WEYL = (0x9E3779B9, 0xBB67AE85)
_PHILOX_ROUNDS = 10
_LOW, _HALF = np.uint64(2**32 - 1), np.uint64(32)

# Two elements that travel together keep their distance with probability 1/2 a round, so 32 rounds leave one pair in
# four thousand million related: fewer than one among the chunks of any corpus.
ROUNDS = 32


def check_seed(seed: int) -> int:
    """Return `seed` as a plain integer.

    Raises:
        ValueError: when it is negative or does not fit into 64 bits.
    """
    if not 0 <= int(seed) < 2**64:
        raise ValueError(f"seed is {seed}, but it must be from 0 to 2**64 - 1: pass seed=42, for example")
    return int(seed)


def random_words(seed: int, stream: int, numbers: np.ndarray | Sequence[int], length: int) -> np.ndarray:
    """Random 64-bit words for each of several numbers: a pure function of seed, stream, number and place.

    The generator is Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3),
    keyed by the seed, with (place, stream, number) as its counter. It is written with array operations because a batch
    of masks needs many short sequences, and making a `np.random.Philox` for each costs more than what it draws
    (`benchmarks/collator.py`). Whole numbers alone also make it the same on every machine and with every NumPy.

    Args:
        seed (`int`): seed of the run, 0 to 2**64 - 1.
        stream (`int`): one for each use, which keeps the uses apart: 0 to 2**32 - 1.
        numbers (`np.ndarray`): what to draw for, 0 to 2**64 - 1. Shape: (n,).
        length (`int`): words for each. A longer request begins with the words of a shorter one.

    Returns:
        `np.ndarray`: words. Shape: (n, length), uint64.
    """
    numbers = np.asarray(numbers, dtype=np.uint64)[:, None]
    places = np.arange(-(-length // 2), dtype=np.uint64)[None, :]
    words = philox4x32((places, np.uint64(stream), numbers & _LOW, numbers >> _HALF), (seed % 2**32, seed >> 32))
    pairs = [(words[0] << _HALF) | words[1], (words[2] << _HALF) | words[3]]
    return np.stack(pairs, axis=-1).reshape(len(numbers), -1)[:, :length]


def philox4x32(counter: tuple[_Words, _Words, _Words, _Words], key: tuple[int, int]) -> list[np.ndarray]:
    """The four 32-bit words that Philox4x32-10 makes of each counter.

    Args:
        counter (`tuple[np.ndarray, ...]`): four words, 0 to 2**32 - 1. Shapes: any that broadcast together, uint64.
        key (`tuple[int, int]`): two words, 0 to 2**32 - 1.

    Returns:
        `list[np.ndarray]`: four words. Shape: the common one, uint64.
    """
    first, second, third, fourth = counter
    for step in range(_PHILOX_ROUNDS):
        round_key = [np.uint64((word + step * weyl) % 2**32) for word, weyl in zip(key, _PHILOX_WEYL)]
        left, right = _PHILOX_LEFT * first, _PHILOX_RIGHT * third
        first, second = (right >> _HALF) ^ second ^ round_key[0], right & _LOW
        third, fourth = (left >> _HALF) ^ fourth ^ round_key[1], left & _LOW
    return list(np.broadcast_arrays(first, second, third, fourth))


def mix64(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: a bijection of 64-bit words whose output bits each depend on every input bit.

    Args:
        values (`np.ndarray`): words. Shape: any, uint64.

    Returns:
        `np.ndarray`: mixed words. Shape: that of `values`, uint64.
    """
    values = (values ^ (values >> np.uint64(30))) * _MULTIPLIER_1
    values = (values ^ (values >> np.uint64(27))) * _MULTIPLIER_2
    return values ^ (values >> np.uint64(31))


def permute(index: np.ndarray, size: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Where keyed random permutations send their elements, without any permutation in memory.

    This is the swap-or-not shuffle (Hoang, Morris and Rogaway 2012, "An enciphering scheme based on a card shuffle"):
    each round pairs `x` with `pivot - x (mod size)` and swaps the pair, or not, on a keyed bit. It serves a domain of
    any size as it is; a Feistel network would have to walk its cycles, and is far from uniform on a language of two or
    three rows.

    Args:
        index (`np.ndarray`): elements, 0 <= index < size. Shape: (n,).
        size (`np.ndarray`): size of each element's domain, at most 2**32 - 1. Shape: (n,).
        key (`np.ndarray`): key of each element's permutation. Shape: (n,), uint64.

    Returns:
        `np.ndarray`: images. Shape: (n,), int64. Elements with the same size and key have different images.
    """
    position = index.astype(np.uint64)
    size = size.astype(np.uint64)
    for step in range(1, ROUNDS + 1):
        round_key = mix64(key + np.uint64(step * int(GOLDEN) % 2**64))
        pivot = ((round_key >> np.uint64(32)) * size) >> np.uint64(32)
        partner = pivot + size - position
        partner = np.where(partner >= size, partner - size, partner)
        # Both of a pair must see the same bit, so it is read at the larger of the two.
        swap = mix64(round_key ^ np.maximum(position, partner)) >> np.uint64(63)
        position = np.where(swap == 1, partner, position)
    return position.astype(np.int64)
