"""The models of a quickstart: their training, side by side, each whole or absent."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .quickstart_arguments import QuickstartArguments
from .quickstart_parts import has_accelerator, make_part


if TYPE_CHECKING:
    from hf_mplm.data.store.token_store import TokenStore
    from hf_mplm.evaluation.results import ResultRow

__all__ = ["ALIGNED", "TRAINED", "ModelTask", "QuickstartModels", "train_and_score"]

logger = logging.getLogger(__name__)

TRAINED = ("baseline", "langsamp")
ALIGNED = "aligned"
# Steps that tell how long a step takes: the first ones also pay for what is made once.
WARM_STEPS, TIMED_STEPS = 2, 8


class QuickstartModels:
    """What is done with the models of one quickstart. Done again, each of these things is found finished.

    Args:
        args (`QuickstartArguments`): what the quickstart was told.
        start (`str`): the checkpoint that they start from.
        store (`TokenStore`): the text.
        quiet (`bool`, *optional*, defaults to `False`): without progress bars, as beside another model.
    """

    def __init__(self, args: QuickstartArguments, start: str, store: TokenStore, *, quiet: bool = False) -> None:
        self.args = args
        self.start = start
        self.store = store
        self.quiet = quiet
        self.output = Path(args.output)

    def train(self, name: str, steps: int) -> Path:
        """Train one model, from its last checkpoint where it was interrupted.

        Args:
            name (`str`): `baseline` or `langsamp`.
            steps (`int`): steps in all.

        Returns:
            `Path`: its folder.
        """
        told = ("batch_size", "learning_rate", "head_learning_rate", "warmup_share", "mask_rate", "alpha", "seed")
        identity = self._identity(told, steps, self.start, self.store)

        def build(folder: Path) -> None:
            logger.info("Training %s: %s steps ...", name, f"{steps:,}")
            self._run(self._trainer(name, folder.parent / "run", steps), name, folder)

        return make_part(self.args, name, identity, build, goes_on=True)

    def align(self, steps: int, corpus: Path) -> Path:
        """Align the LangSAMP model across scripts, by sentences and their romanisations.

        Args:
            steps (`int`): steps in all.
            corpus (`Path`): the text that the store was made of.

        Returns:
            `Path`: its folder.
        """
        pairs = self.pairs(corpus)
        told = ("align_batch_size", "align_learning_rate", "alpha", "seed")
        identity = self._identity(told, steps, str(self.output / "langsamp"), pairs)

        def build(folder: Path) -> None:
            logger.info("Aligning scripts: %s steps ...", f"{steps:,}")
            self._run(self._aligner(folder.parent / "run", steps, pairs), ALIGNED, folder)

        return make_part(self.args, ALIGNED, identity, build, goes_on=True)

    def pairs(self, corpus: Path) -> TokenStore:
        """The training text and its romanisation, sentence by sentence."""
        from hf_mplm.data.store.pair_store import prepare_pair_store

        return prepare_pair_store(
            corpus,
            self.store.tokenizer_path,
            self.output / "pairs",
            chunk_length=self.args.chunk_length,
            seed=self.args.seed,
            overwrite=self.args.overwrite,
        )

    def time_a_step(self, corpus: Path | None = None) -> float:
        """Seconds that a step of training takes here, or one of script alignment where a corpus is given."""
        from transformers import TrainerCallback

        moments: list[float] = []

        class Clock(TrainerCallback):
            def on_step_end(self, *_: Any, **__: Any) -> None:
                moments.append(time.perf_counter())

        with tempfile.TemporaryDirectory() as scratch:
            folder, steps = Path(scratch), WARM_STEPS + TIMED_STEPS
            if corpus is None:
                trainer = self._trainer("langsamp", folder, steps, timed=True)
            else:
                trainer = self._aligner(folder, steps, self.pairs(corpus), timed=True)
            trainer.add_callback(Clock())
            trainer.train()
        return (moments[-1] - moments[WARM_STEPS - 1]) / TIMED_STEPS

    def export_encoder(self, name: str) -> None:
        """The encoder of a model, as a stock checkpoint."""
        from transformers import AutoModelForMaskedLM

        from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
        from hf_mplm.trainers.base.sources import model_digest

        def build(folder: Path) -> None:
            model = AutoModelForMaskedLM.from_pretrained(self.output / name, trust_remote_code=False)
            model.export_encoder(folder, tokenizer=load_tokenizer(self.store.tokenizer_path))

        make_part(self.args, "encoder", {"model": model_digest(self.output / name)}, build)

    def write_scores_into_card(self, name: str, rows: Sequence[ResultRow]) -> None:
        """Put a model's scores into its card, which is whole at any time."""
        from hf_mplm.hub.cards import add_results_to_card

        add_results_to_card(self.output / name, list(rows), name=name)

    def _identity(self, told: Sequence[str], steps: int, start: str, store: TokenStore) -> dict[str, Any]:
        from hf_mplm.trainers.base.sources import model_digest

        return {
            **{key: getattr(self.args, key) for key in told},
            "max_steps": steps,
            "start": model_digest(start),
            "store": store.info["identity"],
        }

    def _run(self, trainer: Any, name: str, folder: Path) -> None:
        from hf_mplm.hub.cards import write_model_card

        run = Path(trainer.args.output_dir)
        trainer.train(resume_from_checkpoint=trainer.last_checkpoint())
        if trainer.eval_dataset is not None:
            trainer.evaluate()  # which the card tells
        trainer.save_model(str(folder))
        trainer.save_state()
        shutil.copyfile(run / "trainer_state.json", folder / "trainer_state.json")
        counts = dict(zip(trainer.languages, map(int, trainer.draws_per_language())))
        told: dict[str, Any] = {
            "paper": None if name == "baseline" else trainer.paper,
            "license": "cc-by-sa-4.0",
            "tags": trainer.tags,
        }
        trainer.write_record(folder, **told)
        write_model_card(folder, name=name, language_counts=counts, **told)

    def _trainer(self, name: str, folder: Path, steps: int, timed: bool = False) -> Any:
        import transformers

        from hf_mplm.trainers import MaskedLMTrainer, MaskedLMTrainingArguments
        from hf_mplm.trainers.masked_lm.starting import load_for_method

        args = self.args
        # The tables are drawn here, and alike whatever this process did before: after a break it did less.
        transformers.set_seed(args.seed)
        method = "langsamp" if name == "langsamp" else "mlm"
        model = load_for_method(self.start, method=method, languages=self.store.languages)
        arguments = MaskedLMTrainingArguments(
            output_dir=str(folder),
            per_device_train_batch_size=args.batch_size,
            per_device_eval_batch_size=args.batch_size,
            learning_rate=args.learning_rate,
            warmup_steps=args.warmup_share,
            mask_rate=str(args.mask_rate),
            **self._common(steps, timed),
        )
        return MaskedLMTrainer(model, arguments, store=self.store, optimizers=(self._optimizer(model), None))

    def _optimizer(self, model: Any) -> Any:
        """AdamW as Trainer's, with a learning rate of its own for what is not the encoder's."""
        import torch

        encoder = {id(parameter) for parameter in model.base_model.parameters()}
        groups: list[list[Any]] = [[], []]
        for parameter in model.parameters():
            groups[id(parameter) in encoder].append(parameter)
        head, body = groups
        rates = [{"params": head, "lr": self.args.head_learning_rate}, {"params": body, "lr": self.args.learning_rate}]
        return torch.optim.AdamW(rates, weight_decay=0.0)

    def _aligner(self, folder: Path, steps: int, pairs: TokenStore, timed: bool = False) -> Any:
        import transformers

        from hf_mplm.modeling import load_masked_lm
        from hf_mplm.trainers import ScriptAlignmentArguments, ScriptAlignmentTrainer

        args = self.args
        transformers.set_seed(args.seed)
        arguments = ScriptAlignmentArguments(
            output_dir=str(folder),
            per_device_train_batch_size=args.align_batch_size,
            learning_rate=args.align_learning_rate,
            max_length=args.chunk_length,
            **self._common(steps, timed),
        )
        # For timing it need not be trained yet.
        start = self.start if timed else self.output / "langsamp"
        return ScriptAlignmentTrainer(load_masked_lm(start), arguments, store=pairs)

    def _common(self, steps: int, timed: bool) -> dict[str, Any]:
        return {
            "max_steps": steps,
            "alpha": str(self.args.alpha),
            "seed": self.args.seed,
            "logging_steps": max(1, steps // 20),
            "save_steps": max(50, steps // 8),
            "save_total_limit": 1,
            "save_strategy": "no" if timed else "steps",
            "disable_tqdm": self.quiet or timed,
            "use_cpu": not has_accelerator(),
        }


class ModelTask(NamedTuple):
    """One of the models that are trained side by side.

    Args:
        args (`QuickstartArguments`): what the quickstart was told.
        start (`str`): the checkpoint.
        name (`str`): `baseline` or `langsamp`.
        steps (`int`): steps in all.
        threads (`int`): threads for it; 0 leaves them as they are, in the one process that does all.
    """

    args: QuickstartArguments
    start: str
    name: str
    steps: int
    threads: int


def train_and_score(task: ModelTask) -> tuple[str, list[ResultRow]]:
    """Train one model and score it, in whichever process; returns its name and its scores."""
    from hf_mplm.data.store.token_store import load_store

    from .quickstart_scores import score

    if task.threads:
        import torch
        import transformers

        torch.set_num_threads(task.threads)
        # In a process of its own, which has no log yet.
        logging.basicConfig(format=f"{task.name}: %(message)s", level=logging.INFO)
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
    store = load_store(Path(task.args.output) / "store")
    models = QuickstartModels(task.args, task.start, store, quiet=bool(task.threads))
    folder = models.train(task.name, task.steps)
    return task.name, score(task.args, task.name, str(folder), store)
