from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, PreTrainedTokenizerBase

from hf_mplm.data.tokenizing.encoding import hash_sentences
from hf_mplm.evaluation.loading import load_tokenizer
from hf_mplm.languages import parse_code
from hf_mplm.sprachbund import LanguageVectors
from hf_mplm.sprachbund.vectors import rounds
from hf_mplm.sprachbund.vectors.compute import compute_language_vectors
from hf_mplm.sprachbund.vectors.rounds import round_bounds
from tests.faults import contents, in_child
from tests.fixtures import CORPUS, corpus_lines, tiny_xlm_roberta


VIEWS = ("layer0-mean", "layer1-mean", "layer1-cls", "layer2-mean", "layer2-cls")
SMALL = {"layers": [0, 1, 2], "min_characters": 20, "device": "cpu"}


def small_corpus(*codes: str) -> list[tuple[str, str]]:
    """The small corpus by the codes that vectors have: cmn_Hans is zho_Hans."""
    return [(parse_code(code).code, text) for code, text in corpus_lines(*codes)]


@pytest.fixture(scope="module")
def model_folder(tiny_tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny_tokenizer = load_tokenizer(tiny_tokenizer_folder)
    tiny_xlm_roberta(len(tiny_tokenizer), initializer_range=0.3).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def small_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of 2, 4, 8, ... sentences in several parts, so that a small corpus has many of both."""
    monkeypatch.setattr(rounds, "FIRST_ROUND", 2)
    monkeypatch.setattr(rounds, "_PART_SENTENCES", 10)


def write_corpus(folder: Path, lines: list[tuple[str, str]]) -> Path:
    folder.mkdir(parents=True)
    for code, text in lines:
        with open(folder / f"{code}.txt", "a", encoding="utf-8") as handle:
            handle.write(f"{text}\n")
    return folder


def plain_vectors(model_folder: Path, lines: list[tuple[str, str]]) -> dict[str, dict[str, np.ndarray]]:
    """One sentence at a time, all layers, float64, whatever is long enough, once."""
    model = AutoModel.from_pretrained(model_folder, dtype=torch.float32).eval()
    tokenizer = load_tokenizer(model_folder)
    vectors: dict[str, dict[str, list[np.ndarray]]] = {view: {} for view in VIEWS}
    for code, text in dict.fromkeys(lines):
        if len(text) < 20:
            continue
        batch = tokenizer([text], return_tensors="pt", return_special_tokens_mask=True)
        inner = ~batch.pop("special_tokens_mask")[0].bool()
        with torch.inference_mode():
            states = model(**batch, output_hidden_states=True).hidden_states
        for view in VIEWS:
            layer, pooling = int(view[5]), view[7:]
            rows = states[layer][0].double().numpy()
            vector = rows[0] if pooling == "cls" else rows[inner.numpy()].mean(axis=0)
            vectors[view].setdefault(code, []).append(vector)
    return {view: {code: np.array(rows) for code, rows in own.items()} for view, own in vectors.items()}


def assert_same(one: LanguageVectors, two: LanguageVectors) -> None:
    assert one.languages == two.languages and one.views == two.views
    for view in one.views:
        assert one.matrix(view, center=False) == pytest.approx(two.matrix(view, center=False), abs=1e-6)
        assert one.standard_errors(view) == pytest.approx(two.standard_errors(view), rel=1e-4)
        assert one.blocks(view).counts.tolist() == two.blocks(view).counts.tolist()


def test_vectors_equal_a_plain_loop_over_the_distinct_long_sentences(model_folder: Path, tmp_path: Path) -> None:
    lines = small_corpus()
    # A sentence twice, one that is too short, and another layout of files.
    corpus = write_corpus(tmp_path / "corpus", [*lines, lines[0], (lines[0][0], "short")])
    vectors = compute_language_vectors(model_folder, corpus, tmp_path / "out", **SMALL)
    expected = plain_vectors(model_folder, lines)
    assert vectors.views == list(VIEWS)
    for view, own in expected.items():
        assert vectors.languages == sorted(own)
        means = np.array([own[code].mean(axis=0) for code in vectors.languages])
        assert vectors.matrix(view, center=False) == pytest.approx(means, abs=1e-6)
        assert vectors.counts(view).tolist() == [len(own[code]) for code in vectors.languages]
        errors = [np.sqrt(np.trace(np.cov(own[code].T)) / len(own[code])) for code in vectors.languages]
        assert vectors.standard_errors(view, relative=False) == pytest.approx(errors, rel=1e-4)
    dropped = vectors.config["report"]["dropped"][lines[0][0]]
    assert dropped["duplicate"] == 1 and dropped["too_short"] >= 1
    assert set(vectors.config["stopped"].values()) == {"all_text"}
    with_specials = expected["layer1-cls"][lines[0][0]].mean(axis=0)
    assert np.abs(vectors.matrix("layer1-mean", center=False)[0] - with_specials).max() > 1e-2


@pytest.mark.usefixtures("small_rounds")
def test_neither_order_nor_batches_nor_the_cut_of_the_corpus_change_anything(
    model_folder: Path, tmp_path: Path
) -> None:
    lines = small_corpus()
    shuffled = lines[:]
    random.Random(0).shuffle(shuffled)
    corpus = write_corpus(tmp_path / "text", shuffled)
    settings = {**SMALL, "target_sem": 0.65, "max_sentences": 8}
    first = compute_language_vectors(model_folder, CORPUS, tmp_path / "first", tokens_per_batch=1, **settings)
    assert len(set(first.config["stopped"].values())) > 1, "the rule must decide something"
    ways: dict[str, dict[str, object]] = {
        "batches": {"tokens_per_batch": 64},
        "shuffled": {"corpus": corpus},
        "small parts": {"part_bytes": 500},
    }
    for name, way in ways.items():
        options = {"corpus": CORPUS, **settings, **way}
        again = compute_language_vectors(model_folder, output=tmp_path / name, **options)  # type: ignore[arg-type]
        assert_same(first, again)
        assert again.config["stopped"] == first.config["stopped"]
    other = compute_language_vectors(model_folder, CORPUS, tmp_path / "seed", seed=7, **settings)
    view = "layer1-mean"
    assert np.abs(other.matrix(view, center=False) - first.matrix(view, center=False)).max() > 1e-3


@pytest.mark.usefixtures("small_rounds", "warm_pool")
def test_two_processes_give_the_vectors_of_one(model_folder: Path, tmp_path: Path) -> None:
    # One round, because every round of so little text costs the start of two processes.
    compute = partial(compute_language_vectors, model_folder, CORPUS, max_sentences=2, **SMALL)
    one, two = compute(tmp_path / "one"), compute(tmp_path / "two", num_proc=2)
    assert_same(one, two)
    assert one.counts("layer1-mean").sum() > 2 * 10, "there must be several parts to share"


@pytest.mark.slow
@pytest.mark.allow_network  # Ray finds itself by this machine's own address, which is none of the loopback's
def test_ray_gives_the_same_vectors(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    compute = partial(compute_language_vectors, model_folder, CORPUS, **SMALL)
    assert_same(compute(tmp_path / "local"), compute(tmp_path / "ray", engine="ray"))


def test_halves_of_the_corpus_merge_into_the_whole(model_folder: Path, tmp_path: Path) -> None:
    lines = list(dict.fromkeys(small_corpus()))
    parts = [
        compute_language_vectors(
            model_folder, write_corpus(tmp_path / f"c{n}", lines[n::2]), tmp_path / f"o{n}", **SMALL
        )
        for n in range(2)
    ]
    whole = compute_language_vectors(model_folder, CORPUS, tmp_path / "whole", **SMALL)
    assert_same(LanguageVectors.merge(parts), whole)
    view = "layer1-mean"
    assert np.abs(parts[0].matrix(view, center=False) - whole.matrix(view, center=False)).max() > 1e-3


@pytest.mark.usefixtures("small_rounds")
@pytest.mark.parametrize("place", [0.2, 0.5, 0.8, 0.97])
def test_killed_in_the_middle_the_same_call_writes_the_same_bytes(
    model_folder: Path, tmp_path: Path, place: float
) -> None:
    work = partial(compute_language_vectors, model_folder, CORPUS, **SMALL)
    whole, output = tmp_path / "whole" / "out", tmp_path / "killed" / "out"
    for folder in (whole.parent, output.parent):
        folder.mkdir()
    told, changes = in_child(partial(work, whole), whole.parent, None, "kill")
    assert told == "finished" and changes > 40
    told, _ = in_child(partial(work, output), output.parent, int(place * changes), "kill")
    assert told == "killed" and (place > 0.9 or not output.exists())
    told, left = in_child(partial(work, output), output.parent, None, "kill")
    assert told == "finished" and left < changes
    assert contents(output) == contents(whole)
    assert not (output.parent / "out.computing").exists()


@pytest.mark.usefixtures("small_rounds")
def test_a_language_stops_when_its_vector_is_precise_at_the_end_of_a_round(model_folder: Path, tmp_path: Path) -> None:
    settings = {**SMALL, "layers": [1], "pooling": "mean"}
    vectors = compute_language_vectors(
        model_folder, CORPUS, tmp_path / "out", target_sem=0.6, max_sentences=8, **settings
    )
    chosen = {
        code: [text for own, text in dict.fromkeys(small_corpus()) if own == code and len(text) >= 20]
        for code in vectors.languages
    }
    for code, count in zip(vectors.languages, vectors.counts()):
        stopped = vectors.config["stopped"][code]
        assert (count in (2, 4, 8)) or (stopped == "all_text" and count == len(chosen[code]) < 8)
        assert stopped != "max_sentences" or count == 8
        # Those of the smallest hashes, and no other.
        numbers = hash_sentences(chosen[code], 42)
        kept = [chosen[code][place] for place in np.argsort(numbers)[:count]]
        expected = plain_vectors(model_folder, [(code, text) for text in kept])["layer1-mean"][code].mean(axis=0)
        assert vectors.matrix(center=False)[vectors.row(code)] == pytest.approx(expected, abs=1e-6)
    assert "target_sem" in vectors.config["stopped"].values()
    assert round_bounds(8) == [2, 4, 8] and round_bounds(5) == [2, 4, 5] and round_bounds(1) == [1]


def test_controls_need_the_architecture_alone(model_folder: Path, tmp_path: Path) -> None:
    settings = {"layers": [1], "pooling": "mean", "controls": True, "device": "cpu"}
    vectors = compute_language_vectors(model_folder, CORPUS, tmp_path / "one", **settings)  # type: ignore[arg-type]
    assert vectors.views == ["characters", "random-layer1-mean"] and vectors.config["source"] == "controls"
    # Serbian in two scripts has hardly a letter in common, German and English many.
    cosines = vectors.cosine("characters")
    row = vectors.row
    assert cosines[row("deu_Latn"), row("eng_Latn")] > cosines[row("srp_Cyrl"), row("srp_Latn")]
    again = compute_language_vectors(model_folder, CORPUS, tmp_path / "two", seed=1, **settings)  # type: ignore[arg-type]
    assert np.abs(again.matrix("random-layer1-mean") - vectors.matrix("random-layer1-mean")).max() > 1e-3
    with pytest.raises(ValueError, match="another random_seed cannot be added: 42 and 1"):
        LanguageVectors.merge([vectors, again])
    trained = compute_language_vectors(model_folder, CORPUS, tmp_path / "three", **{**settings, "controls": False})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="another source"):
        LanguageVectors.merge([trained, vectors])


def bad_corpus(tmp_path: Path, lines: list[tuple[str, str]]) -> Path:
    return write_corpus(tmp_path / "corpus", lines)


def test_what_has_little_text_is_kept_and_marked_or_left_out_and_counted(model_folder: Path, tmp_path: Path) -> None:
    lines = [
        *small_corpus("deu_Latn", "eng_Latn"),
        ("swh_Latn", "short"),
        ("rus_Cyrl", "Все люди рождаются свободными."),
    ]
    vectors = compute_language_vectors(model_folder, bad_corpus(tmp_path, lines), tmp_path / "out", **SMALL)
    assert vectors.languages == ["deu_Latn", "eng_Latn", "rus_Cyrl"]
    assert np.isnan(vectors.standard_errors("layer1-mean")).tolist() == [False, False, True]
    assert vectors.config["without_sentences"] == ["swh_Latn"] and vectors.config["stopped"]["rus_Cyrl"] == "all_text"
    assert vectors.config["report"]["dropped"]["swh_Latn"] == {"too_short": 1}
    only = write_corpus(tmp_path / "only", [("swh_Latn", "short")])
    with pytest.raises(ValueError, match="no sentence is left to encode.*1 shorter than --min_characters"):
        compute_language_vectors(model_folder, only, tmp_path / "none", **SMALL)
    assert not (tmp_path / "none").exists()


def test_one_language_in_two_files_is_one_vector_that_cannot_be_centred(model_folder: Path, tmp_path: Path) -> None:
    text = [line for _, line in small_corpus("deu_Latn")]
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "de.txt").write_text("\n".join(text[:4]), encoding="utf-8")
    (folder / "deu_Latn.txt").write_text("\n".join(text[3:]), encoding="utf-8")
    vectors = compute_language_vectors(model_folder, folder, tmp_path / "out", **SMALL)
    expected = plain_vectors(model_folder, [("deu_Latn", line) for line in text])["layer1-mean"]["deu_Latn"]
    assert vectors.languages == ["deu_Latn"]
    assert vectors.matrix("layer1-mean", center=False)[0] == pytest.approx(expected.mean(axis=0), abs=1e-6)
    with pytest.raises(ValueError, match="one language, deu_Latn"):
        vectors.cosine("layer1-mean")


def break_weights(model: torch.nn.Module) -> None:
    model.roberta.encoder.layer[1].output.dense.bias.data[0] = torch.nan  # type: ignore[union-attr,index]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": [0], "pooling": "cls"}, "layer 0 with cls is one vector for all sentences"),
        ({"layers": [3]}, r"layer 3 does not exist: the model has the layers 0 \(embeddings\) to 2"),
        ({"layers": "fourth"}, "'fourth' is no number; needed is 0 to 2, third or last"),
        ({"pooling": "max"}, "no pooling 'max'"),
        ({"languages": ["xxx_Latn"]}, "xxx"),
        ({"max_sentences": 0}, "max_sentences"),
        ({"target_sem": 0.0}, "target_sem"),
    ],
)
def test_what_cannot_be_computed_is_said(
    model_folder: Path, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        compute_language_vectors(model_folder, CORPUS, tmp_path / "out", **{**SMALL, **options})  # type: ignore[arg-type]


def test_states_that_are_not_finite_name_language_and_layer(
    tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    model = tiny_xlm_roberta(len(tiny_tokenizer))
    break_weights(model)
    for part in (model, tiny_tokenizer):
        part.save_pretrained(tmp_path / "model")
    compute: Callable[..., LanguageVectors] = partial(compute_language_vectors, tmp_path / "model", CORPUS)
    with pytest.raises(ValueError, match="states of arb_Arab in layer2-mean are not finite"):
        compute(tmp_path / "out", layers=[1, 2], device="cpu")
    assert compute(tmp_path / "out", layers=[1], device="cpu", overwrite=True).views == ["layer1-mean", "layer1-cls"]


def test_an_output_of_other_settings_is_not_replaced_unasked(model_folder: Path, tmp_path: Path) -> None:
    compute = partial(
        compute_language_vectors, model_folder, CORPUS, tmp_path / "out", languages=["deu", "eng"], **SMALL
    )
    first = compute()
    assert (compute().matrix("layer1-mean") == first.matrix("layer1-mean")).all()
    with pytest.raises(ValueError, match="min_characters: 20 then, 30 now"):
        compute(min_characters=30)
    assert compute(min_characters=30, overwrite=True).counts("layer1-mean").sum() < first.counts("layer1-mean").sum()
