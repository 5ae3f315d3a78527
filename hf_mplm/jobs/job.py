"""Work whose output is whole or absent, and that goes on where it was interrupted: its folder, its plan, its parts."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from .digests import listed_files, refuse_damage, write_digests
from .engines import run_tasks
from .files import TEMPORARY_SUFFIX, DamagedError, explain_full_disk, read_json, sync_folder, write_json
from .lock import LOCK_FILES, hold_folder
from .plan import Plan, is_plan, plan_differences
from .progress import progress_bar


__all__ = ["PART_BYTES", "Job", "JobPart", "finished_results", "make_folder", "run_parts", "unfinished_parts"]

logger = logging.getLogger(__name__)

PART_BYTES = 4 << 20
"""Text of a part, unless the caller asks for another size."""


class JobPart(Protocol):
    """What a part of a job tells of itself."""

    @property
    def index(self) -> int:
        """Its place in the corpus."""

    @property
    def folder(self) -> str:
        """Where its result is written."""

    @property
    def weight(self) -> int:
        """Estimated bytes of text."""


AnyPart = TypeVar("AnyPart", bound=JobPart)
Result = TypeVar("Result")
AnyPart_in = TypeVar("AnyPart_in", contravariant=True)
Result_out = TypeVar("Result_out", covariant=True)


@dataclass(frozen=True)
class Job:
    """An output that is made in a folder of its own, `work`, and moved to its name when it is finished.

    Args:
        output (`Path`): what is made.
        work (`Path`): where unfinished work is kept, beside `output`.
        command (`str`): what somebody else who comes meanwhile is told to be running, such as `"hf-mplm prepare"`.
        product (`str`): what the output is called, such as `"store"`.
        mark (`str`): name of the JSON file that tells a finished output from any other folder. Its `identity` says
            what the output was made from.
        foreign (`str`): what is said of any other folder, which is never replaced.
        inputs (`str`): what has to be the same for an output to be the same.
        rule (`str`, *optional*, defaults to `""`): sentence that says why an output of other inputs is refused.
        disk_use (`str`, *optional*, defaults to `""`): sentence that says how much room the work takes.
        anew (`str`, *optional*): what to do to have the output made again, as a clause.
    """

    output: Path
    work: Path
    command: str
    product: str
    mark: str
    foreign: str
    inputs: str
    rule: str = ""
    disk_use: str = ""
    anew: str = "repeat this command with --overwrite"

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other processes from the work, explain a full disk, and leave no empty folder behind.

        Raises:
            FolderInUseError: if another process does this job.
            OSError: if the disk is full.
            ValueError: if a file stands where a folder is needed.
        """
        for folder in (self.output, self.work):
            if folder.exists() and not folder.is_dir():
                raise ValueError(f"{folder} is a file; needed is a folder, which is made where it is missing")
        advice = f"What is finished is kept in {self.work}: free some space and repeat the same command."
        with explain_full_disk(self.output.parent, f"{self.disk_use} {advice}".lstrip()):
            try:
                with hold_folder(self.work, self.command):
                    yield
            finally:
                with suppress(OSError):  # it is missing, or there is work in it
                    self.work.rmdir()

    def clear(self) -> None:
        """Throw the work away, but for the lock."""
        for path in self.work.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name not in LOCK_FILES:
                path.unlink()

    def known_plan(self) -> Plan | None:
        """The plan of the unfinished work; None if nothing was begun, or if it can no longer be read."""
        try:
            plan = read_json(self.work / "plan.json")
        except DamagedError:
            return None
        return plan if is_plan(plan) else None

    def is_finished(self, plan: Plan, overwrite: bool) -> bool:
        """Whether the very output stands there already, whole. Anything else that stands there is an error.

        Args:
            plan (`Plan`): what is to be made.
            overwrite (`bool`): whether a damaged output, or one made from something else, is to be replaced.

        Raises:
            ValueError: if something else stands there.
            DamagedError: if it is the output, and damaged.
        """
        output = self.output
        if not output.exists() or not any(output.iterdir()):
            return False
        advice = f"To make this {self.product} again, {self.anew}."
        # A damaged one may lack any of its files.
        if not (output / self.mark).is_file() and self.mark not in listed_files(output):
            raise ValueError(f"{output} exists and {self.foreign}. Give another --output, or move it away")
        try:
            found = read_json(output / self.mark, advice)
            refuse_damage(output, advice)
            if not isinstance(found, dict) or not isinstance(found.get("identity"), dict):
                raise DamagedError(output / self.mark, "it does not say what it was made from", advice)
        except DamagedError:
            if overwrite:
                return False
            raise
        differences = plan_differences({"identity": found["identity"]}, plan)
        if differences and not overwrite:
            raise ValueError(self._refusal(f"{output} is a {self.product} made from something else", differences))
        if not differences:
            logger.info("%s is finished already, from the same %s", output, self.inputs)
        return not differences

    def begin(self, plan: Plan, overwrite: bool, part_bytes: int | None = None) -> None:
        """Take up the unfinished work of the same plan, or begin.

        Args:
            plan (`Plan`): what is to be made.
            overwrite (`bool`): whether unfinished work on something else is to be thrown away.
            part_bytes (`int`, *optional*): size of the parts, without which the finished ones could not be told.

        Raises:
            ValueError: if there is unfinished work on something else.
            DamagedError: if what it is work on cannot be told.
        """
        if part_bytes is not None:
            plan = {**plan, "identity": {**plan["identity"], "part_bytes": part_bytes}}
        path = self.work / "plan.json"
        before = self.known_plan()
        if before is None and path.exists() and not overwrite:
            advice = f"To start over, {self.anew}."
            read_json(path, advice)
            raise DamagedError(path, "it is no plan", advice)
        differences = plan_differences(before, plan) if before is not None else []
        if differences and not overwrite:
            raise ValueError(self._refusal(f"{self.work} is unfinished work on something else", differences))
        if before is None or differences:
            self.clear()
        else:
            logger.info("going on with the work in %s", self.work)
        for unfinished in self.work.rglob(f"*{TEMPORARY_SUFFIX}"):
            unfinished.unlink()
        (self.work / "parts").mkdir(exist_ok=True)
        write_json(path, plan)

    def finish(self, folder: Path, info: dict[str, Any], *, undigested: Iterable[str] = ()) -> None:
        """Mark a folder as finished, give it the output's name, and throw the rest of the work away.

        Args:
            folder (`Path`): what was made, within `work`.
            info (`dict[str, Any]`): what the mark says, with the plan's `identity`.
            undigested (`Iterable[str]`, *optional*): files that people may change.
        """
        for path in folder.rglob("*"):
            if path.is_file():
                with open(path, "rb") as handle:
                    os.fsync(handle.fileno())
            else:
                sync_folder(path)
        write_json(folder / self.mark, info)
        write_digests(folder, without=undigested)
        if self.output.is_dir() and not any(self.output.iterdir()):
            self.output.rmdir()
        elif self.output.exists():
            # What an earlier attempt put aside was replaced by what stands there now.
            shutil.rmtree(self.work / "replaced", ignore_errors=True)
            os.rename(self.output, self.work / "replaced")
        try:
            os.rename(folder, self.output)
        except BaseException:
            if (self.work / "replaced").exists():
                os.rename(self.work / "replaced", self.output)
            raise
        sync_folder(self.output.parent)
        self.clear()

    def _refusal(self, found: str, differences: list[str]) -> str:
        lines = "\n".join(f"  - {line}" for line in differences)
        advice = f"Repeat the command that began it, give another --output, or, to start over, {self.anew}"
        return f"{found}:\n{lines}\n" + f"{self.rule} {advice}".lstrip()


def make_folder(
    job: Job,
    plan: Plan,
    build: Callable[[Path], None],
    *,
    overwrite: bool = False,
    goes_on: bool = False,
    undigested: Iterable[str] = (),
) -> bool:
    """Do a job that has no parts; its output is whole or absent.

    Args:
        job (`Job`): the job.
        plan (`Plan`): what the output is made from.
        build (`Callable[[Path], None]`): fills an empty folder.
        overwrite (`bool`, *optional*, defaults to `False`): replace an output that was made from something else.
        goes_on (`bool`, *optional*, defaults to `False`): whether `build` keeps work in the job's folder from which it
            goes on where it was interrupted. Otherwise it begins anew, and an error leaves nothing behind.
        undigested (`Iterable[str]`, *optional*): files that people may change afterwards.

    Returns:
        `bool`: whether it was made now; False where the very output stood there.

    Raises:
        ValueError: if something else stands there.
        OSError: if the disk is full, or another process does this job.
    """
    with job.hold():
        if job.is_finished(plan, overwrite):
            job.clear()
            return False
        folder = job.work / "made"
        try:
            job.begin(plan, overwrite=overwrite or not goes_on)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            job.finish(folder, {"identity": plan["identity"]}, undigested=undigested)
        except BaseException:
            if not goes_on:
                job.clear()
            raise
    return True


class FinishedPart(Protocol[AnyPart_in, Result_out]):
    """Reads the result of a part."""

    def __call__(self, part: AnyPart_in, /, *, verify: bool = True) -> Result_out | None:
        """The result, or None if there is none; `verify` holds its data against their digest too."""


def unfinished_parts(parts: Sequence[AnyPart], finished: FinishedPart[AnyPart, Any]) -> list[AnyPart]:
    """The parts that are left to do; what is finished is held against its digests.

    Args:
        parts (`Sequence[JobPart]`): all parts.
        finished (`Callable`): gives the result of a part, or None if it has none.
    """
    # In threads, because hashing lets go of the interpreter's lock.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        todo = [part for part, result in zip(parts, pool.map(finished, parts)) if result is None]
    if len(todo) < len(parts):
        logger.info("%d of %d parts are finished", len(parts) - len(todo), len(parts))
    return todo


def run_parts(
    function: Callable[[AnyPart], dict[str, int]],
    parts: Sequence[AnyPart],
    finished: FinishedPart[AnyPart, Any],
    *,
    title: str,
    unit: str,
    num_proc: int,
    engine: str,
) -> None:
    """Do the parts that are left, behind a progress bar over the bytes of all of them.

    Args:
        function (`Callable`): does one part and returns its `weight` and a count.
        parts (`Sequence[JobPart]`): all parts.
        finished (`Callable`): gives the result of a part, or None if it has none.
        title (`str`): what stands before the bar.
        unit (`str`): the count whose rate stands behind the bar, such as `"tokens"`.
        num_proc (`int`): processes.
        engine (`str`): `local` or `ray`.
    """
    todo = unfinished_parts(parts, finished)
    total = sum(part.weight for part in parts)
    left = sum(part.weight for part in todo)
    count, start = 0, time.monotonic()
    with progress_bar(total=total, initial=total - left, desc=title, unit="B", unit_scale=True) as bar:
        for done in run_tasks(function, todo, num_proc=num_proc, engine=engine):
            count += done[unit]
            bar.set_postfix_str(f"{count / (time.monotonic() - start):,.0f} {unit}/s", refresh=False)
            bar.update(done["weight"])


def finished_results(parts: Sequence[AnyPart], finished: FinishedPart[AnyPart, Result]) -> Iterator[Result]:
    """The results of all parts, in the order of the corpus.

    Their data was written, or held against its digest, by this very run, and is not read for it once more.

    Raises:
        OSError: if a part has none.
    """
    for part in parts:
        result = finished(part, verify=False)
        if result is None:
            raise OSError(f"part {part.index} in {part.folder} has vanished; repeat the same command")
        yield result
