"""Low-rank weights: what is trained, how little it is, and that merged they compute what they computed unmerged."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForMaskedLM

from hf_mplm.evaluation.loading import load_model, load_tokenizer, model_revision
from hf_mplm.jobs.files import DamagedError
from hf_mplm.modeling.delta import MAX_SHARE, add_delta, delta_base, encoder_digest, is_delta, save_delta
from hf_mplm.modeling.stock import load_masked_lm
from tests import fixtures


# PEFT asks a model for it by the old name.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

ARCHITECTURES = ("tiny_xlm_roberta", "tiny_bert", "tiny_modernbert")
# A vocabulary large enough that rank 1 and 2 are at most 5 % of so narrow a model.
SIZE = 8000


def make_delta(folder: Path, build: str = "tiny_xlm_roberta") -> tuple[torch.nn.Module, torch.nn.Module]:
    """A base, random low-rank weights over it as they train, and both on disk."""
    getattr(fixtures, build)(SIZE).save_pretrained(folder / "base")
    base = load_masked_lm(folder / "base")
    model = add_delta(load_masked_lm(folder / "base"), rank=2).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
    save_delta(model, folder / "own", "../base")
    return base, model


@pytest.mark.parametrize("build", ARCHITECTURES)
def test_merged_is_what_unmerged_computes(build: str, tmp_path: Path) -> None:
    base, model = make_delta(tmp_path, build)
    inputs = {"input_ids": torch.arange(24).reshape(2, 12) + 7, "attention_mask": torch.ones(2, 12).long()}
    labels = inputs["input_ids"].clone()
    labels[:, ::2] = -100
    merged = load_model(tmp_path / "own", AutoModelForMaskedLM)
    encoder = load_model(tmp_path / "own", AutoModel)
    with torch.no_grad():
        plain, own, whole = (one.eval()(**inputs).logits for one in (base, model, merged))
        assert torch.allclose(whole, own, atol=1e-4)
        assert not torch.allclose(whole, plain, atol=1e-2)  # vacuity guard
        states = model.get_base_model().base_model(**inputs).last_hidden_state
        assert torch.allclose(encoder(**inputs).last_hidden_state, states, atol=1e-4)
        # The loss at masked positions goes ways of its own through the last layer, and through the same weights.
        losses = [one(**inputs, labels=labels)["loss"] for one in (base, model, merged)]
    assert losses[1] == pytest.approx(losses[2].item(), abs=1e-4)
    assert abs(losses[0] - losses[1]) > 1e-3
    # As peft itself merges, on weights that it reads from the same files.
    from peft import PeftModel

    stock = AutoModelForMaskedLM.from_pretrained(tmp_path / "base", dtype=torch.float32, trust_remote_code=False)
    theirs = PeftModel.from_pretrained(stock, str(tmp_path / "own")).merge_and_unload()
    ours = dict(merged.named_parameters())
    for name, weight in theirs.named_parameters():
        assert torch.allclose(weight, ours[name], atol=1e-6), name


@pytest.mark.parametrize("build", ARCHITECTURES)
def test_attention_and_feed_forward_alone_are_trained(build: str) -> None:
    plain = getattr(fixtures, build)(SIZE)
    layers = plain.config.num_hidden_layers
    inside = {name for name, one in plain.base_model.named_modules() if isinstance(one, torch.nn.Linear)}
    inside = {name for name in inside if not name.startswith("pooler")}
    whole = sum(weight.numel() for weight in plain.parameters())
    model = add_delta(plain, rank=2)
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    assert len(inside) in (6 * layers, 4 * layers) and len(trained) == 2 * len(inside)
    assert all("lora_" in name for name in trained)
    assert 0 < sum(weight.numel() for weight in trained.values()) <= MAX_SHARE * whole


def test_ranks_that_are_more_than_a_twentieth_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rank 64 would have .*; needed is a rank of 1 to (\d+) at most 5%") as error:
        add_delta(fixtures.tiny_bert(SIZE), rank=64)
    largest = int(str(error.value).split("of 1 to ")[1].split()[0])
    add_delta(fixtures.tiny_bert(SIZE), rank=largest)
    for rank in (largest + 1, 0):
        with pytest.raises(ValueError, match=f"rank {rank} "):
            add_delta(fixtures.tiny_bert(SIZE), rank=rank)
    with pytest.raises(ValueError, match="a larger base"):
        add_delta(fixtures.tiny_bert(9, hidden_size=8, intermediate_size=8, max_position_embeddings=9), rank=1)


def test_the_folder_is_small_and_whole(tmp_path: Path, tiny_tokenizer_folder: Path) -> None:
    make_delta(tmp_path)
    assert is_delta(tmp_path / "own") and not is_delta(tmp_path / "base")
    assert delta_base(tmp_path / "own") == str(tmp_path / "base")
    size = (tmp_path / "own" / "adapter_model.safetensors").stat().st_size
    parameters = sum(map(torch.numel, load_file(tmp_path / "own" / "adapter_model.safetensors").values()))
    whole = sum(math.prod(value.shape) for value in load_file(tmp_path / "base" / "model.safetensors").values())
    assert parameters <= MAX_SHARE * whole and size < 0.1 * (tmp_path / "base" / "model.safetensors").stat().st_size
    for path in tiny_tokenizer_folder.iterdir():
        shutil.copy(path, tmp_path / "base")
    assert load_tokenizer(tmp_path / "own").get_vocab() == load_tokenizer(tmp_path / "base").get_vocab()
    before = model_revision(tmp_path / "own")
    weights = bytearray((tmp_path / "own" / "adapter_model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "own" / "adapter_model.safetensors").write_bytes(weights)
    assert model_revision(tmp_path / "own") != before


def test_the_base_may_move_along_and_be_of_another_file(tmp_path: Path) -> None:
    make_delta(tmp_path / "here")
    one = load_model(tmp_path / "here" / "own", AutoModel).state_dict()
    shutil.move(tmp_path / "here", tmp_path / "there")
    # The encoder alone, without its head, is as good a base.
    encoder = AutoModel.from_pretrained(tmp_path / "there" / "base", trust_remote_code=False, add_pooling_layer=False)
    encoder.save_pretrained(tmp_path / "there" / "base")
    two = load_model(tmp_path / "there" / "own", AutoModel, add_pooling_layer=False).state_dict()
    assert two and all(torch.equal(one[name], two[name]) for name in two)


def test_another_base_is_refused(tmp_path: Path) -> None:
    make_delta(tmp_path)
    assert encoder_digest(fixtures.tiny_xlm_roberta(SIZE)) != encoder_digest(fixtures.tiny_xlm_roberta(SIZE, seed=5))
    fixtures.tiny_xlm_roberta(SIZE, seed=5).save_pretrained(tmp_path / "base")
    with pytest.raises(ValueError, match="over another encoder than"):
        load_model(tmp_path / "own")
    shutil.rmtree(tmp_path / "base")
    with pytest.raises(ValueError, match=r"over \.\./base, which is not there: put their base into"):
        load_model(tmp_path / "own")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"peft_type": "IA3"}, "no low-rank weights"),
        ({"base_model_name_or_path": None}, "over which base"),
        ({"use_dora": True}, "use_dora.*merge_and_unload"),
        ({"r": 0}, "do not fit the encoder"),
    ],
)
def test_what_is_not_merged_is_named(change: dict[str, object], words: str, tmp_path: Path) -> None:
    make_delta(tmp_path)
    path = tmp_path / "own" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError if "dora" in words else DamagedError, match=words):
        load_model(tmp_path / "own")


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    make_delta(tmp_path)
    (tmp_path / "own" / "adapter_model.safetensors").write_bytes(b"nothing")
    with pytest.raises(DamagedError, match="adapter_model.safetensors"):
        load_model(tmp_path / "own")
