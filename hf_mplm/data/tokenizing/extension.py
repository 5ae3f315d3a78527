"""Growing the vocabulary of an XLM-R tokenizer as Glot500 does: old ids stay, `<mask>` stays last."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Iterable
from pathlib import Path

from tokenizers.models import Unigram
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from hf_mplm._lists import split_list

from .sentencepiece_model import SCORE_STEPS_PER_UNIT, model_of_tokenizer, write_tokenizer_files


__all__ = ["extend_tokenizer"]

logger = logging.getLogger(__name__)


def extend_tokenizer(
    base_tokenizer: PreTrainedTokenizerBase,
    new_pieces: PreTrainedTokenizerBase | Iterable[str],
    output: str | Path,
    *,
    max_new_pieces: int | None = None,
) -> PreTrainedTokenizerBase:
    """Append pieces to the vocabulary of an XLM-R tokenizer (Imani et al., 2023).

    Every old piece keeps its id and its score, new ones follow, and `<mask>`, which is the last id in this layout,
    moves to the new end: grow the model with [`extend_vocabulary`], which moves its learned row.

    A Unigram tokenizer chooses the segmentation with the largest sum of scores, so that new scores must be on the old
    scale. Glot500 takes the scores of the new model as they are, although that model shares its probability out
    among other pieces over other text. Here they are shifted by the median of (old score - new score) over the
    pieces that both models have: what separates two models is first of all such a constant per piece, and the shared
    pieces measure it. Pieces given as plain strings get the score of their best old segmentation plus the smallest
    step, so that each replaces exactly what it abbreviates.

    Args:
        base_tokenizer (`PreTrainedTokenizerBase`): the tokenizer to extend, in XLM-R's layout.
        new_pieces (`PreTrainedTokenizerBase` or `Iterable[str]`): a tokenizer of [`train_tokenizer`] whose pieces are
            taken with their scores, or the pieces themselves (a word starts with `▁`).
        output (`str` or `Path`): folder for the new tokenizer.
        max_new_pieces (`int`, *optional*): take the first so many only, in the order of the new vocabulary, which is
            that of falling probability.

    Returns:
        `PreTrainedTokenizerBase`: the new tokenizer, loaded from `output`.

    Raises:
        ValueError: where a tokenizer has another layout, there is nothing new, or scores cannot be compared.
    """
    model = model_of_tokenizer(base_tokenizer)
    known = {piece.piece: piece.score for piece in model.pieces[3:]}
    if isinstance(new_pieces, PreTrainedTokenizerBase):
        candidates = {piece.piece: piece.score for piece in model_of_tokenizer(new_pieces).pieces[3:]}
        shift = _score_shift(known, candidates)
        scored = {piece: score + shift for piece, score in candidates.items() if piece not in known}
    else:
        pieces = dict.fromkeys(split_list(new_pieces) if isinstance(new_pieces, str) else new_pieces)
        if any(not piece or piece.isspace() for piece in pieces):
            raise ValueError("a new piece is empty or white space; write the space before a word as ▁")
        scored = _scores_of_old_segmentations(known, [piece for piece in pieces if piece not in known])
    specials = {piece.piece for piece in model.pieces[:3]} | {"<pad>", "<mask>"}
    chosen = [piece for piece in scored if piece not in specials][:max_new_pieces]
    if not chosen:
        raise ValueError(
            f"there is nothing to add: the vocabulary of {base_tokenizer.name_or_path!r} has all of the new pieces"
        )
    for piece in chosen:
        model.pieces.add(piece=piece, score=round(scored[piece] * SCORE_STEPS_PER_UNIT) / SCORE_STEPS_PER_UNIT)
    model.trainer_spec.vocab_size = len(model.pieces)
    write_tokenizer_files(model, output, model_max_length=base_tokenizer.model_max_length)
    logger.info("%d pieces were added to %d", len(chosen), len(known))
    return AutoTokenizer.from_pretrained(str(output), trust_remote_code=False)


def _score_shift(old: dict[str, float], new: dict[str, float]) -> float:
    shared = [piece for piece in new if piece in old]
    # A character that the trainer had to keep has a score that says little; words and syllables measure the scale.
    longer = [piece for piece in shared if len(piece.removeprefix("▁")) > 1] or shared
    if not longer:
        raise ValueError(
            "the two tokenizers have no piece in common, so that their scores cannot be compared; "
            "pass the pieces themselves instead of the tokenizer"
        )
    return statistics.median(old[piece] - new[piece] for piece in longer)


def _scores_of_old_segmentations(old: dict[str, float], pieces: list[str]) -> dict[str, float]:
    model = Unigram([("<unk>", 0.0), *old.items()], unk_id=0, byte_fallback=False)
    unknown = min(old.values()) - 10.0  # the penalty that SentencePiece gives to an unknown character
    step = 1 / SCORE_STEPS_PER_UNIT
    return {piece: sum(old.get(token.value, unknown) for token in model.tokenize(piece)) + step for piece in pieces}
