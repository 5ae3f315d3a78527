from __future__ import annotations

import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM

from hf_mplm.trainers.masked_lm.from_scratch import build_encoder
from tests.trainers.helpers import largest_difference, weights


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def test_the_seed_decides_the_weights_and_nothing_else_is_drawn(tiny_tokenizer):
    state = torch.get_rng_state()
    first, same, other = (build_encoder(tiny_tokenizer, seed=seed, **SMALL) for seed in (3, 3, 4))
    assert torch.equal(state, torch.get_rng_state())
    assert largest_difference(weights(first), weights(same)) == 0
    assert largest_difference(weights(first), weights(other)) > 0


@pytest.mark.parametrize("model_type", ["xlm-roberta", "bert", "modernbert"])
def test_it_is_an_ordinary_checkpoint(model_type, tiny_tokenizer, tmp_path):
    model = build_encoder(tiny_tokenizer, model_type=model_type, **SMALL)
    model.save_pretrained(tmp_path)
    again, report = AutoModelForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and again.config.model_type == model_type
    assert again.config.vocab_size == len(tiny_tokenizer) and again.config.pad_token_id == tiny_tokenizer.pad_token_id
    _, report = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]


def test_a_setting_that_does_not_exist_names_the_nearest(tiny_tokenizer):
    with pytest.raises(ValueError, match="num_hiden_layers is no setting.*num_hidden_layers"):
        build_encoder(tiny_tokenizer, num_hiden_layers=2)
