"""What is exported is loaded by the tools that it is for, with the same vectors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from hf_mplm.cli.main import main
from hf_mplm.jobs.digests import refuse_damage
from hf_mplm.static.embeddings import StaticEmbeddings
from hf_mplm.static.export import export_table
from hf_mplm.static.quantizing import quantize, retrieval_cost
from hf_mplm.static.word2vec import read_word2vec
from hf_mplm.static.word_table import WordTable
from hf_mplm.static.word_tokenizer import make_word_tokenizer
from hf_mplm.static.words import segment_words


def make_table(language: str, words: list[str], seed: int = 0, width: int = 16) -> WordTable:
    vectors = np.random.default_rng(seed).normal(size=(len(words), width)).astype(np.float32)
    return WordTable(language, words, np.zeros(len(words), dtype=np.int64), vectors)


SENTENCES = {
    "fra_Latn": ["L'eau, c'est 3.14 € !", "Vous parlez d'une e-mail", "---", ""],
    "tur_Latn": ["IŞIK ve ılık İstanbul'da", "iki I harfi"],
    "ell_Grek": ["Ο ΟΔΟΣ, η Οδός", "ΣΟΦΟΣ"],
    "hin_Deva": ["यह एक वाक्य है। दूसरा", "क्या?"],
    "arb_Arab": ["هذا كتابٌ، وهذا قلم؟"],
    "eng_Latn": ["Can't U.S.A. stop_it 12,5 naïve NAI\u0308VE \U0001f469\u200d\U0001f469\u200d\U0001f467"],
    "zho_Hans": ["北京 大学 。"],
}


@pytest.fixture
def static() -> StaticEmbeddings:
    tables = []
    for seed, (language, texts) in enumerate(SENTENCES.items()):
        found = {word for text in texts for part in text.split() for word in segment_words(part, language)}
        # Some words are not known.
        tables.append(make_table(language, [*sorted(found)[1:], "andere"], seed))
    return StaticEmbeddings(tables)


@pytest.mark.parametrize("language", SENTENCES)
def test_the_tokenizer_finds_the_words_that_the_segmenter_finds(language: str, static: StaticEmbeddings) -> None:
    table = static.table(language)
    tokenizer = make_word_tokenizer(table)
    again = Tokenizer.from_str(tokenizer.to_str())
    for text in SENTENCES[language]:
        # Chinese is given word by word, as its tokenizer has no dictionary.
        parts = text.split() if language == "zho_Hans" else [text]
        words = [word for part in parts for word in segment_words(part, language)]
        expected = [table.index.get(word, -1) + 1 for word in words]
        assert again.encode(text, add_special_tokens=False).ids == expected
    # Not as it is without the vocabulary's own lower case.
    cased = make_word_tokenizer(make_table(language, ["Andere", *table.words[:-1]]))
    if language in ("fra_Latn", "tur_Latn", "ell_Grek", "eng_Latn"):
        assert any(cased.encode(t).tokens != tokenizer.encode(t).tokens for t in SENTENCES[language])


@pytest.mark.parametrize("form", ["sentence-transformers", "model2vec"])
def test_the_folder_holds_the_rows(form: str, static: StaticEmbeddings, tmp_path: Path) -> None:
    table = static.table("fra_Latn")
    export_table(table, tmp_path / "fra", form)
    rows = load_file(tmp_path / "fra" / "model.safetensors")
    (name, rows), *others = rows.items()
    assert not others and name == {"sentence-transformers": "embedding.weight", "model2vec": "embeddings"}[form]
    assert not rows[0].any() and (rows[1:] == table.vectors).all()
    vocabulary = json.loads((tmp_path / "fra" / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    assert [vocabulary[word] for word in table.words] == list(range(1, len(table) + 1))
    assert refuse_damage(tmp_path / "fra", "")


def test_sentence_transformers_gives_the_same_vectors(static: StaticEmbeddings, tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    for language, texts in SENTENCES.items():
        table = static.table(language)
        export_table(table, tmp_path / language, "sentence-transformers")
        model = sentence_transformers.SentenceTransformer(str(tmp_path / language), device="cpu")
        reachable = [word for word in table.words if segment_words(word, language) == [word]]
        expected = np.stack([static.vector(word, language) for word in reachable])
        assert (model.encode(reachable) == expected).all() and len(reachable) > 1
        if language != "zho_Hans":
            # Words that are not known count in its mean, which changes no direction.
            assert min(cosines(model.encode(texts), static.encode(texts, language=language))) > 1 - 1e-5


def test_model2vec_gives_the_same_vectors(static: StaticEmbeddings, tmp_path: Path) -> None:
    model2vec = pytest.importorskip("model2vec")
    for language, texts in SENTENCES.items():
        table = static.table(language)
        for int8 in (False, True):
            export_table(table, tmp_path / language / str(int8), "model2vec", int8=int8)
            model = model2vec.StaticModel.from_pretrained(tmp_path / language / str(int8))
            assert model.embedding.dtype == (np.int8 if int8 else np.float32)
            if language == "zho_Hans":
                continue
            found, expected = model.encode(texts), static.encode(texts, language=language)
            assert np.abs(found - expected).max() < (0.02 if int8 else 1e-6)
            assert not int8 or np.abs(found - expected).max() > 1e-4


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_gives_the_same_vectors(binary: bool, static: StaticEmbeddings, tmp_path: Path) -> None:
    models = pytest.importorskip("gensim.models")
    static.save_pretrained(tmp_path / "static")
    form = "word2vec-binary" if binary else "word2vec"
    words = ["--static", str(tmp_path / "static"), "--output", str(tmp_path / "out"), "--format", form]
    assert main(["static", "export", *words]) == 0
    for table in static.tables.values():
        path = tmp_path / "out" / f"{table.language}.{'bin' if binary else 'vec'}"
        vectors = models.KeyedVectors.load_word2vec_format(str(path), binary=binary)
        assert vectors.index_to_key == table.words and (vectors.vectors == table.vectors).all()


def cosines(one: np.ndarray, other: np.ndarray) -> list[float]:
    both = [(a, b) for a, b in zip(one, other) if b.any()]
    return [float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in both]


def test_a_byte_a_number_is_within_half_a_step() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 32)).astype(np.float32)
    vectors[7] *= 1e4
    vectors[9] = 0
    numbers, scales = quantize(vectors)
    assert numbers.dtype == np.int8 and abs(numbers.astype(int)).max() == 127
    error = np.abs(numbers * scales[:, None] - vectors)
    assert (error <= scales[:, None] * 0.5001).all() and not error[9].any()
    # One scale for all would make the other words zeros.
    assert not np.rint(vectors[0] / (np.abs(vectors).max() / 127)).any() and numbers[0].any()


def test_what_bytes_cost_is_a_plain_loop() -> None:
    generator = np.random.default_rng(1)
    source, target = (generator.normal(size=(30, 4)).astype(np.float32) for _ in range(2))
    noisy = [side + generator.normal(scale=0.3, size=side.shape).astype(np.float32) for side in (source, target)]

    def nearest(query: np.ndarray, index: np.ndarray, without: int | None) -> list[int]:
        scores = [float(row @ query / np.linalg.norm(row)) for row in index]
        return [row for row in sorted(range(30), key=lambda row: -scores[row]) if row != without][:10]

    for same in (False, True):
        sides = (source, source, noisy[0], noisy[0]) if same else (source, target, *noisy)
        before = [nearest(sides[0][row], sides[1], row if same else None) for row in range(30)]
        after = [nearest(sides[2][row], sides[3], row if same else None) for row in range(30)]
        found = retrieval_cost(*sides, same=same)
        assert found.queries == 30
        assert found.nearest == pytest.approx(np.mean([a[0] == b[0] for a, b in zip(before, after)]))
        assert found.of_ten == pytest.approx(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(before, after)]))
        assert 0 < found.nearest < 1


def test_the_verb_says_what_bytes_cost_and_what_it_cannot_reach(tmp_path: Path, capsys) -> None:
    tables = [make_table("eng_Latn", [*map(str, range(40)), "e-mail", ","]), make_table("tha_Thai", ["ไทย", "ดี"], 1)]
    StaticEmbeddings(tables).save_pretrained(tmp_path / "static")
    flags = ["--static", str(tmp_path / "static"), "--output", str(tmp_path / "out")]
    assert main(["static", "export", *flags, "--format", "model2vec", "--int8"]) == 0
    said = capsys.readouterr().out
    assert "int8: of 42 words" in said and "same nearest word of eng_Latn" in said
    assert "2 of the words are split or left out in sentences ('e-mail', ',')" in said
    assert "set the words of tha_Thai apart by blanks" in said
    assert load_file(tmp_path / "out" / "eng_Latn" / "model.safetensors")["embeddings"].dtype == np.int8
    assert main(["static", "export", *flags, "--format", "sentence-transformers", "--int8"]) != 0
    assert "--int8 goes with --format model2vec" in capsys.readouterr().err
    with pytest.raises(ValueError, match="no format 'gguf'"):
        export_table(tables[0], tmp_path, "gguf")


@pytest.mark.parametrize("form", ["word2vec", "word2vec-binary"])
def test_words_with_blanks_are_left_out_where_that_is_asked(form: str, tmp_path: Path, capsys) -> None:
    english = make_table("eng_Latn", ["new york", "a", "b\u00a0c", "d"])
    StaticEmbeddings([make_table("deu_Latn", ["haus", "see"]), english]).save_pretrained(tmp_path / "static")
    command = ["static", "export", "--static", str(tmp_path / "static"), "--format", form]
    command += ["--output", str(tmp_path / "out")]
    assert main(command) == 2
    told = capsys.readouterr().err
    assert "eng_Latn: the word 'new york'" in told and "--skip_words_with_blanks" in told
    # Nor are the languages before it left half an export.
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("*.[vb]*"))
    assert main([*command, "--skip_words_with_blanks"]) == 0
    shown = capsys.readouterr().out
    assert "2 vectors of eng_Latn" in shown
    assert "2 words with white space are left out ('new york', 'b\\xa0c')" in shown
    again, _ = read_word2vec(tmp_path / "out" / f"eng_Latn.{'bin' if 'binary' in form else 'vec'}", "eng_Latn")
    assert again.words == ["a", "d"] and (again.vectors == english.vectors[[1, 3]]).all()
    assert main([*command, "--skip_words_with_blanks", "--format", "model2vec"]) == 2
    assert "--skip_words_with_blanks goes with --format word2vec" in capsys.readouterr().err
