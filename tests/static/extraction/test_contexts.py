from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_mplm.static.extraction.contexts import Occurrences, PooledStates, read_contexts
from hf_mplm.static.extraction.encoder import LayerEncoder
from hf_mplm.static.extraction.vector_parts import words_alone
from hf_mplm.static.words import word_spans
from tests.fixtures import corpus_lines


EPOCHS = 2


@pytest.fixture
def text():
    return [line for _, line in corpus_lines("deu_Latn", "tha_Thai")][:12]


@pytest.fixture
def piece(tiny_xlm_roberta, tiny_tokenizer, text):
    """An encoder, tokens of sentences, and their words, numbered by their spelling."""
    encoder = LayerEncoder(tiny_xlm_roberta, tiny_tokenizer, 1, tokens_per_batch=200, device="cpu")
    spans = [word_spans(line, "tha_Thai" if "ก" <= line[0] <= "๛" else "deu_Latn") for line in text]
    written = encoder.words.as_written(text, spans)
    names = [[line[a:b] for a, b in words] for line, words in zip(text, spans)]
    index = {word: i for i, word in enumerate(sorted({word for line in names for word in line}))}
    places = [(s, p) for s, one in enumerate(written) for p in range(len(one.starts)) if one.stops[p] > one.starts[p]]
    sentences, positions = np.array(places).T
    drawn = np.random.default_rng(0).random((len(places), EPOCHS)) < 0.4
    occurrences = Occurrences(
        sentences,
        positions,
        np.array([written[s].starts[p] for s, p in places]),
        np.array([written[s].stops[p] for s, p in places]),
        np.array([index[names[s][p]] for s, p in places]),
        drawn,
    )
    return encoder, [one.input_ids for one in written], occurrences


def states_of(encoder, ids):
    """The states of a sentence by itself, from the whole model."""
    inputs = torch.from_numpy(ids).long()[None]
    with torch.no_grad():
        outputs = encoder.model(input_ids=inputs, attention_mask=torch.ones_like(inputs), output_hidden_states=True)
    return outputs.hidden_states[encoder.layer][0].double()


def plain_contexts(piece, without_target, special_tokens):
    """Drawn word, its epochs and its context, by a loop over tokens."""
    encoder, ids, occurrences = piece
    expected = []
    for row in range(len(occurrences.words)):
        if not occurrences.drawn[row].any():
            continue
        sentence = ids[occurrences.sentences[row]]
        states = states_of(encoder, sentence)
        own = range(occurrences.starts[row], occurrences.stops[row])
        others = [
            token
            for token in range(len(sentence))
            if not (without_target and token in own) and (special_tokens or 0 < token < len(sentence) - 1)
        ]
        expected.append((occurrences.words[row], tuple(occurrences.drawn[row]), states[others].mean(0)))
    return expected


def collect(piece, **options):
    encoder, ids, occurrences = piece
    found, n_contexts = [], 0
    for targets in read_contexts(encoder, ids, occurrences, **options):
        n_contexts += len(targets.contexts)
        assert (np.diff(targets.rows) >= 0).all() and targets.contexts.dtype == np.float16
        for row, word, drawn in zip(targets.rows, targets.words, targets.drawn):
            found.append((int(word), tuple(drawn), torch.from_numpy(targets.contexts[row].astype(np.float64))))
    return found, n_contexts


@pytest.mark.parametrize("special_tokens", [True, False])
@pytest.mark.parametrize("without_target", [True, False])
def test_a_context_is_the_mean_over_the_tokens_that_count(piece, without_target, special_tokens):
    found, n_contexts = collect(piece, without_target=without_target, special_tokens=special_tokens)
    expected = plain_contexts(piece, without_target, special_tokens)
    assert len(found) == len(expected) > 20
    key = lambda one: (one[0], one[1], one[2][0].item())  # noqa: E731
    for (word, drawn, context), (other, epochs, wanted) in zip(sorted(found, key=key), sorted(expected, key=key)):
        assert word == other and drawn == epochs
        assert torch.allclose(context, wanted, atol=2e-3)
    # One context a sentence with the target, one an occurrence without it.
    sentences = len({piece[2].sentences[row] for row in np.flatnonzero(piece[2].drawn.any(axis=1))})
    assert n_contexts == (len(expected) if without_target else sentences)
    # The other ways of counting are told from this one.
    for other in {True, False} - {without_target}:
        wrong = plain_contexts(piece, other, special_tokens)
        assert max((a[2] - b[2]).abs().max() for a, b in zip(expected, wrong)) > 0.05


def test_a_word_with_nothing_around_it_has_no_context(piece):
    encoder, ids, occurrences = piece
    places = (np.array([value]) for value in (0, 0, 1, len(ids[0]) - 1, 0))
    occurrences = Occurrences(*places, np.array([[True, True]]))
    (left,) = read_contexts(encoder, ids, occurrences, without_target=True, special_tokens=False)
    assert left.n_alone == 1 and len(left.words) == len(left.contexts) == 0
    (kept,) = read_contexts(encoder, ids, occurrences, without_target=True, special_tokens=True)
    assert kept.n_alone == 0 and len(kept.words) == 1


def test_pooled_states_are_the_mean_of_a_words_mean_states(piece):
    encoder, ids, occurrences = piece
    pooled = PooledStates(np.unique(occurrences.words), encoder.dimension, encoder.device)
    for _ in read_contexts(encoder, ids, occurrences, without_target=True, special_tokens=True, pooled=pooled):
        pass
    assert pooled.counts.sum() == len(occurrences.words) and pooled.counts.max() > 1
    for place, word in enumerate(pooled.words):
        rows = np.flatnonzero(occurrences.words == word)
        spans = [(occurrences.sentences[row], occurrences.starts[row], occurrences.stops[row]) for row in rows]
        means = [states_of(encoder, ids[sentence])[start:stop].mean(0) for sentence, start, stop in spans]
        assert pooled.counts[place] == len(rows)
        mean = pooled.sums[place].double() / len(rows)
        assert torch.allclose(mean, torch.stack(means).mean(0), atol=1e-5)


def test_sentences_of_which_nothing_was_drawn_are_not_encoded(piece, monkeypatch):
    encoder, ids, occurrences = piece
    occurrences.drawn[occurrences.sentences != 3] = False
    occurrences.drawn[np.flatnonzero(occurrences.sentences == 3)[0]] = True
    encoded = []
    batches = LayerEncoder.batches

    def watched(self, rows):
        encoded.extend(len(row) for row in rows)
        return batches(self, rows)

    monkeypatch.setattr(LayerEncoder, "batches", watched)
    collect(piece, without_target=True, special_tokens=True)
    assert encoded == [len(ids[3])]
    pooled = PooledStates(np.unique(occurrences.words), encoder.dimension, encoder.device)
    list(read_contexts(encoder, ids, occurrences, without_target=True, special_tokens=True, pooled=pooled))
    assert len(encoded) == 1 + len(ids)


def test_states_beyond_half_precision_are_refused(piece, tiny_xlm_roberta):
    encoder, ids, occurrences = piece
    with torch.no_grad():
        encoder.model.encoder.layer[0].output.LayerNorm.weight.fill_(1e6)
    with pytest.raises(ValueError, match="earlier --layer"):
        list(read_contexts(encoder, ids, occurrences, without_target=True, special_tokens=True))


def test_words_alone_are_encoded_one_by_one(tiny_xlm_roberta, tiny_tokenizer):
    encoder = LayerEncoder(tiny_xlm_roberta, tiny_tokenizer, 2, device="cpu")
    words = ["alle", "menschenrechte", "a"]
    found = words_alone(encoder, words)
    for word, vector in zip(words, found):
        ids = np.array(tiny_tokenizer(word)["input_ids"])
        assert vector == pytest.approx(states_of(encoder, ids)[1:-1].mean(0).numpy(), abs=1e-5)
