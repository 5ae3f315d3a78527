from __future__ import annotations

import collections
import re
import string
import unicodedata

import pytest

from hf_mplm.evaluation.metrics.squad import answer_scores, exact_match, normalize_mlqa, normalize_squad, token_f1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Cat, and a dog!", "cat and dog"),
        ("an-other", "another"),
        ("A.", ""),
        ("theatre", "theatre"),
        # English rules in every language, and ASCII punctuation only.
        ("der Hund", "der hund"),
        ("«chat»", "«chat»"),
        ("$5+", "5"),
    ],
)
def test_squad_normalisation(text, expected):
    assert normalize_squad(text, "deu_Latn") == expected


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("The  Cat, and a dog!", "eng_Latn", "cat and dog"),
        ("Der Hund und eine Katze", "deu_Latn", "hund und katze"),
        ("derer", "deu_Latn", "derer"),
        ("el perro, la gata y unos más", "spa_Latn", "perro gata y más"),
        ("những con mèo của tôi", "vie_Latn", "con mèo tôi"),
        ("यह एक बिल्ली है।", "hin_Deva", "यह एक बिल्ली है"),
        ("في البيت الكبير", "arb_Arab", "في بيت كبير"),
        # Within a word as well: this is what the published scorer does.
        ("سؤال", "arb_Arab", "سؤ"),
        ("在1990年,有 two cats。", "zho_Hans", "在 1990 年 有 two cats"),
        ("在1990年", "zho_Hani", "在 1990 年"),
        ("«le chat»", "fra_Latn", "le chat"),
        ("ราคา $5+", "tha_Thai", "ราคา 5"),
    ],
)
def test_mlqa_normalisation_by_language(text, language, expected):
    assert normalize_mlqa(text, language) == expected


def test_squad_scores_by_hand():
    assert token_f1("cat and dog", "cat") == pytest.approx(2 * (1 / 3) * 1 / (1 / 3 + 1))
    assert token_f1("a b b", "b b b c") == pytest.approx(2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4))
    assert token_f1("x", "y") == 0.0
    # As the published scorers have it: equal, but without a shared token.
    assert (exact_match("", ""), token_f1("", "")) == (1.0, 0.0)
    scores = answer_scores(["The cat", "dogs"], [["a dog", "cat"], ["dog"]], normalize_squad, "eng_Latn")
    assert scores == {"exact_match": 0.5, "f1": 0.5}


def straightforward_squad_f1(prediction, answer):
    """Another way to the same number: precision and recall over bags of words."""

    def bag(text):
        text = "".join(" " if c in "" else c for c in text.lower() if c not in set(string.punctuation))
        return [token for token in re.split(r"\s+", re.sub(r"\b(a|an|the)\b", " ", text)) if token]

    guess, gold = bag(prediction), bag(answer)
    hits = sum(min(count, collections.Counter(gold)[token]) for token, count in collections.Counter(guess).items())
    if not hits:
        return 0.0
    precision, recall = hits / len(guess), hits / len(gold)
    return 2 * precision * recall / (precision + recall)


def test_squad_f1_equals_another_computation():
    texts = ["the cat sat", "a cat, sat.", "Cat", "sat sat the cat", "an apple", "é b c", "B c d"]
    for one in texts:
        for other in texts:
            expected = straightforward_squad_f1(one, other)
            assert token_f1(normalize_squad(one), normalize_squad(other)) == pytest.approx(expected)


def test_mlqa_knows_all_punctuation():
    """Of Unicode for MLQA, of ASCII alone for SQuAD; symbols of ASCII count for both."""
    for character in map(chr, range(0x3100)):
        if character.isspace() or character in "":
            continue
        is_punctuation = unicodedata.category(character).startswith("P") or character in string.punctuation
        kept = normalize_mlqa(f"x{character}y", "rus_Cyrl") != "xy"
        assert kept != is_punctuation, hex(ord(character))
        assert (normalize_squad(f"x{character}y") != "xy") != (character in string.punctuation)
