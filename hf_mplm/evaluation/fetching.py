"""Benchmarks from the Hub, laid out as a data folder: what is asked for is fetched once, and read from the cache."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from huggingface_hub import HfApi, cached_assets_path, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from hf_mplm.jobs.files import read_json, write_json
from hf_mplm.jobs.progress import progress_bar

from .files.corpus import MissingDataError
from .files.hub_data import COMMIT, HubDataset, HubFile, NotOnHub, Wanted
from .task import Task


__all__ = ["Origin", "fetch_benchmarks", "is_on_hub", "read_origins"]

logger = logging.getLogger(__name__)

LIBRARY, NAMESPACE = "hf_mplm", "benchmarks"
#: In a folder of benchmarks from the Hub: where each of them is from.
ORIGINS_FILE = "hf_mplm_hub.json"
WORKERS = 8


class Origin(NamedTuple):
    """Where a folder of a benchmark is from.

    Args:
        id (`str`): The dataset repository.
        revision (`str`): The commit, branch or tag that was asked for.
        commit (`str`): The commit that it was.
        licence (`str`): Its licence.
    """

    id: str
    revision: str
    commit: str
    licence: str


class _Listing(NamedTuple):
    commit: str
    files: Sequence[str]


def is_on_hub(task: Task) -> bool:
    """Tell whether everything that a task reads can be had from the Hub by anybody."""
    sources = getattr(task, "hub_data", ())
    return bool(sources) and all(isinstance(source, HubDataset) and not source.gated for source in sources)


def fetch_benchmarks(tasks: Sequence[Task], wanted: Wanted, *, progress: bool = False) -> Path:
    """Fetch what a run reads of its benchmarks, and lay it out as the readers expect it.

    Files come through the cache of `huggingface_hub` and are asked for once: a benchmark that is pinned to a commit is
    read without the network afterwards, and one that is pinned to a branch as of the last time if there is none.

    Args:
        tasks (`Sequence[Task]`): The tasks, whose `hub_data` say where their benchmarks are.
        wanted (`Wanted`): The languages, and what is trained on.
        progress (`bool`, *optional*, defaults to `False`): Whether to show a bar.

    Returns:
        `Path`: A folder with one folder a benchmark, of links into the cache; the same for the same files.

    Raises:
        MissingDataError: If a benchmark is not on the Hub, or cannot be fetched, saying where to ask for it and where
            to put it.
        ValueError: If a task does not say where its benchmark is.
    """
    links: dict[str, Path] = {}
    origins: dict[str, Origin] = {}
    for dataset in _datasets(tasks):
        listing = _list_files(dataset)
        files = dataset.choose(listing.files, wanted)
        _refuse_outside(dataset, files)
        for file, path in zip(files, _download(dataset, listing.commit, files, progress)):
            links[file.link] = path
        origins[dataset.folder] = Origin(dataset.id, dataset.revision, listing.commit, dataset.licence)
        logger.info(
            "%s: %d files of %s at %s (%s)", dataset.folder, len(files), dataset.id, listing.commit, dataset.licence
        )
    return _lay_out(links, origins)


def read_origins(folder: Path) -> dict[str, Origin]:
    """Read where the benchmarks of a folder are from.

    Args:
        folder (`Path`): A data folder.

    Returns:
        `dict[str, Origin]`: By folder of a benchmark; empty for a folder of the user's own.

    Raises:
        DamagedError: If the file that says it cannot be read.
    """
    said = read_json(folder / ORIGINS_FILE, "Delete its folder, and it is made again.")
    return {name: Origin(**origin) for name, origin in (said or {}).items()}


def _datasets(tasks: Sequence[Task]) -> list[HubDataset]:
    """The repositories that tasks read, each once; a training set that another task scores is read for both."""
    found: dict[str, HubDataset] = {}
    absent: dict[str, NotOnHub] = {}
    for task in tasks:
        sources = getattr(task, "hub_data", ())
        if not sources:
            raise ValueError(f"the task {task.name} does not say where its benchmark is on the Hub; give --data_dir")
        for source in sources:
            if isinstance(source, NotOnHub):
                absent[source.folder] = source
            elif source.folder not in found or found[source.folder].training_only:
                found[source.folder] = source
    if absent:
        raise MissingDataError("; ".join(_not_there(source) for source in absent.values()))
    return list(found.values())


def _refuse_outside(dataset: HubDataset, files: Sequence[HubFile]) -> None:
    """A repository's names become links, which must stay in the folder that is laid out."""
    for file in files:
        link = PurePosixPath(file.link)
        if link.is_absolute() or ".." in link.parts:
            raise MissingDataError(
                f"{dataset.id} has a file {file.path!r}, which would lie outside of its folder; "
                f"{_advice(dataset.folder, 'its files')}"
            )


def _not_there(source: NotOnHub) -> str:
    return f"{source.folder} is not on the Hub ({source.why}): {source.where}, {_advice(source.folder, source.files)}"


def _advice(folder: str, files: str) -> str:
    return f"put {files} under DATA/{folder}/ and give --data_dir DATA"


def _list_files(dataset: HubDataset) -> _Listing:
    """The commit of a revision and its files, remembered: a commit's never change."""
    folder = cached_assets_path(LIBRARY, NAMESPACE, dataset.id)
    path = folder / f"{dataset.revision.replace('/', '--')}.json"
    said = read_json(path, "Delete it, and it is asked for again.")
    known = _Listing(str(said["commit"]), list(said["files"])) if said is not None else None
    pinned = COMMIT.fullmatch(dataset.revision) is not None
    if pinned and known is not None:
        return known
    try:
        with _explained(dataset):
            api = HfApi()
            commit = dataset.revision
            if not pinned:
                commit = str(api.dataset_info(dataset.id, revision=dataset.revision).sha)
            if known is not None and known.commit == commit:
                return known
            listing = _Listing(commit, sorted(api.list_repo_files(dataset.id, repo_type="dataset", revision=commit)))
    except MissingDataError as error:
        if known is None:
            raise
        logger.warning("%s; read as of the last time, at %s", error, known.commit)
        return known
    write_json(path, listing._asdict())
    return listing


def _download(dataset: HubDataset, commit: str, files: Sequence[HubFile], progress: bool) -> list[Path]:
    def fetch(file: HubFile) -> Path:
        return Path(hf_hub_download(dataset.id, file.path, repo_type="dataset", revision=commit))

    with _explained(dataset), _quiet_client(), ThreadPoolExecutor(WORKERS) as pool:
        try:
            running = pool.map(fetch, files)
            return list(progress_bar(running, total=len(files), desc=dataset.folder, unit="file", shown=progress))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _explained(dataset: HubDataset) -> Iterator[None]:
    """One sentence for whatever keeps a benchmark from being fetched, with the way around it."""
    own = f"or {_advice(dataset.folder, 'its files')}"
    try:
        yield
    except GatedRepoError as error:
        raise MissingDataError(
            f"{dataset.folder} is gated: accept its terms at {dataset.url} and log in (hf auth login), {own}"
        ) from error
    except RevisionNotFoundError as error:
        raise MissingDataError(f"{dataset.id} has no revision {dataset.revision} any more; {own[3:]}") from error
    except RepositoryNotFoundError as error:
        raise MissingDataError(
            f"there is no dataset {dataset.id} on the Hub, or not for you: look at {dataset.url}, {own}"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise MissingDataError(
            f"{dataset.folder}: what is asked for of {dataset.id} is not all in the cache, and the Hub cannot be "
            f"reached; repeat the command where it can (HF_HUB_OFFLINE unset), name --languages that are there, {own}"
        ) from error
    # The two major versions of the client raise the errors of two HTTP libraries.
    except Exception as error:
        said = (str(error) or type(error).__name__).split("\n", maxsplit=1)[0]
        raise MissingDataError(f"{dataset.id} could not be read from the Hub ({said}); repeat the command") from error


@contextmanager
def _quiet_client() -> Iterator[None]:
    """One bar a benchmark rather than one a file."""
    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _lay_out(links: Mapping[str, Path], origins: Mapping[str, Origin]) -> Path:
    """Make a folder of links, named by what it holds, so that processes that make the same one agree."""
    targets = {link: str(path) for link, path in sorted(links.items())}
    described: dict[str, Any] = {name: origin._asdict() for name, origin in sorted(origins.items())}
    name = hashlib.sha256(json.dumps([targets, described]).encode()).hexdigest()[:16]
    views = cached_assets_path(LIBRARY, NAMESPACE, "views")
    folder = views / name
    if _is_whole(folder, targets):
        return folder
    staging = Path(tempfile.mkdtemp(prefix="unfinished-", dir=views))
    try:
        for link, target in targets.items():
            (staging / link).parent.mkdir(parents=True, exist_ok=True)
            _link(staging / link, Path(target))
        write_json(staging / ORIGINS_FILE, described)
        if folder.exists() and not _is_whole(folder, targets):
            shutil.rmtree(folder)
        if not folder.exists():
            os.rename(staging, folder)
    except OSError:
        # Another process may have been quicker.
        if not _is_whole(folder, targets):
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def _is_whole(folder: Path, links: Iterable[str]) -> bool:
    return (folder / ORIGINS_FILE).is_file() and all((folder / link).is_file() for link in links)


def _link(link: Path, target: Path) -> None:
    try:
        link.symlink_to(target)
    except OSError:
        # Where links take a privilege, as on Windows, the cache itself holds copies as well.
        shutil.copyfile(target, link)
