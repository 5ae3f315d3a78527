from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForMaskedLM

from hf_mplm.cli.main import main
from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.data.store.token_store import load_store
from hf_mplm.recipes import load_recipe
from tests.fixtures import tiny_xlm_roberta as build
from tests.processes import forked_ranks

from .launching import LAUNCHERS, launch


CODES = ["deu_Latn", "ell_Grek", "srp_Cyrl"]
INIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


@pytest.fixture(scope="module")
def store(tiny_tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.fixtures import corpus_lines

    folder = tmp_path_factory.mktemp("pretrain")
    (folder / "corpus").mkdir()
    written = sorted({code for code, _ in corpus_lines()})[:4]
    for code in written:
        text = "\n".join(line for _, line in corpus_lines(code))
        (folder / "corpus" / f"{code}.txt").write_text(text + "\n", encoding="utf-8")
    prepare_store(folder / "corpus", tiny_tokenizer_folder, folder / "store", chunk_length=32, holdout=1)
    return folder / "store"


@pytest.fixture(scope="module")
def start(store: Path, tiny_tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer

    folder = tmp_path_factory.mktemp("start")
    tokenizer = load_tokenizer(tiny_tokenizer_folder)
    build(len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def pretrain(*flags: object) -> int:
    settings = [
        "--use_cpu",
        "--disable_tqdm",
        "true",
        "--learning_rate",
        1e-2,
        "--logging_steps",
        1,
        "--save_steps",
        2,
    ]
    return main(["pretrain", *map(str, [*settings, "--per_device_train_batch_size", 4, *flags])])


def test_from_a_checkpoint_to_a_langsamp_model(store, start, tmp_path, capsys):
    output = tmp_path / "out"
    assert pretrain("--model", start, "--store", store, "--output", output, "--max_steps", 3) == 0
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last.startswith("Trained 3 steps. Held-out loss") and last.endswith(str(output))
    names = {path.name for path in output.iterdir()}
    assert {"model.safetensors", "config.json", "README.md", "trainer_state.json", "training_args.json"} <= names
    assert {"sentencepiece.bpe.model", "checkpoint-2", "checkpoint-3"} <= names
    config = json.loads((output / "config.json").read_text())
    assert config["model_type"] == "xlm-roberta-langscript" and len(config["languages"]) == 4
    for auto in (AutoModel, AutoModelForMaskedLM):
        _, report = auto.from_pretrained(output, output_loading_info=True)
        assert not report["missing_keys"]
    history = json.loads((output / "trainer_state.json").read_text())["log_history"]
    assert any("mlm_loss" in line for line in history) and any("eval_loss_macro" in line for line in history)


def test_the_same_command_goes_on_and_gives_the_same(store, start, tmp_path, caplog):
    flags = ("--model", start, "--store", store, "--max_steps", 5, "--warmup_steps", 0.2)
    pretrain(*flags, "--output", tmp_path / "whole")
    pretrain(*flags, "--output", tmp_path / "twice")
    for name in ("checkpoint-4", "checkpoint-5"):
        (tmp_path / "twice" / name / "checkpoint.json").unlink()
    (tmp_path / "twice" / "model.safetensors").unlink()
    with caplog.at_level("INFO"):
        assert pretrain(*flags, "--output", tmp_path / "twice") == 0
    assert f"Going on from {tmp_path / 'twice' / 'checkpoint-2'}" in caplog.text
    assert "checkpoint-5 is not a whole checkpoint" in caplog.text
    expected, found = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "twice"))
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert pretrain(*flags, "--output", tmp_path / "twice", "--resume", "never") == 2


def test_some_languages_of_a_store(store, start, tmp_path, capsys):
    from safetensors import safe_open

    codes = load_store(store).languages
    flags = ("--model", start, "--store", store, "--max_steps", 2, "--output", tmp_path / "out")
    assert pretrain(*flags, "--languages", ",".join(codes[1:3])) == 0
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["languages"] == sorted({code.partition("_")[0] for code in codes[1:3]})
    history = json.loads((tmp_path / "out" / "trainer_state.json").read_text())["log_history"]
    scored = {key for line in history for key in line if key.startswith("eval_loss_")}
    assert scored == {f"eval_loss_{code}" for code in codes[1:3]} | {"eval_loss_macro"}
    with safe_open(tmp_path / "out" / "model.safetensors", "np") as weights:
        assert weights.get_slice("language_embeddings.weight").get_shape()[0] == len(config["languages"])
    assert pretrain(*flags, "--max_steps", 3, "--languages", codes[0]) == 2
    assert f"selected_languages: {codes[1:3]} then, {codes[:1]} now" in capsys.readouterr().err
    assert pretrain(*flags, "--languages", "xho_Latn") == 2
    assert "has no text of xho_Latn" in capsys.readouterr().err


def test_from_random_weights_as_a_stock_model(store, tmp_path):
    output = tmp_path / "out"
    flags = ("--init_config", json.dumps(INIT), "--store", store, "--method", "mlm", "--max_steps", 1)
    assert pretrain(*flags, "--output", output) == 0
    config = json.loads((output / "config.json").read_text())
    assert config["model_type"] == "xlm-roberta" and config["architectures"] == ["XLMRobertaForMaskedLM"]
    assert json.loads((output / "checkpoint-1" / "config.json").read_text())["model_type"] == "xlm-roberta"
    (tmp_path / "settings.yaml").write_text("\n".join(f"{key}: {value}" for key, value in INIT.items()))
    flags = ("--init_config", tmp_path / "settings.yaml", "--store", store, "--max_steps", 1)
    assert pretrain(*flags, "--output", tmp_path / "langsamp") == 0


@pytest.mark.parametrize("table", ["language", "script"])
def test_the_ablations_are_recipes(table, store, start, tmp_path):
    output = tmp_path / "out"
    flags = ("--config", f"langsamp-{table}-only", "--model", start, "--store", store, "--max_steps", 1)
    assert pretrain(*flags, "--gradient_accumulation_steps", 1, "--output", output) == 0
    tables = [name for name in load_file(output / "model.safetensors") if "_embeddings.weight" in name]
    assert [name for name in tables if name.startswith(("language", "script"))] == [f"{table}_embeddings.weight"]


def test_the_papers_settings():
    recipe = load_recipe("langsamp")
    assert recipe["per_device_train_batch_size"] * recipe["gradient_accumulation_steps"] * 4 == 1024
    assert {key: recipe[key] for key in ("learning_rate", "adam_beta1", "adam_beta2", "adam_epsilon")} == {
        "learning_rate": 5e-5,
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        "adam_epsilon": 1e-6,
    }
    assert (recipe["max_steps"], recipe["save_steps"], recipe["alpha"]) == (150_000, 5_000, 0.3)
    assert {**recipe, "method": "mlm"} == load_recipe("baseline")


@pytest.mark.parametrize("name", ["langsamp", "langsamp-language-only", "langsamp-script-only", "baseline", "mmbert"])
def test_every_key_of_a_recipe_is_a_flag(name, tmp_path):
    from hf_mplm.cli.pretrain import make_parser

    flags = ["--config", name, "--store", "s", "--output", str(tmp_path), "--use_cpu"]
    arguments, args = make_parser().parse(flags)
    recipe = load_recipe(name)
    assert arguments.method == recipe["method"] and args.max_steps == recipe["max_steps"]


def test_a_store_of_another_tokenizer_is_refused(store, start, tmp_path, capsys):
    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
    from tests.fixtures import build_tiny_tokenizer

    other = tmp_path / "other"
    build(700).save_pretrained(other)
    build_tiny_tokenizer(tmp_path / "tokenizer", vocab_size=700)
    load_tokenizer(tmp_path / "tokenizer").save_pretrained(other)
    assert pretrain("--model", other, "--store", store, "--output", tmp_path / "out", "--max_steps", 1) == 2
    assert "ids of another tokenizer" in capsys.readouterr().err


def test_errors_name_the_line_to_type(store, start, tmp_path, capsys):
    output = ("--output", tmp_path / "out", "--max_steps", 1)
    for flags, words in [
        (("--model", start, "--store", tmp_path / "none"), "hf-mplm prepare"),
        (("--store", store), "--init_config"),
        (("--model", start, "--init_config", "{}", "--store", store), "not both"),
        (("--init_config", '{"hiden_size": 3}', "--store", store), "hidden_size"),
        (("--init_config", '{"max_position_embeddings": 20}', "--store", store), "--chunk_length 18"),
        (
            ("--model", start, "--store", store, "--language_embeddings", "false", "--script_embeddings", "false"),
            "--method mlm",
        ),
    ]:
        assert pretrain(*flags, *output) == 2
        assert words in capsys.readouterr().err


def test_a_langsamp_model_of_fewer_languages_needs_leave_to_grow(store, start, tmp_path, capsys):
    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
    from hf_mplm.modeling import XLMRobertaForLangScriptMLM

    before = tmp_path / "before"
    XLMRobertaForLangScriptMLM.from_encoder(start, languages=["zho_Hani"]).save_pretrained(before)
    load_tokenizer(start).save_pretrained(before)
    flags = ("--model", before, "--store", store, "--output", tmp_path / "out", "--max_steps", 1)
    assert pretrain(*flags) == 2
    assert "--add_languages" in capsys.readouterr().err
    assert pretrain(*flags, "--add_languages") == 0
    assert pretrain(*flags[:4], "--output", tmp_path / "mlm", "--method", "mlm") == 2


# Both launchers start processes with the environment that forked ones have.
@pytest.mark.parametrize("launcher", [None, *(pytest.param(name, marks=pytest.mark.slow) for name in LAUNCHERS)])
def test_two_processes_give_what_one_gives_and_resume(launcher, store, start, tmp_path):
    flags = ["--model", start, "--store", store, "--max_steps", 2, "--use_cpu", "--learning_rate", 1e-2, "--seed", 5]
    flags += [
        "--save_steps",
        1,
        "--disable_tqdm",
        "true",
        "--adam_epsilon",
        1.0,
        "--max_grad_norm",
        0,
        "--warmup_steps",
        0,
    ]
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(["pretrain", *map(str, [*flags, "--per_device_train_batch_size", 4, "--output", one])]) == 0
    command = ["pretrain", *flags, "--per_device_train_batch_size", 2, "--output", two]
    if launcher is None:
        ranks = forked_ranks(command)
        said = [rank.communicate() for rank in ranks]
        assert [rank.returncode for rank in ranks] == [0, 0], said
        out = "".join(out for out, _ in said)
    else:
        out, _ = launch(launcher, command)
    assert out.count("Trained 2 steps.") == 1
    assert (two / "checkpoint-2" / "rng_state_1.pth").is_file()
    expected, found = (load_file(folder / "model.safetensors") for folder in (one, two))
    before = load_file(start / "model.safetensors")
    moved = max(float((expected[name] - before[name]).abs().max()) for name in before)
    assert moved > 1e-4
    assert max(float((expected[name] - found[name]).abs().max()) for name in expected) < 1e-5 * moved + 1e-8
    if launcher is None:
        # As if killed while it wrote its last checkpoint.
        (two / "checkpoint-2").rename(two / "_unfinished-checkpoint-2")
        (two / "model.safetensors").unlink()
        ranks = forked_ranks(command)
        errors = "".join(rank.communicate()[1] for rank in ranks)
        assert [rank.returncode for rank in ranks] == [0, 0], errors[-4000:]
        assert f"Going on from {two / 'checkpoint-1'}" in errors
        again = load_file(two / "model.safetensors")
        assert all(torch.equal(found[name], again[name]) for name in found)


@pytest.mark.slow
def test_two_processes_start_from_random_weights(store, tmp_path):
    flags = [
        "--init_config",
        json.dumps(INIT),
        "--store",
        store,
        "--max_steps",
        1,
        "--use_cpu",
        "--save_strategy",
        "no",
    ]
    out, _ = launch("torchrun", ["pretrain", *flags, "--output", tmp_path / "out", "--disable_tqdm", "true"])
    assert out.count("Trained 1 steps.") == 1
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_an_encoder_without_its_head_is_given_one(store, tiny_tokenizer_folder, tmp_path, capsys):
    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer

    tokenizer = load_tokenizer(tiny_tokenizer_folder)
    encoder = tmp_path / "encoder"
    build(len(tokenizer)).base_model.save_pretrained(encoder)
    tokenizer.save_pretrained(encoder)
    flags = ["--model", encoder, "--store", store, "--output", tmp_path / "out", "--max_steps", 3]
    assert pretrain(*flags) == 2
    assert "--new_lm_head" in capsys.readouterr().err
    assert pretrain(*flags, "--new_lm_head", "--head_warmup_steps", 1) == 0
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "LM head: new" in card and "first steps, of the LM head alone: 1" in card
    assert pretrain(*flags, "--head_warmup_steps", 1) == 2
    assert "--new_lm_head" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--init_config", json.dumps(INIT), "--new_lm_head"], "--init_config"),
        (["--model", "START", "--method", "mlm", "--delta", "--new_lm_head"], "--delta"),
        (["--model", "START", "--new_lm_head"], "has an LM head already"),
    ],
)
def test_a_new_head_is_refused_where_it_makes_no_sense(store, start, tmp_path, capsys, flags, said):
    flags = [start if flag == "START" else flag for flag in flags]
    assert pretrain(*flags, "--store", store, "--output", tmp_path / "out", "--max_steps", 1) == 2
    assert said in capsys.readouterr().err


def test_old_languages_are_replayed_and_the_start_is_kept(store, start, tmp_path):
    codes = load_store(store).languages
    output = tmp_path / "out"
    flags = ["--replay_languages", codes[0], "--replay_share", 0.5, "--distill_weight", 1, "--max_steps", 3]
    assert pretrain("--model", start, "--store", store, "--output", output, *flags) == 0
    history = json.loads((output / "trainer_state.json").read_text())["log_history"]
    assert any("distillation_loss" in line for line in history)
    drawn = next(line for line in reversed(history) if f"draws_{codes[0]}" in line)
    assert 4 <= drawn[f"draws_{codes[0]}"] <= 8
