from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest


pytest.importorskip("uroman")

from hf_mplm.cli.main import main  # noqa: E402
from hf_mplm.cli.romanize import make_parser  # noqa: E402


def test_it_writes_a_corpus_and_says_where(
    tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny_corpus / "zho_Hans.txt").write_text("北京\n三分之\n", encoding="utf-8")
    output = tmp_path / "out"
    arguments = ["romanize", "--corpus", str(tiny_corpus), "--output", str(output)]
    assert main([*arguments, "--languages", "zho_Hans", "swh_Latn"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("of 2 language-scripts, uroman 1.3.1.1")
    assert "same in Latin letters, and kept" in printed[1]
    assert printed[2] == "Dropped 1 lines: uroman itself fails on it"
    assert printed[-1] == f"Written: {output}"
    table = pq.read_table(output / "0000000.parquet")
    assert table.column_names == ["text", "romanized", "language"]
    assert {"text": "北京", "romanized": "beijing", "language": "zho_Hans"} in table.to_pylist()


def test_an_error_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["romanize", "--corpus", str(tmp_path / "missing"), "--output", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("hf-mplm romanize: error: ") and message.count("\n") == 1


def test_every_flag_has_help() -> None:
    help_text = make_parser().format_help()
    for flag in (
        "--corpus",
        "--output",
        "--num_proc",
        "--use_language_codes",
        "--engine",
        "--output_format",
        "--config",
    ):
        assert flag in help_text
    assert all(action.help for action in make_parser()._actions)
