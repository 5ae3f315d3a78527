from __future__ import annotations

import numpy as np


__all__ = ["check_seed", "mix64", "permute", "random_words"]

# SplitMix64's increment and finaliser (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators",
# figure 16).
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIER_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLIER_2 = np.uint64(0x94D049BB133111EB)

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


def random_words(seed: int, purpose: int, first: int, second: int, size: int) -> np.ndarray:
    """Random 64-bit words that depend on the arguments alone.

    The generator is Philox4x64-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), keyed by (seed,
    purpose) and started at counter (0, 0, first, second). Only raw words are used: NumPy promises those to be the same
    for ever and everywhere, but not the numbers that its `Generator` methods make of them (NEP 19).

    Args:
        seed (`int`): seed of the run, 0 to 2**64 - 1.
        purpose (`int`): a constant for each use, which keeps the uses apart.
        first (`int`): first coordinate, 0 to 2**64 - 1.
        second (`int`): second coordinate, 0 to 2**64 - 1.
        size (`int`): number of words. A longer request begins with the words of a shorter one.

    Returns:
        `np.ndarray`: words. Shape `(size,)`, uint64.
    """
    key = np.array([seed, purpose], dtype=np.uint64)
    counter = np.array([0, 0, first, second], dtype=np.uint64)
    return np.random.Philox(key=key, counter=counter).random_raw(size)


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
        index (`np.ndarray`): elements, 0 <= index < size. Shape `(n,)`.
        size (`np.ndarray`): size of each element's domain, at most 2**32 - 1. Shape `(n,)`.
        key (`np.ndarray`): key of each element's permutation. Shape `(n,)`, uint64.

    Returns:
        `np.ndarray`: images. Shape `(n,)`, int64. Elements with the same size and key have different images.
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
