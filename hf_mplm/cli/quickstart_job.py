"""What `hf-mplm quickstart` does, from text to report."""

from __future__ import annotations

import json
import logging
import math
import os
import platform
import shutil
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mplm._version import __version__

from .quickstart import QuickstartArguments


if TYPE_CHECKING:
    from hf_mplm.data.store.token_store import TokenStore
    from hf_mplm.evaluation.results import ResultRow

__all__ = ["QuickstartJob"]

logger = logging.getLogger(__name__)

MODELS = ("untrained", "baseline", "langsamp")
STATE_FILE = "quickstart.json"
# Arguments that may differ when an interrupted quickstart is taken up again.
NOT_COMPARED = ("output", "overwrite", "minutes")
# Steps that tell how long a step takes: the first ones also pay for what is made once.
WARM_STEPS, TIMED_STEPS = 5, 25
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
        self.models = {name: self.output / name for name in MODELS}
        self.state: dict[str, Any] = {}

    def run(self) -> None:
        """From text to report."""
        import transformers

        # Bars for the training and the corpus; not for loading a few megabytes.
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        self._open_folder()
        store = self._prepare()
        self._make_encoder(store)
        evaluation = time.monotonic()
        rows = self._evaluate("untrained", store)
        evaluation = time.monotonic() - evaluation
        steps = self._choose_steps(store, evaluation)
        for name in MODELS[1:]:
            self._train(name, store, steps)
            rows += self._evaluate(name, store)
        self._finish(store, rows)

    # ---- Steps of the job ----

    def _open_folder(self) -> None:
        """Take up a quickstart with the same arguments, refuse one with others."""
        wanted = {key: value for key, value in asdict(self.args).items() if key not in NOT_COMPARED}
        path = self.output / STATE_FILE
        if self.args.overwrite and path.is_file():
            shutil.rmtree(self.output)
        if path.is_file():
            self.state = json.loads(path.read_text(encoding="utf-8"))
            if self.state["arguments"] != wanted:
                changed = sorted(key for key, value in wanted.items() if self.state["arguments"].get(key) != value)
                raise ValueError(
                    f"{self.output} holds a quickstart with other values of {', '.join(changed)}; "
                    f"give another --output, or --overwrite to start anew"
                )
            logger.info("Going on in %s.", self.output)
        elif self.output.exists() and any(self.output.iterdir()):
            raise FileExistsError(f"{self.output} is not empty and holds no quickstart; give another --output")
        self.output.mkdir(parents=True, exist_ok=True)
        self.state.setdefault("arguments", wanted)
        self._save_state()

    def _prepare(self) -> TokenStore:
        from hf_mplm.data.corpus.corpora import iter_corpus
        from hf_mplm.data.store.prepare import prepare_store
        from hf_mplm.data.tokenizing.tokenizers import train_tokenizer
        from hf_mplm.sample import write_benchmark, write_corpus

        data, args = self.output / "data", self.args
        write_benchmark(data, args.languages)
        corpus = write_corpus(data / "corpus", args.languages)
        tokenizer = self.output / "tokenizer"
        if not (tokenizer / "tokenizer_config.json").is_file():
            logger.info(
                "Training a tokenizer of %s subwords on %s languages ...", args.vocab_size, len(args.languages)
            )
            train_tokenizer(iter_corpus(corpus), tokenizer, vocab_size=args.vocab_size)
        logger.info("Preparing the token store ...")
        return prepare_store(
            corpus,
            tokenizer,
            self.output / "store",
            chunk_length=args.chunk_length,
            holdout=args.holdout,
            seed=args.seed,
            num_proc=min(2, os.cpu_count() or 1),
        )

    def _make_encoder(self, store: TokenStore) -> None:
        """The random weights that both models start from, and the table's first row."""
        from hf_mplm.data.tokenizing.tokenizers import load_tokenizer, save_tokenizer
        from hf_mplm.trainers.masked_lm.from_scratch import build_encoder

        folder = self.models["untrained"]
        if (folder / "config.json").is_file():
            return
        tokenizer, args = load_tokenizer(store.tokenizer_path), self.args
        model = build_encoder(
            tokenizer,
            seed=args.seed,
            hidden_size=args.hidden_size,
            num_hidden_layers=args.num_hidden_layers,
            num_attention_heads=args.num_attention_heads,
            intermediate_size=4 * args.hidden_size,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        model.save_pretrained(folder)
        save_tokenizer(tokenizer, folder)

    def _choose_steps(self, store: TokenStore, evaluation: float) -> int:
        """One number of steps for both models, so that all of it ends within `--minutes`."""
        if self.args.max_steps > 0:
            self.state["max_steps"] = self.args.max_steps
        elif "max_steps" not in self.state:
            seconds = self._time_a_step(store)
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

    def _time_a_step(self, store: TokenStore) -> float:
        from transformers import TrainerCallback

        moments: list[float] = []

        class Clock(TrainerCallback):
            def on_step_end(self, *_: Any, **__: Any) -> None:
                moments.append(time.perf_counter())

        with tempfile.TemporaryDirectory() as folder:
            trainer = self._trainer("langsamp", store, Path(folder), WARM_STEPS + TIMED_STEPS, quiet=True)
            trainer.add_callback(Clock())
            trainer.train()
        return (moments[-1] - moments[WARM_STEPS - 1]) / TIMED_STEPS

    def _train(self, name: str, store: TokenStore, steps: int) -> None:
        from hf_mplm.hub.cards import write_model_card

        folder = self.models[name]
        if (folder / "README.md").is_file():
            logger.info("%s is trained already.", folder)
            return
        logger.info("Training %s: %s steps ...", name, f"{steps:,}")
        trainer = self._trainer(name, store, folder, steps)
        trainer.train(resume_from_checkpoint=trainer.last_checkpoint())
        trainer.save_model(str(folder))
        trainer.save_state()
        for checkpoint in folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
        counts = dict(zip(store.languages, map(int, trainer.draws_per_language())))
        paper = trainer.paper if name == "langsamp" else None
        write_model_card(folder, language_counts=counts, paper=paper, license="cc-by-sa-4.0", tags=trainer.tags)

    def _trainer(self, name: str, store: TokenStore, folder: Path, steps: int, quiet: bool = False) -> Any:
        from hf_mplm.modeling import XLMRobertaForLangScriptMLM, load_masked_lm
        from hf_mplm.trainers import MaskedLMTrainer, MaskedLMTrainingArguments

        start, args = self.models["untrained"], self.args
        model: Any
        if name == "langsamp":
            model = XLMRobertaForLangScriptMLM.from_encoder(start, languages=store.languages)
        else:
            model = load_masked_lm(start)
        arguments = MaskedLMTrainingArguments(
            output_dir=str(folder),
            max_steps=steps,
            per_device_train_batch_size=args.batch_size,
            per_device_eval_batch_size=args.batch_size,
            learning_rate=args.learning_rate,
            warmup_steps=args.warmup_share,
            mask_rate=str(args.mask_rate),
            alpha=str(args.alpha),
            seed=args.seed,
            logging_steps=max(1, steps // 60),
            save_steps=max(100, steps // 4),
            save_total_limit=1,
            save_strategy="no" if quiet else "steps",
            disable_tqdm=quiet,
            use_cpu=not _has_accelerator(),
        )
        return MaskedLMTrainer(model, arguments, store=store)

    def _evaluate(self, name: str, store: TokenStore) -> list[ResultRow]:
        """Held-out loss, retrieval from English and topics from English, of one model."""
        from hf_mplm.evaluation.results import make_row
        from hf_mplm.evaluation.runner import evaluate

        from .quickstart_report import HELD_OUT_METRIC, HELD_OUT_TASK

        folder = self.models[name]
        logger.info("Evaluating %s ...", name)
        targets = [code for code in self.args.languages if code != "eng_Latn"]
        rows = evaluate(
            str(folder),
            ["flores", "sib200"],
            self.output / "data",
            targets,
            retrieval_settings=["plain", "centred"],
            transfer_settings=["probe"],
            seeds=[self.args.seed],
        )
        with tempfile.TemporaryDirectory() as scratch:
            trainer = self._held_out(name, store, Path(scratch))
            losses = trainer.evaluate()
        rows += [
            make_row(
                task=HELD_OUT_TASK,
                language=code,
                metric=HELD_OUT_METRIC,
                value=losses[f"eval_loss_{code}"],
                n=self._held_out_rows(store, code),
                model=str(folder),
                revision=rows[0].revision,
                seed=self.args.seed,
            )
            for code in store.languages
        ]
        return rows

    def _held_out(self, name: str, store: TokenStore, scratch: Path) -> Any:
        from hf_mplm.modeling import load_masked_lm
        from hf_mplm.trainers import MaskedLMTrainer, MaskedLMTrainingArguments

        arguments = MaskedLMTrainingArguments(
            output_dir=str(scratch),
            per_device_eval_batch_size=self.args.batch_size,
            eval_mask_rate=self.args.mask_rate,
            seed=self.args.seed,
            disable_tqdm=True,
            use_cpu=not _has_accelerator(),
        )
        return MaskedLMTrainer(load_masked_lm(self.models[name]), arguments, store=store)

    @staticmethod
    def _held_out_rows(store: TokenStore, code: str) -> int:
        from hf_mplm.data.batches.columns import language_labels

        if store.holdout is None:
            return 0
        return int((language_labels(store.holdout) == store.languages.index(code)).sum())

    def _finish(self, store: TokenStore, rows: list[ResultRow]) -> None:
        from transformers import AutoModelForMaskedLM

        from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
        from hf_mplm.evaluation.results import run_metadata, write_results
        from hf_mplm.hub.cards import add_results_to_card
        from hf_mplm.report.table import markdown_table

        from .quickstart_report import HELD_OUT_TASK, Quickstart, summary_table, write_report

        write_results(self.output / "results.parquet", rows, run_metadata(asdict(self.args) | self.state))
        langsamp = AutoModelForMaskedLM.from_pretrained(self.models["langsamp"])
        langsamp.export_encoder(self.output / "encoder", tokenizer=load_tokenizer(store.tokenizer_path))
        for name in MODELS[1:]:
            scores = [row for row in rows if row.model == str(self.models[name]) and row.task != HELD_OUT_TASK]
            add_results_to_card(self.models[name], scores)
        run = Quickstart(self.output, self.models, rows, self._facts(store))
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
            "hardware": f"{torch.get_num_threads()} threads of {platform.processor() or platform.machine()}"
            if not _has_accelerator()
            else "an accelerator",
            "versions": f"hf-mplm {__version__}, torch {torch.__version__}",
        }

    def _save_state(self) -> None:
        (self.output / STATE_FILE).write_text(json.dumps(self.state, indent=2) + "\n", encoding="utf-8")


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


def _has_accelerator() -> bool:
    import torch

    return torch.cuda.is_available()
