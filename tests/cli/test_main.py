from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from hf_mplm.cli import env
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


@pytest.fixture(params=[signal.SIGTERM, signal.SIGUSR1])
def ending(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal with which schedulers end jobs, and which nobody listens to yet."""
    before = signal.signal(request.param, signal.SIG_DFL)
    yield request.param
    assert signal.getsignal(request.param) is signal.SIG_DFL
    signal.signal(request.param, before)


def test_a_scheduler_s_signal_ends_it_at_once_and_is_told_of(
    ending: signal.Signals, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def work(_: object) -> int:
        try:
            os.kill(os.getpid(), ending)
            time.sleep(60)
        finally:
            os.write(2, b"what is at work is not waited for\n")
        return 0

    monkeypatch.setattr(env, "run", work)
    if (child := os.fork()) == 0:
        os._exit(main(["env"]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -ending
    said = capfd.readouterr().err
    assert said == f"hf-mplm env: ended by {ending.name}; the same command goes on from there\n"


def test_a_forked_worker_ends_by_a_signal_without_a_word(
    ending: signal.Signals, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def work(_: object) -> int:
        if (child := os.fork()) == 0:
            os.kill(os.getpid(), ending)
            time.sleep(60)
            os._exit(0)
        return -os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    monkeypatch.setattr(env, "run", work)
    assert main(["env"]) == ending
    assert capfd.readouterr().err == ""


def test_a_launcher_s_processes_end_at_once(ending: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(env, "run", lambda _: int(signal.getsignal(ending) is not signal.SIG_DFL))
    assert main(["env"]) == 0
