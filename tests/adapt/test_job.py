from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

from hf_mplm import prepare_store
from hf_mplm.adapt import AdaptJob, AdaptSettings, job, outcome, training
from hf_mplm.adapt.held_out import measure_held_out
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.modeling import XLMRobertaForLangScriptMLM
from tests import fixtures
from tests.data.tokenizing.kinds import byte_level_bpe, word_piece

from .helpers import make_settings, sample_lines, save_encoder, write_text


# What the same adaptation makes every time; cards and states tell seconds.
FILES = (
    "diagnosis/diagnosis.json",
    "diagnosis/diagnosis.md",
    "vocabulary/model.safetensors",
    "vocabulary/tokenizer.json",
    "model/model.safetensors",
    "report/outcome.json",
    "report/report.md",
    "report/bits.svg",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("adapt")
    tokenizer = load_tokenizer(tiny_tokenizer_folder)
    save_encoder(folder / "encoder", fixtures.tiny_xlm_roberta(len(tokenizer)), tokenizer)
    write_text(folder / "new", {"wol_Latn": sample_lines("wol_Latn")})
    write_text(folder / "old", {code: sample_lines(code, 60) for code in ("swh_Latn", "ell_Grek")})
    return folder


def settings_of(place: Path, **settings: object) -> AdaptSettings:
    old = (str(place / "old"),)
    given = {"replay_corpus": old, "new_pieces": "200", **settings}
    return make_settings(place / "encoder", place / "new", **given)


@pytest.fixture(scope="module")
def whole(place: Path) -> Path:
    AdaptJob(settings_of(place), place / "whole").run()
    return place / "whole"


def test_a_folder_of_text_becomes_an_encoder_with_its_report(place: Path, whole: Path) -> None:
    found = json.loads((whole / "diagnosis" / "diagnosis.json").read_text(encoding="utf-8"))
    about = found["languages"]["wol_Latn"]
    assert about["sentences"] == 200 and about["by_vectors"] and found["advice"]["max_steps"] >= 100
    before = len(load_tokenizer(place / "encoder"))
    tokenizer = AutoTokenizer.from_pretrained(whole / "model")
    model, report = AutoModelForMaskedLM.from_pretrained(whole / "model", output_loading_info=True)
    assert not report["missing_keys"] and len(tokenizer) == before + 200 == model.config.vocab_size
    assert set(model.config.languages) == {"wol", "swh", "ell"}
    _, report = AutoModel.from_pretrained(whole / "model", output_loading_info=True)
    assert not report["missing_keys"]
    told = json.loads((whole / "report" / "outcome.json").read_text(encoding="utf-8"))
    held_out = told["held_out"]
    standing = {code: about["standing"] for code, about in held_out.items()}
    watched = [code for code in standing if standing[code] == "watched"]
    assert {code: standing[code] for code in standing if code not in watched} == {
        "wol_Latn": "new",
        "swh_Latn": "replayed",
        "ell_Grek": "replayed",
    }
    # Nearest first, English among them, and all of them known.
    assert len(watched) == 8 and "eng_Latn" in watched and set(watched) <= set(found["known"])
    assert all(held_out[code]["rows"] >= 5 for code in watched)
    change, low, high = held_out["wol_Latn"]["change"]
    assert low <= change <= high
    page = (whole / "report" / "report.md").read_text(encoding="utf-8")
    assert "wol_Latn" in page and "Masked words of wol_Latn" in page
    assert re.search(r"swh_Latn +\| +old, replayed", page) and re.search(r"eng_Latn +\| +old, watched", page)
    for name in ("bits.svg", "curve.svg"):
        assert f"]({name})" in page and ElementTree.parse(whole / "report" / name).getroot().tag.endswith("svg")
    card = (whole / "model" / "README.md").read_text(encoding="utf-8")
    assert "bits_per_character" in card and "wol_Latn" in card


def test_replayed_languages_have_their_share_of_the_draws(whole: Path) -> None:
    state = json.loads((whole / "model" / "trainer_state.json").read_text(encoding="utf-8"))
    drawn = next(entry for entry in reversed(state["log_history"]) if "draws_wol_Latn" in entry)
    counts = {code: drawn[f"draws_{code}"] for code in ("wol_Latn", "swh_Latn", "ell_Grek")}
    assert sum(counts.values()) == 24
    assert abs((counts["swh_Latn"] + counts["ell_Grek"]) - 0.3 * 24) <= 3
    assert counts["wol_Latn"] >= 14


def test_a_language_that_is_cut_well_takes_no_new_pieces(tmp_path: Path) -> None:
    """A large one that the vocabulary was made for, beside a small one that it does not know."""
    english = [line for _, line in fixtures.corpus_lines("eng_Latn")]
    tokenizer = word_piece(english, tmp_path / "pieces", 300)
    encoder = save_encoder(tmp_path / "encoder", fixtures.tiny_bert(len(tokenizer)), tokenizer)
    greek = [re.sub(r"[^\u0370-\u03ff ]", "", line) for line in sample_lines("ell_Grek", 40)]
    corpus = write_text(tmp_path / "new", {"eng_Latn": english * 20, "ell_Grek": greek})
    settings = make_settings(encoder, corpus, new_pieces="300")
    found = {
        "advice": {"new_pieces": 300, "wanting": ["ell_Grek"]},
        "languages": {"eng_Latn": {"unknown": 0.0}, "ell_Grek": {"unknown": 0.9}},
    }
    grown = load_tokenizer(AdaptJob(settings, tmp_path / "out")._grow(found))
    fresh = set(grown.get_vocab()) - set(tokenizer.get_vocab())
    letters = {character for line in greek for character in line}
    assert len(fresh) == 300 and all(set(token.removeprefix("##")) <= letters for token in fresh)
    assert [grown.tokenize(line) for line in english] == [tokenizer.tokenize(line) for line in english]
    # Told by nobody, all languages are learned from.
    everything = load_tokenizer(
        AdaptJob(settings, tmp_path / "all")._grow({**found, "advice": {"new_pieces": 300, "wanting": []}})
    )
    assert [everything.tokenize(line) for line in english] != [tokenizer.tokenize(line) for line in english]


class Killed(BaseException):
    pass


def dies_after(function: Callable) -> Callable:
    """It has done its work, of which nothing is finished yet."""

    def dying(*args: object, **kwargs: object) -> None:
        function(*args, **kwargs)
        raise Killed

    return dying


def dies_in_step(number: int, kind: type = training.MaskedLMTrainer) -> Callable:
    """In the middle of a training, behind a checkpoint."""
    step = kind.training_step

    def dying(trainer: training.MaskedLMTrainer, *args: object, **kwargs: object) -> torch.Tensor:
        if trainer.state.global_step == number - 1:
            raise Killed
        return step(trainer, *args, **kwargs)

    return dying


def test_killed_in_every_stage_and_run_again_it_ends_the_same(
    place: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = place / "killed"

    def run() -> None:
        AdaptJob(settings_of(place), output).run()

    for name in ("diagnose", "extend_encoder", "prepare_store"):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(job, name, dies_after(getattr(job, name)))
            run()
    assert not (output / "model").exists()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(training.MaskedLMTrainer, "training_step", dies_in_step(5))
        run()
    assert (output / "model.making" / "run" / "checkpoint-4").is_dir()
    # Trained, and not yet in its place; and measured, and not yet written.
    for name in ("train_model", "measure_outcome"):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(job, name, dies_after(getattr(job, name)))
            run()
    assert (output / "model").is_dir() and not (output / "report").exists()
    run()
    for file in FILES:
        assert (output / file).read_bytes() == (whole / file).read_bytes(), file


@pytest.mark.slow
def test_killed_under_distillation_and_in_alignment_it_ends_the_same(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("uroman")
    corpus = write_text(tmp_path / "new", {"ell_Grek": sample_lines("ell_Grek", 60)})
    small = {"new_pieces": "0", "max_steps": "4", "evaluations": 4, "align_scripts": True, "align_steps": 4}
    settings = make_settings(place / "encoder", corpus, **small)
    AdaptJob(settings, tmp_path / "whole").run()
    output = tmp_path / "killed"

    def dies(module: object, name: str, dying: Callable) -> None:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(module, name, dying)
            AdaptJob(settings, output).run()

    dies(training.MaskedLMTrainer, "training_step", dies_in_step(3))
    assert (output / "trained.making" / "run" / "checkpoint-2").is_dir()
    dies(job, "prepare_pair_store", dies_after(job.prepare_pair_store))
    assert (output / "trained").is_dir() and (output / "pairs").is_dir() and not (output / "model").exists()
    aligning = training.ScriptAlignmentTrainer
    dies(aligning, "training_step", dies_in_step(3, aligning))
    assert (output / "model.making" / "run" / "checkpoint-2").is_dir()
    dies(job, "align_model", dies_after(job.align_model))
    assert not (output / "model").exists()
    AdaptJob(settings, output).run()
    # The start was distilled, and the scripts aligned.
    for folder, term in (("trained", "distillation_loss"), ("model", "seq_loss")):
        state = json.loads((output / folder / "trainer_state.json").read_text(encoding="utf-8"))
        assert any(term in entry for entry in state["log_history"])
    for file in ("trained/model.safetensors", "model/model.safetensors", "report/outcome.json", "report/report.md"):
        assert (output / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file


def test_done_again_nothing_is_made_and_other_settings_are_refused(
    place: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("diagnose", "train_model", "measure_outcome"):
        monkeypatch.setattr(job, name, lambda *_: pytest.fail("it was finished"))
    AdaptJob(settings_of(place), whole).run()
    with pytest.raises(ValueError, match="other values of learning_rate"):
        AdaptJob(settings_of(place, learning_rate=2e-3), whole).run()


def encoder_of_another_kind(kind: str, folder: Path) -> tuple[Path, str]:
    """A BERT with WordPiece, or a ModernBERT with byte-level BPE, and the name of its class."""
    lines = [line for code in ("eng_Latn", "swh_Latn") for line in sample_lines(code, 100)]
    tokenizer = word_piece(lines, folder / "pieces") if kind == "bert" else byte_level_bpe(lines)
    ids = {"pad_token_id": tokenizer.pad_token_id}
    if kind == "modernbert":
        ids |= {"cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id}
        ids |= {"bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id}
    build = fixtures.tiny_bert if kind == "bert" else fixtures.tiny_modernbert
    model = build(len(tokenizer), **ids)
    return save_encoder(folder / "encoder", model, tokenizer), type(model).__name__


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_the_same_line_adapts_other_architectures_without_text_to_replay(
    kind: str, place: Path, tmp_path: Path
) -> None:
    """Distilled from the start, which is the term beside masked LM in the log."""
    encoder, name = encoder_of_another_kind(kind, tmp_path)
    settings = make_settings(encoder, place / "new", method="mlm", new_pieces="100", max_steps="3")
    told = AdaptJob(settings, tmp_path / "out").run()
    assert told["changes"]["replayed"] is None and told["changes"]["watched"] is not None
    assert told["held_out"]["wol_Latn"]["change"] is not None
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "out" / "model")
    assert type(model).__name__ == name
    tokenizer = load_tokenizer(tmp_path / "out" / "model")
    assert len(tokenizer) == len(load_tokenizer(encoder)) + 100 <= len(model.get_input_embeddings().weight)
    state = json.loads((tmp_path / "out" / "model" / "trainer_state.json").read_text(encoding="utf-8"))
    terms = [entry["distillation_loss"] for entry in state["log_history"] if "distillation_loss" in entry]
    # At the first step nothing is forgotten yet, and its learning rate is 0.
    assert abs(terms[0]) < 1e-4 < terms[-1]


def test_tables_that_lack_a_language_add_nothing_for_it(place: Path, tmp_path: Path, tiny_tokenizer) -> None:
    """A LangSAMP start has no row of the new language, and the result none of those that are watched."""
    plain = fixtures.tiny_xlm_roberta(len(tiny_tokenizer))
    start = save_encoder(tmp_path / "plain", plain, tiny_tokenizer)
    tables = XLMRobertaForLangScriptMLM.from_encoder(start, languages=["eng_Latn"], use_script_embeddings=False)
    with torch.no_grad():
        tables.language_embeddings.weight.fill_(1.0)
    encoder = save_encoder(tmp_path / "encoder", tables, tiny_tokenizer)
    store = prepare_store(place / "new", encoder, tmp_path / "store", chunk_length=32, holdout=5)
    settings = make_settings(encoder, place / "new")
    told = measure_held_out(encoder, store, settings)["wol_Latn"]
    assert told.losses == pytest.approx(measure_held_out(start, store, settings)["wol_Latn"].losses)
    # Of a language that they have, something is added.
    english = write_text(tmp_path / "english", {"eng_Latn": sample_lines("eng_Latn", 60)})
    store = prepare_store(english, encoder, tmp_path / "known", chunk_length=32, holdout=5)
    told, plain_loss = (measure_held_out(model, store, settings)["eng_Latn"].bits() for model in (encoder, start))
    assert abs(told - plain_loss) > 1e-3


def test_masked_words_are_asked_for_in_their_own_language(place: Path, tmp_path: Path, tiny_tokenizer) -> None:
    """What a table lacks adds nothing, and not what the language before had; a new script takes no language off."""
    plain = save_encoder(tmp_path / "plain", fixtures.tiny_xlm_roberta(len(tiny_tokenizer)), tiny_tokenizer)
    tables = XLMRobertaForLangScriptMLM.from_encoder(plain, languages=["eng_Latn"])
    with torch.no_grad():
        for table, std in ((tables.language_embeddings, 5.0), (tables.script_embeddings, 50.0)):
            table.weight.normal_(std=std, generator=torch.Generator().manual_seed(int(std)))
    start = save_encoder(tmp_path / "start", tables, tiny_tokenizer)
    codes = ("eng_Cyrl", "eng_Latn", "wol_Grek")
    corpus = write_text(tmp_path / "text", {code: sample_lines("eng_Latn", 40) for code in codes})
    store = prepare_store(corpus, start, tmp_path / "store", chunk_length=32, holdout=4)
    found = {"languages": dict.fromkeys(codes)}

    def guesses(model: Path) -> dict[str, list[list[str]]]:
        shown = outcome._examples(make_settings(model, corpus), found, store, model)
        assert set(shown) == set(codes) and all(shown.values())
        assert all(one["before"] == one["after"] for examples in shown.values() for one in examples)
        return {code: [one["before"] for one in examples] for code, examples in shown.items()}

    with_tables, without = guesses(start), guesses(plain)
    assert with_tables["wol_Grek"] == without["wol_Grek"]
    assert with_tables["eng_Latn"] != without["eng_Latn"]
    assert with_tables["eng_Cyrl"] not in (without["eng_Cyrl"], with_tables["eng_Latn"])


@pytest.mark.slow
def test_scripts_are_aligned_after_pretraining(place: Path, tmp_path: Path) -> None:
    pytest.importorskip("uroman")
    corpus = write_text(tmp_path / "new", {"ell_Grek": sample_lines("ell_Grek", 40)})
    settings = make_settings(
        place / "encoder", corpus, new_pieces="0", max_steps="2", align_scripts=True, align_steps=2, distill_weight=0.0
    )
    AdaptJob(settings, tmp_path / "out").run()
    state = json.loads((tmp_path / "out" / "model" / "trainer_state.json").read_text(encoding="utf-8"))
    assert any("seq_loss" in entry for entry in state["log_history"])
    trained, model = (load_file(tmp_path / "out" / name / "model.safetensors") for name in ("trained", "model"))
    assert any(not torch.equal(trained[key], model[key]) for key in model)


def test_an_encoder_without_its_head_is_adapted(
    place: Path, tmp_path: Path, tiny_tokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = tmp_path / "encoder"
    save_encoder(encoder, fixtures.tiny_bert(len(tiny_tokenizer)).base_model, tiny_tokenizer)
    settings = make_settings(encoder, place / "new", new_pieces="200", max_steps="2")
    with pytest.raises(ValueError, match="--new_lm_head"):
        AdaptJob(settings, tmp_path / "refused").run()
    settings = make_settings(
        encoder, place / "new", new_pieces="200", max_steps="2", new_lm_head=True, head_warmup_steps=1
    )
    caplog.clear()
    told = AdaptJob(settings, tmp_path / "out").run()
    assert told["held_out"]["wol_Latn"]["before"] is None
    grown = AutoModel.from_pretrained(tmp_path / "out" / "vocabulary")
    assert type(grown).__name__ == "BertModel" and len(grown.get_input_embeddings().weight) == 1000
    card, report = (tmp_path / "out" / name for name in ("model/README.md", "report/report.md"))
    assert "LM head: new" in card.read_text(encoding="utf-8")
    # That nothing is distilled and nothing replayed is told wherever the result is.
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    told_in = ["\n".join(warned), card.read_text(encoding="utf-8"), report.read_text(encoding="utf-8")]
    assert all("kept by nothing" in text and "LM head is new" in text for text in told_in)
