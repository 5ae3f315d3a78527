from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForMaskedLM

from hf_mplm.cli.align_static import make_parser
from hf_mplm.cli.main import main
from hf_mplm.evaluation.loading import model_revision
from hf_mplm.recipes import list_recipes
from hf_mplm.static import StaticEmbeddings
from hf_mplm.static.word_table import WordTable
from tests.fixtures import HIDDEN_SIZE, corpus_lines, tiny_xlm_roberta


RECIPES = [name for name in list_recipes() if name.startswith("static-") and name != "static-extract"]


@pytest.fixture
def start(tiny_tokenizer, tmp_path) -> Path:
    """A checkpoint with its tokenizer."""
    tiny_xlm_roberta(len(tiny_tokenizer)).save_pretrained(tmp_path / "start")
    tiny_tokenizer.save_pretrained(tmp_path / "start")
    return tmp_path / "start"


@pytest.fixture
def store(start, tiny_corpus, tmp_path) -> Path:
    """A token store with text held out."""
    from hf_mplm.data.store.prepare import prepare_store

    prepare_store(tiny_corpus, start, tmp_path / "store", chunk_length=32, holdout=2, num_proc=1)
    return tmp_path / "store"


def make_static(folder: Path, dimension: int = HIDDEN_SIZE, **config) -> Path:
    """Random vectors of real words of two languages."""
    generator = np.random.default_rng(0)
    tables = []
    for code in ("deu_Latn", "ell_Grek"):
        words = sorted({word for _, line in corpus_lines(code) for word in line.split()})
        vectors = generator.normal(size=(len(words), dimension)).astype(np.float32)
        tables.append(WordTable(code, words, np.ones(len(words), dtype=np.int64), vectors))
    StaticEmbeddings(tables, config).save_pretrained(folder)
    return folder


def command(start: Path, store: Path, output: Path, *more: str) -> list[str]:
    fixed = ["--model", str(start), "--store", str(store), "--output", str(output), "--use_cpu"]
    fixed += ["--disable_tqdm", "true", "--max_steps", "2", "--per_device_train_batch_size", "4"]
    return ["align-static", *fixed, "--words_per_step", "64", "--components", "8", *more]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_makes_a_plain_checkpoint(recipe, start, store, tmp_path, capsys):
    static = make_static(tmp_path / "static", 20 if "fasttext" in recipe else HIDDEN_SIZE)
    output = tmp_path / "out"
    more = ["--config", recipe, "--eval_steps", "1", "--save_steps", "1", "--logging_steps", "1"]
    more += [] if recipe == "static-mlm" else ["--static", str(static)]
    assert main(command(start, store, output, *more)) == 0
    assert "Aligned in 2 steps. Held-out loss" in capsys.readouterr().out
    _, report = AutoModelForMaskedLM.from_pretrained(output, output_loading_info=True)
    assert not report["missing_keys"]
    log = json.loads((output / "trainer_state.json").read_text())["log_history"][0]
    terms = {name for name in log if name.endswith("_loss")} - {"mlm_loss"}
    wanted = {"mlm": set(), "mse": {"mse_loss"}, "dcca": {"dcca_loss"}, "published": {"subspace_loss"}}
    assert terms == wanted[recipe.rpartition("-")[2]]
    assert ("dcca_chance" in log) == recipe.endswith("dcca")


def test_a_start_without_lm_head_is_given_one(start, store, tmp_path):
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(start)
    AutoModel.from_pretrained(start).save_pretrained(tmp_path / "encoder")
    tokenizer.save_pretrained(tmp_path / "encoder")
    static = make_static(tmp_path / "static", HIDDEN_SIZE)
    more = ["--config", "static-x2s-mse", "--static", str(static), "--eval_strategy", "no", "--save_strategy", "no"]
    more += ["--load_best_model_at_end", "false", "--new_lm_head", "--head_warmup_steps", "1"]
    assert main(command(tmp_path / "encoder", store, tmp_path / "out", *more)) == 0
    assert "LM head: new" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_word2vec_files_are_mapped_and_aligned_with(start, store, tmp_path, capsys):
    """The commands of static-fasttext-dcca, from files that any other tool may have written."""
    static = make_static(tmp_path / "static", 20)
    assert main(["static", "export", "--static", str(static), "--output", str(tmp_path / "files")]) == 0
    files = [f"{code}={tmp_path / 'files' / code}.vec" for code in ("deu_Latn", "ell_Grek")]
    mapped, unsupervised = tmp_path / "mapped", ["--mode", "unsupervised", "--hub_language", "deu_Latn"]
    assert main(["static", "map", "--word2vec", *files, *unsupervised, "--output", str(mapped)]) == 0
    before, after = StaticEmbeddings.from_pretrained(static), StaticEmbeddings.from_pretrained(mapped)
    assert [after.words(code) for code in after.languages] == [before.words(code) for code in before.languages]
    assert "encoder" not in after.config and after.dimension == 20
    more = ["--config", "static-fasttext-dcca", "--static", str(mapped), "--eval_steps", "1", "--save_steps", "1"]
    assert main(command(start, store, tmp_path / "out", *more, "--logging_steps", "1")) == 0
    assert "Aligned in 2 steps" in capsys.readouterr().out
    log = json.loads((tmp_path / "out" / "trainer_state.json").read_text())["log_history"][0]
    # Eight components can correlate by eight in all.
    assert -8 < log["dcca_loss"] < 0 and -8 < log["dcca_chance"] < 0


def test_the_recipes_are_the_papers_settings():
    for recipe in RECIPES:
        _, args = make_parser().parse(["--config", recipe, "--model", "m", "--store", "s", "--output", "o"])
        assert args.max_steps == 7500 and args.learning_rate == 5e-5 and args.lr_scheduler_type == "linear"
        assert args.per_device_train_batch_size * args.gradient_accumulation_steps == 64
        assert args.words_per_step == 1024 and args.load_best_model_at_end
    assert len(RECIPES) == 5


def test_the_same_command_goes_on_and_other_vectors_are_refused(start, store, tmp_path, capsys):
    static = make_static(tmp_path / "static")
    more = ["--static", str(static), "--save_steps", "1"]
    assert main(command(start, store, tmp_path / "out", *more)) == 0
    assert main(command(start, store, tmp_path / "out", *more, "--max_steps", "3")) == 0
    assert "Aligned in 3 steps" in capsys.readouterr().out
    other = make_static(tmp_path / "other", 20)
    assert main(command(start, store, tmp_path / "out", "--static", str(other))) == 2
    assert "--static:" in capsys.readouterr().err


def test_vectors_of_another_encoder_are_warned_of(start, store, tmp_path, caplog):
    own = make_static(tmp_path / "own", encoder="me", revision=model_revision(start))
    assert main(command(start, store, tmp_path / "a", "--static", str(own), "--max_steps", "1")) == 0
    assert "another encoder" not in caplog.text
    other = make_static(tmp_path / "other", encoder="else", revision="xxh3:0123456789ab")
    assert main(command(start, store, tmp_path / "b", "--static", str(other), "--max_steps", "1")) == 0
    assert "was extracted from another encoder (else, xxh3:0123456789ab)" in caplog.text


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "there are no words to align with"),
        (["--static", "nowhere"], "there is no folder nowhere"),
        (["--static", "STATIC", "--loss", "mse"], "vectors have 20 dimensions, the encoder 32"),
        (["--static", "STATIC", "--words_per_step", "32"], "give --words_per_step 40 or more"),
        (["--static", "STATIC", "--layer", "3"], "layer 3 does not exist"),
        (["--static", "STATIC", "--output", "STATIC"], "--output and --static are both"),
        (["--config", "static-mlm", "--store", "NOTHING_HELD_OUT"], "hf-mplm prepare --holdout 100"),
    ],
)
def test_what_does_not_fit_is_said(more, message, start, store, tiny_corpus, tmp_path, capsys):
    from hf_mplm.data.store.prepare import prepare_store

    static = make_static(tmp_path / "static", 20)
    if "NOTHING_HELD_OUT" in more:
        prepare_store(tiny_corpus, start, tmp_path / "none", chunk_length=32, num_proc=1)
    named = {"STATIC": str(static), "NOTHING_HELD_OUT": str(tmp_path / "none")}
    assert main(command(start, store, tmp_path / "out", *(named.get(word, word) for word in more))) == 2
    assert message in capsys.readouterr().err


def test_a_damaged_static_folder_is_named(start, store, tmp_path, capsys):
    static = make_static(tmp_path / "static")
    whole = (static / "vectors.safetensors").read_bytes()
    (static / "vectors.safetensors").write_bytes(whole[:-4] + b"\0\0\0\1")
    assert main(command(start, store, tmp_path / "out", "--static", str(static))) == 2
    assert "vectors.safetensors" in capsys.readouterr().err
