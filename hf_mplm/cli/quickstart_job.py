"""What `hf-mplm quickstart` does, from text to report."""

from __future__ import annotations

import logging
import math
import os
import platform
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mplm._version import __version__
from hf_mplm.jobs.files import TEMPORARY_SUFFIX, DamagedError, explain_full_disk, read_json, write_json
from hf_mplm.jobs.lock import LOCK_FILES, hold_folder

from .quickstart_arguments import QuickstartArguments
from .quickstart_models import MODELS, QuickstartModels, has_accelerator


if TYPE_CHECKING:
    from hf_mplm.data.store.token_store import TokenStore
    from hf_mplm.evaluation.results import ResultRow

__all__ = ["QuickstartJob"]

logger = logging.getLogger(__name__)

STATE_FILE = "quickstart.json"
# Arguments that may differ when an interrupted quickstart is taken up again.
NOT_COMPARED = ("output", "overwrite", "minutes")
# Seconds kept for the page, the cards and the last writes.
CLOSING_SECONDS = 12.0
FEWEST_STEPS = 20


class QuickstartJob:
    """One quickstart: its folder, its arguments, and what is known so far.

    Args:
        args (`QuickstartArguments`): what it was told.
        started (`float`): `time.monotonic()` when the command began, in seconds; `--minutes` count from there.
    """

    def __init__(self, args: QuickstartArguments, started: float) -> None:
        self.args = args
        self.started = started
        self.output = Path(args.output)
        self.state: dict[str, Any] = {}

    def run(self) -> None:
        """From text to report.

        Raises:
            ValueError: if the folder holds a quickstart with other arguments.
            OSError: if it holds something else, the disk is full, or another process works in it.
        """
        import transformers

        # Bars for the training and the corpus; not for loading a few megabytes.
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        self._refuse_something_else()
        advice = f"What is finished is kept in {self.output}: free some space and repeat the same command."
        with explain_full_disk(self.output, advice), hold_folder(self.output, "hf-mplm quickstart"):
            self._take_up_or_begin()
            store = self._prepare()
            models = QuickstartModels(self.args, self.output, store)
            models.make_untrained()
            evaluation = time.monotonic()
            rows = models.evaluate("untrained")
            evaluation = time.monotonic() - evaluation
            steps = self._choose_steps(models, evaluation)
            for name in MODELS[1:]:
                models.train(name, steps)
                rows += models.evaluate(name)
            self._finish(models, rows)

    # ---- Steps of the job ----

    def _refuse_something_else(self) -> None:
        output = self.output
        if output.exists() and not output.is_dir():
            raise FileExistsError(f"{output} is a file; needed is a folder, which is made where it is missing")
        if output.is_dir() and not (output / STATE_FILE).is_file():
            # A quickstart that was killed at its very beginning leaves no more than this.
            others = [path for path in output.iterdir() if path.name not in LOCK_FILES]
            if any(path.suffix != TEMPORARY_SUFFIX for path in others):
                raise FileExistsError(f"{output} is not empty and holds no quickstart; give another --output")

    def _take_up_or_begin(self) -> None:
        """Take up a quickstart with the same arguments, refuse one with others."""
        wanted = {key: value for key, value in asdict(self.args).items() if key not in NOT_COMPARED}
        try:
            changed = self._changed(wanted)
        except DamagedError:
            if not self.args.overwrite:
                raise
            changed = list(wanted)
        if changed and not self.args.overwrite:
            raise ValueError(
                f"{self.output} holds a quickstart with other values of {', '.join(changed)}; "
                f"give another --output, or --overwrite to start anew"
            )
        for path in list(self.output.iterdir()):
            if path.suffix == TEMPORARY_SUFFIX or (changed and path.name not in LOCK_FILES):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        if changed:
            self.state = {}
        self.state.setdefault("arguments", wanted)
        self._save_state()

    def _changed(self, wanted: dict[str, Any]) -> list[str]:
        """The arguments that differ from those of the quickstart in the folder; none where there is no quickstart."""
        path = self.output / STATE_FILE
        advice = "To start anew, repeat the command with --overwrite."
        state = read_json(path, advice)
        if state is None:
            return []
        steps = state.get("max_steps", 1) if isinstance(state, dict) else None
        if type(steps) is not int or steps < 1 or not isinstance(state.get("arguments"), dict):
            raise DamagedError(path, "it does not say what the quickstart was told", advice)
        self.state = state
        logger.info("Going on in %s.", self.output)
        then = state["arguments"]
        return sorted(key for key in {*wanted, *then} if then.get(key) != wanted.get(key))

    def _prepare(self) -> TokenStore:
        from hf_mplm.data.corpus.sources import ReadOptions
        from hf_mplm.data.store.prepare import prepare_store
        from hf_mplm.data.tokenizing.training import train_tokenizer_on_corpus
        from hf_mplm.sample import write_benchmark, write_corpus

        data, args = self.output / "data", self.args
        write_benchmark(data, args.languages)
        corpus = write_corpus(data / "corpus", args.languages)
        tokenizer = self.output / "tokenizer"
        logger.info("A tokenizer of %s subwords on %s languages ...", args.vocab_size, len(args.languages))
        train_tokenizer_on_corpus(
            corpus,
            tokenizer,
            ReadOptions(),
            command="hf-mplm quickstart",
            overwrite=args.overwrite,
            vocab_size=args.vocab_size,
        )
        logger.info("Preparing the token store ...")
        return prepare_store(
            corpus,
            tokenizer,
            self.output / "store",
            chunk_length=args.chunk_length,
            holdout=args.holdout,
            seed=args.seed,
            num_proc=min(2, os.cpu_count() or 1),
            overwrite=args.overwrite,
        )

    def _choose_steps(self, models: QuickstartModels, evaluation: float) -> int:
        """One number of steps for both models, so that all of it ends within `--minutes`."""
        # An evaluation that was found finished took no time now, but the others will.
        evaluation = max(evaluation, self.state.get("evaluation_seconds", 0.0))
        self.state["evaluation_seconds"] = round(evaluation, 1)
        if self.args.max_steps > 0:
            self.state["max_steps"] = self.args.max_steps
        elif "max_steps" not in self.state:
            self._save_state()
            seconds = models.time_a_step()
            left = 60 * self.args.minutes - (time.monotonic() - self.started) - 2 * evaluation - CLOSING_SECONDS
            steps = math.floor(left / (2 * seconds))
            if steps < FEWEST_STEPS:
                raise ValueError(
                    f"--minutes {self.args.minutes} leaves time for {max(steps, 0)} steps of {seconds:.2f} s for each "
                    f"model; give more minutes, or --max_steps"
                )
            self.state |= {"max_steps": steps, "seconds_per_step": round(seconds, 4)}
            logger.info("A step takes %.3f s: %s steps for each model.", seconds, f"{steps:,}")
        self._save_state()
        return int(self.state["max_steps"])

    def _finish(self, models: QuickstartModels, rows: list[ResultRow]) -> None:
        from hf_mplm.evaluation.results import run_metadata, write_results
        from hf_mplm.report.table import markdown_table

        from .quickstart_report import HELD_OUT_TASK, Quickstart, summary_table, write_report

        write_results(self.output / "results.parquet", rows, run_metadata(asdict(self.args) | self.state))
        models.export_encoder()
        for name in MODELS[1:]:
            folder = str(models.folders[name])
            scores = [row for row in rows if row.model == folder and row.task != HELD_OUT_TASK]
            models.write_scores_into_card(name, scores)
        run = Quickstart(self.output, models.folders, rows, self._facts(models.store))
        commands = next_commands(self.output)
        report = write_report(run, commands)
        print(f"\n{markdown_table(*summary_table(run))}\n")
        print("Means over languages, as fractions (retrieval and topics from English). One seed of a short run:")
        print("the report says what such numbers can and cannot show.\n")
        print(f"Try next:\n{commands}\n")
        minutes = (time.monotonic() - self.started) / 60
        print(f"Done in {minutes:.1f} minutes. Report: {report}")

    def _facts(self, store: TokenStore) -> dict[str, Any]:
        import torch

        args = self.args
        return {
            "languages": list(args.languages),
            "scripts": sorted({code.split("_")[1] for code in args.languages}),
            "max_steps": int(self.state["max_steps"]),
            "rows a step": args.batch_size,
            "tokens a row": args.chunk_length,
            "train_tokens": sum(map(len, store.train.with_format("arrow")["input_ids"])),
            "vocabulary": args.vocab_size,
            "layers x width": f"{args.num_hidden_layers} x {args.hidden_size}",
            "learning rate": args.learning_rate,
            "mask rate": args.mask_rate,
            "alpha": args.alpha,
            "seed": args.seed,
            "hardware": f"{_threads(torch.get_num_threads())} of {platform.processor() or platform.machine()}"
            if not has_accelerator()
            else "an accelerator",
            "versions": f"hf-mplm {__version__}, torch {torch.__version__}",
        }

    def _save_state(self) -> None:
        write_json(self.output / STATE_FILE, self.state)


def next_commands(output: Path) -> str:
    """Commands that go on from a finished quickstart."""
    return "\n".join(
        [
            f"hf-mplm evaluate --model {output}/langsamp --tasks flores,sib200 --data_dir {output}/data "
            f"--output {output}/evaluation",
            f"hf-mplm pretrain --config langsamp --model {output}/langsamp --store {output}/store "
            f"--output {output}/more --max_steps 500 --per_device_train_batch_size 32",
            "hf-mplm tokenizer train --corpus YOUR_TEXT --vocab_size 30000 --output tokenizer",
            "hf-mplm prepare --corpus YOUR_TEXT --tokenizer FacebookAI/xlm-roberta-base --output store --holdout 100",
            "hf-mplm pretrain --config langsamp --model FacebookAI/xlm-roberta-base --store store --output my-encoder",
        ]
    )


def _threads(count: int) -> str:
    return f"{count} thread" if count == 1 else f"{count} threads"
