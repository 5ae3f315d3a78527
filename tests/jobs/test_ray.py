"""Work on a Ray cluster of two nodes on this machine: the same bytes as without it, and nothing lost with a node."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hf_mplm.data.romanization.corpus import romanize_corpus
from hf_mplm.data.store.pair_store import prepare_pair_store
from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.jobs import job, ray_cluster
from hf_mplm.jobs.engines import run_tasks
from hf_mplm.jobs.files import TEMPORARY_SUFFIX
from tests.faults import contents


ray = pytest.importorskip("ray")

# The nodes of a cluster find each other by this machine's own address, which is none of the loopback's.
own_address = pytest.mark.allow_network

SMALL: dict[str, Any] = {"part_bytes": 900}


@pytest.fixture
def quiet_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """No token in the home folder, and no cluster of somebody else."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def cluster(quiet_ray: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head that does no work, and two nodes of one process each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


class Doom:
    """The first node that finishes a task is killed, as a machine is, in the middle of its second one.

    Args:
        folder (`Path`): where the nodes leave notes for one another.
        cluster (`Cluster`): the cluster.
    """

    def __init__(self, folder: Path, cluster: Any) -> None:
        self.folder, self.cluster = folder, cluster
        self.results: list[Any] = []
        folder.mkdir()

    def run_tasks(self, function: Callable[[Any], Any], tasks: Any, **options: Any) -> Iterator[Any]:
        """`run_tasks`, under which the node is lost."""
        for result in run_tasks(partial(meet_doom, function, self.folder), tasks, **options):
            self.results.append(result)
            if (self.folder / "stuck").exists() and not (self.folder / "killed").exists():
                self.kill()
            yield result

    def kill(self) -> None:
        """End all processes of the node at once."""
        node, process = (self.folder / "stuck").read_text().split()
        lost = next(one for one in self.cluster.worker_nodes if one.node_id == node)
        self.cluster.remove_node(lost, allow_graceful=False)
        with suppress(ProcessLookupError):
            os.kill(int(process), signal.SIGKILL)
        (self.folder / "killed").touch()

    def begun(self) -> dict[str, int]:
        """How often each task was begun."""
        lines = [line for path in self.folder.glob("begun.*") for line in path.read_text().splitlines()]
        return {line: lines.count(line) for line in lines}


def meet_doom(function: Callable[[Any], Any], folder: Path, task: Any) -> Any:
    """Do a task; on the doomed node, where it is the second one, never finish the first file it would write."""
    node = str(ray.get_runtime_context().get_node_id())
    with open(folder / f"begun.{node}", "a") as handle:
        handle.write(f"{task}\n")
    if not (folder / "doomed").exists():
        result = function(task)
        with suppress(FileExistsError), open(folder / "doomed", "x") as handle:
            handle.write(node)
        return result
    if (folder / "doomed").read_text() == node:
        sys.addaudithook(partial(get_stuck, folder, node, threading.get_ident()))
        function(task)
        raise AssertionError("the task wrote no file")
    while not (folder / "stuck").exists():  # the other node leaves work for the doomed one
        time.sleep(0.05)
    return function(task)


def get_stuck(folder: Path, node: str, thread: int, event: str, _: Any) -> None:
    """Before a file takes its name, say so and wait for the end."""
    if event != "os.rename" or threading.get_ident() != thread:
        return
    (folder / "stuck.new").write_text(f"{node} {os.getpid()}")
    os.link(folder / "stuck.new", folder / "stuck")
    time.sleep(600)


def where(_: int) -> str:
    time.sleep(0.3)
    return str(ray.get_runtime_context().get_node_id())


def fail(path: str) -> None:
    raise ValueError(f"{path} is no corpus")


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_without_a_cluster_one_is_started_and_ended(
    quiet_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sorted(run_tasks(os.path.abspath, ["a", "b"], engine="ray")) == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert not ray.is_initialized()


def test_a_cluster_that_does_not_answer_is_named(quiet_ray: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ConnectionError, match="no Ray cluster .* RAY_ADDRESS=127.0.0.1:1 .*--engine local"):
        list(run_tasks(abs, [1], engine="ray"))


@pytest.mark.slow
@own_address
def test_two_nodes_give_the_same_bytes(
    cluster: Any, tiny_corpus: Path, tiny_tokenizer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("uroman")
    monkeypatch.chdir(tmp_path)
    assert len(set(run_tasks(where, range(8), engine="ray"))) == 2, "both nodes work"
    for engine in ("local", "ray"):
        # A relative path is one of this folder, and not of wherever Ray was started.
        folder = Path(engine)
        prepare_store(tiny_corpus.name, tiny_tokenizer_folder, folder / "store", engine=engine, holdout=1, **SMALL)
        prepare_pair_store(tiny_corpus.name, tiny_tokenizer_folder, folder / "pairs", engine=engine, **SMALL)
        romanize_corpus(tiny_corpus.name, folder / "romanized", engine=engine, **SMALL)
        assert not ray.is_initialized()
    assert contents(tmp_path / "local") == contents(tmp_path / "ray") and len(contents(tmp_path / "ray")) > 20


@pytest.mark.slow
@own_address
def test_errors_are_those_of_the_other_engines(cluster: Any, tmp_path: Path, tiny_tokenizer_folder: Path) -> None:
    with pytest.raises(ValueError) as caught:
        list(run_tasks(fail, ["here"], engine="ray"))
    assert str(caught.value) == "here is no corpus" and type(caught.value) is ValueError
    with pytest.raises(ChildProcessError, match="Ray gave a task up after 4 attempts .*repeat the same command"):
        list(run_tasks(die, [1], engine="ray"))
    assert not ray.is_initialized()


@pytest.mark.slow
@own_address
@pytest.mark.parametrize("work", ["prepare", "romanize"])
def test_a_killed_node_loses_nothing(
    work: str,
    cluster: Any,
    tiny_corpus: Path,
    tiny_tokenizer_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("uroman")

    def make(output: Path, **options: Any) -> dict[str, bytes]:
        if work == "prepare":
            prepare_store(tiny_corpus, tiny_tokenizer_folder, output, chunk_length=24, part_bytes=300, **options)
        else:
            romanize_corpus(tiny_corpus, output, part_bytes=300, **options)
        return contents(output)

    whole = make(tmp_path / "local")
    doom = Doom(tmp_path / "doom", cluster)
    monkeypatch.setattr(job, "run_tasks", doom.run_tasks)
    assert make(tmp_path / "ray", engine="ray") == whole
    begun = doom.begun()
    assert len(doom.results) == len(begun) > 10
    # Cut off on the one node, and done again on the other; nothing else was done twice.
    assert sorted(begun.values())[-2:] == [1, 2] and (tmp_path / "doom" / "killed").exists()


@pytest.mark.slow
@own_address
def test_what_was_finished_is_kept_where_a_lost_node_ends_the_work(
    cluster: Any, tiny_corpus: Path, tiny_tokenizer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = partial(prepare_store, tiny_corpus, tiny_tokenizer_folder, chunk_length=24, part_bytes=300)
    asked: list[Any] = []

    def run_here(function: Callable[[Any], Any], tasks: Any, **_: Any) -> Iterator[Any]:
        asked.extend(tasks)
        return map(function, tasks)

    monkeypatch.setattr(job, "run_tasks", run_here)
    make(tmp_path / "whole")
    total = len(asked)
    asked.clear()
    doom = Doom(tmp_path / "doom", cluster)
    monkeypatch.setattr(job, "run_tasks", doom.run_tasks)
    monkeypatch.setattr(ray_cluster, "_RETRIES", 0)  # which is what the test above owes its end to
    with pytest.raises(ChildProcessError, match="Ray gave a task up after 1 attempt.*repeat the same command"):
        make(tmp_path / "ray", engine="ray")
    assert any(path.name.endswith(TEMPORARY_SUFFIX) for path in tmp_path.rglob("*")), "cut off in the middle of a file"
    monkeypatch.setattr(job, "run_tasks", run_here)
    make(tmp_path / "ray")
    assert 1 <= len(asked) <= total - len(doom.results) < total
    assert contents(tmp_path / "ray") == contents(tmp_path / "whole")


@pytest.mark.slow
@own_address
def test_it_is_told_that_no_node_is_left_to_work(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "_SILENCE", 1.0)
    for node in list(cluster.worker_nodes):
        cluster.remove_node(node)
    told = []

    class Administrator(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())
            cluster.add_node(num_cpus=1)

    administrator = Administrator()
    ray_cluster.logger.addHandler(administrator)
    try:
        assert list(run_tasks(abs, [-1], engine="ray")) == [1]
    finally:
        ray_cluster.logger.removeHandler(administrator)
    assert told == ["the Ray cluster has no machine that works (0 processors): waiting for one to join"]
