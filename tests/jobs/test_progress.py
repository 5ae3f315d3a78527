"""Bars in a file are a few lines, and on a terminal they move."""

from __future__ import annotations

import sys

import pytest

from hf_mplm.jobs.progress import progress_bar


@pytest.mark.parametrize("terminal", [True, False])
def test_a_file_is_not_filled(terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    clock = iter(range(0, 100_000))
    monkeypatch.setattr("tqdm.std.time", lambda: next(clock) / 10)
    for _ in progress_bar(range(300), shown=True, miniters=1):
        pass
    states = capsys.readouterr().err.count("\r")
    assert states > 100 if terminal else 2 <= states < 20, states


def test_one_that_is_not_wanted_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress_bar(range(3), shown=False)) == [0, 1, 2]
    assert capsys.readouterr().err == ""
