from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from hf_mplm.adapt import AdaptJob, diagnosis
from hf_mplm.adapt.letter_models import nearest_by_letters
from hf_mplm.adapt.recommendation import advise, hope
from hf_mplm.adapt.text_facts import MOST_SAMPLED, read_facts
from hf_mplm.cli.main import main
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.sample import sample_languages
from tests import fixtures

from .helpers import make_settings, sample_lines, save_encoder, write_text


KNOWN = ("eng_Latn", "spa_Latn", "swh_Latn", "rus_Cyrl")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_folder: Path) -> Path:
    tokenizer = load_tokenizer(tiny_tokenizer_folder)
    return save_encoder(tmp_path_factory.mktemp("encoder"), fixtures.tiny_xlm_roberta(len(tokenizer)), tokenizer)


@pytest.fixture(autouse=True)
def _few_languages_to_compare_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "sample_languages", lambda: list(KNOWN))


def diagnose(encoder: Path, tmp_path: Path, lines: dict[str, list[str]], **settings: Any) -> dict[str, Any]:
    corpus = write_text(tmp_path / "corpus", lines)
    return AdaptJob(make_settings(encoder, corpus, **settings), tmp_path / "out").diagnose()


# ---- Text ----


def test_counts_are_of_the_whole_text_and_copies_are_found() -> None:
    lines = ["Jamm ak salaam.", "jamm ak SALAAM", "Salaam ak jamm", "Jamm ak salaam, 12!", "Leneen"]
    facts = read_facts({"text": line, "language": "wol_Latn"} for line in lines)["wol_Latn"]
    assert (facts.sentences, facts.words, facts.repeated) == (5, 14, 2)
    assert facts.characters == sum(len(line.replace(" ", "")) for line in lines)
    assert facts.sample == lines


def test_the_sample_does_not_depend_on_the_order_of_the_text() -> None:
    lines = [f"sentence number {n}" for n in range(MOST_SAMPLED + 500)]
    rows = [{"text": line, "language": "wol_Latn"} for line in [*lines, *lines[:300]]]
    one, other = read_facts(rows)["wol_Latn"].sample, read_facts(rows[::-1])["wol_Latn"].sample
    assert len(one) == len(set(one)) == MOST_SAMPLED and set(one) == set(other) and one != other


def test_a_language_is_told_by_its_letters() -> None:
    samples = {code: sample_lines(code, 120) for code in ("eng_Latn", "spa_Latn", "swh_Latn")}
    for code in samples:
        found = nearest_by_letters(sample_lines(code, 60, "test"), samples)
        assert found.language == code and found.share > 0.8 and found.surprise < 1.1
    # Wolof is none of them.
    stranger = nearest_by_letters(sample_lines("wol_Latn", 60), samples)
    assert stranger.share < 0.2 and stranger.surprise > 1.2
    assert nearest_by_letters(["text"], {"eng_Latn": ["few"]}) is None


@pytest.mark.parametrize(("share", "told"), [(0.0, False), (0.35, False), (0.6, True), (0.8, True), (1.0, True)])
def test_text_of_which_more_than_half_is_in_another_language_is_told(share: float, told: bool) -> None:
    """English among Wolof, shuffled, whatever the sentences' order is."""
    samples = {code: sample_lines(code, 300) for code in ("eng_Latn", "spa_Latn", "swh_Latn")}
    english, wolof = sample_lines("eng_Latn", 100, "test"), sample_lines("wol_Latn", 100)
    lines = english[: round(100 * share)] + wolof[: round(100 * (1 - share))]
    random.Random(0).shuffle(lines)
    found = nearest_by_letters(lines, samples)
    assert diagnosis.is_mostly(found) == told
    if told:
        assert found.language == "eng_Latn"
    assert nearest_by_letters(lines[::-1], samples) == pytest.approx(found)


def test_short_lines_that_look_like_another_language_are_not_the_text() -> None:
    """Headings of another language make up most of the lines here, and little of the text."""
    samples = {"eng_Latn": sample_lines("eng_Latn", 300)}
    headings = [f"Article {number} of the rights of man" for number in range(60)]
    assert not diagnosis.is_mostly(nearest_by_letters(headings + sample_lines("wol_Latn", 40), samples))


@pytest.mark.slow
def test_close_relatives_and_all_others_of_the_sample_are_not_taken_for_each_other() -> None:
    """Each language's own text against all others; Arabic and its dialects aside, which letters do not tell apart."""
    codes = sample_languages()
    samples = {code: sample_lines(code, 300) for code in codes}
    taken = {}
    for code in codes:
        others = {other: samples[other] for other in codes if other[3:] == code[3:] and other[:3] != code[:3]}
        found = nearest_by_letters(sample_lines(code, 60, "test"), others)
        if found is not None and diagnosis.is_mostly(found):
            taken[code] = found.language
    assert {*taken, *taken.values()} <= {"arb_Arab", "ary_Arab", "arz_Arab"}


# ---- Advice ----


def about(**changes: Any) -> dict[str, Any]:
    found = {
        "words": 200_000,
        "distinct_words": 10**6,
        "tokens": 150_000,
        "tokens_per_character": 0.25,
        "unknown": 0.0,
    }
    return {**found, "by_lineage": [("swh_Latn", 0.8)], "by_vectors": [("eng_Latn", 0.5)], **changes}


@pytest.mark.parametrize(
    ("changes", "pieces", "said"),
    [
        ({}, 0, "left as it is"),
        ({"unknown": 0.2}, 2000, "does not know 20.0%"),
        ({"tokens_per_character": 0.5}, 2000, "2.0 times as many tokens"),
        ({"tokens_per_character": 0.5, "words": 10**7}, 8000, "8,000 new subwords"),
        ({"unknown": 0.9, "words": 300}, 0, "too few"),
        ({"unknown": 0.9, "distinct_words": 2000}, 600, "for three different"),
    ],
)
def test_the_vocabulary_grows_where_text_is_unknown_or_cut_finely(changes, pieces, said) -> None:
    known = {code: {"tokens_per_character": 0.25} for code in KNOWN}
    run = {"batch_size": 10, "chunk_length": 100, "can_extend": True}
    advice = advise({"xyz_Latn": about(**changes)}, known, **run)
    assert advice["new_pieces"] == pieces and advice["extend"] == (pieces > 0)
    assert any(said in reason for reason in advice["reasons"])
    assert advice["max_steps"] == 1500 and advice["replay"] == ["swh_Latn", "eng_Latn"]
    assert advice["wanting"] == ([] if said == "left as it is" else ["xyz_Latn"])
    fixed = advise({"xyz_Latn": about(**changes)}, known, **{**run, "can_extend": False})
    assert fixed["new_pieces"] == 0


def test_a_language_is_compared_with_those_of_its_script() -> None:
    known = {code: {"tokens_per_character": 0.2} for code in ("eng_Latn", "spa_Latn", "swh_Latn")}
    known |= {code: {"tokens_per_character": 0.8} for code in ("zho_Hans", "jpn_Jpan", "kor_Hang", "tha_Thai")}
    run = {"batch_size": 10, "chunk_length": 100, "can_extend": True}
    found = about(tokens_per_character=0.5)
    assert advise({"xyz_Latn": found}, known, **run)["extend"]
    # Nothing is known of its script: all languages together.
    assert not advise({"xyz_Cher": found}, known, **run)["extend"]


def test_what_can_be_hoped_for_depends_on_the_text() -> None:
    said = {hope(n).partition(":")[2] for n in (10, 5000, 50_000)}
    assert len(said) == 3 and "no encoder learns a language" in hope(10)


# ---- Bad input ----


def test_ten_lines_are_told_what_can_be_hoped_for(encoder: Path, tmp_path: Path) -> None:
    found = diagnose(encoder, tmp_path, {"wol_Latn": sample_lines("wol_Latn", 10)})
    assert any("10 sentences: no encoder learns" in line for line in found["warnings"])
    assert found["advice"]["new_pieces"] == 0


def test_a_language_that_is_there_already_is_told(encoder: Path, tmp_path: Path) -> None:
    found = diagnose(encoder, tmp_path, {"swh_Latn": sample_lines("swh_Latn"), "wol_Latn": sample_lines("wol_Latn")})
    there = [line for line in found["warnings"] if "there already" in line]
    assert len(there) == 1 and there[0].startswith("swh_Latn")


def test_text_of_another_language_than_its_name_is_told(encoder: Path, tmp_path: Path) -> None:
    lines = {
        "wol_Latn": sample_lines("wol_Latn", 150),
        "bam_Latn": sample_lines("eng_Latn", 150, "dev") + sample_lines("eng_Latn", 60, "test"),
        "yor_Latn": sample_lines("rus_Cyrl", 150, "test"),
    }
    found = diagnose(encoder, tmp_path, lines)
    by_letters = [line for line in found["warnings"] if "by its letters" in line]
    assert len(by_letters) == 1 and by_letters[0].startswith("bam_Latn") and "eng_Latn" in by_letters[0]
    by_script = [line for line in found["warnings"] if "another script" in line]
    assert len(by_script) == 1 and by_script[0].startswith("yor_Latn") and "Cyrl" in by_script[0]
    assert found["languages"]["wol_Latn"]["by_vectors"] and found["languages"]["wol_Latn"]["by_lineage"]


def test_a_script_that_nothing_covers_is_refused_where_the_vocabulary_may_not_grow(
    encoder: Path, tmp_path: Path
) -> None:
    cherokee = ["ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ ᎠᏂᏴᏫᏯ", "ᎣᏏᏲ ᏙᎯᏧ ᏃᏩ"] * 10
    corpus = write_text(tmp_path / "corpus", {"chr_Cher": cherokee})
    job = AdaptJob(make_settings(encoder, corpus, new_pieces="0"), tmp_path / "out")
    with pytest.raises(ValueError, match="does not know 100% of the characters of chr_Cher"):
        job.run()
    found = json.loads((tmp_path / "out" / "diagnosis" / "diagnosis.json").read_text(encoding="utf-8"))
    assert not found["languages"]["chr_Cher"]["script_covered"]
    assert any("covered by no byte and no subword" in line for line in found["warnings"])
    assert not (tmp_path / "out" / "store").exists()


def test_a_tokenizer_of_another_kind_keeps_its_vocabulary(tmp_path: Path) -> None:
    words = sorted({word for code in ("wol_Latn", "eng_Latn") for line in sample_lines(code) for word in line.split()})
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate([*special, *words])}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), special))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, cls_token="<s>", sep_token="</s>", **names)
    folder = save_encoder(tmp_path / "encoder", fixtures.tiny_bert(len(tokenizer)), tokenizer)
    found = diagnose(folder, tmp_path, {"wol_Latn": sample_lines("wol_Latn")})
    assert found["encoder"]["tokenizer_kind"] == "other" and found["advice"]["new_pieces"] == 0
    assert any("cannot be extended" in line for line in found["warnings"])


def test_untied_embeddings_are_told(tiny_tokenizer, tmp_path: Path) -> None:
    model = fixtures.tiny_xlm_roberta(len(tiny_tokenizer), tie_word_embeddings=False)
    found = diagnose(
        save_encoder(tmp_path / "encoder", model, tiny_tokenizer), tmp_path, {"wol_Latn": sample_lines("wol_Latn", 20)}
    )
    assert not found["encoder"]["tied"] and any("not tied" in line for line in found["warnings"])


def test_a_language_cannot_be_new_and_old(encoder: Path, tmp_path: Path) -> None:
    old = write_text(tmp_path / "old", {"wol_Latn": sample_lines("wol_Latn", 20)})
    with pytest.raises(ValueError, match="new and replayed at once"):
        diagnose(encoder, tmp_path, {"wol_Latn": sample_lines("wol_Latn", 20)}, replay_corpus=(str(old),))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--new_pieces", "many"], "--new_pieces"),
        (["--max_steps", "0"], "--max_steps"),
        (["--replay_share", "1"], "--replay_share"),
        (["--replay_languages", "swh_Latn"], "--replay_corpus"),
    ],
)
def test_impossible_settings_are_refused(flags, said, encoder: Path, tmp_path: Path, capsys) -> None:
    corpus = write_text(tmp_path / "corpus", {"wol_Latn": ["a"]})
    given = ["--model", str(encoder), "--corpus", str(corpus), "--output", str(tmp_path / "out")]
    assert main(["adapt", *given, *flags]) == 2
    assert said in capsys.readouterr().err


def test_a_dry_run_prints_the_plan_and_trains_nothing(encoder: Path, tmp_path: Path, capsys) -> None:
    corpus = write_text(tmp_path / "corpus", {"wol_Latn": sample_lines("wol_Latn", 50)})
    given = ["--model", str(encoder), "--corpus", str(corpus), "--output", str(tmp_path / "out"), "--dry_run"]
    assert main(["adapt", *given]) == 0
    printed = capsys.readouterr().out
    assert "hours" in printed and "GB" in printed and "Nothing was trained" in printed
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {
        "diagnosis",
        "vectors",
        "vectors-text",
    }


def test_test_sentences_in_the_text_are_told(encoder: Path, tmp_path: Path) -> None:
    from hf_mplm.sample import write_benchmark

    write_benchmark(tmp_path / "data", ["wol_Latn", "eng_Latn"])
    lines = {"wol_Latn": sample_lines("wol_Latn", 50) + sample_lines("wol_Latn", 51, "test")}
    found = diagnose(encoder, tmp_path, lines, data_dir=str(tmp_path / "data"), tasks=("sib200",))
    (row,) = [row for row in found["overlap"] if row["language"] == "wol_Latn"]
    assert 0.2 < row["exact"] < 0.3
    assert any("scores there will flatter" in line for line in found["warnings"])
