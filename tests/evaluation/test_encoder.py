from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import DistilBertConfig, DistilBertModel

from hf_mplm.evaluation.encoder import Encoder, TransformerEncoder, View, length_sorted_batches
from tests.fixtures import corpus_lines, tiny_bert, tiny_modernbert, tiny_xlm_roberta


TEXTS = [
    "All human beings are born free.",
    "No.",
    "Wanadamu wote wamezaliwa huru",
    "人人生而自由 在尊严和权利上一律平等",
]
BUILDERS = {"xlm-r": tiny_xlm_roberta, "bert": tiny_bert, "modernbert": tiny_modernbert}


def stock_vectors(model, tokenizer, texts, layer, *, special_tokens=True):
    """The plain way: all layers of one padded batch, and a mean over a mask."""
    batch = tokenizer(texts, padding=True, return_tensors="pt", return_special_tokens_mask=True)
    special = batch.pop("special_tokens_mask")
    batch.pop("token_type_ids", None)
    with torch.inference_mode():
        outputs = model.base_model(**batch, output_hidden_states=True)
    # At full depth the states are the final-normed ones, which 4.57 leaves out of ModernBERT's `hidden_states`.
    states = outputs.last_hidden_state if layer == model.config.num_hidden_layers else outputs.hidden_states[layer]
    mask = batch["attention_mask"] if special_tokens else batch["attention_mask"] * (1 - special)
    return ((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).numpy()


def stock_states(model, tokenizer, text, layer):
    batch = tokenizer([text], return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        outputs = model.base_model(**batch, output_hidden_states=True)
    last = layer == model.config.num_hidden_layers
    return (outputs.last_hidden_state if last else outputs.hidden_states[layer])[0].numpy()


@pytest.mark.parametrize("architecture", list(BUILDERS))
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_vectors_equal_stock_hidden_states(architecture, layer, tiny_tokenizer):
    model = BUILDERS[architecture](len(tiny_tokenizer))
    encoder = TransformerEncoder(model, tiny_tokenizer, layer=layer, device="cpu")
    assert encoder.stops_early
    expected = stock_vectors(model, tiny_tokenizer, TEXTS, layer)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=1e-6)
    other = stock_vectors(model, tiny_tokenizer, TEXTS, (layer + 1) % 3)
    assert np.abs(other - expected).max() > 1e-3


def test_an_architecture_that_cannot_be_cut_short_is_measured_all_the_same(tiny_tokenizer):
    sizes = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
    config = DistilBertConfig(vocab_size=len(tiny_tokenizer), pad_token_id=1, **sizes)
    torch.manual_seed(0)
    model = DistilBertModel(config).eval()
    for layer in (0, 1, 2):
        encoder = TransformerEncoder(model, tiny_tokenizer, layer=layer, device="cpu")
        assert not encoder.stops_early
        np.testing.assert_allclose(
            encoder.encode(TEXTS), stock_vectors(model, tiny_tokenizer, TEXTS, layer), atol=1e-6
        )
    views = [View(layer, "mean") for layer in (0, 1, 2)]
    for view, vectors in encoder.encode_views(TEXTS, views)[1].items():
        expected = stock_vectors(model, tiny_tokenizer, TEXTS, view.layer)
        np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_layers_after_the_pooled_one_are_not_computed(tiny_tokenizer):
    model = tiny_xlm_roberta(len(tiny_tokenizer))
    calls = []
    for number, block in enumerate(model.roberta.encoder.layer):
        block.register_forward_hook(lambda *_, number=number: calls.append(number))
    TransformerEncoder(model, tiny_tokenizer, layer=1, device="cpu").encode(TEXTS)
    assert set(calls) == {0}


@pytest.mark.parametrize("architecture", list(BUILDERS))
def test_views_equal_one_encoding_each_and_take_one_forward_pass(architecture, tiny_tokenizer):
    model = BUILDERS[architecture](len(tiny_tokenizer))
    encoder = TransformerEncoder(model, tiny_tokenizer, special_tokens=False, device="cpu", tokens_per_batch=40)
    views = [View(layer, pooling) for layer in (0, 1, 2) for pooling in ("mean", "cls")]
    passes = []
    hook = model.base_model.register_forward_hook(lambda *_: passes.append(1))
    kept, vectors = encoder.encode_views([*TEXTS, TEXTS[0], " "], views)
    taken = len(passes)
    encoder.encode(TEXTS)
    hook.remove()
    assert kept.tolist() == [True] * 5 + [False] and taken == len(passes) - taken > 1
    for layer in (0, 1, 2):
        expected = stock_vectors(model, tiny_tokenizer, TEXTS, layer, special_tokens=False)
        np.testing.assert_allclose(vectors[View(layer, "mean")][:4], expected, atol=1e-6)
        np.testing.assert_array_equal(vectors[View(layer, "mean")][4], vectors[View(layer, "mean")][0])
        first = [stock_states(model, tiny_tokenizer, text, layer)[0] for text in TEXTS]
        np.testing.assert_allclose(vectors[View(layer, "cls")][:4], first, atol=1e-6)
    shallow = encoder.encode_views(TEXTS, [View(1, "mean")])[1]
    np.testing.assert_array_equal(shallow[View(1, "mean")], vectors[View(1, "mean")][:4])
    with pytest.raises(ValueError, match="no mean of layer 3.*to 2"):
        encoder.encode_views(TEXTS, [View(3, "mean")])
    with pytest.raises(ValueError, match="poolings are mean, cls"):
        encoder.encode_views(TEXTS, [View(1, "max")])


def test_default_layer_is_two_thirds_of_the_depth(tiny_tokenizer):
    encoder = TransformerEncoder(tiny_xlm_roberta(len(tiny_tokenizer), num_hidden_layers=6), tiny_tokenizer)
    assert encoder.layer == 4
    assert isinstance(encoder, Encoder)


def test_special_tokens_can_be_left_out(tiny_tokenizer):
    model = tiny_xlm_roberta(len(tiny_tokenizer))
    without = TransformerEncoder(model, tiny_tokenizer, layer=1, special_tokens=False, device="cpu").encode(TEXTS)
    expected = stock_vectors(model, tiny_tokenizer, TEXTS, 1, special_tokens=False)
    np.testing.assert_allclose(without, expected, atol=1e-6)
    assert np.abs(without - stock_vectors(model, tiny_tokenizer, TEXTS, 1)).max() > 1e-3


@pytest.mark.parametrize("tokens_per_batch", [1, 40, 10_000])
def test_batches_change_nothing(tokens_per_batch, tiny_tokenizer):
    texts = [line for _, line in corpus_lines()][::7]
    model = tiny_xlm_roberta(len(tiny_tokenizer))
    expected = TransformerEncoder(model, tiny_tokenizer, layer=1, device="cpu").encode(texts)
    encoder = TransformerEncoder(model, tiny_tokenizer, layer=1, tokens_per_batch=tokens_per_batch, device="cpu")
    vectors = encoder.encode(texts)
    np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    backwards = encoder.encode(texts[::-1])[::-1]
    np.testing.assert_allclose(backwards, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_equal_sentences_are_encoded_once_and_alike(tiny_tokenizer):
    model = tiny_xlm_roberta(len(tiny_tokenizer))
    encoder = TransformerEncoder(model, tiny_tokenizer, device="cpu", tokens_per_batch=30)
    rows = []
    model.roberta.embeddings.register_forward_hook(lambda _, inputs, output: rows.append(len(output)))
    vectors = encoder.encode([*TEXTS, *TEXTS])
    assert sum(rows) == len(TEXTS)
    np.testing.assert_array_equal(vectors[: len(TEXTS)], vectors[len(TEXTS) :])


def test_training_mode_is_given_back(tiny_tokenizer):
    model = tiny_xlm_roberta(len(tiny_tokenizer), hidden_dropout_prob=0.5).train()
    encoder = TransformerEncoder(model, tiny_tokenizer, device="cpu")
    np.testing.assert_array_equal(encoder.encode(TEXTS), encoder.encode(TEXTS))
    assert all(module.training for module in model.modules())


def test_long_texts_are_cut_to_the_window(tiny_tokenizer):
    model = tiny_xlm_roberta(len(tiny_tokenizer))
    encoder = TransformerEncoder(model, tiny_tokenizer, device="cpu")
    assert encoder.max_length == model.config.max_position_embeddings - 2
    assert np.isfinite(encoder.encode(["word " * 1000])).all()


def test_a_text_without_tokens_is_named(tiny_tokenizer):
    encoder = TransformerEncoder(tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, special_tokens=False)
    with pytest.raises(ValueError, match="maps ' ' to no token"):
        encoder.encode(["fine", " "])


def test_a_layer_beyond_the_depth_is_refused(tiny_tokenizer):
    with pytest.raises(ValueError, match=r"layer 3 does not exist.*0 \(embeddings\) to 2"):
        TransformerEncoder(tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer, layer=3)


def test_batches_hold_every_row_once_within_the_budget():
    lengths = [3, 9, 1, 9, 200, 4, 5]
    batches = list(length_sorted_batches(lengths, 18))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert batches[0] == [4]
    for batch in batches[1:]:
        assert len(batch) * max(lengths[row] for row in batch) <= 18
