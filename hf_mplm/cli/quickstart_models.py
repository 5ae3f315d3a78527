"""The models of the quickstart: their start, their training and their scores, each whole or absent."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .quickstart_arguments import QuickstartArguments


if TYPE_CHECKING:
    from hf_mplm.data.store.token_store import TokenStore
    from hf_mplm.evaluation.results import ResultRow
    from hf_mplm.jobs.plan import Plan

__all__ = ["MODELS", "QuickstartModels", "has_accelerator"]

logger = logging.getLogger(__name__)

MODELS = ("untrained", "baseline", "langsamp")
# Steps that tell how long a step takes: the first ones also pay for what is made once.
WARM_STEPS, TIMED_STEPS = 5, 25
CARD = "README.md"


class QuickstartModels:
    """What is done with the models of one quickstart. Done again, each of these things is found finished.

    Args:
        args (`QuickstartArguments`): what the quickstart was told.
        output (`Path`): its folder.
        store (`TokenStore`): the text.
    """

    def __init__(self, args: QuickstartArguments, output: Path, store: TokenStore) -> None:
        self.args = args
        self.output = output
        self.store = store
        self.folders = {name: output / name for name in MODELS}

    def make_untrained(self) -> None:
        """The random weights that both models start from, and the table's first row."""
        from hf_mplm.data.tokenizing.tokenizers import load_tokenizer, save_tokenizer
        from hf_mplm.trainers.masked_lm.from_scratch import build_encoder

        args = self.args
        sizes: dict[str, Any] = {
            "hidden_size": args.hidden_size,
            "num_hidden_layers": args.num_hidden_layers,
            "num_attention_heads": args.num_attention_heads,
            "intermediate_size": 4 * args.hidden_size,
        }

        def build(folder: Path) -> None:
            tokenizer = load_tokenizer(self.store.tokenizer_path)
            model = build_encoder(
                tokenizer, seed=args.seed, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **sizes
            )
            model.save_pretrained(folder)
            save_tokenizer(tokenizer, folder)

        identity = {**sizes, "seed": args.seed, "tokenizer": self.store.info["tokenizer"]["fingerprint"]}
        self._make("untrained", identity, build)

    def time_a_step(self) -> float:
        """Seconds that a step of training takes here."""
        from transformers import TrainerCallback

        moments: list[float] = []

        class Clock(TrainerCallback):
            def on_step_end(self, *_: Any, **__: Any) -> None:
                moments.append(time.perf_counter())

        with tempfile.TemporaryDirectory() as folder:
            trainer = self._trainer("langsamp", Path(folder), WARM_STEPS + TIMED_STEPS, quiet=True)
            trainer.add_callback(Clock())
            trainer.train()
        return (moments[-1] - moments[WARM_STEPS - 1]) / TIMED_STEPS

    def train(self, name: str, steps: int) -> None:
        """Train one model, from its last checkpoint where it was interrupted.

        Args:
            name (`str`): `baseline` or `langsamp`.
            steps (`int`): steps in all.
        """
        from hf_mplm.hub.cards import write_model_card
        from hf_mplm.trainers.base.sources import model_digest

        def build(folder: Path) -> None:
            logger.info("Training %s: %s steps ...", name, f"{steps:,}")
            run = folder.parent / "run"
            trainer = self._trainer(name, run, steps)
            trainer.train(resume_from_checkpoint=trainer.last_checkpoint())
            if trainer.eval_dataset is not None:
                trainer.evaluate()  # which the card tells
            trainer.save_model(str(folder))
            trainer.save_state()
            shutil.copyfile(run / "trainer_state.json", folder / "trainer_state.json")
            counts = dict(zip(self.store.languages, map(int, trainer.draws_per_language())))
            told: dict[str, Any] = {
                "paper": trainer.paper if name == "langsamp" else None,
                "license": "cc-by-sa-4.0",
                "tags": trainer.tags,
            }
            trainer.write_record(folder, **told)
            write_model_card(folder, name=name, language_counts=counts, **told)

        args = self.args
        told = ("batch_size", "learning_rate", "warmup_share", "mask_rate", "alpha", "seed")
        identity = {
            **{key: getattr(args, key) for key in told},
            "max_steps": steps,
            "start": model_digest(self.folders["untrained"]),
            "store": self.store.info["identity"],
        }
        self._make(name, identity, build, goes_on=True)

    def export_encoder(self) -> None:
        """The LangSAMP model's encoder, as a stock checkpoint."""
        from transformers import AutoModelForMaskedLM

        from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
        from hf_mplm.trainers.base.sources import model_digest

        def build(folder: Path) -> None:
            model = AutoModelForMaskedLM.from_pretrained(self.folders["langsamp"], trust_remote_code=False)
            model.export_encoder(folder, tokenizer=load_tokenizer(self.store.tokenizer_path))

        self._make("encoder", {"model": model_digest(self.folders["langsamp"])}, build)

    def evaluate(self, name: str) -> list[ResultRow]:
        """Held-out loss, retrieval from English and topics from English, of one model."""
        from hf_mplm.evaluation.results import read_results, write_results
        from hf_mplm.trainers.base.sources import model_digest

        args = self.args
        identity = {
            "model": model_digest(self.folders[name]),
            "store": self.store.info["identity"],
            **{key: getattr(args, key) for key in ("languages", "batch_size", "mask_rate", "seed")},
        }

        def build(folder: Path) -> None:
            logger.info("Evaluating %s ...", name)
            write_results(folder, self._measure(name))

        place = f"scores/{name}"
        self._make(place, identity, build)
        # The folder of the whole may have been moved.
        return [replace(row, model=str(self.folders[name])) for row in read_results(self.output / place)]

    def write_scores_into_card(self, name: str, rows: list[ResultRow]) -> None:
        """Put a model's scores into its card, which is whole at any time."""
        from hf_mplm.hub.cards import add_results_to_card

        add_results_to_card(self.folders[name], rows, name=name)

    def _make(
        self, place: str, identity: dict[str, Any], build: Callable[[Path], None], *, goes_on: bool = False
    ) -> None:
        from hf_mplm.jobs.job import Job, make_folder

        output = self.output / place
        job = Job(
            output,
            output.with_name(f"{output.name}.making"),
            command="hf-mplm quickstart",
            product=f"`{place}` of a quickstart",
            mark="made_of.json",
            foreign="is nothing that a quickstart made, so it is not replaced",
            inputs="settings",
        )
        plan: Plan = {"identity": identity}
        if not make_folder(job, plan, build, overwrite=self.args.overwrite, goes_on=goes_on, undigested=(CARD,)):
            logger.info("%s is finished already.", output)

    def _trainer(self, name: str, folder: Path, steps: int, quiet: bool = False) -> Any:
        import transformers

        from hf_mplm.modeling import XLMRobertaForLangScriptMLM, load_masked_lm
        from hf_mplm.trainers import MaskedLMTrainer, MaskedLMTrainingArguments

        start, args = self.folders["untrained"], self.args
        # The tables are drawn here, and alike whatever this process did before: after a break it did less.
        transformers.set_seed(args.seed)
        model: Any
        if name == "langsamp":
            model = XLMRobertaForLangScriptMLM.from_encoder(start, languages=self.store.languages)
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
            save_steps=max(50, steps // 8),
            save_total_limit=1,
            save_strategy="no" if quiet else "steps",
            disable_tqdm=quiet,
            use_cpu=not has_accelerator(),
        )
        return MaskedLMTrainer(model, arguments, store=self.store)

    def _measure(self, name: str) -> list[ResultRow]:
        from hf_mplm.evaluation.results import make_row
        from hf_mplm.evaluation.runner import evaluate

        from .quickstart_report import HELD_OUT_METRIC, HELD_OUT_TASK

        folder = self.folders[name]
        rows = evaluate(
            str(folder),
            ["flores", "sib200"],
            self.output / "data",
            [code for code in self.args.languages if code != "eng_Latn"],
            retrieval_settings=["plain", "centred"],
            transfer_settings=["probe"],
            seeds=[self.args.seed],
        )
        with tempfile.TemporaryDirectory() as scratch:
            losses = self._held_out(name, Path(scratch)).evaluate()
        rows += [
            make_row(
                task=HELD_OUT_TASK,
                language=code,
                metric=HELD_OUT_METRIC,
                value=losses[f"eval_loss_{code}"],
                n=self._held_out_rows(code),
                model=str(folder),
                revision=rows[0].revision,
                seed=self.args.seed,
            )
            for code in self.store.languages
        ]
        return rows

    def _held_out(self, name: str, scratch: Path) -> Any:
        from hf_mplm.modeling import load_masked_lm
        from hf_mplm.trainers import MaskedLMTrainer, MaskedLMTrainingArguments

        arguments = MaskedLMTrainingArguments(
            output_dir=str(scratch),
            per_device_eval_batch_size=self.args.batch_size,
            eval_mask_rate=self.args.mask_rate,
            seed=self.args.seed,
            disable_tqdm=True,
            use_cpu=not has_accelerator(),
        )
        return MaskedLMTrainer(load_masked_lm(self.folders[name]), arguments, store=self.store)

    def _held_out_rows(self, code: str) -> int:
        from hf_mplm.data.batches.columns import language_labels

        if self.store.holdout is None:
            return 0
        return int((language_labels(self.store.holdout) == self.store.languages.index(code)).sum())


def has_accelerator() -> bool:
    """Whether torch finds one."""
    import torch

    return torch.cuda.is_available()
