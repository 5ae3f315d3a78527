from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hf_mplm.jobs.digests import DIGESTS_FILE, digest_file, find_damage, refuse_damage, write_digests
from hf_mplm.jobs.files import DamagedError, parse_json, read_json


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    (tmp_path / "weights").write_bytes(bytes(range(256)) * 20_000)
    (tmp_path / "deep" / "empty").write_bytes(b"")
    (tmp_path / ".hidden").write_bytes(b"not counted")
    write_digests(tmp_path)
    return tmp_path


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_what_was_written_is_whole(folder: Path) -> None:
    assert find_damage(folder) == []
    assert refuse_damage(folder, "Fetch it again.")
    assert set(json.loads((folder / DIGESTS_FILE).read_text())["files"]) == {"weights", "deep/empty"}


@pytest.mark.parametrize("at", [0, 12_345, 256 * 20_000 - 1])
def test_one_bit_is_seen_wherever_it_is(folder: Path, at: int) -> None:
    size = (folder / "weights").stat().st_size
    flip(folder / "weights", at)
    assert (folder / "weights").stat().st_size == size
    with pytest.raises(DamagedError, match=r"weights: its bytes are not those that were written. Fetch it again."):
        refuse_damage(folder, "Fetch it again.")


def test_missing_and_cut_files_are_named(folder: Path) -> None:
    (folder / "deep" / "empty").unlink()
    (folder / "weights").write_bytes(b"short")
    assert [(damage.name, damage.what) for damage in find_damage(folder) or []] == [
        ("deep/empty", "it is missing"),
        ("weights", "it has 5 bytes, 5,120,000 were written"),
    ]
    assert find_damage(folder, ["deep/empty"])


def test_a_folder_without_digests_is_told_from_a_whole_one(tmp_path: Path) -> None:
    assert find_damage(tmp_path) is None
    assert not refuse_damage(tmp_path, "")


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{", '{"algorithm": "xxh3_128"}', '{"files": {}, "files": {}}', "[" * 200_000]
)
def test_damaged_digests_are_damage(folder: Path, text: str) -> None:
    (folder / DIGESTS_FILE).write_text(text)
    with pytest.raises(DamagedError, match=DIGESTS_FILE):
        find_damage(folder)
    assert digest_file(folder / "weights")


@pytest.mark.parametrize(
    "text, what",
    [
        ("[" * 100_000, "nested too deep"),
        ("9" * 5_000, "digits"),
        ('{"a": 1, "a": 2}', "'a' twice"),
        ("{", "not JSON"),
        (b'"\xff"', "not UTF-8"),
    ],
)
def test_json_from_anywhere_fails_in_one_way(tmp_path: Path, text, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        parse_json(text)
    (tmp_path / "a.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DamagedError, match=r"damaged: .*a\.json"):
        read_json(tmp_path / "a.json")
    assert read_json(tmp_path / "none.json") is None


def test_weights_of_a_finished_folder_are_read_by_whom_its_other_files_are(tmp_path: Path) -> None:
    weights = tmp_path / "adapter_model.safetensors"
    save_file({"x": np.zeros(3, np.float32)}, weights)
    weights.chmod(0o600)  # as safetensors writes them; written down, so that this does not hang on its version
    (tmp_path / "private.txt").write_text("of its owner")
    (tmp_path / "private.txt").chmod(0o600)
    before = os.umask(0o027)
    try:
        write_digests(tmp_path)
    finally:
        os.umask(before)
    assert weights.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "private.txt").stat().st_mode & 0o777 == 0o600
