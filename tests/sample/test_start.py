"""The encoder that ships: what its blocks lose, and that what is written is an ordinary checkpoint."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM

from hf_mplm import sample
from hf_mplm.sample.blocks import from_blocks, to_blocks


SIXTEEN_MEGABYTES = 16_000_000


def test_a_weight_is_off_by_half_a_step_at_most_and_by_none_the_second_time() -> None:
    weights = np.random.default_rng(0).normal(size=(6, 96)).astype(np.float32)
    weights[2, :32] = 0
    scales, packed = to_blocks(weights)
    assert scales.nbytes + packed.nbytes == weights.size * 18 // 32
    back = from_blocks(scales, packed)
    blocks = np.abs(weights).reshape(6, 3, 32).max(-1, keepdims=True)
    # The largest weight is -8 steps, and a weight near the opposite end, where there are 7, is off by a whole one.
    errors = np.abs(back - weights).reshape(6, 3, 32)
    assert (errors <= blocks / 8 * 1.01).all()
    assert np.mean(errors <= blocks / 16 * 1.01) > 0.95
    assert not back[2, :32].any()
    again = to_blocks(back)
    assert np.array_equal(again[0], scales) and np.array_equal(again[1], packed)


def test_the_layout_is_that_of_ggml() -> None:
    weights = np.arange(-8, 8, dtype=np.float32).repeat(2)[None] / 4
    scales, packed = to_blocks(weights)
    assert scales.tolist() == [[0.25]]
    # The first sixteen weights are the low halves of the bytes.
    assert (packed & 15).tolist()[0] == [step for step in range(8) for _ in range(2)]
    assert (packed >> 4).tolist()[0] == [step for step in range(8, 16) for _ in range(2)]


def test_half_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="48 columns .* multiple of 32"):
        to_blocks(np.zeros((2, 48), dtype=np.float32))


@pytest.fixture(scope="module")
def packed(tiny_tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A checkpoint, the file that it was packed into, and the checkpoint that was written from that."""
    folder = tmp_path_factory.mktemp("start")
    tokenizer = AutoTokenizer.from_pretrained(tiny_tokenizer_folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertForMaskedLM(config).save_pretrained(folder / "before")
    for name in ("sentencepiece.bpe.model", "tokenizer.json", "tokenizer_config.json"):
        (folder / "before" / name).write_bytes((tiny_tokenizer_folder / name).read_bytes())
    path = sample.pack_start(folder / "before", folder / "packed.safetensors", ["swh_Latn", "deu_Latn"])
    return folder / "before", path, sample.write_start(folder / "after", path)


def test_what_is_written_is_what_was_packed_but_for_rounding(packed: tuple[Path, Path, Path]) -> None:
    before, path, after = packed
    assert sample.start_languages(path) == ["deu_Latn", "swh_Latn"]
    one, other = (load_file(folder / "model.safetensors") for folder in (before, after))
    assert one.keys() == other.keys()
    for name, weight in one.items():
        assert other[name].dtype == np.float32 and other[name].shape == weight.shape
        assert np.abs(other[name] - weight).max() <= np.abs(weight).max() / 8 * 1.01, name
    head = "cls.predictions.transform.dense.weight"
    assert np.array_equal(other[head], one[head].astype(np.float16).astype(np.float32)), "the head is not in blocks"
    text = "Watu wote wamezaliwa huru."
    ids = [AutoTokenizer.from_pretrained(folder)(text)["input_ids"] for folder in (before, after)]
    assert ids[0] == ids[1]


def test_packing_what_was_written_changes_nothing(packed: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, path, after = packed
    again = sample.pack_start(after, tmp_path / "again.safetensors", ["deu_Latn", "swh_Latn"])
    # Not the bytes, because safetensors writes its metadata in any order.
    one, other = load_file(path), load_file(again)
    assert one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)
    with safe_open(path, "np") as first, safe_open(again, "np") as second:
        assert first.metadata() == second.metadata()


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.write_start(tmp_path_factory.mktemp("shipped"))


def test_the_encoder_that_ships_is_small_and_says_whose_it_is() -> None:
    path = sample.start_file()
    notice = path.with_name("START.md").read_text("utf-8")
    assert path.stat().st_size < SIXTEEN_MEGABYTES
    assert "Permission is hereby granted" in notice
    for model in ("multilingual-e5-small", "Multilingual-MiniLM", "XLM-R"):
        assert re.search(rf"^> Copyright \(c\) .+ \({model}\)", notice, re.MULTILINE), model
    assert set(sample.start_languages()) < set(sample.sample_languages())


def test_the_encoder_that_ships_loads_whole(shipped: Path) -> None:
    model, found = AutoModelForMaskedLM.from_pretrained(shipped, output_loading_info=True)
    # A masked LM has no use for the pooler, which other models take up.
    assert not found["missing_keys"] and all(key.startswith("bert.pooler.") for key in found["unexpected_keys"])
    assert model.dtype == torch.float32
    tokenizer = AutoTokenizer.from_pretrained(shipped)
    assert len(tokenizer) == model.config.vocab_size


def test_the_encoder_that_ships_knows_translations(shipped: Path) -> None:
    model = AutoModelForMaskedLM.from_pretrained(shipped).bert
    tokenizer = AutoTokenizer.from_pretrained(shipped)
    vectors = []
    for code in ("eng_Latn", "rus_Cyrl"):
        texts = [row.text for row in sorted(sample.iter_sample([code], "test"), key=lambda row: row.index_id)[:16]]
        batch = tokenizer(texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            states = model(**batch, output_hidden_states=True).hidden_states[5]
        states = (states * batch["attention_mask"][..., None]).sum(1)
        vectors.append(torch.nn.functional.normalize(states - states.mean(0), dim=1))
    found = (vectors[0] @ vectors[1].T).argmax(1).eq(torch.arange(16)).float().mean()
    assert found >= 0.75  # chance is 0.06
