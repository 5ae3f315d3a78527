"""Exact match and F1 of extracted answers, as SQuAD 1.1's and MLQA's own scorers compute them."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache


__all__ = ["answer_scores", "exact_match", "normalize_mlqa", "normalize_squad", "token_f1"]

ASCII_PUNCTUATION = frozenset(string.punctuation)
# What MLQA takes for articles. Of Arabic it removes the two letters wherever they stand.
ARTICLES = {
    "eng": r"\b(?:a|an|the)\b",
    "spa": r"\b(?:un|una|unos|unas|el|la|los|las)\b",
    "vie": r"\b(?:của|là|cái|chiếc|những)\b",
    "deu": r"\b(?:ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "arb": "ال",
}
HAN = re.compile(r"[\u4e00-\u9fa5]")
# Languages in which each Han character counts as a token.
MIXED_SEGMENTATION = ("zho",)


def normalize_squad(text: str, language: str = "eng_Latn") -> str:
    """Normalise an answer as SQuAD 1.1 does, by English rules whatever the language.

    Args:
        text (`str`): The answer.
        language (`str`, *optional*, defaults to `"eng_Latn"`): Not used.

    Returns:
        `str`: In lower case, without ASCII punctuation and English articles, its tokens separated by single spaces.
    """
    kept = "".join(character for character in text.lower() if character not in ASCII_PUNCTUATION)
    return " ".join(re.sub(ARTICLES["eng"], " ", kept).split())


def normalize_mlqa(text: str, language: str) -> str:
    """Normalise an answer as MLQA does (Lewis et al. 2020), by the rules of its language.

    Languages that are not in MLQA have no articles and are split at spaces.

    Args:
        text (`str`): The answer.
        language (`str`): Code of its language-script.

    Returns:
        `str`: In lower case, without any punctuation and without articles, its tokens separated by single spaces.
    """
    code = language.split("_")[0]
    kept = "".join(character for character in text.lower() if not _is_punctuation(character))
    if code in ARTICLES:
        kept = re.sub(ARTICLES[code], " ", kept)
    if code in MIXED_SEGMENTATION:
        kept = HAN.sub(lambda match: f" {match[0]} ", kept)
    return " ".join(kept.split())


def exact_match(prediction: str, answer: str) -> float:
    """Tell whether two normalised answers are equal.

    Args:
        prediction (`str`): What was predicted.
        answer (`str`): What is right.

    Returns:
        `float`: 1 or 0.
    """
    return float(prediction == answer)


def token_f1(prediction: str, answer: str) -> float:
    """Harmonic mean of the precision and the recall of the tokens of a normalised answer.

    Args:
        prediction (`str`): What was predicted.
        answer (`str`): What is right.

    Returns:
        `float`: Between 0 and 1; 0 for two empty answers, as the published scorers have it.
    """
    guessed, true = prediction.split(), answer.split()
    shared = sum((Counter(guessed) & Counter(true)).values())
    return 2 * shared / (len(guessed) + len(true)) if shared else 0.0


def answer_scores(
    predictions: Sequence[str],
    answers: Sequence[Sequence[str]],
    normalize: Callable[[str, str], str],
    language: str,
) -> dict[str, float]:
    """Score answers, each against the one that suits it best of those that are right.

    Args:
        predictions (`Sequence[str]`): One a question, at least one.
        answers (`Sequence[Sequence[str]]`): The right ones of each question, at least one.
        normalize (`Callable[[str, str], str]`): Takes an answer and its language and returns what is compared.
        language (`str`): Code of the language-script.

    Returns:
        `dict[str, float]`: `exact_match` and `f1`, as means over the questions.
    """
    exact = f1 = 0.0
    for prediction, right in zip(predictions, answers, strict=True):
        guess = normalize(prediction, language)
        accepted = [normalize(answer, language) for answer in right]
        exact += max(exact_match(guess, answer) for answer in accepted)
        f1 += max(token_f1(guess, answer) for answer in accepted)
    return {"f1": f1 / len(predictions), "exact_match": exact / len(predictions)}


@cache
def _is_punctuation(character: str) -> bool:
    return character in ASCII_PUNCTUATION or unicodedata.category(character).startswith("P")
