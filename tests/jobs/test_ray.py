"""Work on a Ray cluster of two nodes on this machine: the same bytes as without it, and work done without one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hf_mplm.data.romanization.corpus import romanize_corpus
from hf_mplm.data.store.pair_store import prepare_pair_store
from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.jobs.engines import run_tasks
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


def where(_: int) -> str:
    time.sleep(0.3)
    return str(ray.get_runtime_context().get_node_id())


def fail(path: str) -> None:
    raise ValueError(f"{path} is no corpus")


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def touch_and_wait(path: str) -> dict[str, int]:
    """Note that the task was begun, and by whom; then take a while."""
    with open(path, "a") as handle:
        handle.write(f"{ray.get_runtime_context().get_node_id()}\n")
    time.sleep(1.0)
    return {"done": 1}


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
def test_all_tasks_are_done_though_a_node_is_removed(cluster: Any, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{n}") for n in range(12)]
    nodes = list(cluster.worker_nodes)
    done = 0
    for result in run_tasks(touch_and_wait, paths, engine="ray"):
        done += result["done"]
        if done == 2:
            cluster.remove_node(nodes[0], allow_graceful=False)
    assert done == 12
    assert all(Path(path).read_text() for path in paths)


@pytest.mark.slow
@own_address
def test_a_store_survives_a_node(
    cluster: Any, tiny_corpus: Path, tiny_tokenizer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hf_mplm.jobs import job

    nodes, taken, real = list(cluster.worker_nodes), [], job.run_tasks

    def losing_a_node(*args: Any, **options: Any) -> Iterator[Any]:
        for result in real(*args, **options):
            taken.append(result)
            if len(taken) == 2:
                cluster.remove_node(nodes[1], allow_graceful=False)
            yield result

    monkeypatch.setattr(job, "run_tasks", losing_a_node)
    store = prepare_store(
        tiny_corpus, tiny_tokenizer_folder, tmp_path / "ray", engine="ray", chunk_length=24, part_bytes=300
    )
    assert len(taken) > 10
    whole = prepare_store(tiny_corpus, tiny_tokenizer_folder, tmp_path / "whole", chunk_length=24, part_bytes=300)
    assert contents(store.path) == contents(whole.path)
