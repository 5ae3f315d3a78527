from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hf_mplm.data.randomness import check_seed, mix64, permute, random_words


MASK = 2**64 - 1


def philox4x64_10(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x64 with ten rounds in plain integers, after Salmon et al. 2011, section 3.3."""
    counter, key = list(counter), list(key)
    for _ in range(10):
        first, third = 0xD2E7470EE14C6C93 * counter[0], 0xCA5A826395121157 * counter[2]
        counter = [
            (third >> 64) ^ counter[1] ^ key[0],
            third & MASK,
            (first >> 64) ^ counter[3] ^ key[1],
            first & MASK,
        ]
        key = [(key[0] + 0x9E3779B97F4A7C15) & MASK, (key[1] + 0xBB67AE8584CAA73B) & MASK]
    return counter


def test_the_reference_in_this_file_gives_the_published_answers():
    # The known-answer vectors of Random123, the library of the paper's authors (kat_vectors, philox4x64 10).
    assert philox4x64_10([0] * 4, [0] * 2) == [
        0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B,
    ]  # fmt: skip


@pytest.mark.parametrize(("seed", "purpose", "first", "second"), [(0, 0, 0, 0), (42, 7, 10**9, 2), (MASK, 3, MASK, 1)])
def test_words_are_philox(seed, purpose, first, second):
    # NumPy counts up before each group of four words.
    expected = [word for group in (1, 2, 3) for word in philox4x64_10([group, 0, first, second], [seed, purpose])]
    assert random_words(seed, purpose, first, second, 12).tolist() == expected
    assert random_words(seed, purpose, first, second, 5).tolist() == expected[:5]


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match="seed"):
        check_seed(seed)


def keys(count: int) -> np.ndarray:
    return mix64(np.arange(1, count + 1, dtype=np.uint64))


@pytest.mark.parametrize("size", [*range(1, 20), 64, 1000, 4097])
def test_every_permutation_is_one(size):
    for key in keys(3):
        image = permute(np.arange(size), np.full(size, size), np.full(size, key))
        assert sorted(image.tolist()) == list(range(size))


def test_elements_of_different_permutations_do_not_meet():
    sizes = np.repeat([3, 50, 7], [3, 50, 7])
    index = np.concatenate([np.arange(3), np.arange(50), np.arange(7)])
    key = np.repeat(keys(3), [3, 50, 7])
    together = permute(index, sizes, key)
    alone = [permute(index[sizes == n], sizes[sizes == n], key[sizes == n]) for n in (3, 50, 7)]
    assert together.tolist() == np.concatenate(alone).tolist()


@pytest.mark.parametrize(("size", "permutations"), [(2, 2), (3, 6), (4, 24)])
def test_all_orders_of_a_few_rows_are_equally_likely(size, permutations):
    trials = 400 * permutations
    index = np.tile(np.arange(size), trials)
    images = permute(index, np.full(len(index), size), np.repeat(keys(trials), size)).reshape(trials, size)
    counts = Counter(map(tuple, images.tolist()))
    assert len(counts) == permutations
    chi_square = sum((count - 400) ** 2 / 400 for count in counts.values())
    freedom = permutations - 1
    assert chi_square < freedom + 5 * (2 * freedom) ** 0.5 + 5


def test_neighbours_do_not_stay_neighbours():
    size = 100_000
    image = permute(np.arange(size), np.full(size, size), np.full(size, keys(1)[0]))
    # Of random permutations, the distance of neighbours is 1 about twice, and its mean is size / 3.
    distance = np.abs(np.diff(image))
    assert (distance == 1).sum() < 15
    assert abs(distance.mean() / (size / 3) - 1) < 0.02
    assert abs(np.corrcoef(np.arange(size), image)[0, 1]) < 5 / size**0.5
