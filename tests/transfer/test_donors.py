from __future__ import annotations

import pytest
import torch

from hf_mplm import XLMRobertaForLangScriptMLM
from hf_mplm.cli.donors import run
from hf_mplm.evaluation.results import make_row, write_results
from hf_mplm.transfer.donors import measured_transfer, rank_donors


CODES = ["tha_Thai", "eng_Latn", "lao_Laoo", "tur_Latn"]
COSINES = {"eng_Latn": -1.0, "lao_Laoo": 0.8, "tur_Latn": 0.0}


@pytest.fixture
def model_folder(tiny_encoder_folder, tmp_path):
    scripts = sorted({code.split("_")[1] for code in CODES})
    languages = sorted(code.split("_")[0] for code in CODES)
    model = XLMRobertaForLangScriptMLM.from_encoder(tiny_encoder_folder, languages=languages, scripts=scripts)
    vectors = {"tha": (1.0, 0.0), "eng": (-3.0, 0.0), "lao": (0.8, 0.6), "tur": (0.0, 2.0)}
    with torch.no_grad():
        model.language_embeddings.weight.zero_()
        for code, (x, y) in vectors.items():
            row = model.config.languages.index(code)
            model.language_embeddings.weight[row, :2] = torch.tensor([x, y])
    model.save_pretrained(tmp_path / "langsamp")
    return tmp_path / "langsamp"


def row(source, value, task="sib200", metric="macro_f1", language="tha_Thai", **more):
    return make_row(
        task=task,
        language=language,
        metric=metric,
        value=value,
        n=1,
        model="m",
        source_language=source,
        setting="zero-shot",
        seed=1,
        **more,
    )


def test_embeddings_rank_by_cosine(model_folder):
    donors = rank_donors("tha_Thai", CODES, model=model_folder)
    assert [donor.language for donor in donors] == ["lao_Laoo", "tur_Latn", "eng_Latn"]
    assert {donor.language: donor.cosine for donor in donors} == pytest.approx(COSINES, abs=1e-6)


def test_what_was_measured_comes_first(model_folder):
    results = [row("eng_Latn", 0.6), row("tur_Latn", 0.4), row("eng_Latn", 0.9, language="tur_Latn")]
    donors = rank_donors("tha_Thai", CODES, model=model_folder, results=results)
    assert [donor.language for donor in donors] == ["eng_Latn", "tur_Latn", "lao_Laoo"]
    assert [donor.score for donor in donors] == [0.6, 0.4, None]


def test_only_tasks_that_all_sources_have_are_averaged():
    results = [row("eng_Latn", 0.5), row("tur_Latn", 0.4), row("eng_Latn", 0.1, task="xnli", metric="accuracy")]
    assert measured_transfer(results, "tha_Thai") == {"eng_Latn": (0.5, 1, (-1,)), "tur_Latn": (0.4, 1, (-1,))}
    results.append(row("tur_Latn", 0.9, task="xnli", metric="accuracy"))
    scores = measured_transfer(results, "tha_Thai")
    assert scores["tur_Latn"] == (pytest.approx(0.65), 2, (-1,))


def test_layers_are_not_averaged_unless_all_sources_have_them():
    results = [row("eng_Latn", 0.5, layer=8), row("tur_Latn", 0.4, layer=8), row("eng_Latn", 0.9, layer=12)]
    assert measured_transfer(results, "tha_Thai") == {"eng_Latn": (0.5, 1, (8,)), "tur_Latn": (0.4, 1, (8,))}


def test_languages_of_which_nothing_is_known_are_named(model_folder, caplog):
    donors = rank_donors("tha_Thai", [*CODES, "wol_Latn", "yor_Latn"], model=model_folder)
    assert len(donors) == len(CODES) - 1
    assert "left out wol_Latn, yor_Latn" in caplog.text


def test_the_verb_prints_a_table(model_folder, tmp_path, capsys):
    write_results(tmp_path / "run", [row("eng_Latn", 0.6, layer=8)])
    flags = ["--target", "tha_Thai", "--among", ",".join(CODES), "--model", str(model_folder)]
    assert run([*flags, "--results", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr().out
    assert printed.index("eng_Latn") < printed.index("lao_Laoo") and "0.600" in printed
    head, _, *lines = [line.split("|") for line in printed.split("\n") if "|" in line]
    assert [line[head.index(" layer ")].strip() for line in lines] == ["8", "–", "–"]


def test_wrong_arguments(tiny_encoder_folder):
    with pytest.raises(ValueError, match="give a LangSAMP model"):
        rank_donors("tha_Thai", CODES)
    with pytest.raises(ValueError, match="not a LangSAMP model"):
        rank_donors("tha_Thai", CODES, model=tiny_encoder_folder)
    with pytest.raises(ValueError, match="but tha_Thai itself"):
        rank_donors("tha_Thai", ["tha_Thai"], model=tiny_encoder_folder)
