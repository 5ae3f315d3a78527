"""Scores of all targets of all tasks for the base as it stands at the moment."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from hf_mplm._lists import as_list
from hf_mplm.transfer.modules.task_module import TaskModule
from hf_mplm.transfer.study.unit import CellScore

from .test_sets import TargetSet


__all__ = ["Scorer"]


class Scorer:
    """Puts each task's module to work on each of its test sets.

    A target's batches hold its own rows alone, of like length, so that its numbers do not depend on which other
    targets a study has. Every task has its own pass over the encoder, because its module stands in every layer.

    Args:
        modules (`Mapping[str, TaskModule]`): task to its module, attached to the encoder that is tuned.
        sets (`Sequence[TargetSet]`): what is scored.
        tokens_per_batch (`int`, *optional*): size of a batch in tokens.
    """

    def __init__(
        self, modules: Mapping[str, TaskModule], sets: Sequence[TargetSet], tokens_per_batch: int | None = None
    ) -> None:
        self.modules, self.sets, self.tokens_per_batch = modules, sets, tokens_per_batch

    def score(
        self, step: int = 0, languages: Sequence[str] = (), targets: Collection[str] | None = None
    ) -> list[CellScore]:
        """Score targets.

        Args:
            step (`int`, *optional*, defaults to 0): what the scores say of how far the base was tuned.
            languages (`Sequence[str]`, *optional*): language modules or a combination below the task's module.
            targets (`Collection[str]`, *optional*): codes, by default all.

        Returns:
            `list[CellScore]`: one a task, target and metric.

        Raises:
            ValueError: if a score is not a number, so that a diverged model is no zero.
        """
        wanted = None if targets is None else set(as_list(targets))
        cells: list[CellScore] = []
        for task, module in self.modules.items():
            own = [each for each in self.sets if each.task == task and (wanted is None or each.target in wanted)]
            if not own:
                continue
            with module.active(languages):
                for each in own:
                    scores = module.score(
                        each.examples, each.features, each.target, tokens_per_batch=self.tokens_per_batch
                    )
                    for metric, value in scores.metrics.items():
                        if not math.isfinite(value):
                            raise ValueError(f"{metric} of {task} in {each.target} is {value} after step {step}")
                        cells.append(CellScore(task, each.target, step, metric, float(value), scores.n))
        return cells
