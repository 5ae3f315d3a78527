"""Growing and cutting the vocabulary of a masked language model: a token keeps what the model has learned of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from .architectures import find_architecture


__all__ = ["VocabularyExtension", "extend_vocabulary", "trim_vocabulary"]

INITIALIZATIONS = ("mean", "subwords", "similar", "normal")

_SPECIAL_IDS = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "mask_token_id")


class VocabularyExtension(NamedTuple):
    """What [`extend_vocabulary`] did.

    Attributes:
        num_old (`int`): tokens of the old tokenizer.
        num_new (`int`): tokens that were added.
        moved (`dict[str, tuple[int, int]]`): special tokens whose id changed, with their old and new id.
    """

    num_old: int
    num_new: int
    moved: dict[str, tuple[int, int]]


@torch.no_grad()
def extend_vocabulary(
    model: PreTrainedModel,
    old_tokenizer: PreTrainedTokenizerBase,
    new_tokenizer: PreTrainedTokenizerBase,
    *,
    initialization: str = "mean",
    seed: int = 0,
    similar: Mapping[str, Mapping[int, float]] | None = None,
) -> VocabularyExtension:
    """Grow the embeddings and the LM head of `model`, in place, from one tokenizer's vocabulary to a larger one's.

    Rows follow tokens, not ids: `<mask>` is the last id of XLM-R's layout, so that it moves when the vocabulary grows,
    and with `resize_token_embeddings` alone its learned row would go to the first new piece and it would get a random
    one. The decoder's rows (where it is not tied) and its bias follow in the same way. For XLM-R, BERT and ModernBERT,
    with an LM head or without.

    Args:
        model (`PreTrainedModel`): the model that was trained with `old_tokenizer`.
        old_tokenizer (`PreTrainedTokenizerBase`): its tokenizer.
        new_tokenizer (`PreTrainedTokenizerBase`): one that holds all of its tokens, at the same ids but for the
            special ones.
        initialization (`str`, *optional*, defaults to `"mean"`):
            Rows of new tokens: `"mean"`, the mean of all old tokens but the special ones (Hewitt, 2021: the new tokens
            start with a bounded share of the probability); `"subwords"`, the mean of the old tokens that the new one
            was cut into; `"similar"`, the mean of old tokens weighted as `similar` says, and of a token that it lacks
            as with `"subwords"` (Minixhofer et al., 2022; Dobler and de Melo, 2023); `"normal"`,
            N(0, `config.initializer_range`), as resizing gave it when Glot500 was trained. A new token's bias is the
            mean of the same tokens' biases, with `"normal"` of all.
        seed (`int`, *optional*, defaults to 0): seed of `"normal"`.
        similar (`Mapping[str, Mapping[int, float]]`, *optional*): for `"similar"`, new token -> old id -> weight, as
            [`~hf_mplm.data.similar_tokens`] finds them in text. Weights of a token sum to 1.

    Returns:
        [`VocabularyExtension`]: what was added and moved.

    Raises:
        ValueError: where `new_tokenizer` is no extension of `old_tokenizer`, `model` does not fit `old_tokenizer`, or
            `initialization` is unknown.
    """
    if initialization not in INITIALIZATIONS:
        raise ValueError(f"initialization={initialization!r} is unknown; choose one of {', '.join(INITIALIZATIONS)}")
    if (initialization == "similar") != (similar is not None):
        raise ValueError(
            f"initialization={initialization!r} with similar={'given' if similar is not None else 'None'}; pass "
            'initialization="similar" and similar=similar_tokens(new_tokenizer, texts, old_tokenizer), or neither'
        )
    old, new = old_tokenizer.get_vocab(), new_tokenizer.get_vocab()
    special = set(old_tokenizer.all_special_tokens)
    moved = _moved_tokens(old, new, special)
    embedding: Any = model.get_input_embeddings()
    decoder: Any = model.get_output_embeddings()
    if embedding.num_embeddings <= max(old.values()):
        raise ValueError(
            f"the model has {embedding.num_embeddings} embeddings, but the old tokenizer's ids go up to "
            f"{max(old.values())}: pass the tokenizer that the model was trained with as old_tokenizer"
        )
    added = sorted((index, token) for token, index in new.items() if token not in old)
    ordinary = sorted(index for token, index in old.items() if token not in special)
    everything = dict.fromkeys(ordinary, 1 / len(ordinary))
    sources: Sequence[Mapping[int, float]] = [everything]
    if initialization in ("subwords", "similar"):
        known_added = new_tokenizer.get_added_vocab()
        pieces = old_tokenizer.backend_tokenizer.model
        sources = [
            (similar or {}).get(token) or _old_parts(token, token in known_added, old_tokenizer, pieces) or everything
            for _, token in added
        ]

    old_rows = embedding.weight.detach().clone()
    tied = decoder is None or decoder.weight is embedding.weight
    old_decoder_rows = None if tied else decoder.weight.detach().clone()
    old_bias = None if decoder is None or decoder.bias is None else decoder.bias.detach().clone()

    # Some checkpoints have more rows than their tokenizer has ids (ModernBERT pads to a multiple of 64): kept.
    size = max(embedding.num_embeddings, max(new.values()) + 1)
    if size > embedding.num_embeddings:
        _resize(model, size)
        embedding, decoder = model.get_input_embeddings(), model.get_output_embeddings()

    std = model.config.initializer_range if initialization == "normal" else None
    generator = torch.Generator().manual_seed(seed)
    ids = [index for index, _ in added]
    matrices = [(embedding.weight, old_rows, std)]
    if old_decoder_rows is not None:
        matrices.append((decoder.weight, old_decoder_rows, std))
    if old_bias is not None:
        matrices.append((decoder.bias, old_bias, None))
    for parameter, before, spread in matrices:
        if ids:
            parameter[ids] = _initial_rows(before, sources, len(ids), spread, generator)
        for origin, target in moved.values():
            parameter[target] = before[origin]
    return VocabularyExtension(len(old), len(added), moved)


def _resize(model: PreTrainedModel, size: int) -> None:
    decoder: Any = model.get_output_embeddings()
    # The module around the decoder has a bias too, which is the decoder's own, but with transformers 5 not where the
    # weights are untied; resizing then leaves it at its size (XLM-R), or joins the two, of which one is saved (BERT).
    around: list[Any] = [
        module
        for module in model.modules()
        if decoder is not None
        and getattr(module, "decoder", None) is decoder
        and getattr(module, "bias", None) is not None
    ]
    shared = [module.bias is decoder.bias for module in around]
    model.resize_token_embeddings(size, mean_resizing=False)
    bias = getattr(model.get_output_embeddings(), "bias", None)
    for module, is_shared in zip(around, shared):
        if bias is not None:
            module.bias = bias if is_shared else nn.Parameter(bias.detach().clone())


def _moved_tokens(old: dict[str, int], new: dict[str, int], special: set[str]) -> dict[str, tuple[int, int]]:
    missing = [token for token in old if token not in new]
    moved = {token: (index, new[token]) for token, index in old.items() if token in new and new[token] != index}
    wrong = missing or [token for token in moved if token not in special]
    if wrong:
        what = "lacks" if missing else "has other ids for"
        shown = ", ".join(repr(token) for token in sorted(wrong)[:5]) + (", ..." if len(wrong) > 5 else "")
        raise ValueError(
            f"the new tokenizer {what} {len(wrong)} tokens of the old one ({shown}): it is no extension of it. Make "
            "one with hf_mplm.data.extend_tokenizer(old, pieces, output) or with old.add_tokens([...])"
        )
    return moved


def _old_parts(token: str, is_text: bool, old_tokenizer: PreTrainedTokenizerBase, pieces: Any) -> dict[int, float]:
    """The old tokens that a new token was cut into, unknown ones left out, with their shares."""
    if is_text:  # an added token stands for its own text
        ids = old_tokenizer(token, add_special_tokens=False)["input_ids"]
    else:  # a piece is written as the model writes pieces, with the sign for a space or without
        ids = [part.id for part in pieces.tokenize(token.removeprefix("##"))]
    known = [index for index in ids if index not in (None, old_tokenizer.unk_token_id)]
    return {index: known.count(index) / len(known) for index in known}


def _initial_rows(
    before: torch.Tensor,
    sources: Sequence[Mapping[int, float]],
    count: int,
    std: float | None,
    generator: torch.Generator,
) -> torch.Tensor:
    """Rows for new tokens. Shapes: (count, ...), as the rows of `before`."""
    if std is not None:
        rows = torch.randn((count, *before.shape[1:]), generator=generator) * std
    else:
        # New tokens of which no part is known share one source, all old tokens: its mean is taken once.
        distinct = {id(source): source for source in sources}
        means = {key: _weighted_mean(before, source) for key, source in distinct.items()}
        rows = torch.stack([means[id(source)] for source in sources]).expand(count, *before.shape[1:])
    return rows.to(device=before.device, dtype=before.dtype)


def _weighted_mean(before: torch.Tensor, source: Mapping[int, float]) -> torch.Tensor:
    weights = torch.tensor(list(source.values()), device=before.device)
    return torch.tensordot(weights, before[list(source)].float(), dims=1)


@torch.no_grad()
def trim_vocabulary(
    model: PreTrainedModel, kept: Sequence[int], tokenizer: PreTrainedTokenizerBase, *, old_size: int | None = None
) -> None:
    """Cut the embeddings and the LM head of `model`, in place, to some of its tokens.

    Hidden states of kept tokens stay bit for bit, and so do the logits that they had; the other logits are gone, so
    that a softmax has fewer terms.

    Args:
        model (`PreTrainedModel`): a model with an LM head or without; one with language and script embeddings keeps
            these as they are.
        kept (`Sequence[int]`): old ids in the order of the new ones, rising.
        tokenizer (`PreTrainedTokenizerBase`): the tokenizer that was cut in the same way; the ids of special tokens
            in the configuration are its.
        old_size (`int`, *optional*): ids of the whole tokenizer, if it is to be checked against the model.

    Raises:
        ValueError: if `kept` does not fit the model or the tokenizer, or the padding's id moves in an architecture
            whose positions are counted from it (XLM-R).
    """
    embedding: Any = model.get_input_embeddings()
    rows = embedding.num_embeddings
    if len(kept) != len(tokenizer) or list(kept) != sorted(set(kept)) or (kept and max(kept) >= rows):
        raise ValueError(
            f"{len(kept)} ids to keep of {rows} embeddings, with a tokenizer of {len(tokenizer)} entries; needed are "
            "as many rising ids as the tokenizer has entries, all of them rows of the model"
        )
    if old_size is not None and old_size > rows:
        raise ValueError(
            f"the model has {rows} embeddings and its tokenizer {old_size} ids: they do not belong together"
        )
    config = model.config
    moved = kept[tokenizer.pad_token_id] != tokenizer.pad_token_id if tokenizer.pad_token_id is not None else False
    known = find_architecture(config.model_type)
    if moved and (known is None or known.counts_from_padding):
        raise ValueError(
            f"the padding's id would move from {kept[tokenizer.pad_token_id]} to {tokenizer.pad_token_id}, and with "
            f"it every position of a {config.model_type} model; keep all ids below it"
        )
    index = torch.as_tensor(kept, device=embedding.weight.device)
    decoder: Any = model.get_output_embeddings()
    parameters = [embedding.weight]
    if decoder is not None:
        parameters += [decoder.weight] if decoder.weight is not embedding.weight else []
        parameters += [decoder.bias] if decoder.bias is not None else []
    for parameter in parameters:
        parameter[: len(kept)] = parameter[index]
    _resize(model, len(kept))
    for name in _SPECIAL_IDS:
        if getattr(config, name, None) is not None:
            setattr(config, name, getattr(tokenizer, name))
    if getattr(model.get_input_embeddings(), "padding_idx", None) is not None:
        cast(Any, model.get_input_embeddings()).padding_idx = tokenizer.pad_token_id
