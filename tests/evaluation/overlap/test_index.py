"""The index of sentences against plain search in strings."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from hf_mplm.evaluation.overlap import index as module
from hf_mplm.evaluation.overlap.index import GRAMS, SentenceIndex
from hf_mplm.evaluation.overlap.letters import letters_of


def words(rng: random.Random, n: int, alphabet: str) -> str:
    return " ".join("".join(rng.choices(alphabet, k=rng.randint(1, 9))) for _ in range(n))


@pytest.mark.parametrize("alphabet", ["ab", "abcdefgh", "अआकखगघ", "東京日本語文字"])
def test_it_finds_what_a_search_in_strings_finds(alphabet: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 700)  # many blocks
    rng = random.Random(5)
    gram = GRAMS[alphabet[0] == "東"]
    sentences = [words(rng, rng.randint(1, 30), alphabet) for _ in range(120)]
    lines = [words(rng, 20, alphabet) for _ in range(100)]
    for number, sentence in enumerate(sentences[:60]):
        cut = sentence if number % 2 else sentence[len(sentence) // 3 :]
        lines.insert(rng.randrange(len(lines)), f"{words(rng, 3, alphabet)} {cut} {words(rng, 3, alphabet)}")
    lines += sentences[60:70]
    index = SentenceIndex(sentences)
    for start in range(0, len(lines), 7):
        index.read(lines[start : start + 7])
    index.finish()
    stream, alone = "".join(map(letters_of, lines)), set(map(letters_of, lines))
    assert len(stream) > 5 * 700
    folded = list(map(letters_of, sentences))
    expected = [text in (stream if len(text) >= gram.length else alone) for text in folded]
    assert index.whole.tolist() == expected and 20 < sum(expected) < 115
    for text, share in zip(folded, index.covered()):
        reach = gram.length + gram.stride - 1
        if any(text[at : at + reach] in stream for at in range(len(text) - reach + 1)):
            assert share > 0
        if share > 0:
            assert any(text[at : at + gram.length] in stream for at in range(len(text) - gram.length + 1))


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        (
            "All human beings are born free and equal in dignity.",
            "ALL HUMAN BEINGS – are born, free and equal: in dignity",
        ),
        (
            "Straße und Weg, Haus und Hof, Mann und Maus, Kind und Kegel",
            "strasse und weg haus und hof mann und maus kind und kegel",
        ),
        (
            "ＡＢＣ１２３ and the full width of everything that is written",
            "abc123 and the full width of everything that is written",
        ),
        (
            "e\u0301te\u0301 comme hiver, l'homme reste un homme parmi d'autres",
            "été comme hiver l'homme reste un homme parmi d'autres",
        ),
        (
            "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता",
            "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता ।",
        ),
    ],
)
def test_case_width_composition_and_punctuation_make_no_difference(sentence: str, text: str) -> None:
    index = SentenceIndex([sentence, sentence.replace("a", "x").replace("म", "न")])
    index.read([text])
    index.finish()
    assert index.whole.tolist() == [True, False]


def test_vowel_signs_make_a_difference() -> None:
    assert letters_of("कि") != letters_of("कु")


def test_texts_are_not_joined_where_one_is_broken_off() -> None:
    sentence = "one half of it stands here and the other half of it there"
    for breaks in (False, True):
        index = SentenceIndex([sentence])
        index.read([sentence[:30]])
        if breaks:
            index.break_off()
        index.read([sentence[30:]])
        index.finish()
        assert index.whole.tolist() == [not breaks]


def test_nothing_is_found_of_what_has_no_letters() -> None:
    index = SentenceIndex(["...", "", "Yes!"])
    index.read(["", "!!!", "Oh yes"])
    index.finish()
    assert index.length.tolist() == [0, 0, 3] and not index.whole.any() and index.is_short.all()
    index.read(["yes?"])
    assert index.whole.tolist() == [False, False, True]


def test_memory_does_not_grow_with_the_text() -> None:
    rng = random.Random(1)
    lines = [words(rng, 200, "abcdefgh") for _ in range(400)]
    peaks = []
    for times in (2, 6):
        index = SentenceIndex(lines[:5])
        tracemalloc.start()
        for _ in range(times):
            index.read(lines)
        index.finish()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
