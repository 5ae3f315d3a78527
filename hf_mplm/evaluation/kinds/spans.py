"""Questions and passages as windows of tokens, and the spans of passages that answer best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ..files.squad import Question
from .finetuning import Row


__all__ = ["Spans", "best_spans", "best_text", "question_windows", "target_span"]

# Tokens of a question that are kept, as in SQuAD's scripts.
MAX_QUESTION_TOKENS = 64
# Questions that are tokenised in one call.
TOKENIZER_CHUNK = 512


class Spans(NamedTuple):
    """The best spans of one window, the best first.

    Args:
        scores (`np.ndarray`): Sums of two logits, float32. Shape: (spans,).
        starts (`np.ndarray`): First token of each, int32. Shape: (spans,).
        ends (`np.ndarray`): Last token of each, int32. Shape: (spans,).
    """

    scores: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def question_windows(
    questions: Sequence[Question], tokenizer: PreTrainedTokenizerBase, max_length: int, stride: int
) -> Iterator[Row]:
    """Put each question before each window of its passage.

    Args:
        questions (`Sequence[Question]`): The questions.
        tokenizer (`PreTrainedTokenizerBase`): A tokenizer that knows where in a text its tokens stand.
        max_length (`int`): Longest window in tokens, with the question and special tokens.
        stride (`int`): Tokens that two windows of a passage share.

    Yields:
        `dict[str, Any]`: `input_ids` and perhaps `token_type_ids`, `offsets` (characters of the passage's tokens,
        shape (tokens, 2)), `first` (where the passage's tokens begin) and `example` (which question).

    Raises:
        ValueError: If the tokenizer does not know where its tokens stand, or the window is too short.
    """
    if not tokenizer.is_fast:
        raise ValueError(
            f"{type(tokenizer).__name__} does not know where its tokens stand in a text; save it as a fast tokenizer"
        )
    special = tokenizer.num_special_tokens_to_add(pair=True)
    # Half of what there is belongs to the passage, however long the question.
    most = min(MAX_QUESTION_TOKENS, (max_length - special) // 2)
    if most < 1:
        raise ValueError(f"max_length {max_length} leaves no room for a question and a passage; give a larger one")
    stride = min(stride, (max_length - special - most) // 2)
    for start in range(0, len(questions), TOKENIZER_CHUNK):
        chunk = questions[start : start + TOKENIZER_CHUNK]
        encoded = tokenizer(
            _shortened([question.question for question in chunk], tokenizer, most),
            [question.context for question in chunk],
            truncation="only_second",
            max_length=max_length,
            stride=stride,
            padding=False,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_attention_mask=False,
        )
        for row, example in enumerate(encoded["overflow_to_sample_mapping"]):
            passage = [index for index, sequence in enumerate(encoded.sequence_ids(row)) if sequence == 1]
            first = passage[0] if passage else len(encoded["input_ids"][row])
            columns: Row = {"input_ids": np.asarray(encoded["input_ids"][row], dtype=np.int32)}
            if "token_type_ids" in encoded:
                columns["token_type_ids"] = np.asarray(encoded["token_type_ids"][row], dtype=np.int8)
            offsets = np.asarray(encoded["offset_mapping"][row], dtype=np.int32)[first : first + len(passage)]
            yield {**columns, "offsets": offsets.reshape(-1, 2), "first": first, "example": start + int(example)}


def target_span(row: Row, question: Question) -> tuple[int, int]:
    """Find the tokens of the first right answer in a window.

    Args:
        row (`dict`): A row of [`question_windows`].
        question (`Question`): Its question, which has an answer.

    Returns:
        `tuple[int, int]`: First and last token, or (0, 0), the first special token, if the window does not hold the
        whole answer.
    """
    begin = question.starts[0]
    end = begin + len(question.answers[0])
    offsets = row["offsets"]
    # The first token that reaches beyond the answer's beginning, and the last that begins before its end.
    first = int(np.searchsorted(offsets[:, 1], begin, side="right"))
    last = int(np.searchsorted(offsets[:, 0], end, side="left")) - 1
    if not len(offsets) or offsets[0, 0] > begin or offsets[-1, 1] < end or first > last:
        return 0, 0
    return row["first"] + first, row["first"] + last


def best_spans(
    start_logits: Tensor, end_logits: Tensor, allowed: Tensor, *, max_length: int, number: int
) -> list[Spans]:
    """Find the spans with the largest sums of logits, exactly.

    Args:
        start_logits (`Tensor`): Shape: (windows, tokens).
        end_logits (`Tensor`): Shape: (windows, tokens).
        allowed (`Tensor`): Which tokens belong to the passage. Shape: (windows, tokens).
        max_length (`int`): Most tokens of a span.
        number (`int`): Most spans of a window.

    Returns:
        `list[Spans]`: The spans of each window.
    """
    windows, length = start_logits.shape
    start = start_logits.float().masked_fill(~allowed, -torch.inf)
    end = end_logits.float().masked_fill(~allowed, -torch.inf)
    # Position (i, k) of the band is the span from token i to token i + k.
    band = torch.nn.functional.pad(end, (0, max_length - 1), value=-torch.inf).unfold(1, max_length, 1)
    scores = (start.unsqueeze(-1) + band).reshape(windows, -1)
    top = scores.topk(min(number, scores.shape[1]), dim=1)
    values, indices = top.values.cpu().numpy(), top.indices.cpu().numpy()
    spans = []
    for value, index in zip(values, indices):
        index = index[np.isfinite(value)]
        starts = index // max_length
        spans.append(
            Spans(value[: len(index)], starts.astype(np.int32), (starts + index % max_length).astype(np.int32))
        )
    return spans


def best_text(question: Question, rows: Sequence[Row], predictions: Sequence[Any]) -> str:
    """Take the best span of all windows of a passage that is not blank.

    Args:
        question (`Question`): The question.
        rows (`Sequence[dict]`): Its windows.
        predictions (`Sequence[Spans]`): The spans of each.

    Returns:
        `str`: The answer, `""` if there is none.
    """
    candidates = sorted(
        (-float(score), window, int(start), int(end))
        for window, spans in enumerate(predictions)
        for score, start, end in zip(spans.scores, spans.starts, spans.ends)
    )
    for _, window, start, end in candidates:
        row = rows[window]
        begin, stop = row["offsets"][start - row["first"], 0], row["offsets"][end - row["first"], 1]
        text = question.context[begin:stop].strip()
        if text:
            return text
    return ""


def _shortened(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, most: int) -> list[str]:
    encoded = tokenizer(
        list(texts), add_special_tokens=False, return_offsets_mapping=True, padding=False, truncation=False
    )
    return [
        text if len(offsets) <= most else text[: offsets[most - 1][1]]
        for text, offsets in zip(texts, encoded["offset_mapping"])
    ]
