"""Benchmarks of questions, and training data for those that come without any."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from .corpus import Corpus, MissingDataError, RefusedDataError
from .names import Meaning
from .opening import DataError
from .squad import Question, hold_out_articles, read_questions


__all__ = ["CHINESE", "DEV_SHARE", "QuestionCorpus", "answerable", "scorable"]

logger = logging.getLogger(__name__)

# What XQuAD and MLQA mean by `zh`.
CHINESE = {"zh": Meaning("zho_Hans")}

# Share of the articles of a training file that is kept to choose the weights by.
DEV_SHARE = 0.05


class QuestionCorpus(Corpus[Question]):
    """A benchmark of questions whose training data may come from a file of the user's.

    Args:
        train_file (`str`, *optional*): SQuAD's `train-v1.1.json`, or any file of its form. Of its articles the last
            twentieth is kept to choose the weights by.
    """

    def __init__(self, train_file: str | None = None) -> None:
        self.train_file = Path(train_file) if train_file is not None else None

    def from_train_file(self, split: str) -> list[Question]:
        """Read a split of the training file.

        Args:
            split (`str`): `"train"` or `"dev"`.

        Returns:
            `list[Question]`: Its questions, those without an answer left out.

        Raises:
            MissingDataError: If there is no such file.
            DataError: If it is not of SQuAD's form, or has one article only.
        """
        assert self.train_file is not None
        if not self.train_file.is_file():
            raise MissingDataError(f"there is no training file {self.train_file}; give --train_file train-v1.1.json")
        questions = answerable(read_questions([self.train_file]))
        train, dev = hold_out_articles(questions, DEV_SHARE, str(self.train_file))
        return train if split == "train" else dev


def answerable(questions: Sequence[Question]) -> list[Question]:
    """Leave out questions that cannot be trained on, and say how many there were.

    Args:
        questions (`Sequence[Question]`): The questions.

    Returns:
        `list[Question]`: Those with an answer that stands in the passage where it is said to stand.

    Raises:
        RefusedDataError: If there is none.
    """
    kept = [question for question in questions if question.answers and _is_aligned(question)]
    left_out = len(questions) - len(kept)
    if left_out:
        example = next(question for question in questions if not (question.answers and _is_aligned(question)))
        logger.warning(
            "%d of %d questions have no answer at its place in the passage and are left out of training, such as %s",
            left_out,
            len(questions),
            example.place,
        )
    if questions and not kept:
        raise RefusedDataError(
            f"no question can be trained on, neither {questions[0].place} nor any other there: their answers are "
            "withheld or do not stand where they are said to stand"
        )
    return kept


def scorable(questions: Sequence[Question]) -> list[Question]:
    """Check that questions can be scored.

    Args:
        questions (`Sequence[Question]`): The questions.

    Returns:
        `list[Question]`: The same.

    Raises:
        RefusedDataError: If the answers are withheld, as they are in copies for a leaderboard: no question has one.
        DataError: If one of them has no right answer to compare with.
    """
    if questions and not any(question.answers for question in questions):
        raise RefusedDataError(
            f"the answers are withheld: {questions[0].place} and all others there have none, so that there is nothing "
            "to score against; take the benchmark's own file, not XTREME's copy of it"
        )
    for question in questions:
        if not question.answers:
            raise DataError(f"{question.place} has no answer: there is nothing to score against")
    return list(questions)


def _is_aligned(question: Question) -> bool:
    start, text = question.starts[0], question.answers[0]
    return start >= 0 and question.context[start : start + len(text)] == text
