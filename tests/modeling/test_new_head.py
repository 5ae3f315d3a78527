from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from hf_mplm.cli.pretrain import make_parser
from hf_mplm.modeling import load_masked_lm
from hf_mplm.modeling.new_head import head_parameters, set_unigram_bias

from .models import Architecture, make_batch, without_labels


@pytest.fixture
def headless(architecture: Architecture, tmp_path: Path) -> Path:
    """An encoder as sentence-transformers keeps it: the base model alone, with norms that training has moved."""
    model = architecture.stock()
    norms = [part for part in model.base_model.modules() if isinstance(part, nn.LayerNorm)]
    torch.manual_seed(3)
    with torch.no_grad():
        for norm in norms:
            norm.weight.add_(0.3 * torch.randn_like(norm.weight))
            if norm.bias is not None:
                norm.bias.add_(0.3 * torch.randn_like(norm.bias))
    model.base_model.save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"


def test_without_the_flag_it_is_refused_and_the_flag_named(headless: Path) -> None:
    with pytest.raises(ValueError, match=r"saved without its LM head.*--new_lm_head") as caught:
        load_masked_lm(headless)
    # Verbs that lack the flag (`hf-mplm quickstart --model`) show the same words, so that they hold a whole line.
    (line,) = re.findall(r"hf-mplm (pretrain [^;]*--output \S+)", str(caught.value))
    arguments, _ = make_parser().parse(line.split()[1:])
    assert arguments.new_lm_head and arguments.model == str(headless)


def test_the_transform_is_the_identity_but_for_mean_and_length(architecture: Architecture, headless: Path) -> None:
    model = load_masked_lm(headless, new_head=True)
    with torch.no_grad():
        states = model.base_model(**without_labels(make_batch())).last_hidden_state.flatten(0, 1)
    centred = states - states.mean(-1, keepdim=True)
    made = model._transform(states)
    made = made - made.mean(-1, keepdim=True)
    # ModernBERT's head has no biases, so that its activation is linear nearly and not exactly.
    closest = 0.9995 if architecture.name == "ModernBert" else 1 - 1e-5
    assert float(nn.functional.cosine_similarity(made, centred, dim=-1).min()) > closest
    assert 0.7 < float(made.norm(dim=-1).mean() / centred.norm(dim=-1).mean()) < 1.4
    assert model.new_head.closeness > closest
    # Vacuity guard: the transform that is drawn at random is far from it.
    drawn = architecture.fast(model.config)._transform(states)
    assert float(nn.functional.cosine_similarity(drawn, centred, dim=-1).mean()) < 0.5


def test_the_encoder_is_untouched_and_the_decoder_tied(architecture: Architecture, headless: Path) -> None:
    model = load_masked_lm(headless, new_head=True)
    stock = architecture.stock_encoder.from_pretrained(headless)
    batch = without_labels(make_batch())
    assert torch.equal(model.base_model(**batch).last_hidden_state, stock.eval()(**batch).last_hidden_state)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert not model.get_output_embeddings().bias.any()


def test_the_decoder_is_tied_where_the_encoder_was_saved_untied(architecture: Architecture, tmp_path: Path) -> None:
    model = architecture.stock()
    model.base_model.config.tie_word_embeddings = False
    model.base_model.save_pretrained(tmp_path)
    loaded = load_masked_lm(tmp_path, new_head=True)
    assert loaded.get_output_embeddings().weight is loaded.get_input_embeddings().weight
    loaded.save_pretrained(tmp_path / "saved")
    again = load_masked_lm(tmp_path / "saved")
    assert torch.equal(again(**without_labels(make_batch())).logits, loaded(**without_labels(make_batch())).logits)


def test_a_checkpoint_with_a_head_keeps_it(architecture: Architecture, tmp_path: Path) -> None:
    architecture.stock().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="has an LM head already"):
        load_masked_lm(tmp_path, new_head=True)


def test_langsamp_starts_from_it(architecture: Architecture, headless: Path) -> None:
    model = architecture.masked_lm.from_encoder(headless, languages=["deu_Latn", "ell_Grek"], new_head=True)
    plain = load_masked_lm(headless, new_head=True)
    batch = without_labels(make_batch())
    assert torch.equal(model(**batch).logits, plain(**batch).logits)
    tables = {id(table.weight) for table in (model.language_embeddings, model.script_embeddings)}
    assert tables < {id(parameter) for parameter in head_parameters(model)}


def test_the_bias_is_the_smoothed_distribution_of_tokens(headless: Path, tmp_path: Path) -> None:
    model = load_masked_lm(headless, new_head=True)
    rows = model.config.vocab_size
    counts = torch.zeros(rows - 4, dtype=torch.int64)  # fewer ids than rows, as where rows were padded
    counts[10], counts[11] = 5, 2
    set_unigram_bias(model, counts)
    probabilities = model.get_output_embeddings().bias.exp()
    torch.testing.assert_close(probabilities.sum(), torch.tensor(1.0))
    torch.testing.assert_close(probabilities[10], torch.tensor(6 / (7 + rows)))
    torch.testing.assert_close(probabilities[rows - 1], torch.tensor(1 / (7 + rows)))
    model.save_pretrained(tmp_path / "saved")
    assert torch.equal(load_masked_lm(tmp_path / "saved").get_output_embeddings().bias.exp(), probabilities)
    with pytest.raises(ValueError, match="were counted"):
        set_unigram_bias(model, torch.ones(rows + 1))
