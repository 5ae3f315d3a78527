from __future__ import annotations

import subprocess
import sys

import pytest

from hf_mplm.cli.main import VERBS, main


def test_usage_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n  {verb} " in printed for verb in VERBS)


def test_unknown_verb_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pretrian"]) == 2
    assert "hf-mplm pretrain" in capsys.readouterr().err


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_prints_its_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0
    assert f"hf-mplm {verb}" in capsys.readouterr().out


def test_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "hf_mplm", "env"], capture_output=True, text=True, check=True)
    assert "transformers" in done.stdout
