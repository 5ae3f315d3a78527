from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from hf_mplm.evaluation.benchmarks.parsing import TASK, ParsingTask
from hf_mplm.evaluation.files.conllu import read_conllu
from hf_mplm.evaluation.files.layouts import DataError
from hf_mplm.evaluation.files.parsing_corpus import RELATIONS, ParsedSentence
from hf_mplm.evaluation.kinds.biaffine import BiaffineHead, BiaffineParser
from hf_mplm.evaluation.kinds.finetuning import FineTuningSettings, predict
from hf_mplm.evaluation.kinds.trees import best_tree
from hf_mplm.evaluation.loading import load_model
from hf_mplm.evaluation.results import read_metadata
from hf_mplm.evaluation.runner import evaluate
from tests.fixtures import corpus_lines


def settings(max_length=128):
    return FineTuningSettings(learning_rate=1e-3, num_train_epochs=1, batch_size=4, max_length=max_length)


def sentences(seed=0):
    """Real words with random trees: each word hangs from an earlier one in a random order."""
    generator = np.random.default_rng(seed)
    found = []
    for _, line in corpus_lines():
        words = line.split()
        order = generator.permutation(len(words))
        heads = [0] * len(words)
        for position in range(1, len(words)):
            heads[order[position]] = int(order[generator.integers(position)]) + 1
        relations = generator.integers(len(RELATIONS), size=len(words)).tolist()
        found.append(ParsedSentence(words, heads, relations, RELATIONS))
    return found


@pytest.fixture
def parser(tiny_encoder_folder):
    torch.manual_seed(0)
    return BiaffineParser(load_model(tiny_encoder_folder), len(RELATIONS)).eval()


def test_scores_equal_the_papers_equations():
    torch.manual_seed(0)
    head = BiaffineHead(8, 5, arc_size=6, relation_size=4).eval()
    words, root = torch.randn(2, 3, 8), torch.randn(2, 8)
    states = head(words, root)
    arcs, heads = head.arcs(states), torch.tensor([[0, 1, 3], [2, 0, 1]])
    relations = head.relations(states, heads)
    assert arcs.shape == (2, 3, 4) and relations.shape == (2, 3, 5)
    one = torch.ones(1)
    for sentence in range(2):
        nodes = torch.cat([root[sentence : sentence + 1], words[sentence]])
        for word in range(3):
            dependent = head.arc_dependent(words[sentence, word])
            for node in range(4):
                other = head.arc_head(nodes[node])
                # Equation 3: a bilinear term, and one of how likely the head is to have any dependent.
                expected = dependent @ head.arc_weight[:-1] @ other + head.arc_weight[-1] @ other
                assert arcs[sentence, word, node].item() == pytest.approx(expected.item(), abs=1e-5)
            left = torch.cat([head.relation_dependent(words[sentence, word]), one])
            right = torch.cat([head.relation_head(nodes[heads[sentence, word]]), one])
            for relation in range(5):
                expected = left @ head.relation_weight[relation] @ right
                assert relations[sentence, word, relation].item() == pytest.approx(expected.item(), abs=1e-5)


def test_batches_and_padding_change_nothing(parser, tiny_tokenizer):
    examples = sentences()
    features = TASK.features(examples, tiny_tokenizer, settings(), train=False)
    runs = [
        predict(
            parser,
            features.rows,
            collate=lambda rows: TASK.collate(rows, tiny_tokenizer),
            decode=TASK.decode,
            tokens_per_batch=tokens,
        )
        for tokens in (1, 100_000)
    ]
    for row, alone, together in zip(features.rows, *runs):
        assert alone.shape == (2, len(row["heads"]))
        assert (alone == together).all()
        assert list(alone[0]).count(0) == 1


def test_the_loss_is_over_the_words_of_each_sentence_alone(parser, tiny_tokenizer):
    rows = TASK.features(sentences()[:5], tiny_tokenizer, settings(), train=True).rows
    assert len({len(row["heads"]) for row in rows}) > 1
    batch = TASK.collate(rows, tiny_tokenizer)
    with torch.no_grad():
        together = TASK.loss(parser, batch)
        alone = sum(TASK.loss(parser, TASK.collate([row], tiny_tokenizer)) for row in rows)
    assert together.item() == pytest.approx(alone.item(), rel=1e-5)
    assert TASK.count(batch) == sum(len(row["heads"]) for row in rows)


def test_a_sentence_with_more_words_than_tokens_is_counted(parser, tiny_tokenizer, caplog):
    short, long = ParsedSentence(["a", "b"], [0, 1], [0, 1], RELATIONS), ["word"] * 30
    examples = [short, ParsedSentence(long, [0, *range(1, 30)], [0] * 30, RELATIONS), short]
    with caplog.at_level(logging.WARNING):
        features = TASK.features(examples, tiny_tokenizer, settings(max_length=20), train=False)
    assert [row["example"] for row in features.rows] == [0, 2] and features.n_skipped == 30
    assert "30 words stand in sentences of more than 18 words" in caplog.text
    right = np.array([[0, 1], [0, 1]])
    scores = TASK.score(examples, features, [right, np.array([[2, 0], [0, 1]])], "eng_Latn")
    assert scores == ({"uas": 0.5, "las": 0.5}, 4, 30)
    # With as many tokens as words and the special ones, it fits, however many subwords its words have.
    assert TASK.features(examples, tiny_tokenizer, settings(max_length=32), train=False).n_skipped == 0


def write_treebank(folder, language="de", splits=("train", "dev", "test"), relation="nsubj:pass"):
    """Sentences whose trees follow from their words."""
    folder = folder / "ud"
    folder.mkdir(parents=True, exist_ok=True)
    block = [("1", "der", "DET", 2, "det"), ("2", "Hund", "NOUN", 3, relation), ("3", "bellt", "VERB", 0, "root")]
    other = [("1", "ja", "INTJ", 0, "root"), ("2", "!", "PUNCT", 1, "punct")]
    text = ""
    for rows in (block, other) * 4:
        text += "\n".join("\t".join([n, w, "_", t, "_", "_", str(h), r, "_", "_"]) for n, w, t, h, r in rows) + "\n\n"
    for split in splits:
        (folder / f"{language}_gsd-ud-{split}.conllu").write_text(text, encoding="utf-8")
    return folder.parent


LEARN = {"learning_rate": 5e-3, "num_train_epochs": 30, "batch_size": 4}


def test_a_parser_is_learned_and_transferred(tmp_path, tiny_encoder_folder):
    write_treebank(tmp_path)
    data = write_treebank(tmp_path, language="sv", splits=["test"])
    rows = evaluate(
        tiny_encoder_folder, "parsing", data, source_languages=("deu_Latn",), finetuning={"parsing": LEARN}
    )
    assert {(row.language, row.metric, row.n, row.n_skipped) for row in rows} == {
        (language, metric, 20, 0) for language in ("deu_Latn", "swe_Latn") for metric in ("uas", "las")
    }
    assert all(row.value == 1.0 for row in rows)


def test_subtypes_are_an_option(tmp_path, tiny_encoder_folder):
    data = write_treebank(tmp_path)
    assert "nsubj:pass" not in TASK.corpus(data).scheme
    assert "nsubj:pass" in ParsingTask(subtypes=True).corpus(data).scheme
    options = {**LEARN, "num_train_epochs": 1, "subtypes": True}
    arguments = {"source_languages": ("deu_Latn",), "finetuning": {"parsing": options}}
    rows = evaluate(tiny_encoder_folder, "parsing", data, **arguments, output=tmp_path / "run")
    assert len(rows) == 2
    described = read_metadata(tmp_path / "run")["finetuning"]["parsing"]
    assert described["subtypes"] is True and described["learning_rate"] == LEARN["learning_rate"]
    # Finished cells are known again, although the options were taken out of the settings on the way.
    assert evaluate(tiny_encoder_folder, "parsing", data, **arguments, output=tmp_path / "run") == rows
    with pytest.raises(ValueError, match="fine-tuning of parsing: subtype is none of"):
        evaluate(tiny_encoder_folder, "parsing", data, **{**arguments, "finetuning": {"parsing": {"subtype": True}}})


def test_a_relation_that_is_not_known_is_named(tmp_path, tiny_encoder_folder):
    data = write_treebank(tmp_path, relation="subject")
    with pytest.raises(DataError, match="de_gsd-ud-train.conllu:1 has the relation 'subject'"):
        evaluate(tiny_encoder_folder, "parsing", data, source_languages=("deu_Latn",))


def test_a_target_without_text_is_skipped_and_a_source_refused(tmp_path, tiny_encoder_folder, caplog):
    write_treebank(tmp_path)
    data = write_treebank(tmp_path, language="sv", splits=["test"])
    path = data / "ud" / "sv_gsd-ud-test.conllu"
    columns = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")]
    text = "\n".join("\t".join([row[0], "_", *row[2:]]) if len(row) > 1 else "" for row in columns)
    path.write_text(text, encoding="utf-8")
    german = {"source_languages": ("deu_Latn",), "finetuning": {"parsing": {**LEARN, "num_train_epochs": 1}}}
    rows = evaluate(tiny_encoder_folder, "parsing", data, "deu_Latn,swe_Latn", **german)
    assert {row.language for row in rows} == {"deu_Latn"}
    assert "swe_Latn" in caplog.text and "has no text" in caplog.text
    (data / "ud" / "de_gsd-ud-train.conllu").write_text(text, encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="has no text"):
        evaluate(tiny_encoder_folder, "parsing", data, "deu_Latn", **german)


def test_decoding_real_trees_gives_them_back(shared_data):
    for tree in read_conllu(shared_data / "ud" / "yo_ytb-ud-test.conllu")[:50]:
        scores = np.zeros((len(tree.words), len(tree.words) + 1))
        scores[np.arange(len(tree.words)), tree.heads] = 1.0
        assert best_tree(scores).tolist() == list(tree.heads)
