"""One dialect: lists, renamed flags, mistyped flags, and what `main` makes of exceptions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hf_mplm.cli import compare, env, evaluate, prepare
from hf_mplm.cli.help import TRAINER
from hf_mplm.cli.main import main


NEEDED = ["--model", "m", "--tasks", "sib200", "--data_dir", "d", "--output", "o"]


@pytest.mark.parametrize(
    "words", [["a_Latn", "b_Latn"], ["a_Latn,b_Latn"], ["a_Latn, b_Latn"], ["a_Latn,", "b_Latn"], ["a_Latn b_Latn"]]
)
def test_a_list_is_written_either_way(words: list[str]) -> None:
    (args,) = evaluate.make_parser().parse([*NEEDED, "--languages", *words, "--seeds", "1,2"])
    assert args.languages == ["a_Latn", "b_Latn"] and args.seeds == [1, 2]


@pytest.mark.parametrize("text", ["[1, 2]", "1,2", "'1 2'"])
def test_a_recipes_list_is_written_either_way(text: str, tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(f"seeds: {text}\n", encoding="utf-8")
    (args,) = evaluate.make_parser().parse([*NEEDED, "--config", str(recipe)])
    assert args.seeds == [1, 2]


def test_a_list_that_is_given_twice_is_one(tmp_path: Path) -> None:
    (tmp_path / "a,b").mkdir()
    both = ["--corpus", "x", "--corpus", str(tmp_path / "a,b"), "--tokenizer", "t", "--output", "o"]
    assert prepare.make_parser().parse(both)[0].corpus == ["x", str(tmp_path / "a,b")]


@pytest.mark.parametrize(
    "words", [["--names", "A,B", "r1", "r2"], ["r1", "r2", "--names", "A", "B"], ["r1", "--names", "A,B", "r2"]]
)
def test_runs_stand_anywhere(words: list[str]) -> None:
    (args,) = compare.make_parser().parse(words)
    assert sorted(args.runs) == ["r1", "r2"] and args.names == ["A", "B"]


@pytest.mark.parametrize("word", ["--tokenizr", "--tokenizr=hf_secret"])
def test_a_mistyped_flag_names_the_nearest_and_no_value(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["prepare", "--corpus", "a", word, "hf_secret", "--output", "o"])
    said = capsys.readouterr().err
    assert "`--tokenizer`" in said and "hf_secret" not in said and len(said.splitlines()) == 1


def test_the_old_revision_says_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["prepare"], ["romanize"], ["align-scripts"], ["tokenizer", "train"]):
        with pytest.raises(SystemExit):
            main([*argv, "--revision", "main"])
        assert "--corpus_revision" in capsys.readouterr().err


def test_help_has_our_flags_first_and_describes_each(capsys: pytest.CaptureFixture[str]) -> None:
    from hf_mplm.cli import pretrain

    parser = pretrain.make_parser()
    text = parser.format_help()
    assert text.index("--mask_rate") < text.index(TRAINER) < text.index("--weight_decay")
    assert all(action.help for action in parser._actions)


def test_what_turns_a_flag_off_says_so() -> None:
    from hf_mplm.cli import align_scripts, evaluate, pretrain

    for verb in (align_scripts, evaluate, pretrain):
        helps = {option: action.help for action in verb.make_parser()._actions for option in action.option_strings}
        twins = [name for name in helps if name.startswith("--no_") and f"--{name[5:]}" in helps]
        assert twins
        for twin in twins:
            assert helps[twin] == f"turn off --{twin[5:]}, which is on by default"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ValueError(), 2, "HF_MPLM_TRACEBACK"),
        (OSError("gone"), 2, "error: gone"),
        (BrokenPipeError("a worker's"), 2, "a worker's"),
        (KeyError("x"), 70, "fault of hf_mplm"),
        (MemoryError(), 2, "not enough memory"),
    ],
)
def test_every_exception_is_one_line(
    error: Exception, status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(argv: object) -> int:
        raise error

    monkeypatch.setattr(env, "run", fail)
    monkeypatch.delenv("HF_MPLM_TRACEBACK", raising=False)
    assert main(["env"]) == status
    printed = capsys.readouterr().err
    assert said in printed and len(printed.splitlines()) == 1


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    line = f"{sys.executable} -m hf_mplm pretrain --help | head -c 1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True)
    assert done.stderr == "" and len(done.stdout) == 1
