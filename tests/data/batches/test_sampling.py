from __future__ import annotations

import datasets
import numpy as np
import pytest
from accelerate.data_loader import BatchSamplerShard, skip_first_batches
from torch.utils.data import BatchSampler, DataLoader

from hf_mplm.data.batches.draws import LanguageDraws
from hf_mplm.data.batches.sampling import LanguageSampler, SampledDataset, language_labels, row_lengths


SIZES = [3, 1000, 40, 0, 250]
# The rows of a language stand in several places, as after concatenating two stores.
LABELS = np.concatenate([np.repeat(np.arange(5), [1, 600, 0, 0, 50]), np.repeat(np.arange(5), [2, 400, 40, 0, 200])])


def expected_probabilities(alpha: float) -> np.ndarray:
    weights = [size**alpha if size else 0.0 for size in SIZES]
    return np.array(weights) / sum(weights)


def sampler(**options) -> LanguageSampler:
    return LanguageSampler(LABELS, **{"alpha": 0.3, "seed": 5, "num_draws": 40_000, "block_size": 256, **options})


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 1.5])
@pytest.mark.parametrize("block_size", [100, 1024])
def test_frequencies_never_drift_from_n_to_the_alpha(alpha, block_size):
    draws = sampler(alpha=alpha, block_size=block_size)
    probabilities = expected_probabilities(alpha)
    assert draws.probabilities() == pytest.approx(probabilities)
    languages = LABELS[draws.rows(0, 40_000)]
    counts = np.cumsum(languages[:, None] == np.arange(5), axis=0)
    # A block begins within one draw a language of its time, and a language within one draw of its expectation.
    blocks = np.arange(block_size, 40_000, block_size)
    off = np.abs(counts[blocks - 1] - blocks[:, None] * probabilities)
    assert off.max() <= 1 + len(SIZES)
    if 0 < alpha:
        # Vacuity guard: independent draws from the same probabilities do drift beyond that.
        independent = np.random.default_rng(0).choice(5, size=40_000, p=probabilities)
        counts = np.cumsum(independent[:, None] == np.arange(5), axis=0)
        assert np.abs(counts[blocks - 1] - blocks[:, None] * probabilities).max() > 1 + len(SIZES)


def test_a_language_gives_every_row_before_any_comes_again():
    rows = sampler().rows(0, 40_000)
    for language, size in enumerate(SIZES):
        of_language = np.flatnonzero(LABELS == language)
        drawn = rows[LABELS[rows] == language]
        if size == 0:
            assert len(drawn) == 0
            continue
        passes = drawn[: len(drawn) // size * size].reshape(-1, size)
        assert len(passes) > 5
        assert (np.sort(passes, axis=1) == of_language).all()
        # Each pass has an order of its own.
        assert len({tuple(one) for one in passes.tolist()}) > min(4, len(passes) - 1)


def test_every_row_is_equally_likely_at_every_place_of_a_pass():
    draws = LanguageSampler(np.zeros(5, dtype=int), num_draws=5 * 4000, seed=3)
    passes = draws.rows(0, 5 * 4000).reshape(4000, 5)
    expected, freedom = 4000 / 5, 4
    for place in range(5):
        counts = np.bincount(passes[:, place], minlength=5)
        assert ((counts - expected) ** 2 / expected).sum() < freedom + 5 * (2 * freedom) ** 0.5 + 5


def test_languages_are_mixed_within_a_block():
    languages = LABELS[sampler(alpha=0.0, block_size=1000).rows(0, 40_000)]
    same = (languages[1:] == languages[:-1]).mean()
    assert same == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("grouped", [False, True])
def test_a_draw_is_a_function_of_its_number_alone(grouped):
    options = {"group_by_length": True, "lengths": np.arange(len(LABELS)), "batch_size": 8} if grouped else {}
    rows = sampler(**options).rows(0, 40_000)
    one_by_one = sampler(**options)
    for draw in np.random.default_rng(1).integers(0, 40_000, size=20).tolist():
        assert one_by_one.row(draw) == rows[draw]
        assert (sampler(**options).rows(draw, min(draw + 100, 40_000)) == rows[draw : draw + 100]).all()


def test_the_length_of_training_does_not_change_draws_of_a_constant_alpha():
    assert (sampler(num_draws=500).rows(0, 500) == sampler(num_draws=10**9).rows(0, 500)).all()


def test_seeds_give_other_draws():
    assert (sampler(seed=5).rows(0, 1000) != sampler(seed=6).rows(0, 1000)).mean() > 0.5


def test_draw_one_thousand_million_costs_one_block(monkeypatch):
    computed = []
    compute = LanguageDraws._compute
    monkeypatch.setattr(LanguageDraws, "_compute", lambda self, block: computed.append(block) or compute(self, block))
    draws = sampler(num_draws=10**9, alpha=[[0.0, 0.7], [0.6, 0.5], [0.9, 0.3]])
    draws.rows(10**9 - 10, 10**9)
    assert len(computed) <= 2
    counts = draws.language_counts(0, 10**9)
    assert len(computed) <= 4
    assert counts.sum() == 10**9
    share = 0.6 * expected_probabilities(0.7) + 0.3 * expected_probabilities(0.5) + 0.1 * expected_probabilities(0.3)
    assert counts / 10**9 == pytest.approx(share, abs=1e-3)


def test_a_stepped_alpha_has_the_probabilities_of_its_step():
    draws = sampler(alpha=[[0.0, 1.0], [0.25, 0.0]])
    first, second = LABELS[draws.rows(0, 10_000)], LABELS[draws.rows(10_000, 40_000)]
    # The step is up to half a stage (of 1024) and one block away.
    slack = 40_000 / 2048 + 256 + 2 * (1 + len(SIZES))
    assert np.abs(np.bincount(first, minlength=5) - 10_000 * expected_probabilities(1.0)).max() < slack
    assert np.abs(np.bincount(second, minlength=5) - 30_000 * expected_probabilities(0.0)).max() < slack
    assert draws.probabilities(9_999) == pytest.approx(expected_probabilities(1.0))
    assert draws.probabilities(10_000) == pytest.approx(expected_probabilities(0.0))


def test_a_falling_alpha_has_at_every_moment_the_probabilities_of_that_moment():
    draws = sampler(alpha={"start": 1.0, "end": 0.0, "kind": "linear"})
    for start in range(0, 40_000, 5_000):
        counts = draws.language_counts(start, start + 5_000)
        expected = sum(expected_probabilities(1 - draw / 40_000) for draw in range(start, start + 5_000))
        assert np.abs(counts - expected).max() < 5 + 2 * (1 + len(SIZES))
        # Vacuity guard: the alpha at the start of training would not pass.
        if start >= 10_000:
            assert np.abs(counts - 5_000 * expected_probabilities(1.0)).max() > 100


def test_a_short_training_still_follows_its_schedule():
    draws = sampler(alpha=[[0.0, 1.0], [0.5, 0.0]], num_draws=200, block_size=10)
    languages = LABELS[draws.rows(0, 200)]
    assert (languages[:90] == 1).mean() > 0.6
    assert (languages[110:] == 1).mean() < 0.4


def test_more_languages_than_draws_in_a_block():
    labels = np.repeat(np.arange(100), 2)
    draws = LanguageSampler(labels, alpha=0.5, num_draws=1000, block_size=3)
    rows = draws.rows(0, 1000)
    counts = np.bincount(labels[rows], minlength=100)
    assert counts.min() >= 8 and counts.max() <= 12
    assert all(draws.row(draw) == rows[draw] for draw in range(0, 1000, 101))


@pytest.mark.parametrize("grouped", [False, True])
def test_language_counts_are_those_of_the_rows(grouped):
    options = {"group_by_length": True, "lengths": np.arange(len(LABELS)), "batch_size": 7} if grouped else {}
    draws = sampler(num_languages=6, **options)
    rows = draws.rows(0, 40_000)
    for start, stop in [(0, 0), (0, 40_000), (10, 11), (333, 12_345), (39_999, 40_000)]:
        expected = np.bincount(LABELS[rows[start:stop]], minlength=6)
        assert (draws.language_counts(start, stop) == expected).all()


def test_length_grouping_reorders_within_windows_and_saves_padding():
    lengths = np.random.default_rng(0).integers(5, 512, size=len(LABELS))
    plain = sampler().rows(0, 8000)
    grouped = sampler(group_by_length=True, lengths=lengths, batch_size=16, window_batches=25).rows(0, 8000)
    windows = (-1, 16 * 25)
    assert (np.sort(plain.reshape(windows), axis=1) == np.sort(grouped.reshape(windows), axis=1)).all()

    def padding(rows: np.ndarray) -> float:
        batches = lengths[rows].reshape(-1, 16)
        return 1 - batches.sum() / (batches.max(axis=1) * 16).sum()

    assert padding(grouped) < 0.05 < 0.3 < padding(plain)
    # Batches are shuffled: their lengths do not rise through the window.
    means = lengths[grouped[: 16 * 25]].reshape(25, 16).mean(axis=1)
    assert abs(np.corrcoef(np.arange(25), means)[0, 1]) < 0.6


def store(rows: int = 60) -> datasets.Dataset:
    names = ["eng_Latn", "swh_Latn", "tha_Thai"]
    features = datasets.Features(
        {"input_ids": datasets.List(datasets.Value("int32")), "language": datasets.ClassLabel(names=names)}
    )
    columns = {
        "input_ids": [[index] * (1 + index % 7) for index in range(rows)],
        "language": [index * 3 // rows for index in range(rows)],
    }
    return datasets.Dataset.from_dict(columns, features=features)


def test_items_are_the_sampled_rows_with_their_draw():
    dataset = store()
    draws = LanguageSampler(language_labels(dataset), num_draws=200, seed=1)
    sampled = SampledDataset(dataset, draws)
    assert len(sampled) == 200
    for draw in (0, 77, 199):
        assert sampled[draw] == {**dataset[draws.row(draw)], "draw": draw}
    assert sampled.__getitems__([5, 6]) == [sampled[5], sampled[6]]
    assert SampledDataset([dict(row) for row in dataset], draws)[9] == sampled[9]
    with pytest.raises(IndexError, match="draw 200"):
        sampled[200]


def identity(features):
    return features


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_with_and_without_workers_give_draws_in_order(workers):
    dataset = store()
    draws = LanguageSampler(language_labels(dataset), num_draws=50, start=8, seed=1)
    loader = DataLoader(
        SampledDataset(dataset, draws), sampler=draws, batch_size=6, num_workers=workers, collate_fn=identity
    )
    items = [item for batch in loader for item in batch]
    assert len(draws) == 42
    assert [item["draw"] for item in items] == list(range(8, 50))
    assert [item["input_ids"][0] for item in items] == draws.rows(8, 50).tolist()


def test_two_processes_share_the_draws_and_resuming_skips_them():
    dataset = store()
    draws = LanguageSampler(language_labels(dataset), num_draws=48, seed=1)
    batches = BatchSampler(draws, batch_size=4, drop_last=True)
    shards = [list(BatchSamplerShard(batches, num_processes=2, process_index=rank)) for rank in (0, 1)]
    assert [batch for step in zip(*shards) for batch in step] == list(batches)
    loader = DataLoader(SampledDataset(dataset, draws), batch_sampler=batches, collate_fn=identity)
    assert list(skip_first_batches(loader, 5)) == list(loader)[5:]


def test_labels_and_lengths_are_those_of_the_rows_after_selecting():
    dataset = store()
    for view in (
        dataset,
        dataset.shuffle(seed=3),
        dataset.select([50, 2, 2]),
        dataset.filter(lambda row: row["language"]),
    ):
        assert language_labels(view).tolist() == view["language"][:]
        assert row_lengths(view).tolist() == [len(ids) for ids in view["input_ids"]]
    both = datasets.concatenate_datasets([dataset, dataset])
    assert language_labels(both).tolist() == 2 * dataset["language"][:]
    assert language_labels(dataset).dtype == np.int16


def test_a_dataset_without_language_labels_is_refused():
    plain = datasets.Dataset.from_dict({"text": ["a"], "language": ["eng_Latn"]})
    with pytest.raises(ValueError, match="class_encode_column"):
        language_labels(plain)
    with pytest.raises(ValueError, match="'text'"):
        language_labels(plain, "lang")
    with pytest.raises(ValueError, match="input_ids"):
        row_lengths(plain)
    missing = store(3).add_column("other", [None, [1], None])
    with pytest.raises(ValueError, match="row 0 has no 'other'"):
        row_lengths(missing, "other")


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([], {}, "labels"),
        ([0, -1], {}, "labels"),
        ([0.0, 1.0], {}, "labels"),
        ([0, 3], {"num_languages": 3}, "num_languages"),
        ([0, 1], {"alpha": -0.3}, "alpha"),
        ([0, 1], {"alpha": "high"}, "alpha"),
        ([0, 1], {"num_draws": 3, "start": 4}, "start"),
        ([0, 1], {"num_draws": 3_000_000_000}, "num_draws"),
        ([0, 1], {"block_size": 0}, "block_size"),
        ([0, 1], {"seed": -1}, "seed"),
        ([0, 1], {"group_by_length": True}, "row_lengths"),
        ([0, 1], {"group_by_length": True, "lengths": [3], "batch_size": 2}, "all 2 rows"),
    ],
)
def test_impossible_arguments_are_refused(labels, options, message):
    with pytest.raises(ValueError, match=message):
        LanguageSampler(labels, **options)


def test_draws_beyond_the_end_and_datasets_of_another_size_are_refused():
    draws = sampler(num_draws=100)
    with pytest.raises(IndexError, match="0 to 99"):
        draws.rows(90, 101)
    with pytest.raises(IndexError):
        draws.row(-1)
    with pytest.raises(ValueError, match="1293 rows and the dataset 60"):
        SampledDataset(store(), draws)
