from __future__ import annotations

import copy
import json
import logging
from pathlib import Path

import pytest
import torch
import transformers
from safetensors import safe_open
from torch.nn import functional
from transformers import AutoModel, AutoModelForMaskedLM, RobertaConfig, RobertaForMaskedLM

from hf_mplm.modeling import load_masked_lm, masked_only

from .models import VOCABULARY, Architecture, make_batch, without_labels


def saved_keys(folder: Path) -> set[str]:
    with safe_open(folder / "model.safetensors", "pt") as file:
        return set(file.keys())


def test_the_class_bears_the_name_of_the_stock_one(architecture: Architecture) -> None:
    assert architecture.fast.__name__ == f"{architecture.name}ForMaskedLM"
    assert issubclass(architecture.fast, getattr(transformers, architecture.fast.__name__))
    assert architecture.fast is not getattr(transformers, architecture.fast.__name__)


def test_loss_and_gradients_are_the_stock_ones(architecture: Architecture, tmp_path: Path) -> None:
    stock = architecture.stock()
    stock.save_pretrained(tmp_path)
    fast = load_masked_lm(tmp_path)
    assert type(fast) is architecture.fast
    batch = make_batch()
    wanted, found = stock(**batch).loss, fast(**batch).loss
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=0)
    wanted.backward()
    found.backward()
    # With duplicates, since transformers 5 lists XLM-R's tied weight under the head's name first.
    expected = {name: parameter.grad for name, parameter in stock.named_parameters(remove_duplicate=False)}
    assert {name for name, _ in fast.named_parameters(remove_duplicate=False)} == set(expected)
    for name, parameter in fast.named_parameters():
        bound = 1e-5 * float(expected[name].abs().max()) + 1e-9
        torch.testing.assert_close(parameter.grad, expected[name], rtol=0, atol=bound)
    assert torch.equal(fast(**without_labels(batch)).logits, stock(**without_labels(batch)).logits)
    assert fast(**batch).logits is None


def test_num_items_in_batch_is_honoured(architecture: Architecture) -> None:
    """The stock XLM-R of transformers 5 takes it and ignores it."""
    model = masked_only(architecture.stock())
    batch = make_batch()
    mean = model(**batch).loss
    count = int((batch["labels"] != -100).sum())
    torch.testing.assert_close(model(**batch, num_items_in_batch=2 * count).loss, mean / 2)
    torch.testing.assert_close(model(**batch, num_items_in_batch=torch.tensor(4 * count)).loss, mean / 4)
    assert type(model).accepts_loss_kwargs is True and model.loss_type == "ForMaskedLM"


def test_a_checkpoint_is_a_stock_one(architecture: Architecture, tmp_path: Path) -> None:
    architecture.stock().save_pretrained(tmp_path / "source")
    fast = load_masked_lm(tmp_path / "source")
    fast.save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == [f"{architecture.name}ForMaskedLM"]
    assert config["model_type"] == architecture.model_type
    assert "auto_map" not in config and not list((tmp_path / "saved").glob("*.py"))
    pooler = {key for key in saved_keys(tmp_path / "saved") if "pooler" in key}
    assert saved_keys(tmp_path / "saved") - pooler == saved_keys(tmp_path / "source")
    again = AutoModelForMaskedLM.from_pretrained(tmp_path / "saved")
    assert type(again) is getattr(transformers, f"{architecture.name}ForMaskedLM")
    batch = without_labels(make_batch())
    assert torch.equal(again(**batch).logits, fast(**batch).logits)
    encoder, report = AutoModel.from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert not report["missing_keys"]
    assert torch.equal(encoder(**batch).last_hidden_state, fast.base_model(**batch).last_hidden_state)


def test_the_pooler_of_a_checkpoint_survives_training_and_saving(architecture: Architecture, tmp_path: Path) -> None:
    if architecture.name == "ModernBert":
        pytest.skip("ModernBERT has no pooler")
    full = architecture.stock()
    torch.manual_seed(7)
    encoder = architecture.stock_encoder(full.config)
    setattr(full, full.base_model_prefix, encoder)
    full.tie_weights()
    full.save_pretrained(tmp_path / "source")
    model = load_masked_lm(tmp_path / "source").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
    model(**make_batch()).loss.backward()
    optimizer.step()
    model.save_pretrained(tmp_path / "trained")
    trained = AutoModel.from_pretrained(tmp_path / "trained")
    assert torch.equal(trained.pooler.dense.weight, encoder.pooler.dense.weight)
    assert torch.equal(trained.pooler.dense.bias, encoder.pooler.dense.bias)
    assert not torch.equal(trained.get_input_embeddings().weight, encoder.get_input_embeddings().weight)


def test_a_pooler_is_drawn_once_where_there_was_none(architecture: Architecture, tmp_path: Path) -> None:
    if architecture.name == "ModernBert":
        pytest.skip("ModernBERT has no pooler")
    stock = architecture.stock()
    stock.save_pretrained(tmp_path)
    assert not [key for key in saved_keys(tmp_path) if "pooler" in key]  # vacuity guard
    loaded = load_masked_lm(tmp_path)
    torch.manual_seed(123)
    in_place = masked_only(copy.deepcopy(stock))
    name = f"{stock.base_model_prefix}.pooler.dense.weight"
    assert torch.equal(loaded.get_buffer(name), in_place.get_buffer(name))
    assert 0.01 < loaded.get_buffer(name).std() < 0.03
    assert not [key for key, _ in loaded.named_parameters() if "pooler" in key]


def test_masked_only_keeps_the_object_and_its_weights(architecture: Architecture) -> None:
    stock = architecture.stock()
    weights = dict(stock.named_parameters())
    model = masked_only(stock)
    assert model is stock and type(model) is architecture.fast
    assert all(parameter is weights[name] for name, parameter in model.named_parameters())
    assert masked_only(model) is model
    assert model(**make_batch()).logits is None


def test_the_classes_of_this_package_are_loaded_as_they_are(architecture: Architecture, tmp_path: Path) -> None:
    architecture.langscript(tmp_path / "source").save_pretrained(tmp_path / "saved")
    assert type(load_masked_lm(tmp_path / "saved")) is architecture.masked_lm


def test_an_unknown_architecture_is_left_as_it_is_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = RobertaConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    RobertaForMaskedLM(config).save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING, logger="hf_mplm"):
        model = load_masked_lm(tmp_path)
    assert type(model) is RobertaForMaskedLM
    assert "RobertaForMaskedLM has no masked-only loss here" in caplog.text


def test_a_checkpoint_without_its_head_is_refused(architecture: Architecture, tmp_path: Path) -> None:
    architecture.stock().base_model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="saved without its LM head"):
        load_masked_lm(tmp_path)


def test_a_checkpoint_is_loaded_in_float32(architecture: Architecture, tmp_path: Path) -> None:
    architecture.stock().bfloat16().save_pretrained(tmp_path)
    assert load_masked_lm(tmp_path).dtype == torch.float32
    assert load_masked_lm(tmp_path, dtype=torch.bfloat16).dtype == torch.bfloat16


def test_resizing_the_vocabulary_keeps_the_ties(architecture: Architecture) -> None:
    model = masked_only(architecture.stock())
    model.resize_token_embeddings(VOCABULARY + 3, mean_resizing=False)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    batch = make_batch()
    batch["labels"][0, 0] = VOCABULARY + 2
    output = model(**batch, return_logits=True)
    wanted = functional.cross_entropy(output.logits.flatten(0, 1), batch["labels"].flatten())
    torch.testing.assert_close(output.loss, wanted, rtol=1e-6, atol=0)
