from __future__ import annotations

import pytest
import torch

from hf_mplm.modeling import XLMRobertaForLangScriptMLM
from hf_mplm.modeling.stock import masked_only
from tests.fixtures import tiny_xlm_roberta as build
from tests.trainers.helpers import CODES, largest_difference, make_trainer, weights

from .test_trainer import gradients_of


@pytest.fixture
def start(tiny_tokenizer, tmp_path):
    folder = tmp_path / "start"
    build(len(tiny_tokenizer)).save_pretrained(folder)
    return folder


def test_gradients_do_not_depend_on_how_a_step_is_cut(start, tiny_tokenizer, tmp_path):
    found = {}
    for batch, accumulation in [(8, 1), (4, 2), (2, 4)]:
        torch.manual_seed(0)
        model = XLMRobertaForLangScriptMLM.from_encoder(start, languages=CODES)
        found[batch], _ = gradients_of(model, tiny_tokenizer, tmp_path / "out", batch, accumulation)
    scale = max(float(gradient.abs().max()) for gradient in found[8].values())
    for batch in (4, 2):
        assert largest_difference(found[8], found[batch]) < 1e-5 * scale


def test_masked_only_and_stock_models_get_the_same_gradients(tiny_tokenizer, tmp_path):
    stock, loss = gradients_of(build(len(tiny_tokenizer)), tiny_tokenizer, tmp_path, 4, 2)
    fast, fast_loss = gradients_of(masked_only(build(len(tiny_tokenizer))), tiny_tokenizer, tmp_path, 4, 2)
    scale = max(float(gradient.abs().max()) for gradient in stock.values())
    assert largest_difference(stock, fast) < 1e-5 * scale
    assert loss == pytest.approx(fast_loss, rel=1e-5)


def test_every_row_meets_the_embeddings_of_its_language_and_script(start, tiny_tokenizer, tmp_path):
    # In an order of the model's own, so that a store's label is no id of the model.
    model = XLMRobertaForLangScriptMLM.from_encoder(start, languages=["srp_Cyrl", "eng_Latn", "ell_Grek", "deu_Latn"])
    trainer = make_trainer(model, tiny_tokenizer, tmp_path / "out", max_steps=1)
    seen = []
    model.register_forward_pre_hook(lambda _, args, kwargs: seen.append(kwargs), with_kwargs=True)
    batch = next(iter(trainer.get_train_dataloader()))
    trainer.train()
    codes = [CODES[index] for index in batch["language"]]
    assert [model.config.languages[index] for index in seen[0]["language_ids"]] == [code[:3] for code in codes]
    assert [model.config.scripts[index] for index in seen[0]["script_ids"]] == [code[4:] for code in codes]
    assert "language" not in seen[0] and "draw" not in seen[0]


@pytest.mark.parametrize("table", ["language", "script"])
def test_a_table_that_is_off_is_not_asked_for(table, start, tiny_tokenizer, tmp_path):
    off = {f"use_{table}_embeddings": False}
    model = XLMRobertaForLangScriptMLM.from_encoder(start, languages=CODES, **off)
    before = weights(model)
    make_trainer(model, tiny_tokenizer, tmp_path / "out", mask_rate="0.5").train()
    other = "script" if table == "language" else "language"
    assert not torch.equal(before[f"{other}_embeddings.weight"], weights(model)[f"{other}_embeddings.weight"])
    assert f"{table}_embeddings.weight" not in before


def test_languages_that_the_model_lacks_are_named_with_the_line_to_type(start, tiny_tokenizer, tmp_path):
    model = XLMRobertaForLangScriptMLM.from_encoder(start, languages=["deu_Latn"])
    with pytest.raises(
        ValueError, match=r"2 of 3.*ell_Grek, srp_Cyrl.*model.add_languages\(\['ell_Grek', 'srp_Cyrl'\]"
    ):
        make_trainer(model, tiny_tokenizer, tmp_path / "out")
    model.add_languages(CODES)
    make_trainer(model, tiny_tokenizer, tmp_path / "out", max_steps=1).train()
