from __future__ import annotations

import inspect
import itertools
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForMaskedLM

from .models import ARCHITECTURES, CODES, ROW_IDS, VOCABULARY, Architecture, loaded, make_batch, without_labels, zeroed


def test_from_encoder_takes_everything_but_the_tables(architecture: Architecture, tmp_path: Path) -> None:
    """H + 0 is H: with zero tables the logits are the stock model's to 0 ulp, with ids and without."""
    model = architecture.langscript(tmp_path)
    stock = AutoModelForMaskedLM.from_pretrained(tmp_path)
    weights = stock.state_dict()
    own = model.state_dict()
    new = {"language_embeddings.weight", "script_embeddings.weight"}
    pooler = {name for name in own if "pooler" in name}
    assert set(own) - set(weights) == new | pooler
    assert all(torch.equal(own[name], value) for name, value in weights.items())
    assert bool(pooler) == (architecture.name != "ModernBert")
    assert model.config.languages == ["eng", "tha", "srp"] and model.config.scripts == ["Latn", "Thai", "Cyrl"]
    batch = without_labels(make_batch())
    wanted = stock(**batch).logits
    assert torch.equal(model(**batch).logits, wanted)
    assert not torch.equal(model(**batch, **ROW_IDS).logits, wanted)  # vacuity guard: the tables are not zero
    assert torch.equal(zeroed(model)(**batch, **ROW_IDS).logits, wanted)


def test_tables_start_from_a_normal_of_two_hundredths(architecture: Architecture, tmp_path: Path) -> None:
    architecture.stock().save_pretrained(tmp_path)
    codes = ["".join(letters) + "_Latn" for letters in itertools.product("abcdefgh", repeat=3)]
    torch.manual_seed(0)
    table = architecture.masked_lm.from_encoder(tmp_path, codes).language_embeddings.weight
    assert table.shape == (512, 32)
    assert abs(table.mean()) < 1e-3 and abs(table.std() - 0.02) < 1e-3


def test_languages_and_scripts_may_come_apart(architecture: Architecture, tmp_path: Path) -> None:
    architecture.stock().save_pretrained(tmp_path)
    model = architecture.masked_lm.from_encoder(tmp_path, languages=["eng", "srp"], scripts=["Latn", "Cyrl"])
    assert model.config.languages == ["eng", "srp"] and model.config.scripts == ["Latn", "Cyrl"]
    assert model.language_ids_of("srp_Latn") == (1, 0) and model.language_ids_of("srp_Cyrl") == (1, 1)


def test_a_checkpoint_without_an_lm_head_is_refused(architecture: Architecture, tmp_path: Path) -> None:
    architecture.stock().base_model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="saved without its LM head"):
        architecture.masked_lm.from_encoder(tmp_path, CODES)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    xlm_roberta, bert, _ = ARCHITECTURES
    model = bert.langscript(tmp_path / "bert")
    with pytest.raises(ValueError, match="XLMRobertaForLangScriptMLM starts from 'xlm-roberta'"):
        xlm_roberta.masked_lm.from_encoder(tmp_path / "bert", CODES)
    model.save_pretrained(tmp_path / "own")
    with pytest.raises(ValueError, match="load it with from_pretrained and call add_languages"):
        bert.masked_lm.from_encoder(tmp_path / "own", CODES)


def test_from_encoder_loads_in_float32(architecture: Architecture, tmp_path: Path) -> None:
    architecture.stock().bfloat16().save_pretrained(tmp_path)
    model = architecture.masked_lm.from_encoder(tmp_path, CODES)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert architecture.masked_lm.from_encoder(tmp_path, CODES, dtype=torch.bfloat16).dtype == torch.bfloat16


def test_a_checkpoint_round_trip_changes_nothing(architecture: Architecture, tmp_path: Path) -> None:
    model = architecture.langscript(tmp_path / "source")
    model.save_pretrained(tmp_path / "saved")
    again = loaded(architecture, tmp_path / "saved")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())
    assert again.config.languages == model.config.languages and again.config.scripts == model.config.scripts
    assert again.get_output_embeddings().weight is again.get_input_embeddings().weight
    assert torch.equal(again(**make_batch(), **ROW_IDS).loss, model(**make_batch(), **ROW_IDS).loss)


def test_the_encoder_loads_from_the_same_checkpoint_and_takes_no_ids(
    architecture: Architecture, tmp_path: Path
) -> None:
    model = architecture.langscript(tmp_path / "source")
    model.save_pretrained(tmp_path / "saved")
    encoder, report = AutoModel.from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert type(encoder).__name__ == f"{architecture.name}LangScriptModel"
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert "language_ids" not in inspect.signature(encoder.forward).parameters
    batch = without_labels(make_batch())
    assert torch.equal(encoder(**batch).last_hidden_state, model.base_model(**batch).last_hidden_state)
    assert not any("language" in name or "script" in name for name in encoder.state_dict())


def test_the_plain_encoder_loads_without_this_package(architecture: Architecture, tmp_path: Path) -> None:
    """The stock class, bit-identical states, no key missing, and a configuration that says nothing of this package."""
    model = architecture.langscript(tmp_path / "source")
    state = torch.get_rng_state()
    model.export_encoder(tmp_path / "plain")
    assert torch.equal(torch.get_rng_state(), state)
    encoder, report = AutoModel.from_pretrained(tmp_path / "plain", output_loading_info=True)
    assert type(encoder) is architecture.stock_encoder
    assert not report["missing_keys"] and not report["unexpected_keys"]
    batch = without_labels(make_batch())
    for one, other in zip(
        encoder(**batch, output_hidden_states=True).hidden_states,
        model.base_model(**batch, output_hidden_states=True).hidden_states,
    ):
        assert torch.equal(one, other)
    text = (tmp_path / "plain" / "config.json").read_text(encoding="utf-8")
    assert not any(word in text for word in ("langscript", "languages", "hf_mplm", "auto_map"))
    assert [file.name for file in (tmp_path / "plain").glob("*.py")] == []


def test_a_pooler_is_kept_and_one_is_made_once(architecture: Architecture, tmp_path: Path) -> None:
    if architecture.name == "ModernBert":
        pytest.skip("ModernBERT has no pooler")
    first = architecture.langscript(tmp_path / "source")
    torch.manual_seed(99)
    second = architecture.masked_lm.from_encoder(tmp_path / "source", CODES)
    weight = "base_model.pooler.dense.weight"
    made = first.get_buffer(f"{first.base_model_prefix}.pooler.dense.weight")
    assert torch.equal(made, second.get_buffer(f"{second.base_model_prefix}.pooler.dense.weight")), weight
    assert 0.01 < made.std() < 0.03
    # A checkpoint that has one keeps it.
    torch.manual_seed(5)
    full = architecture.stock()
    encoder = architecture.stock_encoder(full.config)
    setattr(full, full.base_model_prefix, encoder)
    full.tie_weights()
    full.save_pretrained(tmp_path / "full")
    kept = architecture.masked_lm.from_encoder(tmp_path / "full", CODES)
    optimizer = torch.optim.AdamW(kept.parameters(), lr=0.1)
    kept.train()(**make_batch(), **ROW_IDS).loss.backward()
    optimizer.step()
    kept.save_pretrained(tmp_path / "trained")
    trained = AutoModel.from_pretrained(tmp_path / "trained")
    assert torch.equal(trained.pooler.dense.weight, encoder.pooler.dense.weight)
    assert not torch.equal(trained.get_input_embeddings().weight, encoder.get_input_embeddings().weight)
    classifier, report = _sequence_classifier(architecture).from_pretrained(
        tmp_path / "trained", output_loading_info=True
    )
    assert all("classifier" in name for name in report["missing_keys"])
    if architecture.name == "Bert":
        assert torch.equal(classifier.bert.pooler.dense.weight, encoder.pooler.dense.weight)


def _sequence_classifier(architecture: Architecture):
    from hf_mplm import modeling

    return getattr(modeling, f"{architecture.name}LangScriptForSequenceClassification")


def test_a_missing_token_type_table_is_zero(architecture: Architecture, tmp_path: Path) -> None:
    """As in LangSAMP's own checkpoints, which lack it; a stock load would add random numbers to every token."""
    if architecture.name == "ModernBert":
        pytest.skip("ModernBERT has no token types")
    from safetensors.torch import save_file

    architecture.stock().save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    key = next(name for name in weights if "token_type" in name)
    assert weights.pop(key).any()  # vacuity guard
    save_file(weights, file, metadata={"format": "pt"})
    model = architecture.masked_lm.from_encoder(tmp_path, CODES)
    assert not model.base_model.embeddings.token_type_embeddings.weight.any()
    model.save_pretrained(tmp_path / "saved")
    assert key in load_file(tmp_path / "saved" / "model.safetensors")


def test_add_languages_grows_what_is_missing(architecture: Architecture, tmp_path: Path) -> None:
    model = architecture.langscript(tmp_path / "source")
    languages, scripts = (table.weight.clone() for table in (model.language_embeddings, model.script_embeddings))
    model.add_languages(["tha_Thai"])
    assert torch.equal(model.language_embeddings.weight, languages)
    model.add_languages(["xyz_Thai", "lao_Laoo", "xyz_Thai"])
    assert model.config.languages == ["eng", "tha", "srp", "xyz", "lao"]
    assert model.config.scripts == ["Latn", "Thai", "Cyrl", "Laoo"]
    assert torch.equal(model.language_embeddings.weight[:3], languages)
    assert torch.equal(model.script_embeddings.weight[:3], scripts)
    assert model.language_embeddings.weight[3:].any(-1).all()
    assert model.language_embeddings.weight.requires_grad
    batch = make_batch()
    ids = {"language_ids": torch.tensor([3, 4, 0]), "script_ids": torch.tensor([1, 3, 0])}
    model(**batch, **ids).loss.backward()
    assert model.language_embeddings.weight.grad[3].any()
    model.save_pretrained(tmp_path / "saved")
    again = loaded(architecture, tmp_path / "saved")
    assert torch.equal(again(**batch, **ids).loss, model(**batch, **ids).loss)


def test_add_languages_makes_the_first_tables(architecture: Architecture) -> None:
    config = architecture.stock().config.to_dict()
    config.pop("model_type")
    model = architecture.masked_lm(architecture.config(**config))
    assert model.language_embeddings is None and model.script_embeddings is None
    model.add_languages(["tha_Thai"])
    assert model.language_embeddings.weight.shape == model.script_embeddings.weight.shape == (1, 32)


def test_resizing_the_vocabulary_keeps_the_ties(architecture: Architecture, tmp_path: Path) -> None:
    model = architecture.langscript(tmp_path / "source")
    model.resize_token_embeddings(VOCABULARY + 8, mean_resizing=False)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert model.get_output_embeddings().bias.shape == (VOCABULARY + 8,)
    batch = make_batch()
    batch["labels"][0, 0] = VOCABULARY + 7
    loss = model(**batch, **ROW_IDS).loss
    loss.backward()
    model.save_pretrained(tmp_path / "saved")
    assert torch.equal(loaded(architecture, tmp_path / "saved")(**batch, **ROW_IDS).loss, loss)
