from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from transformers import DataCollatorForLanguageModeling

from hf_mplm.data.batches.collators import DataCollatorForMaskedLM
from hf_mplm.data.batches.held_out import HeldOutDataset
from hf_mplm.data.batches.sampling import LanguageSampler, SampledDataset


LOGGER = "hf_mplm.data.batches.collators"


def chunks(tokenizer, count: int = 24, length: int = 40) -> list[dict]:
    """Rows of several lengths, each of two sentences with their own `<s>` and `</s>`, in three languages."""
    special = set(tokenizer.all_special_ids)
    ordinary = [token for token in range(len(tokenizer)) if token not in special]
    generator = np.random.default_rng(0)
    rows = []
    for index in range(count):
        sentences = [generator.choice(ordinary, size=length + index % 5).tolist() for _ in range(2)]
        ids = [token for ids in sentences for token in (tokenizer.bos_token_id, *ids, tokenizer.eos_token_id)]
        rows.append({"input_ids": ids, "language": index % 3})
    return rows


def with_draws(rows: list[dict]) -> list[dict]:
    return [{**row, "draw": 1000 + index} for index, row in enumerate(rows)]


def unpadded(batch: dict[str, torch.Tensor]) -> list[tuple[list[int], list[int]]]:
    """(input_ids, labels) of each row, by draw, without padding."""
    rows = {}
    for index, draw in enumerate(batch["draw"].tolist()):
        real = batch["attention_mask"][index].bool()
        rows[draw] = (batch["input_ids"][index][real].tolist(), batch["labels"][index][real].tolist())
    return [rows[draw] for draw in sorted(rows)]


@pytest.mark.parametrize("multiple", [None, 8])
def test_a_batch_is_padded_and_complete(tiny_tokenizer, multiple):
    features = with_draws(chunks(tiny_tokenizer, 6))
    collator = DataCollatorForMaskedLM(
        tiny_tokenizer, pad_to_multiple_of=multiple, language_ids=[7, -1, 9], script_ids=[1, 0, 1]
    )
    batch = collator(features)
    lengths = [len(feature["input_ids"]) for feature in features]
    width = max(lengths) if multiple is None else next(n for n in range(max(lengths), 999) if n % 8 == 0)
    assert len(set(lengths)) > 1
    for key in ("input_ids", "attention_mask", "labels"):
        assert batch[key].shape == (6, width)
    assert all(value.dtype == torch.int64 for value in batch.values())
    assert batch["attention_mask"].tolist() == [[1] * n + [0] * (width - n) for n in lengths]
    assert (batch["input_ids"][batch["attention_mask"] == 0] == tiny_tokenizer.pad_token_id).all()
    assert (batch["labels"][batch["attention_mask"] == 0] == -100).all()
    assert batch["language_ids"].tolist() == [7, -1, 9, 7, -1, 9]
    assert batch["script_ids"].tolist() == [1, 0, 1, 1, 0, 1]
    assert batch["draw"].tolist() == [1000, 1001, 1002, 1003, 1004, 1005]
    assert batch["language"].tolist() == [0, 1, 2, 0, 1, 2]
    for feature, ids, labels in zip(features, batch["input_ids"].tolist(), batch["labels"].tolist()):
        restored = [label if label != -100 else token for token, label in zip(ids, labels)]
        assert restored[: len(feature["input_ids"])] == feature["input_ids"]
        assert not set(labels) & set(tiny_tokenizer.all_special_ids)
        assert set(labels) != {-100}


def test_a_stock_model_takes_the_batch_without_extra_keys(tiny_tokenizer, tiny_xlm_roberta):
    collator = DataCollatorForMaskedLM(tiny_tokenizer, extra_keys=())
    batch = collator(with_draws(chunks(tiny_tokenizer, 4)))
    assert set(batch) == {"input_ids", "attention_mask", "labels"}
    assert torch.isfinite(tiny_xlm_roberta(**batch).loss)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_of_eight_equals_eight_batches_of_one_in_any_order(tiny_tokenizer, side):
    tiny_tokenizer.padding_side = side
    features = with_draws(chunks(tiny_tokenizer, 8))
    collator = DataCollatorForMaskedLM(tiny_tokenizer, seed=3)
    together = unpadded(collator(features))
    assert together == [unpadded(collator([feature]))[0] for feature in features]
    order = [5, 2, 7, 0, 1, 6, 3, 4]
    assert together == unpadded(collator([features[index] for index in order]))
    assert together != unpadded(DataCollatorForMaskedLM(tiny_tokenizer, seed=4)(features))
    arrays = [{**feature, "input_ids": np.array(feature["input_ids"], dtype=np.int32)} for feature in features]
    tensors = [{key: torch.tensor(value) for key, value in feature.items()} for feature in features]
    assert together == unpadded(collator(arrays)) == unpadded(collator(tensors))


def epochs(dataset, collator, workers: int, count: int = 2) -> list[list[list[int]]]:
    """Labels of each pass over the dataset by one loader, as a Trainer makes them: row by row, without padding."""
    loader = DataLoader(dataset, batch_size=4, num_workers=workers, collate_fn=collator)
    return [
        [
            labels[mask.bool()].tolist()
            for batch in loader
            for labels, mask in zip(batch["labels"], batch["attention_mask"])
        ]
        for _ in range(count)
    ]


def test_masks_do_not_depend_on_workers_and_never_repeat_as_stock_masks_do(tiny_tokenizer):
    rows = chunks(tiny_tokenizer, 12)
    # Two passes over the rows in the same order: 24 draws, row by row.
    sampler = LanguageSampler(np.zeros(12, dtype=int), num_draws=24)
    sampler.row = lambda draw: draw % 12  # type: ignore[method-assign]
    sampled = SampledDataset(rows, sampler)
    collator = DataCollatorForMaskedLM(tiny_tokenizer, seed=42)
    (alone,) = epochs(sampled, collator, workers=0, count=1)
    (parallel,) = epochs(sampled, collator, workers=2, count=1)
    assert alone == parallel
    assert all(first != second for first, second in zip(alone[:12], alone[12:]))

    # Vacuity guard: the seeded stock collator repeats the masks of the epoch before, and has others without workers.
    plain = [{"input_ids": row["input_ids"]} for row in rows]
    stock = DataCollatorForLanguageModeling(tokenizer=tiny_tokenizer, seed=42)
    first, second = epochs(plain, stock, workers=2)
    assert first == second
    assert first != epochs(plain, stock, workers=0, count=1)[0]


def test_a_schedule_sets_the_rate_by_draw(tiny_tokenizer):
    row = chunks(tiny_tokenizer, 1, length=2000)[0]
    collator = DataCollatorForMaskedLM(
        tiny_tokenizer, mask_rate=[[0.0, 0.30], [0.6, 0.15], [0.9, 0.05]], num_draws=100
    )
    batch = collator([{**row, "draw": draw} for draw in (0, 59, 60, 89, 90, 99)])
    counts = (batch["labels"] != -100).sum(dim=1).tolist()
    for count, rate in zip(counts, (0.30, 0.30, 0.15, 0.15, 0.05, 0.05)):
        assert abs(count - 4000 * rate) < 5 * (4000 * rate * (1 - rate)) ** 0.5


def test_evaluation_masks_are_fixed_and_not_those_of_training(tiny_tokenizer, caplog):
    rows = chunks(tiny_tokenizer, 8)
    collator = DataCollatorForMaskedLM(tiny_tokenizer, mask_rate={"start": 0.3, "end": 0.1}, num_draws=100, seed=1)
    evaluation = collator.for_evaluation()
    held_out = HeldOutDataset(rows)
    first, second = epochs(held_out, evaluation, workers=0)
    assert first == second == epochs(held_out, evaluation, workers=2, count=1)[0]
    features = [held_out[index] for index in range(8)]
    assert unpadded(evaluation(features)) != unpadded(collator(features))
    # The rate is that of training's start, or the one asked for.
    for one, rate in ((evaluation, 0.3), (collator.for_evaluation(mask_rate=0.5), 0.5)):
        batch = one(features)
        tokens = int(batch["attention_mask"].sum()) - 4 * len(rows)
        count = int((batch["labels"] != -100).sum())
        assert abs(count - tokens * rate) < 5 * (tokens * rate * (1 - rate)) ** 0.5
    assert not caplog.records


def test_held_out_masks_follow_the_row_and_not_its_place(tiny_tokenizer):
    rows = chunks(tiny_tokenizer, 6)
    evaluation = DataCollatorForMaskedLM(tiny_tokenizer, seed=1).for_evaluation()

    def masks(dataset, indices):
        return [(evaluation([dataset[index]])["labels"] != -100)[0].tolist() for index in indices]

    here, elsewhere = HeldOutDataset(rows), HeldOutDataset(rows[3:])
    assert masks(here, [3, 4, 5]) == masks(elsewhere, [0, 1, 2])
    # By their places, as training's draws are numbered, they differ.
    numbered = [{**row, "draw": place} for place, row in enumerate(rows)]
    moved = [{**row, "draw": place} for place, row in enumerate(rows[3:])]
    assert masks(numbered, [3, 4, 5]) != masks(moved, [0, 1, 2])
    twice = HeldOutDataset(rows, mask_draws=2)
    assert len(twice) == 12 and masks(twice, range(6)) == masks(here, range(6))
    again = masks(twice, range(6, 12))
    assert all(one != other for one, other in zip(again, masks(here, range(6))))
    assert {len(item["input_ids"]) for item in twice.__getitems__([2, 8])} == {len(rows[2]["input_ids"])}
    with pytest.raises(ValueError, match="at least once"):
        HeldOutDataset(rows, mask_draws=0)
    with pytest.raises(IndexError, match="0 to 11"):
        twice[12]


def test_rows_without_a_draw_are_masked_by_their_content(tiny_tokenizer, caplog):
    rows = chunks(tiny_tokenizer, 8)
    collator = DataCollatorForMaskedLM(tiny_tokenizer, seed=1)
    with caplog.at_level(logging.WARNING, logger=LOGGER):
        labels = collator(rows)["labels"]
        assert (collator(rows)["labels"] == labels).all()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "SampledDataset" in caplog.text and "for_evaluation" in caplog.text
    assert (collator(rows[::-1])["labels"].flip(0) == labels).all()
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger=LOGGER):
        batch = collator.for_evaluation()(rows)
    assert (batch["labels"] == labels).all() and "draw" not in batch
    assert not caplog.records
    # Rows with other tokens get other positions, not only other labels.
    assert len({tuple((row != -100).tolist()) for row in labels}) == 8


def test_a_batch_with_nothing_to_predict_is_reported_once(tiny_tokenizer, caplog):
    collator = DataCollatorForMaskedLM(tiny_tokenizer, mask_rate=0.0)
    with caplog.at_level(logging.WARNING, logger=LOGGER):
        for _ in range(2):
            assert (collator(with_draws(chunks(tiny_tokenizer, 2)))["labels"] == -100).all()
    assert len(caplog.records) == 1 and "none to predict" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_rate": 1.2}, "mask_rate"),
        ({"mask_rate": [[0, 0.3], [0.5, 0.1]]}, "num_draws"),
        ({"seed": -3}, "seed"),
        ({"stream": -1}, "stream"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of"),
    ],
)
def test_impossible_arguments_are_refused(tiny_tokenizer, options, message):
    with pytest.raises(ValueError, match=message):
        DataCollatorForMaskedLM(tiny_tokenizer, **options)


def test_a_tokenizer_without_a_mask_token_is_refused(tiny_tokenizer):
    tiny_tokenizer.mask_token = None
    with pytest.raises(ValueError, match="no mask token"):
        DataCollatorForMaskedLM(tiny_tokenizer)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([], "input_ids"),
        ([{"text": "a"}], "remove_unused_columns"),
        ([{"input_ids": [5], "draw": 1, "language": 0}, {"input_ids": [], "draw": 2, "language": 0}], "no tokens"),
        ([{"input_ids": [5], "draw": 1, "language": 0}, {"input_ids": [6], "language": 0}], "some have none"),
        ([{"input_ids": [5], "draw": 1}], "language"),
        ([{"input_ids": [5], "draw": 1, "language": 2}], "2 entries"),
        ([{"input_ids": [5], "draw": 1, "language": -1}], "language -1"),
    ],
)
def test_impossible_features_are_refused(tiny_tokenizer, features, message):
    collator = DataCollatorForMaskedLM(tiny_tokenizer, language_ids=[0, 1])
    with pytest.raises(ValueError, match=message):
        collator(features)
