from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

from hf_mplm._lists import as_list

from .encoder import TransformerEncoder, evaluation_mode
from .kinds.finetuned import TransferTask
from .kinds.transfer_settings import PROBE
from .results import ResultRow, read_results
from .runner import evaluate
from .summary import language_means
from .task import Task
from .tasks import TASKS, find_tasks
from .waiting import measured_by_first


__all__ = ["AVERAGE", "DownstreamEvaluationCallback", "downstream_metrics"]

logger = logging.getLogger(__name__)

AVERAGE = "downstream_average"
# Of the metrics that a task has, the first of these stands for it.
PRIMARY = ("macro_f1", "entity_f1", "accuracy@10", "accuracy", "las", "f1", "cosine")


class DownstreamEvaluationCallback(TrainerCallback):
    """Measures tasks whenever Trainer evaluates, and hands their scores to Trainer as metrics.

    The scores join those of the evaluation: `eval_sib200_macro_f1`, `eval_flores_accuracy@10`, ... and their mean
    `eval_downstream_average`, which `metric_for_best_model="downstream_average"` with `greater_is_better=True` chooses
    by. Put an `EarlyStoppingCallback` behind this one. Training goes on as if nothing had been measured: random states
    and the modes of all modules are given back, and what needs fine-tuning runs in a process of its own on a copy.

    Args:
        tasks (`str`, `Task` or `Iterable`): Task names and objects, as [`evaluate`] takes them.
        data_dir (`str` or `Path`): The folder with one folder a benchmark.
        tokenizer (`PreTrainedTokenizerBase`, *optional*): The tokenizer; Trainer's `processing_class` by default.
        languages (`str` or `Sequence[str]`, *optional*): Languages to score, by default all that have data.
        transfer_setting (`str`, *optional*, defaults to `"probe"`): `"probe"`, or `"zero-shot"` for fine-tuning.
        retrieval_setting (`str`, *optional*, defaults to `"plain"`): Setting of the retrieval tasks.
        finetuning (`Mapping[str, Mapping[str, Any]]`, *optional*): Hyper-parameters as [`evaluate`] takes them.
        layer (`int`, *optional*): The layer to pool, by default two thirds of the depth.
    """

    def __init__(
        self,
        tasks: str | Task | Iterable[str | Task],
        data_dir: str | Path,
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        languages: str | Sequence[str] | None = None,
        transfer_setting: str = PROBE,
        retrieval_setting: str = "plain",
        finetuning: Mapping[str, Mapping[str, Any]] | None = None,
        layer: int | None = None,
    ) -> None:
        self.data_dir, self.tokenizer, self.layer = Path(data_dir), tokenizer, layer
        self.languages = as_list("all" if languages is None else languages)
        self.transfer_setting, self.retrieval_setting = transfer_setting, retrieval_setting
        self.finetuning = dict(finetuning or {})
        found = find_tasks(tasks)
        beside = [task for task in found if isinstance(task, TransferTask) and transfer_setting != PROBE]
        unnamed = [task.name for task in beside if task.name not in TASKS]
        if unnamed:
            raise ValueError(
                f"{', '.join(unnamed)} would be fine-tuned in a process of its own, which knows tasks by name only; "
                "give transfer_setting='probe'"
            )
        self.in_process = [task for task in found if task not in beside]
        self.beside = [task.name for task in beside]
        self._measured: tuple[int, dict[str, float]] | None = None

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure, once a step, and add the scores to the metrics of the evaluation.

        Args:
            args (`TrainingArguments`): Trainer's arguments.
            state (`TrainerState`): Its state, whose log gets the scores.
            control (`TrainerControl`): Not used.
            **kwargs: `metrics`, `model` and `processing_class`.
        """
        if self._measured is None or self._measured[0] != state.global_step:
            tokenizer = self.tokenizer or kwargs.get("processing_class")
            model = kwargs["model"]
            self._measured = (state.global_step, measured_by_first(lambda: self._measure(model, tokenizer)))
            self._log(state)
        # The dictionary is the one that Trainer chooses the best checkpoint by.
        kwargs["metrics"].update({f"eval_{name}": value for name, value in self._measured[1].items()})

    def _log(self, state: Any) -> None:
        assert self._measured is not None
        step, scores = self._measured
        entry = {f"eval_{name}": value for name, value in scores.items()}
        state.log_history.append({**entry, "step": step, "epoch": state.epoch})
        logger.info("step %d: %s", step, ", ".join(f"{name} {value:.3f}" for name, value in entry.items()))

    def _measure(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None) -> dict[str, float]:
        if tokenizer is None:
            raise ValueError("the callback needs a tokenizer: give it one, or give Trainer a processing_class")
        rows: list[ResultRow] = []
        with _untouched_randomness(), evaluation_mode(model):
            if self.in_process:
                encoder = TransformerEncoder(model, tokenizer, layer=self.layer, device=model.device)
                rows += evaluate(
                    encoder,
                    self.in_process,
                    self.data_dir,
                    self.languages,
                    retrieval_settings=[self.retrieval_setting],
                    transfer_settings=[PROBE],
                )
            if self.beside:
                rows += self._measure_beside(model, tokenizer)
        return downstream_metrics(rows)

    def _measure_beside(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[ResultRow]:
        """Fine-tune a copy in another process: a Trainer inside a Trainer would share accelerate's global state."""
        with tempfile.TemporaryDirectory(prefix="hf-mplm-") as folder:
            model.save_pretrained(f"{folder}/model")
            tokenizer.save_pretrained(f"{folder}/model")
            command = [sys.executable, "-m", "hf_mplm", "evaluate", "--model", f"{folder}/model"]
            command += ["--tasks", ",".join(self.beside), "--data_dir", str(self.data_dir)]
            command += ["--languages", ",".join(self.languages), "--transfer_settings", self.transfer_setting]
            command += ["--finetuning", json.dumps(self.finetuning), "--output", f"{folder}/run"]
            # A launcher's variables would make the other process wait for ranks that it does not have.
            launcher = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
            environment = {name: value for name, value in os.environ.items() if name not in launcher}
            done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
            if done.returncode:
                raise RuntimeError(f"evaluating {', '.join(self.beside)} failed:\n{done.stderr[-2000:]}")
            return read_results(f"{folder}/run")


def downstream_metrics(rows: Sequence[ResultRow]) -> dict[str, float]:
    """Average results over languages, and the tasks' own metrics over tasks.

    Args:
        rows (`Sequence[ResultRow]`): Results of one model.

    Returns:
        `dict[str, float]`: `TASK_METRIC` for each metric of each task, and `downstream_average`.

    Raises:
        ValueError: If there is nothing but the source language.
    """
    metrics: dict[str, dict[str, float]] = defaultdict(dict)
    for key, values in language_means(rows).items():
        metrics[key[0]][key[1]] = sum(values.values()) / len(values)
    if not metrics:
        raise ValueError("no language but the source was measured; add target languages")
    scores = {f"{task}_{name}": value for task, found in metrics.items() for name, value in found.items()}
    primary = [next((found[name] for name in PRIMARY if name in found), None) for found in metrics.values()]
    known = [value for value in primary if value is not None]
    return {**scores, AVERAGE: sum(known) / len(known)}


@contextmanager
def _untouched_randomness() -> Iterator[None]:
    python_state, numpy_state = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
