"""The test sets of a study: each read once and tokenised once, for all tuned models."""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hf_mplm._lists import as_list
from hf_mplm.evaluation import get_task
from hf_mplm.evaluation.files.corpus import MissingDataError
from hf_mplm.evaluation.files.reads import recorded_reads
from hf_mplm.evaluation.kinds.examples import Features
from hf_mplm.jobs.digests import digest_files
from hf_mplm.transfer.modules.task_module import TaskModule


__all__ = ["TargetSet", "TargetSets", "read_test_sets"]

logger = logging.getLogger(__name__)


class TargetSet(NamedTuple):
    """What one target language is scored on in one task.

    Args:
        task (`str`): the task.
        target (`str`): code of the language.
        examples (`Sequence`): what the task's corpus gave.
        features (`Features`): their rows.
    """

    task: str
    target: str
    examples: Sequence[Any]
    features: Features


@dataclass(frozen=True)
class TargetSets:
    """All test sets of a study.

    Args:
        sets (`list[TargetSet]`): by task, then by language.
        refused (`dict[tuple[str, str], str]`): task and language of what cannot be scored, and why.
        digests (`dict[str, str]`): task to the digest of the files that were read.
    """

    sets: Sequence[TargetSet]
    refused: Mapping[tuple[str, str], str]
    digests: Mapping[str, str]

    def targets(self) -> dict[str, list[str]]:
        """Task to the languages that have a test set."""
        found: dict[str, list[str]] = {}
        for each in self.sets:
            found.setdefault(each.task, []).append(each.target)
        return found


def read_test_sets(
    modules: Mapping[str, TaskModule],
    data_dir: Path,
    targets: Sequence[str] | None = None,
    *,
    max_examples: int | None = None,
) -> TargetSets:
    """Read and tokenise the test sets of tasks.

    A language that cannot be scored (no file, labels withheld, a treebank without its text, whose forms are all `_`)
    is left out with its reason; it is never a zero.

    Args:
        modules (`Mapping[str, TaskModule]`): task to the module that predicts, whose window the rows fit.
        data_dir (`Path`): the folder with one folder a benchmark.
        targets (`Sequence[str]`, *optional*): codes; by default all that a task has.
        max_examples (`int`, *optional*): at most so many of each, drawn from all by the names of task and language.

    Returns:
        `TargetSets`: the test sets.

    Raises:
        MissingDataError: if a task has none at all, or a target that was named has none in any task.
        DataError: if a file does not hold what its format promises.
    """
    asked_for = None if targets is None else as_list(targets)
    sets: list[TargetSet] = []
    refused: dict[tuple[str, str], str] = {}
    digests: dict[str, str] = {}
    for name, module in modules.items():
        with recorded_reads() as files:
            task: Any = get_task(name)
            corpus = task.corpus(data_dir)
            available = corpus.languages()
            found = 0
            for code in available if asked_for is None else [code for code in asked_for if code in available]:
                try:
                    examples = _some(corpus.examples(code, "test"), max_examples, f"{name} {code}")
                except MissingDataError as error:
                    refused[name, code] = str(error)
                    continue
                sets.append(TargetSet(name, code, examples, module.features(examples)))
                found += 1
        if not found:
            asked = "" if asked_for is None else f" of {', '.join(asked_for)}"
            why = "; ".join(reason for (task_name, _), reason in refused.items() if task_name == name)
            raise MissingDataError(f"{data_dir} has no test data of {name}{asked}{f' ({why})' if why else ''}")
        digests[name] = _digest(files, data_dir)
    for (name, code), reason in refused.items():
        logger.warning("%s is not scored in %s: %s", name, code, reason)
    scored = {each.target for each in sets}
    if lacking := [code for code in asked_for or () if code not in scored]:
        why = "; ".join(reason for (_, code), reason in refused.items() if code in lacking)
        raise MissingDataError(
            f"the target {', '.join(lacking)} has test data in none of {', '.join(modules)}"
            f"{f' ({why})' if why else ''}; leave it out of --targets"
        )
    return TargetSets(sets, refused, digests)


def _some(examples: Sequence[Any], most: int | None, name: str) -> Sequence[Any]:
    """Drawn rather than taken from the top, where some benchmarks are sorted by label."""
    if most is None or len(examples) <= most:
        return examples
    return [examples[index] for index in sorted(random.Random(name).sample(range(len(examples)), most))]


def _digest(files: set[Path], data_dir: Path) -> str:
    paths = sorted(files)
    names = [path.relative_to(data_dir).as_posix() if path.is_relative_to(data_dir) else path.name for path in paths]
    lines = [f"{name}\0{digest}" for name, digest in zip(names, digest_files(paths))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]
