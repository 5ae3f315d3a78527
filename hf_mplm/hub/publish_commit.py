"""One commit for all files of a folder: a branch moves only when everything is there."""

from __future__ import annotations

import hashlib
import json
import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from .publish_errors import check_ref, explain, is_connection, one_line, refusal
from .publish_kinds import RECORD_FILE


__all__ = ["Pushed", "Target", "commit_files"]

logger = logging.getLogger(__name__)

_TRIES = 4
_MOVED = 412


class Target(NamedTuple):
    """Where a folder goes.

    Args:
        repo_id (`str`): `OWNER/NAME`.
        repo_type (`str`): `"model"` or `"dataset"`.
        branch (`str`): which is made, from `main`, where it is missing.
        create_pr (`bool`): whether the commit is proposed and not made.
        private (`bool`, *optional*): of a repository that is made.
        tag (`str`, *optional*): a name for the commit.
    """

    repo_id: str
    repo_type: str = "model"
    branch: str = "main"
    create_pr: bool = False
    private: bool | None = None
    tag: str | None = None


class Pushed(NamedTuple):
    """What came of it.

    Args:
        commit (`str`): the commit in which everything is.
        url (`str`): its address, or that of the pull request.
        changed (`bool`): `False` if everything was there already.
        deleted (`tuple[str, ...]`): files of an earlier push that this one lacks.
    """

    commit: str
    url: str
    changed: bool
    deleted: tuple[str, ...] = ()


def commit_files(api: HfApi, target: Target, files: Mapping[str, Path | bytes], message: str) -> Pushed:
    """Bring files into a repository in one commit.

    Files that an earlier push of ours wrote and that are not among these are deleted in the same commit; all others
    stay. Content that is there already is not sent, and where everything is, there is no commit. Where an answer is
    lost, the head is looked at before anything is tried again.

    Args:
        api (`HfApi`): the client.
        target (`Target`): where to.
        files (`Mapping[str, Path | bytes]`): path in the repository to a file or its content.
        message (`str`): of the commit.

    Raises:
        ValueError: if the tag is taken, one may not write there, or what is to be private would be public.
        ConnectionError: if the Hub cannot be reached.
    """
    check_ref(target.branch, "--revision")
    if target.tag is not None:
        check_ref(target.tag, "--tag")
    try:
        pushed = _commit(api, target, files, message)
    except HfHubHTTPError as error:
        raise ValueError(explain(error, target.repo_id, is_proposal=target.create_pr)) from error
    except Exception as error:
        if not is_connection(error):
            raise
        raise ConnectionError(
            f"{api.endpoint} cannot be reached, or does not answer ({type(error).__name__}: {one_line(error)}). What "
            "arrived is not sent twice: the same command goes on"
        ) from error
    _make_tag(api, target, pushed)
    return pushed


def _commit(api: HfApi, target: Target, files: Mapping[str, Path | bytes], message: str) -> Pushed:
    where: dict[str, Any] = {"repo_id": target.repo_id, "repo_type": target.repo_type}
    _make_repository(api, target)
    _refuse_taken_tag(api, target, files)
    oids: dict[str, tuple[str, str]] = {}
    pushed: Pushed | None = None
    deleted: tuple[str, ...] = ()
    for trial in range(_TRIES):
        head = str(api.repo_info(**where, revision=target.branch).sha)
        deleted = _left_over(api, target, head, files)
        # Operations are used up by a commit, be it one whose answer was lost.
        operations: list[Any] = [
            CommitOperationAdd(name, content if isinstance(content, bytes) else str(content))
            for name, content in sorted(files.items())
        ]
        operations += [CommitOperationDelete(name) for name in deleted]
        requests = set(_pull_requests(api, target)) if target.create_pr else set()
        try:
            with warnings.catch_warnings():
                # Words and results are Parquet, in which the client sees a dataset that went astray.
                warnings.filterwarnings("ignore", "It seems that you are about to commit a data file")
                info = api.create_commit(
                    **where,
                    operations=operations,
                    commit_message=message,
                    revision=target.branch,
                    parent_commit=head,
                    create_pr=target.create_pr,
                )
            changed = str(info.oid) != head
            pushed = Pushed(str(info.oid), str(info.pr_url or info.commit_url), changed, deleted)
            break
        except Exception as error:
            status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
            if not (status == _MOVED or (status or 0) >= 500 or is_connection(error)) or trial + 1 == _TRIES:
                raise
            if status == _MOVED:
                logger.info("somebody else wrote to %s meanwhile; going on from there", target.repo_id)
                continue
            logger.info("the answer to the commit was lost (%s); looking whether it was made", one_line(error))
            oids = oids or _identify(files)
            time.sleep(0.2 * 2**trial)
            if found := _made_nevertheless(api, target, head, requests, oids, deleted):
                pushed = Pushed(
                    found, f"{api.endpoint}/{_prefix(target)}{target.repo_id}/commit/{found}", True, deleted
                )
                break
    assert pushed is not None
    return pushed


def _make_repository(api: HfApi, target: Target) -> None:
    where: dict[str, Any] = {"repo_id": target.repo_id, "repo_type": target.repo_type}
    try:
        info = api.repo_info(**where)
        if target.private and info.private is False:
            raise ValueError(
                f"{target.repo_id} exists and is public, and --private is for a new repository, so that nothing was "
                "sent; make it private in its settings on the Hub, or give another name"
            )
    except RepositoryNotFoundError:
        try:
            api.create_repo(**where, private=target.private, exist_ok=True)
        except HfHubHTTPError as error:
            raise ValueError(explain(error, target.repo_id, is_missing=True)) from error
    if target.branch != "main" and not target.branch.startswith("refs/"):
        try:
            api.repo_info(**where, revision=target.branch)
        except RevisionNotFoundError:
            api.create_branch(**where, branch=target.branch, exist_ok=True)


def _refuse_taken_tag(api: HfApi, target: Target, files: Mapping[str, Path | bytes]) -> None:
    if target.tag is None:
        return
    if target.create_pr:
        raise ValueError("--tag names a commit of a branch, and --create_pr only proposes one; give one of the two")
    refs = api.list_repo_refs(target.repo_id, repo_type=target.repo_type)
    head = str(api.repo_info(target.repo_id, repo_type=target.repo_type, revision=target.branch).sha)
    taken = next((ref.target_commit for ref in refs.tags if ref.name == target.tag), None)
    # The same push again is welcome.
    if taken is None or (taken == head and _holds(api, target, head, _identify(files))):
        return
    raise ValueError(f"{target.repo_id} has a tag {target.tag} already, of commit {taken[:12]}; give another --tag")


def _make_tag(api: HfApi, target: Target, pushed: Pushed) -> None:
    """Name the commit, which stands whatever becomes of its name."""
    if target.tag is None:
        return
    where: dict[str, Any] = {"repo_id": target.repo_id, "repo_type": target.repo_type}
    made = f"everything is in {pushed.url}, but its tag {target.tag} was not made"
    try:
        api.create_tag(**where, tag=target.tag, revision=pushed.commit, exist_ok=True)
    except HfHubHTTPError as error:
        raise ValueError(f"{made}: the Hub refused ({refusal(error)}); the same command makes it") from error
    except Exception as error:
        if not is_connection(error):
            raise
        raise ConnectionError(f"{made} ({one_line(error)}); the same command makes it") from error


def _left_over(api: HfApi, target: Target, head: str, files: Mapping[str, Any]) -> tuple[str, ...]:
    """Files of an earlier push of ours that are still there and do not come again."""
    where: dict[str, Any] = {"repo_id": target.repo_id, "repo_type": target.repo_type, "revision": head}
    there = {entry.path for entry in api.list_repo_tree(**where, recursive=True) if hasattr(entry, "blob_id")}
    if RECORD_FILE not in there:
        return ()
    try:
        record = json.loads(Path(api.hf_hub_download(**where, filename=RECORD_FILE)).read_bytes())
        before = record["files"] if isinstance(record, dict) else []
    except (ValueError, KeyError):
        return ()
    if not isinstance(before, list):
        return ()
    return tuple(sorted({name for name in before if isinstance(name, str)} & there - set(files)))


def _identify(files: Mapping[str, Path | bytes]) -> dict[str, tuple[str, str]]:
    """SHA-256 and git's own name of each content, by which it is found again."""
    found = {}
    for name, content in files.items():
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size)
        blocks: Any = [content]
        if isinstance(content, Path):
            with open(content, "rb") as handle:
                for block in iter(lambda: handle.read(1 << 20), b""):
                    sha256.update(block)
                    git.update(block)
            blocks = []
        for block in blocks:
            sha256.update(block)
            git.update(block)
        found[name] = (sha256.hexdigest(), git.hexdigest())
    return found


def _made_nevertheless(
    api: HfApi,
    target: Target,
    head: str,
    requests: set[str],
    oids: Mapping[str, tuple[str, str]],
    deleted: Sequence[str],
) -> str | None:
    """The commit that holds everything, though its answer was lost; `None` if none was made."""
    where: dict[str, Any] = {"repo_id": target.repo_id, "repo_type": target.repo_type}
    if target.create_pr:
        heads = [oid for ref, oid in _pull_requests(api, target).items() if ref not in requests]
    else:
        heads = [oid for oid in [str(api.repo_info(**where, revision=target.branch).sha)] if oid != head]
    return next((oid for oid in heads if _holds(api, target, oid, oids, deleted)), None)


def _holds(
    api: HfApi, target: Target, oid: str, oids: Mapping[str, tuple[str, str]], deleted: Sequence[str] = ()
) -> bool:
    """Whether a commit has all contents, and nothing of what is to go."""
    entries = api.list_repo_tree(target.repo_id, repo_type=target.repo_type, revision=oid, recursive=True)
    there: dict[str, Any] = {entry.path: entry for entry in entries if hasattr(entry, "blob_id")}
    if set(deleted) & set(there) or not set(oids) <= set(there):
        return False
    return all(
        there[name].lfs.sha256 == sha256 if there[name].lfs else there[name].blob_id == git
        for name, (sha256, git) in oids.items()
    )


def _pull_requests(api: HfApi, target: Target) -> dict[str, str]:
    refs = api.list_repo_refs(target.repo_id, repo_type=target.repo_type, include_pull_requests=True)
    return {ref.ref: ref.target_commit for ref in refs.pull_requests or []}


def _prefix(target: Target) -> str:
    return "datasets/" if target.repo_type == "dataset" else ""
