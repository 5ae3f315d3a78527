from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM

from hf_mplm.cli import align_scripts
from hf_mplm.cli.main import main
from hf_mplm.recipes import list_recipes
from tests.fixtures import tiny_xlm_roberta
from tests.processes import Forked, forked_ranks


pytest.importorskip("uroman")

RECIPES = [name for name in list_recipes() if name.startswith("ppa") or name == "translico"]


@pytest.fixture
def start(tiny_tokenizer, tmp_path) -> Path:
    """A checkpoint with its tokenizer."""
    tiny_xlm_roberta(len(tiny_tokenizer)).save_pretrained(tmp_path / "start")
    tiny_tokenizer.save_pretrained(tmp_path / "start")
    return tmp_path / "start"


def command(start: Path, output: Path, *more: str) -> list[str]:
    fixed = ["--model", str(start), "--output", str(output), "--use_cpu", "--disable_tqdm", "true"]
    fixed += ["--max_steps", "2", "--per_device_train_batch_size", "4", "--gradient_accumulation_steps", "1"]
    return ["align-scripts", *fixed, *more]


def test_from_raw_text_to_a_plain_checkpoint(start, tiny_corpus, tmp_path, capsys):
    output = tmp_path / "out"
    more = ["--config", "ppa", "--corpus", str(tiny_corpus), "--max_length", "100", "--holdout", "1"]
    assert main(command(start, output, *more)) == 0
    out = capsys.readouterr().out
    assert "Aligned in 2 steps. Held-out loss" in out
    # What was kept, unchanged, cut and dropped is said, as `prepare` says it.
    assert "unchanged" in out and "ell_Grek" in out
    _, report = AutoModelForMaskedLM.from_pretrained(output, output_loading_info=True)
    assert not report["missing_keys"]
    assert json.loads((output / "training_args.json").read_text())["learning_rate"] == 2e-5
    assert json.loads((output / "pairs" / "store.json").read_text())["chunk_length"] == 100
    assert "Breaking the Script Barrier" in (output / "README.md").read_text(encoding="utf-8")
    # From the store that the first run prepared.
    again = ["--store", str(output / "pairs"), "--max_length", "100", "--tlm_weight", "0"]
    assert main(command(start, tmp_path / "again", *again)) == 0


def test_the_vocabulary_grows_by_romanised_subwords(start, tiny_corpus, tiny_tokenizer, tmp_path):
    more = ["--corpus", str(tiny_corpus), "--max_length", "100", "--romanized_vocab_size", "400"]
    for _ in range(2):  # the second time all is there
        assert main(command(start, tmp_path / "out", *more)) == 0
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "out")
    assert model.config.vocab_size > len(tiny_tokenizer)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "give --corpus TEXT"),
        (["--store", "x", "--romanized_vocab_size", "9"], "learns from text"),
        (["--store", "nowhere"], "hf-mplm prepare --romanize"),
    ],
)
def test_what_is_missing_is_said(more, message, start, tmp_path, capsys):
    assert main(command(start, tmp_path / "out", *more)) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--layer", "3"], "layer 3 does not exist"),
        (["--max_length", "200"], "positions for 128"),
        (["--temperature", "0"], "temperature is 0.0"),
        (["--mask_rate", "2"], "mask_rate holds 2.0"),
        (["--alpha", "[[0.5, 1]]"], "alpha has its steps"),
        (["--output", "MODEL"], "both"),
    ],
)
def test_settings_are_checked_before_anything_is_romanised(more, message, start, tiny_corpus, tmp_path, capsys):
    more = [str(start) if one == "MODEL" else one for one in more]
    assert main(command(start, tmp_path / "out", "--corpus", str(tiny_corpus), *more)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_start_without_lm_head_is_refused_before_anything_is_romanised(start, tiny_corpus, tmp_path, capsys):
    from transformers import AutoModel

    AutoModel.from_pretrained(start).save_pretrained(start)
    assert main(command(start, tmp_path / "out", "--corpus", str(tiny_corpus))) == 2
    assert "LM head" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_start_without_lm_head_is_given_one(tiny_corpus, tiny_tokenizer, tmp_path):
    encoder = tmp_path / "encoder"
    tiny_xlm_roberta(len(tiny_tokenizer)).base_model.save_pretrained(encoder)
    tiny_tokenizer.save_pretrained(encoder)
    flags = ["--corpus", str(tiny_corpus), "--languages", "ell_Grek", "--new_lm_head", "--head_warmup_steps", "1"]
    assert main(command(encoder, tmp_path / "out", *flags)) == 0
    assert "LM head: new" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    _, report = AutoModelForMaskedLM.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["missing_keys"]


def test_pairs_of_another_corpus_are_overwritten_when_asked(start, tiny_corpus, tmp_path, capsys):
    more = ["--corpus", str(tiny_corpus), "--max_length", "100", "--save_strategy", "no"]
    assert main(command(start, tmp_path / "out", *more, "--languages", "ell_Grek")) == 0
    (tmp_path / "out" / "config.json").unlink()
    more += ["--languages", "deu_Latn", "ell_Grek"]
    assert main(command(start, tmp_path / "out", *more)) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(command(start, tmp_path / "out", *more, "--overwrite")) == 0


def test_the_card_says_layer_temperature_and_processes(start, tiny_corpus, tmp_path):
    assert (
        main(
            command(
                start,
                tmp_path / "out",
                "--corpus",
                str(tiny_corpus),
                "--max_length",
                "20",
                "--tlm_weight",
                "0",
                "--logging_steps",
                "1",
            )
        )
        == 0
    )
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    for fact in ("layer that is pooled: 1", "temperature of the sentence contrast: 1.0", "processes: 1"):
        assert fact in card
    # All eight pairs of the two steps are longer than 20 tokens, and were cut by preparing.
    history = json.loads((tmp_path / "out" / "trainer_state.json").read_text())["log_history"]
    assert sum(line.get("cut_pairs", 0) for line in history) > 0


def test_nothing_is_prepared_under_a_launcher(start, tiny_corpus, tmp_path, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("WORLD_SIZE", "2")
        with pytest.raises(ValueError, match="(?s)prepare --romanize --corpus .*--store PAIRS"):
            asked = {"corpus": [str(tiny_corpus)], "languages": ["ell_Grek"], "fold_han": True, "holdout": 3}
            arguments = align_scripts.AlignScriptsArguments(model=str(start), **asked)
            align_scripts._check(arguments, SimpleNamespace(max_length=100))
    line = align_scripts._preparing_line(arguments, SimpleNamespace(max_length=100))
    assert main([*line.replace("PAIRS", str(tmp_path / "pairs")).split()[1:]]) == 0


def test_a_store_with_languages_not_asked_for_is_refused(start, tiny_corpus, tmp_path, capsys):
    pairs = str(tmp_path / "pairs")
    main(["prepare", "--romanize", "--corpus", str(tiny_corpus), "--tokenizer", str(start), "--output", pairs])
    capsys.readouterr()
    assert main(command(start, tmp_path / "out", "--store", pairs, "--languages", "ell_Grek")) == 2
    message = capsys.readouterr().err
    assert "deu_Latn" in message and "--languages ell_Grek --output PAIRS" in message


def difference(one: Path, other: Path) -> float:
    """The largest between the weights of two checkpoints."""
    weights = [load_file(folder / "model.safetensors") for folder in (one, other)]
    return max(float((weights[0][name] - weights[1][name]).abs().max()) for name in weights[0])


def test_two_processes_give_what_one_gives(start, tiny_corpus, tmp_path):
    main(
        [
            "prepare",
            "--romanize",
            "--corpus",
            str(tiny_corpus),
            "--tokenizer",
            str(start),
            "--output",
            str(tmp_path / "pairs"),
        ]
    )
    # An epsilon at which an update is as smooth as its gradient.
    more = [
        "--store",
        str(tmp_path / "pairs"),
        "--learning_rate",
        "1e-2",
        "--adam_epsilon",
        "1",
        "--max_grad_norm",
        "0",
    ]
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(command(start, one, *more)) == 0
    ranks = forked_ranks([*command(start, two, *more), "--per_device_train_batch_size", "2"])
    said = [rank.communicate() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said
    assert sum(out.count("Aligned in 2 steps.") for out, _ in said) == 1
    moved = difference(start, one)
    assert moved > 1e-4 and difference(one, two) < 1e-4 * moved


@pytest.mark.slow
def test_killed_while_it_trains_and_run_again_it_ends_the_same(start, tiny_corpus, tmp_path):
    more = ["--corpus", str(tiny_corpus), "--max_length", "100", "--save_strategy", "steps", "--save_steps", "1"]
    whole, killed = (command(start, tmp_path / name, *more, "--max_steps", "12") for name in ("whole", "killed"))
    assert Forked(whole).wait() == 0
    process = Forked(killed)
    while not (tmp_path / "killed" / "checkpoint-2").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.returncode == -signal.SIGKILL and not (tmp_path / "killed" / "model.safetensors").exists()
    _, errors = Forked(killed).communicate()
    assert "Going on from" in errors
    assert difference(tmp_path / "whole", tmp_path / "killed") == 0.0
    assert difference(start, tmp_path / "whole") > 1e-6


def test_changed_settings_are_told_when_a_run_goes_on(start, tiny_corpus, tmp_path, caplog):
    more = ["--corpus", str(tiny_corpus), "--max_length", "100", "--save_strategy", "steps", "--save_steps", "1"]
    assert main(command(start, tmp_path / "out", *more)) == 0
    assert main(command(start, tmp_path / "out", *more)) == 0
    assert "other settings" not in caplog.text
    assert main(command(start, tmp_path / "out", *more, "--seq_weight", "0", "--max_steps", "3")) == 0
    assert "seq_weight 1.0 then, 0.0 now" in caplog.text and "max_steps" not in caplog.text


def test_prepare_writes_a_pair_store(start, tiny_corpus, tmp_path, capsys):
    arguments = ["--corpus", str(tiny_corpus), "--tokenizer", str(start), "--output", str(tmp_path / "pairs")]
    assert main(["prepare", "--romanize", *arguments, "--languages", "ell_Grek", "deu_Latn"]) == 0
    out = capsys.readouterr().out
    assert "unchanged" in out and "ell_Grek" in out and "The pair store is in" in out
    assert main(["prepare", "--use_language_codes", *arguments]) == 2
    assert "--romanize" in capsys.readouterr().err


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_are_flags_of_the_verb(recipe, tmp_path):
    parser = align_scripts.make_parser()
    own, args = parser.parse(["--config", recipe, "--model", "m", "--output", str(tmp_path), "--use_cpu"])
    assert args.learning_rate == 2e-5 and args.weight_decay == 0.01 and args.temperature == 1.0
    weights = {
        "ppa-mlm": (0.0, 0.0),
        "ppa-mlm-seq": (1.0, 0.0),
        "ppa-mlm-tlm": (0.0, 1.0),
        "translico": (0.5, 0.0),
    }
    assert (args.seq_weight, args.tlm_weight) == weights.get(recipe, (1.0, 1.0))
    groups = {"ppa-mediterranean": 2, "ppa-south-east-asian": 8}
    if recipe in groups:
        assert len(own.languages) == 10 and args.num_train_epochs == groups[recipe]
