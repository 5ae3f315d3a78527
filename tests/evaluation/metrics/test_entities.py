from __future__ import annotations

import random
import warnings

import pytest

from hf_mplm.evaluation.metrics.entities import entity_f1, find_entities


SCHEMES = {
    "BIO": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
    "BIOES": ["O", "B-PER", "I-PER", "E-PER", "S-PER", "S-LOC"],
    "UPOS": ["NOUN", "PROPN", "SCONJ", "CCONJ", "SYM", "X", "INTJ", "ADP", "PUNCT"],
    "odd": ["O", "B", "I", "B-A-B", "I-A-B", "PER-B", "E", "S", ".", "I-PER", "B-PER"],
}


def random_labels(generator, labels, flips):
    gold = [[generator.choice(labels) for _ in range(generator.randint(1, 7))] for _ in range(4)]
    predicted = [
        [generator.choice(labels) if generator.random() < flips else label for label in sentence] for sentence in gold
    ]
    return gold, predicted


@pytest.mark.parametrize("scheme", SCHEMES)
def test_f1_equals_seqeval_on_adversarial_labels(scheme):
    seqeval = pytest.importorskip("seqeval.metrics")
    generator = random.Random(0)
    values = set()
    with warnings.catch_warnings():
        # seqeval warns of labels that follow no scheme, which is the point here.
        warnings.simplefilter("ignore")
        for _ in range(300):
            gold, predicted = random_labels(generator, SCHEMES[scheme], flips=generator.random())
            expected = float(seqeval.f1_score(gold, predicted))
            assert entity_f1(gold, predicted) == pytest.approx(expected, abs=1e-12)
            values.add(expected)
    # The cases differ, so that a constant would not have passed.
    assert len(values) > 20


def test_neighbouring_equal_tags_are_one_entity():
    """What the papers report on POS: neither accuracy nor a token F1."""
    assert find_entities(["NOUN", "NOUN", "VERB"]) == {("OUN", 0, 1), ("ERB", 2, 2)}
    # One of two nouns is wrong: the entity of both is, and the accuracy of 2/3 becomes an F1 of 2 * 1 / (2 + 3).
    assert entity_f1([["NOUN", "NOUN", "VERB"]], [["NOUN", "ADJ", "VERB"]]) == pytest.approx(2 / 5)
    # A wrong conjunction of the same type is right, if it stands alone.
    assert entity_f1([["VERB", "CCONJ", "NOUN"]], [["VERB", "SCONJ", "NOUN"]]) == 1.0


def test_an_entity_needs_all_of_its_words():
    gold = [["B-PER", "I-PER", "O", "B-LOC"]]
    assert entity_f1(gold, [["B-PER", "I-PER", "O", "B-LOC"]]) == 1.0
    assert entity_f1(gold, [["B-PER", "O", "O", "B-LOC"]]) == pytest.approx(1 / 2)
    assert entity_f1(gold, [["O", "O", "O", "O"]]) == 0.0
    assert entity_f1([["O"]], [["O"]]) == 0.0


def test_an_entity_does_not_cross_sentences():
    assert entity_f1([["B-PER"], ["I-PER"]], [["B-PER", "I-PER"], ["O"]]) < 1.0
