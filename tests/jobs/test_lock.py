from __future__ import annotations

import json
import os
import platform
import signal
import time
from pathlib import Path

import pytest

from hf_mplm.jobs.lock import LOCK_FILES, FolderInUseError, hold_folder
from tests.processes import CONTEXT


def hold_for_long(folder: Path, held) -> None:
    with hold_folder(folder, "hf-mplm pretrain"):
        held.set()
        time.sleep(60)


@pytest.fixture
def holder(tmp_path: Path):
    held = CONTEXT.Event()
    process = CONTEXT.Process(target=hold_for_long, args=(tmp_path / "run", held))
    process.start()
    assert held.wait(60)
    yield process
    process.kill()
    process.join()


def test_the_second_is_told_who_the_first_is(tmp_path: Path, holder) -> None:
    with pytest.raises(FolderInUseError) as error:
        with hold_folder(tmp_path / "run", "hf-mplm evaluate"):
            pytest.fail("two writers at once")
    assert f"hf-mplm pretrain writes there at this moment (host {platform.node()}, process {holder.pid}" in str(
        error.value
    )


def test_a_killed_owner_is_told_and_does_not_stand_in_the_way(tmp_path: Path, holder, caplog) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with hold_folder(tmp_path / "run", "hf-mplm evaluate"):
        assert f"process {holder.pid}" in caplog.text
    assert not any((tmp_path / "run" / name).exists() for name in LOCK_FILES)


def test_one_process_is_two_writers_too(tmp_path: Path) -> None:
    with hold_folder(tmp_path, "first"):
        with pytest.raises(FolderInUseError, match="first"), hold_folder(tmp_path, "second"):
            pytest.fail("two writers at once")
    with hold_folder(tmp_path, "third"):
        pass


@pytest.mark.parametrize("silence, refused", [(1, True), (3600, False)])
def test_another_machine_lives_while_it_shows_signs_of_life(tmp_path: Path, silence: int, refused: bool) -> None:
    # A network file system may show the file of a lock and not the lock.
    owner = tmp_path / LOCK_FILES[1]
    owner.write_text(json.dumps({"doing": "hf-mplm prepare", "host": "elsewhere", "pid": 7, "since": time.time()}))
    os.utime(owner, (time.time() - silence,) * 2)
    if refused:
        with pytest.raises(FolderInUseError, match="host elsewhere, process 7"), hold_folder(tmp_path, "here"):
            pytest.fail("two writers at once")
    else:
        with hold_folder(tmp_path, "here"):
            pass


def test_a_torn_note_of_the_owner_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILES[1]).write_text('{"doing": "hf-')
    with hold_folder(tmp_path, "here"):
        assert json.loads((tmp_path / LOCK_FILES[1]).read_text())["doing"] == "here"
