from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForMaskedLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    XLMRobertaForSequenceClassification,
)

from hf_mplm.data.tokenizing.tokenizers import extend_tokenizer, load_tokenizer
from hf_mplm.data.tokenizing.trimming import choose_tokens, write_trimmed_tokenizer
from hf_mplm.modeling.vocabulary import extend_vocabulary, trim_vocabulary
from tests.fixtures import corpus_lines, tiny_bert, tiny_modernbert, tiny_xlm_roberta


NEW_PIECES = ["▁dignity", "ification", "▁mensch", "ზოგადო"]
BUILDERS = [tiny_xlm_roberta, tiny_bert, tiny_modernbert]


@pytest.fixture
def larger_tokenizer(tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> PreTrainedTokenizerBase:
    return extend_tokenizer(tiny_tokenizer, NEW_PIECES, tmp_path / "larger")


def _build(builder: Callable[..., PreTrainedModel], vocab_size: int, **config: object) -> PreTrainedModel:
    """A model whose biases are not all zero, as in a trained one."""
    model = builder(vocab_size, **config)
    with torch.no_grad():
        model.get_output_embeddings().bias.normal_(generator=torch.Generator().manual_seed(1))
    return model


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("initialization", ["mean", "subwords", "normal"])
def test_learned_rows_follow_their_tokens(
    builder: Callable[..., PreTrainedModel],
    initialization: str,
    tiny_tokenizer: PreTrainedTokenizerBase,
    larger_tokenizer: PreTrainedTokenizerBase,
) -> None:
    model = _build(builder, len(tiny_tokenizer))
    rows = model.get_input_embeddings().weight.detach().clone()
    bias = model.get_output_embeddings().bias.detach().clone()
    old_mask, new_mask = tiny_tokenizer.mask_token_id, larger_tokenizer.mask_token_id
    assert (old_mask, new_mask) == (len(tiny_tokenizer) - 1, len(tiny_tokenizer) + len(NEW_PIECES) - 1)

    extension = extend_vocabulary(model, tiny_tokenizer, larger_tokenizer, initialization=initialization)

    assert extension == (len(tiny_tokenizer), len(NEW_PIECES), {"<mask>": (old_mask, new_mask)})
    embedding, decoder = model.get_input_embeddings(), model.get_output_embeddings()
    assert model.config.vocab_size == embedding.num_embeddings == decoder.out_features == len(larger_tokenizer)
    assert decoder.weight is embedding.weight
    for after, before in ((embedding.weight, rows), (decoder.bias, bias)):
        assert torch.equal(after[:old_mask], before[:old_mask])
        assert torch.equal(after[new_mask], before[old_mask])
        assert not torch.equal(after[old_mask], before[old_mask])  # it belongs to a new piece now


def test_stock_resizing_would_lose_the_mask(
    tiny_tokenizer: PreTrainedTokenizerBase, larger_tokenizer: PreTrainedTokenizerBase
) -> None:
    """Guards the test above: without the move, the learned row stays where a new piece stands."""
    model = tiny_xlm_roberta(len(tiny_tokenizer))
    learned = model.get_input_embeddings().weight[tiny_tokenizer.mask_token_id].detach().clone()
    model.resize_token_embeddings(len(larger_tokenizer), mean_resizing=False)
    weight = model.get_input_embeddings().weight
    assert torch.equal(weight[larger_tokenizer.convert_tokens_to_ids(NEW_PIECES[0])], learned)
    assert not torch.equal(weight[larger_tokenizer.mask_token_id], learned)


@pytest.mark.parametrize("builder", BUILDERS)
def test_logits_of_old_ids_do_not_change(
    builder: Callable[..., PreTrainedModel],
    tiny_tokenizer: PreTrainedTokenizerBase,
    larger_tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
) -> None:
    model = _build(builder, len(tiny_tokenizer))
    old_mask, new_mask = tiny_tokenizer.mask_token_id, larger_tokenizer.mask_token_id
    texts = [f"{line[:40]} <mask>" for _, line in corpus_lines("rus_Cyrl", "tha_Thai")[:4]]
    old_batch = tiny_tokenizer(texts, padding=True, return_tensors="pt")
    new_batch = larger_tokenizer(texts, padding=True, return_tensors="pt")
    # None of these lines has a new piece, so that the batches differ in the id of the mask alone.
    ids = old_batch["input_ids"]
    assert torch.equal(new_batch["input_ids"], torch.where(ids == old_mask, new_mask, ids))
    with torch.no_grad():
        expected = model(**old_batch).logits
        extend_vocabulary(model, tiny_tokenizer, larger_tokenizer)
        logits = model(**new_batch).logits
        model.save_pretrained(tmp_path / "model")
        loaded, report = AutoModelForMaskedLM.from_pretrained(tmp_path / "model", output_loading_info=True)
        again = loaded.eval()(**new_batch).logits
    torch.testing.assert_close(logits[..., :old_mask], expected[..., :old_mask], rtol=0, atol=1e-6)
    torch.testing.assert_close(logits[..., new_mask], expected[..., old_mask], rtol=0, atol=1e-6)
    assert torch.equal(again, logits)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert loaded.get_output_embeddings().weight is loaded.get_input_embeddings().weight


@pytest.mark.parametrize("builder", [tiny_xlm_roberta, tiny_bert])
def test_the_bias_stays_one_parameter(
    builder: Callable[..., PreTrainedModel],
    tiny_tokenizer: PreTrainedTokenizerBase,
    larger_tokenizer: PreTrainedTokenizerBase,
) -> None:
    model = _build(builder, len(tiny_tokenizer))
    extend_vocabulary(model, tiny_tokenizer, larger_tokenizer)
    head = model.lm_head if builder is tiny_xlm_roberta else model.cls.predictions
    assert head.bias is head.decoder.bias
    assert len(head.bias) == len(larger_tokenizer)


def test_new_rows_are_the_means_that_they_claim_to_be(
    tiny_tokenizer: PreTrainedTokenizerBase, larger_tokenizer: PreTrainedTokenizerBase
) -> None:
    model = _build(tiny_xlm_roberta, len(tiny_tokenizer))
    rows = model.get_input_embeddings().weight.detach().clone()
    bias = model.get_output_embeddings().bias.detach().clone()
    first = tiny_tokenizer.mask_token_id
    extend_vocabulary(model, tiny_tokenizer, larger_tokenizer)
    # <s>, <pad>, </s>, <unk> and <mask> are no part of the mean.
    expected = rows[4:first].double().mean(dim=0)
    for index in range(first, first + len(NEW_PIECES)):
        torch.testing.assert_close(model.get_input_embeddings().weight[index].double(), expected, rtol=0, atol=1e-8)
        torch.testing.assert_close(model.get_output_embeddings().bias[index].double(), bias[4:first].double().mean())

    model = _build(tiny_xlm_roberta, len(tiny_tokenizer))
    extend_vocabulary(model, tiny_tokenizer, larger_tokenizer, initialization="subwords")
    subwords = tiny_tokenizer("dignity", add_special_tokens=False)["input_ids"]
    assert len(subwords) > 1 and tiny_tokenizer.unk_token_id not in subwords
    new_id = larger_tokenizer.convert_tokens_to_ids("▁dignity")
    torch.testing.assert_close(model.get_input_embeddings().weight[new_id], rows[subwords].mean(dim=0))
    torch.testing.assert_close(model.get_output_embeddings().bias[new_id], bias[subwords].mean())


def test_normal_rows_are_seeded_and_of_the_models_spread(
    tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    larger = extend_tokenizer(tiny_tokenizer, [f"▁{n}x{n}" for n in range(200)], tmp_path)
    new_rows = []
    for seed in (0, 0, 1):
        model = tiny_xlm_roberta(len(tiny_tokenizer), initializer_range=0.05)
        torch.manual_seed(seed + len(new_rows))  # the global generator must not matter
        extend_vocabulary(model, tiny_tokenizer, larger, initialization="normal", seed=seed)
        new_rows.append(model.get_input_embeddings().weight[tiny_tokenizer.mask_token_id : -1].detach().clone())
    assert torch.equal(new_rows[0], new_rows[1])
    assert not torch.equal(new_rows[0], new_rows[2])
    # 6,400 draws: the sample's deviation is within 3% of the true one in all but one of a thousand tries.
    assert new_rows[0].std().item() == pytest.approx(0.05, rel=0.03)


def test_an_untied_decoder_follows_too(
    tiny_tokenizer: PreTrainedTokenizerBase, larger_tokenizer: PreTrainedTokenizerBase
) -> None:
    model = tiny_xlm_roberta(len(tiny_tokenizer), tie_word_embeddings=False)
    rows = model.get_output_embeddings().weight.detach().clone()
    assert model.get_output_embeddings().weight is not model.get_input_embeddings().weight
    extend_vocabulary(model, tiny_tokenizer, larger_tokenizer)
    decoder = model.get_output_embeddings()
    old_mask = tiny_tokenizer.mask_token_id
    assert decoder.weight is not model.get_input_embeddings().weight
    assert torch.equal(decoder.weight[:old_mask], rows[:old_mask])
    assert torch.equal(decoder.weight[larger_tokenizer.mask_token_id], rows[old_mask])


def test_added_tokens_fill_the_rows_that_a_padded_checkpoint_has(tiny_tokenizer_folder: Path) -> None:
    """BERT and ModernBERT: `<mask>` stays, and rows beyond the tokenizer are used before the table grows."""
    old, new = load_tokenizer(tiny_tokenizer_folder), load_tokenizer(tiny_tokenizer_folder)
    new.add_tokens(["Wasserfall", "ქვეყანა"])
    for builder in (tiny_bert, tiny_modernbert):
        model = builder(len(old) + 8)
        rows = model.get_input_embeddings().weight.detach().clone()
        extension = extend_vocabulary(model, old, new, initialization="subwords")
        weight = model.get_input_embeddings().weight
        assert extension.moved == {} and extension.num_new == 2
        assert len(weight) == model.config.vocab_size == len(old) + 8
        assert torch.equal(weight[: len(old)], rows[: len(old)])
        assert torch.equal(weight[len(old) + 2 :], rows[len(old) + 2 :])
        subwords = [
            index for index in old("Wasserfall", add_special_tokens=False)["input_ids"] if index != old.unk_token_id
        ]
        torch.testing.assert_close(weight[len(old)], rows[subwords].mean(dim=0))


def test_a_model_without_an_lm_head(
    tiny_tokenizer: PreTrainedTokenizerBase, larger_tokenizer: PreTrainedTokenizerBase
) -> None:
    config = tiny_xlm_roberta(len(tiny_tokenizer)).config
    model = XLMRobertaForSequenceClassification(config)
    learned = model.get_input_embeddings().weight[tiny_tokenizer.mask_token_id].detach().clone()
    extend_vocabulary(model, tiny_tokenizer, larger_tokenizer)
    assert isinstance(model.get_input_embeddings(), nn.Embedding)
    assert torch.equal(model.get_input_embeddings().weight[larger_tokenizer.mask_token_id], learned)


def test_what_is_no_extension_is_refused(
    tiny_tokenizer: PreTrainedTokenizerBase, larger_tokenizer: PreTrainedTokenizerBase
) -> None:
    model = tiny_xlm_roberta(len(larger_tokenizer))
    with pytest.raises(ValueError, match=r"lacks 4 tokens of the old one.*extend_tokenizer"):
        extend_vocabulary(model, larger_tokenizer, tiny_tokenizer)
    with pytest.raises(ValueError, match=r"700 embeddings.*ids go up to 799"):
        extend_vocabulary(tiny_xlm_roberta(700), tiny_tokenizer, larger_tokenizer)
    with pytest.raises(ValueError, match="choose one of mean, subwords, similar, normal"):
        extend_vocabulary(model, tiny_tokenizer, larger_tokenizer, initialization="zeros")


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("builder", BUILDERS)
def test_hidden_states_of_kept_tokens_stay_bit_for_bit(
    builder: Callable[..., PreTrainedModel], tied: bool, tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    model = _build(builder, len(tiny_tokenizer) + 3, tie_word_embeddings=tied)  # more rows than ids, as ModernBERT
    lines = [line for _, line in corpus_lines("deu_Latn")][:3]
    batch = tiny_tokenizer(lines, return_tensors="pt", padding=True)
    counts = torch.bincount(batch["input_ids"].flatten(), minlength=len(tiny_tokenizer)).numpy()
    trimmed = choose_tokens(tiny_tokenizer, counts)
    small = write_trimmed_tokenizer(tiny_tokenizer, trimmed, tmp_path / "small")
    with torch.no_grad():
        before = model(**batch, output_hidden_states=True)
    trim_vocabulary(model, trimmed.kept.tolist(), small, old_size=trimmed.num_old)
    model.save_pretrained(tmp_path / "small")
    loaded = AutoModelForMaskedLM.from_pretrained(tmp_path / "small", trust_remote_code=False)
    for one in (model, loaded):
        with torch.no_grad():
            after = one.eval()(**small(lines, return_tensors="pt", padding=True), output_hidden_states=True)
        assert all(torch.equal(a, b) for a, b in zip(before.hidden_states, after.hidden_states, strict=True))
        torch.testing.assert_close(before.logits[..., trimmed.kept.tolist()], after.logits, rtol=0, atol=1e-6)
        assert one.config.vocab_size == after.logits.shape[-1] == len(small) < len(tiny_tokenizer)
        assert one.config.pad_token_id in (None, small.pad_token_id)


def test_cutting_refuses_what_does_not_fit(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    model = tiny_xlm_roberta(len(tiny_tokenizer))
    everything = list(range(len(tiny_tokenizer)))
    with pytest.raises(ValueError, match="ids to keep of"):
        trim_vocabulary(model, everything[1:], tiny_tokenizer)
    with pytest.raises(ValueError, match="do not belong together"):
        trim_vocabulary(model, everything, tiny_tokenizer, old_size=10_000)
    with pytest.raises(ValueError, match="padding's id would move"):
        trim_vocabulary(tiny_xlm_roberta(len(tiny_tokenizer) + 1), [i + 1 for i in everything], tiny_tokenizer)


def test_rows_of_similar_tokens_are_weighted_means(
    tiny_tokenizer: PreTrainedTokenizerBase, larger_tokenizer: PreTrainedTokenizerBase
) -> None:
    model = _build(tiny_xlm_roberta, len(tiny_tokenizer))
    rows = model.get_input_embeddings().weight.detach().clone()
    weights = {"▁dignity": {10: 0.25, 20: 0.75}}
    extend_vocabulary(model, tiny_tokenizer, larger_tokenizer, initialization="similar", similar=weights)
    ids = {token: larger_tokenizer.get_vocab()[token] for token in NEW_PIECES}
    new = model.get_input_embeddings().weight
    torch.testing.assert_close(new[ids["▁dignity"]], 0.25 * rows[10] + 0.75 * rows[20])
    again = _build(tiny_xlm_roberta, len(tiny_tokenizer))
    extend_vocabulary(again, tiny_tokenizer, larger_tokenizer, initialization="subwords")
    others = [ids[token] for token in NEW_PIECES[1:]]
    assert torch.equal(new[others], again.get_input_embeddings().weight[others])
    with pytest.raises(ValueError, match="similar=None"):
        extend_vocabulary(model, tiny_tokenizer, larger_tokenizer, initialization="similar")


@pytest.mark.parametrize("builder", BUILDERS)
def test_an_untied_head_that_was_grown_comes_back_from_disk(
    builder: Callable[..., PreTrainedModel],
    tiny_tokenizer: PreTrainedTokenizerBase,
    larger_tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
) -> None:
    model = _build(builder, len(tiny_tokenizer), tie_word_embeddings=False)
    extend_vocabulary(model, tiny_tokenizer, larger_tokenizer)
    model.save_pretrained(tmp_path / "grown")
    loaded = AutoModelForMaskedLM.from_pretrained(tmp_path / "grown", trust_remote_code=False).eval()
    batch = larger_tokenizer(["human dignity"], return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(model(**batch).logits, loaded(**batch).logits)
