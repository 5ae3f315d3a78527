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
from hf_mplm.jobs.engines import run_tasks
from hf_mplm.jobs.files import TEMPORARY_SUFFIX, DamagedError, explain_full_disk, read_json, write_json
from hf_mplm.jobs.lock import LOCK_FILES, hold_folder
from hf_mplm.sample import write_benchmark, write_corpus

from .quickstart_arguments import QuickstartArguments
from .quickstart_models import ALIGNED, TRAINED, ModelTask, QuickstartModels, train_and_score
from .quickstart_parts import has_accelerator, missing_romanizer
from .quickstart_scores import is_retrieval, score, score_held_out, score_vectors
from .quickstart_start import START, make_start


if TYPE_CHECKING:
    from hf_mplm.data.store.token_store import TokenStore
    from hf_mplm.evaluation.results import ResultRow

__all__ = ["QuickstartJob"]

logger = logging.getLogger(__name__)

STATE_FILE = "quickstart.json"
# Arguments that may differ when an interrupted quickstart is taken up again.
NOT_COMPARED = ("output", "overwrite", "minutes", "num_proc")
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
            args, data = self.args, self.output / "data"
            write_benchmark(data, args.languages)
            start = make_start(args, write_corpus(data / "corpus", args.languages))
            began = time.monotonic()
            rows = score_vectors(args, START, start)
            evaluation = time.monotonic() - began
            corpus = self._choose_text(rows)
            store = self._prepare(corpus, start)
            rows += score_held_out(args, START, start, store)
            models = QuickstartModels(args, start, store)
            steps, align_steps = self._choose_steps(models, evaluation, corpus)
            scored = self._train(start, steps)
            folders = {START: start, **{name: str(self.output / name) for name in TRAINED}}
            for name in TRAINED:
                rows += scored[name]
            if align_steps:
                folders[ALIGNED] = str(models.align(align_steps, corpus))
                rows += score(args, ALIGNED, folders[ALIGNED], store)
            self._finish(models, folders, rows)

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

    def _choose_text(self, rows: list[ResultRow]) -> Path:
        """The training text: all of the languages that the start knows least, and some of the others."""
        args = self.args
        found = {row.language: row.value for row in rows if is_retrieval(row)}
        least = sorted(found, key=lambda code: (found[code], code))[: args.num_new]
        if args.from_scratch:
            least = list(args.languages)
        else:
            names = ", ".join(f"{code} ({found[code]:.0%})" for code in least)
            logger.info("Of these languages the start knows least, by retrieval from English: %s", names)
        self.state["new_languages"] = least
        self._save_state()
        folder = self.output / "data" / "train"
        folder.mkdir(exist_ok=True)
        for code in args.languages:
            text = (self.output / "data" / "corpus" / f"{code}.txt").read_text(encoding="utf-8")
            lines = text.splitlines(keepends=True)
            chosen = lines if code in least else lines[: args.replay]
            (folder / f"{code}.txt").write_text("".join(chosen), encoding="utf-8", newline="\n")
        return folder

    def _prepare(self, corpus: Path, start: str) -> TokenStore:
        from hf_mplm.data.store.prepare import prepare_store

        logger.info("Preparing the token store ...")
        args = self.args
        return prepare_store(
            corpus,
            start,
            self.output / "store",
            chunk_length=args.chunk_length,
            holdout=args.holdout,
            seed=args.seed,
            num_proc=min(2, os.cpu_count() or 1),
            overwrite=args.overwrite,
        )

    def _choose_steps(self, models: QuickstartModels, evaluation: float, corpus: Path) -> tuple[int, int]:
        """Steps for each of the two models, and of script alignment, so that all ends within `--minutes`."""
        args = self.args
        share = self._align_share()
        # An evaluation that was found finished took no time now, but the others will.
        evaluation = max(evaluation, self.state.get("evaluation_seconds", 0.0))
        self.state["evaluation_seconds"] = round(evaluation, 1)
        if args.max_steps > 0:
            self.state["max_steps"] = args.max_steps
        elif "max_steps" not in self.state:
            self._save_state()
            # Side by side each has its share of the cores, and as many of them are at work.
            seconds = 2 * models.time_a_step() + (share and share * models.time_a_step(corpus))
            models_left = 3 if share else 2
            left = 60 * args.minutes - (time.monotonic() - self.started) - models_left * evaluation - CLOSING_SECONDS
            steps = math.floor(left / seconds)
            if steps < FEWEST_STEPS:
                # On a slow or busy machine a newcomer had rather wait than be turned away.
                logger.warning(
                    "--minutes %s leaves time for %d steps of %.2f s for all models, from which nothing can be seen: "
                    "%d are made, and it takes about %.1f minutes longer. --max_steps asks for another number",
                    args.minutes,
                    max(steps, 0),
                    seconds,
                    FEWEST_STEPS,
                    (FEWEST_STEPS * seconds - left) / 60,
                )
                steps = FEWEST_STEPS
            self.state |= {"max_steps": steps, "seconds_per_step": round(seconds, 4)}
            logger.info("A step takes %.3f s for all models: %s steps.", seconds, f"{steps:,}")
        self._save_state()
        steps = int(self.state["max_steps"])
        return steps, max(1, round(share * steps)) if share else 0

    def _align_share(self) -> float:
        if self.args.align_share and (why := missing_romanizer()):
            logger.warning("The row of script alignment is left out: %s", why)
            return 0.0
        return self.args.align_share

    def _train(self, start: str, steps: int) -> dict[str, list[ResultRow]]:
        """Both models and their scores; side by side where there are cores for it, each in a process of its own."""
        import torch

        cores = torch.get_num_threads()
        num_proc = self.args.num_proc or (2 if cores > 1 and not has_accelerator() else 1)
        threads = max(1, cores // num_proc) if num_proc > 1 else 0
        tasks = [ModelTask(self.args, start, name, steps, threads) for name in TRAINED]
        if threads:
            logger.info("Training %s side by side: %s steps ...", " and ".join(TRAINED), f"{steps:,}")
        scored = {}
        for name, rows in run_tasks(train_and_score, tasks, num_proc=num_proc):
            logger.info("%s is trained and measured.", name)
            scored[name] = rows
        return scored

    def _finish(self, models: QuickstartModels, folders: dict[str, str], rows: list[ResultRow]) -> None:
        from hf_mplm.evaluation.results import run_metadata, write_results
        from hf_mplm.report.table import markdown_table

        from .quickstart_report import Quickstart, summary_tables, write_report

        write_results(self.output / "results.parquet", rows, run_metadata(asdict(self.args) | self.state))
        last = list(folders)[-1]
        models.export_encoder(last)
        for name in list(folders)[1:]:
            scores = [row for row in rows if row.model == folders[name] and row.task in ("flores", "sib200")]
            models.write_scores_into_card(name, scores)
        run = Quickstart(self.output, folders, rows, self.state["new_languages"], self._facts(models.store))
        commands = next_commands(self.output, last)
        report = write_report(run, commands)
        for title, header, body in summary_tables(run):
            print(f"\n{title}\n\n{markdown_table(header, body)}")
        print("\nMeans over languages with 95 % intervals over them (retrieval and topics from English, fractions).")
        print("One seed of a short run: the report says what such numbers can and cannot show.\n")
        print(f"Try next:\n{commands}\n")
        minutes = (time.monotonic() - self.started) / 60
        print(f"Done in {minutes:.1f} minutes. Report: {report}")

    def _facts(self, store: TokenStore) -> dict[str, Any]:
        import torch

        args = self.args
        return {
            "start": args.model or ("random weights" if args.from_scratch else "the encoder that ships"),
            "languages": list(args.languages),
            "scripts": sorted({code.split("_")[1] for code in args.languages}),
            "max_steps": int(self.state["max_steps"]),
            "rows a step": args.batch_size,
            "tokens a row": args.chunk_length,
            "train_tokens": sum(map(len, store.train.with_format("arrow")["input_ids"])),
            "learning rates": f"{args.learning_rate} (encoder), {args.head_learning_rate} (LM head and tables)",
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


def next_commands(output: Path, last: str) -> str:
    """Commands that go on from a finished quickstart, of which `last` is the last model."""
    return "\n".join(
        [
            f"hf-mplm evaluate --model {output}/{last} --tasks flores,sib200 --data_dir {output}/data "
            f"--output {output}/evaluation",
            f"hf-mplm pretrain --config langsamp --model {output}/langsamp --store {output}/store "
            f"--output {output}/more --max_steps 500 --per_device_train_batch_size 32",
            "hf-mplm prepare --corpus YOUR_TEXT --tokenizer FacebookAI/xlm-roberta-base --output store --holdout 100",
            "hf-mplm pretrain --config langsamp --model FacebookAI/xlm-roberta-base --store store --output my-encoder",
        ]
    )


def _threads(count: int) -> str:
    return f"{count} thread" if count == 1 else f"{count} threads"
