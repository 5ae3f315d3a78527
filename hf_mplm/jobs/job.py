"""Long work on a corpus, in parts, that goes on where it was interrupted: its folder, its plan, its parts."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from filelock import FileLock, Timeout

from .engines import run_tasks, show_progress
from .files import TEMPORARY_SUFFIX, explain_full_disk, read_json, write_json
from .plan import Plan, plan_differences


__all__ = ["PART_BYTES", "Job", "JobPart", "finished_results", "run_parts", "unfinished_parts"]

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


@dataclass(frozen=True)
class Job:
    """An output that is made in a folder of its own, `work`, and moved to its name when it is finished.

    Args:
        output (`Path`): what is made.
        work (`Path`): where unfinished work is kept, beside `output`.
        doing (`str`): the verb of the messages, such as `"preparing"`.
        product (`str`): what the output is called, such as `"store"`.
        mark (`str`): name of the file that tells a finished output from any other folder.
        foreign (`str`): what is said of any other folder, which is never replaced.
        inputs (`str`): what has to be the same for an output to be the same.
        rule (`str`, *optional*, defaults to `""`): sentence that says why an output of other inputs is refused.
        disk_use (`str`, *optional*, defaults to `""`): sentence that says how much room the work takes.
    """

    output: Path
    work: Path
    doing: str
    product: str
    mark: str
    foreign: str
    inputs: str
    rule: str = ""
    disk_use: str = ""

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other processes from the work, explain a full disk, and leave no empty folder behind.

        Raises:
            OSError: if the disk is full, or another process does this job.
        """
        advice = f"What is finished is kept in {self.work}: free some space and repeat the same command."
        with explain_full_disk(self.output.parent, f"{self.disk_use} {advice}".lstrip()):
            self.work.mkdir(parents=True, exist_ok=True)
            try:
                # The system lets go of it when the process ends, however it ends.
                with FileLock(str(self.work / "lock"), timeout=0):
                    yield
            except Timeout as error:
                raise OSError(
                    f"another process is {self.doing} {self.output} at this moment; wait for it, or end it"
                ) from error
            finally:
                if self.work.is_dir() and {path.name for path in self.work.iterdir()} <= {"lock"}:
                    shutil.rmtree(self.work)

    def known_plan(self) -> Plan | None:
        """The plan of the unfinished work; None if nothing was begun."""
        return read_json(self.work / "plan.json")

    def is_finished(self, plan: Plan, overwrite: bool, read_info: Callable[[Path], dict[str, Any]]) -> bool:
        """Whether the very output stands there already. Anything else that stands there is an error.

        Args:
            plan (`Plan`): what is to be made.
            overwrite (`bool`): whether an output made from something else is to be replaced.
            read_info (`Callable`): reads what a finished output says of itself, with its `identity`.

        Raises:
            ValueError: if something else stands there.
        """
        output = self.output
        if not output.exists() or (output.is_dir() and not any(output.iterdir())):
            return False
        if not (output / self.mark).is_file():
            raise ValueError(f"{output} exists and {self.foreign}. Give another --output, or move it away")
        if overwrite:
            return False
        differences = plan_differences({"identity": read_info(output)["identity"]}, plan)
        if differences:
            raise ValueError(self._refusal(f"{output} is a {self.product} made from something else", differences))
        logger.info("%s is finished already, from the same %s", output, self.inputs)
        return True

    def begin(self, plan: Plan, overwrite: bool, part_bytes: int) -> None:
        """Take up the unfinished work of the same plan, or begin.

        Args:
            plan (`Plan`): what is to be made.
            overwrite (`bool`): whether unfinished work on something else is to be thrown away.
            part_bytes (`int`): size of the parts, without which the finished ones could not be told.

        Raises:
            ValueError: if there is unfinished work on something else.
        """
        plan = {**plan, "identity": {**plan["identity"], "part_bytes": part_bytes}}
        before = self.known_plan()
        if before is not None:
            differences = plan_differences(before, plan)
            if differences and not overwrite:
                raise ValueError(self._refusal(f"{self.work} is unfinished work on something else", differences))
            if differences:
                for path in self.work.iterdir():
                    if path.is_dir():
                        shutil.rmtree(path)
            else:
                logger.info("going on with the work in %s", self.work)
        for path in self.work.rglob(f"*{TEMPORARY_SUFFIX}"):
            path.unlink()
        (self.work / "parts").mkdir(exist_ok=True)
        write_json(self.work / "plan.json", plan)

    def _refusal(self, found: str, differences: list[str]) -> str:
        lines = "\n".join(f"  - {line}" for line in differences)
        advice = (
            "Repeat the command that began it, give another --output, or repeat this command with --overwrite to "
            "start over"
        )
        return f"{found}:\n{lines}\n" + f"{self.rule} {advice}".lstrip()


def unfinished_parts(parts: Sequence[AnyPart], finished: Callable[[AnyPart], object | None]) -> list[AnyPart]:
    """The parts that are left to do.

    Args:
        parts (`Sequence[JobPart]`): all parts.
        finished (`Callable`): gives the result of a part, or None if it has none.
    """
    todo = [part for part in parts if finished(part) is None]
    if len(todo) < len(parts):
        logger.info("%d of %d parts are finished", len(parts) - len(todo), len(parts))
    return todo


def run_parts(
    function: Callable[[AnyPart], dict[str, int]],
    parts: Sequence[AnyPart],
    finished: Callable[[AnyPart], object | None],
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
    from tqdm import tqdm

    todo = unfinished_parts(parts, finished)
    total = sum(part.weight for part in parts)
    left = sum(part.weight for part in todo)
    count, start = 0, time.monotonic()
    with tqdm(
        total=total, initial=total - left, desc=title, unit="B", unit_scale=True, disable=not show_progress()
    ) as bar:
        for done in run_tasks(function, todo, num_proc=num_proc, engine=engine):
            count += done[unit]
            bar.set_postfix_str(f"{count / (time.monotonic() - start):,.0f} {unit}/s", refresh=False)
            bar.update(done["weight"])


def finished_results(parts: Sequence[AnyPart], finished: Callable[[AnyPart], Result | None]) -> Iterator[Result]:
    """The results of all parts, in the order of the corpus.

    Raises:
        OSError: if a part has none.
    """
    for part in parts:
        result = finished(part)
        if result is None:
            raise OSError(f"part {part.index} in {part.folder} has vanished; repeat the same command")
        yield result
