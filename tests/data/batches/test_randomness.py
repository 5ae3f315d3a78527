from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hf_mplm.data.batches.randomness import check_seed, mix64, permute, philox4x32, random_words


def words32(*hexadecimal: str) -> tuple[np.uint64, ...]:
    return tuple(np.uint64(int(word, 16)) for word in hexadecimal)


def test_philox_gives_the_published_answers():
    # The known-answer vectors of Random123, the library of the paper's authors (kat_vectors, philox4x32 10).
    zero, ones = "0", "ffffffff"
    assert tuple(philox4x32(words32(*[zero] * 4), (0, 0))) == words32("6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8")
    assert tuple(philox4x32(words32(*[ones] * 4), (2**32 - 1, 2**32 - 1))) == words32(
        "408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"
    )
    counter = words32("243f6a88", "85a308d3", "13198a2e", "03707344")
    assert tuple(philox4x32(counter, (0xA4093822, 0x299F31D0))) == words32(
        "d16cfe09", "94fdcceb", "5001e420", "24126ea1"
    )


def test_words_are_philox_of_place_stream_and_number():
    seed, number = (5 << 32) + 7, (11 << 32) + 13
    words = random_words(seed, 3, [number, 2], 5)
    assert words.shape == (2, 5) and words.dtype == np.uint64
    for place in range(3):
        four = [int(word) for word in philox4x32((np.uint64(place), *words32("3", "d", "b")), (7, 5))]
        pair = [four[0] << 32 | four[1], four[2] << 32 | four[3]]
        assert words[0, 2 * place : 2 * place + 2].tolist() == pair[: 5 - 2 * place]
    assert (random_words(seed, 3, [2], 4)[0] == words[1, :4]).all()
    assert random_words(0, 0, [2**64 - 1], 0).shape == (1, 0)


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
