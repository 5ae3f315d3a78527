"""Growing the vocabulary of a masked language model: every old token keeps what the model has learned about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase


__all__ = ["VocabularyExtension", "extend_vocabulary"]

INITIALIZATIONS = ("mean", "subwords", "normal")


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
            was cut into; `"normal"`, N(0, `config.initializer_range`), as resizing gave it when Glot500 was trained.
            A new token's bias is the mean of the same tokens' biases, with `"normal"` of all.
        seed (`int`, *optional*, defaults to 0): seed of `"normal"`.

    Returns:
        [`VocabularyExtension`]: what was added and moved.

    Raises:
        ValueError: where `new_tokenizer` is no extension of `old_tokenizer`, `model` does not fit `old_tokenizer`, or
            `initialization` is unknown.
    """
    if initialization not in INITIALIZATIONS:
        raise ValueError(f"initialization={initialization!r} is unknown; choose one of {', '.join(INITIALIZATIONS)}")
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
    sources: Sequence[Sequence[int]] = [ordinary]
    if initialization == "subwords":
        known_added = new_tokenizer.get_added_vocab()
        pieces = old_tokenizer.backend_tokenizer.model
        sources = [_old_ids(token, token in known_added, old_tokenizer, pieces) or ordinary for _, token in added]

    old_rows = embedding.weight.detach().clone()
    tied = decoder is None or decoder.weight is embedding.weight
    old_decoder_rows = None if tied else decoder.weight.detach().clone()
    old_bias = None if decoder is None or decoder.bias is None else decoder.bias.detach().clone()

    # Some checkpoints have more rows than their tokenizer has ids (ModernBERT pads to a multiple of 64): kept.
    size = max(embedding.num_embeddings, max(new.values()) + 1)
    if size > embedding.num_embeddings:
        model.resize_token_embeddings(size, mean_resizing=False)
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


def _old_ids(token: str, is_text: bool, old_tokenizer: PreTrainedTokenizerBase, pieces: Any) -> list[int]:
    """Ids of the old tokens that a new token was cut into, unknown ones left out."""
    if is_text:  # an added token stands for its own text
        ids = old_tokenizer(token, add_special_tokens=False)["input_ids"]
    else:  # a piece is written as the model writes pieces, with the sign for a space or without
        ids = [part.id for part in pieces.tokenize(token.removeprefix("##"))]
    return [index for index in ids if index not in (None, old_tokenizer.unk_token_id)]


def _initial_rows(
    before: torch.Tensor, sources: Sequence[Sequence[int]], count: int, std: float | None, generator: torch.Generator
) -> torch.Tensor:
    """Rows for new tokens. Shapes: (count, ...), as the rows of `before`."""
    if std is not None:
        rows = torch.randn((count, *before.shape[1:]), generator=generator) * std
    else:
        # New tokens of which no part is known share one source, all old tokens: its mean is taken once.
        distinct = {id(source): source for source in sources}
        means = {key: before[list(source)].float().mean(dim=0) for key, source in distinct.items()}
        rows = torch.stack([means[id(source)] for source in sources]).expand(count, *before.shape[1:])
    return rows.to(device=before.device, dtype=before.dtype)
