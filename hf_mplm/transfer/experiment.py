"""The experiment of a transfer study: what a unit of its grid does with the models."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hf_mplm.data.store.token_store import TokenStore, load_store, read_store_info
from hf_mplm.data.tokenizing.tokenizers import tokenizer_fingerprint
from hf_mplm.jobs.digests import digest_files
from hf_mplm.languages import parse_code

from .interference.combinations import combined_adapters, find_language_adapters, seed_fusion, train_fusion
from .modules.adapted_encoder import AdaptedEncoder
from .modules.backends import adapt_encoder
from .modules.record import RECORD_FILE, ModuleRecord
from .modules.task_module import TaskModule
from .scoring.scorer import Scorer
from .scoring.test_sets import TargetSets, read_test_sets
from .settings import StudySettings
from .study.times import CellTimes
from .study.unit import CellScore, Unit
from .tuning.base import Base
from .tuning.batches import MaskedBatches
from .tuning.few_steps import tune
from .tuning.seeds import seed_of


if TYPE_CHECKING:
    from typing_extensions import Self


__all__ = ["StudyExperiment"]

_TIMED_STEPS = 4

# AmericasNLI has no training data of its own: the paper scores it by XNLI's module.
_MODULE_OF = {"americasnli": "xnli"}


class StudyExperiment:
    """Loads the base, the modules and the test sets once, when they are first needed, and runs units.

    A unit's scores are a pure function of the settings and the unit: not of what ran before it, nor of the process.

    Args:
        settings (`StudySettings`): what the study is asked for.
    """

    def __init__(self, settings: StudySettings) -> None:
        self.settings = settings

    @classmethod
    def from_settings(cls, settings: StudySettings) -> Self:
        """Make the experiment of a study.

        Args:
            settings (`StudySettings`): what the study is asked for.
        """
        return cls(settings)

    def digests(self) -> dict[str, str]:
        """Name -> digest of content: base, tokenizer, modules, language adapters, store, test files.

        Raises:
            ValueError: if a module or an adapter is of another base.
        """
        found = {"base": self.base.digest, "tokenizer": tokenizer_fingerprint(self.base.tokenizer)}
        for task, module in self.modules.items():
            assert module.folder is not None
            found[f"module {task}"] = _folder_digest(module.folder)
        for code, folder in self._language_adapters.items():
            found[f"language adapter {code}"] = _folder_digest(folder)
        if self.settings.store is not None:
            found["store"] = _text_digest(self._store.info)
        return {**found, **{f"test files {task}": digest for task, digest in self.test_sets.digests.items()}}

    def targets(self) -> dict[str, list[str]]:
        """Task -> target languages that have test data."""
        return self.test_sets.targets()

    def refused(self) -> dict[tuple[str, str], str]:
        """Task and target of what cannot be scored, and why."""
        return dict(self.test_sets.refused)

    def transfer_languages(self) -> list[str]:
        """The languages to tune on: those of the settings, or all of the store.

        Raises:
            ValueError: if there is no store, or it has no text of one that was named.
        """
        asked = self.settings.transfer_languages
        if self.settings.store is None:
            if asked:
                raise ValueError("transfer languages need text: give a token store by --store STORE")
            return []
        available = list(read_store_info(self.settings.store)["languages"])
        if asked is None:
            return sorted(available)
        codes = [parse_code(code).code for code in asked]
        if lacking := [code for code in codes if code not in available]:
            raise ValueError(
                f"{self.settings.store} has no text of {', '.join(lacking)}; prepare a store that has, or leave "
                "them out of --transfer_languages"
            )
        return sorted(set(codes))

    def combination_languages(self) -> list[str]:
        """The languages to combine: those of the settings, or all that have an adapter."""
        available = self._language_adapters
        asked = self.settings.combination_languages
        if asked is None:
            return sorted(available)
        codes = sorted({parse_code(code).code for code in asked})
        if lacking := [code for code in codes if code not in available]:
            raise ValueError(
                f"{self.settings.language_adapters} has no adapter of {', '.join(lacking)}; train them: "
                f"hf-mplm transfer languages --languages {','.join(lacking)}"
            )
        return codes

    def run(self, unit: Unit) -> list[CellScore]:
        """Run a unit, and give the base back as it was, also when it raises.

        Args:
            unit (`Unit`): what to run.

        Returns:
            `list[CellScore]`: all metrics of all its targets and steps.

        Raises:
            ValueError: if the unit cannot be run with these settings.
            DivergedError: if the tuning diverged.
        """
        with self.base.lent():
            if unit.kind == "baseline":
                return self.scorer.score()
            if unit.kind == "tuning":
                return self._tune(unit)
            if unit.kind == "combination":
                return self._combine(unit)
        raise ValueError(f"there is no unit of the kind {unit.kind!r}; there are baseline, tuning and combination")

    def time_cells(self, number: int = 10) -> CellTimes:
        """Time a moment of tuning and the scoring of some cells, by which a plan tells how long a study takes.

        Args:
            number (`int`, *optional*, defaults to 10): cells, of test sets of all sizes.
        """
        sets = sorted(self.test_sets.sets, key=lambda each: sum(len(row["input_ids"]) for row in each.features.rows))
        number = min(number, len(sets))
        # The middle one of each of as many equal parts.
        chosen = [sets[(2 * place + 1) * len(sets) // (2 * number)] for place in range(number)]
        marks = [time.monotonic()]
        with self.base.lent():
            steps = sorted({1, min(_TIMED_STEPS, self.settings.steps[-1])}) if self.settings.steps else []
            for code in self.transfer_languages()[:1] if steps else []:
                marks += [time.monotonic() for _ in self._tuned(code, 0, steps, "constant")]
            start = time.monotonic()
            Scorer(self.modules, chosen, self.settings.tokens_per_batch).score()
            a_cell = (time.monotonic() - start) / number
        # The first step is dearer than those after it, of which there are many.
        a_step = (marks[-1] - marks[-2]) / max(1, steps[-1] - 1) if len(marks) > 1 else 0.0
        return CellTimes(a_step, a_cell, number)

    @cached_property
    def base(self) -> Base:
        """The base, loaded."""
        return Base.load(self.settings.model, revision=self.settings.revision, device=self.settings.device)

    @cached_property
    def modules(self) -> dict[str, TaskModule]:
        """Task -> its module, attached to the base's encoder."""
        width = int(self.base.encoder.config.hidden_size)
        opened: dict[Path, TaskModule] = {}
        modules = {}
        for task in dict.fromkeys(self.settings.tasks):
            folder = self._module_folder(task)
            if folder not in opened:
                module = TaskModule.load(folder, self.base.tokenizer, self.settings.data_dir)
                module.record.refuse_other(self.base.digest, width, folder)
                if module.record.name not in (task, _MODULE_OF.get(task)):
                    raise ValueError(f"{folder} holds the module of {module.record.name}, not of {task}")
                module.attach(self.encoder)
                opened[folder] = module
            modules[task] = opened[folder]
        return modules

    @cached_property
    def encoder(self) -> AdaptedEncoder:
        """The base's encoder with room for modules."""
        found = {ModuleRecord.load(self._module_folder(task)).backend for task in self.settings.tasks}
        asked = self.settings.backend
        if asked is not None:
            found.add(asked)
        if len(found) > 1:
            raise ValueError(
                f"the modules in {self.settings.modules} are of {' and '.join(sorted(found))}"
                f"{f' with --backend {asked}' if asked else ''}; a study has one backend"
            )
        return adapt_encoder(self.base.encoder, found.pop())

    @cached_property
    def test_sets(self) -> TargetSets:
        """The test sets, read and tokenised."""
        targets = self.settings.targets
        codes = None if targets is None else list(dict.fromkeys(parse_code(code).code for code in targets))
        return read_test_sets(
            self.modules, Path(self.settings.data_dir), codes, max_examples=self.settings.max_test_examples
        )

    @cached_property
    def scorer(self) -> Scorer:
        """Scores the base as it stands."""
        return Scorer(self.modules, self.test_sets.sets, self.settings.tokens_per_batch)

    @cached_property
    def _store(self) -> TokenStore:
        if self.settings.store is None:
            raise ValueError("tuning needs text: give a token store by --store STORE (hf-mplm prepare writes it)")
        store = load_store(self.settings.store)
        store.check_tokenizer(self.base.tokenizer)
        return store

    @cached_property
    def _language_adapters(self) -> dict[str, Path]:
        if self.settings.language_adapters is None:
            return {}
        width = int(self.base.encoder.config.hidden_size)
        return find_language_adapters(self.settings.language_adapters, self.base.digest, width)

    def _module_folder(self, task: str) -> Path:
        folder = Path(self.settings.modules) / task
        other = Path(self.settings.modules) / _MODULE_OF.get(task, task)
        return folder if (folder / RECORD_FILE).is_file() else other

    def _tune(self, unit: Unit) -> list[CellScore]:
        settings = self.settings
        (code,) = unit.languages
        if not settings.steps:
            raise ValueError("a tuning needs numbers of steps: --steps 1 10 100")
        scores: list[CellScore] = []
        for step in self._tuned(code, unit.repeat, settings.steps, settings.schedule):
            scores += self.scorer.score(step)
        return scores

    def _tuned(self, code: str, repeat: int, steps: Sequence[int], schedule: str) -> Iterator[int]:
        settings = self.settings
        seed = seed_of(settings.seed, "tuning", code, repeat)
        batches = MaskedBatches(
            self._store,
            [code],
            self.base.tokenizer,
            num_batches=steps[-1],
            batch_size=settings.batch_size,
            max_length=self.base.window(settings.max_length),
            mask_rate=settings.mask_rate,
            seed=seed,
        )
        return tune(
            self.base,
            batches,
            steps,
            schedule=schedule,
            optimizer=settings.optimizer,
            learning_rate=settings.learning_rate,
            seed=seed,
        )

    def _combine(self, unit: Unit) -> list[CellScore]:
        settings = self.settings
        languages = sorted(unit.languages)
        scorer = self.scorer
        seed_fusion(settings.seed, languages)
        with combined_adapters(self.encoder, self._language_adapters, languages, unit.fusion) as combination:
            if len(languages) > 1 and unit.fusion == "trained":
                train_fusion(
                    self.base,
                    self.encoder,
                    combination,
                    self._store,
                    languages,
                    steps=settings.fusion_steps,
                    learning_rate=settings.fusion_learning_rate,
                    batch_size=settings.batch_size,
                    max_length=settings.max_length,
                    mask_rate=settings.mask_rate,
                    seed=settings.seed,
                )
            return scorer.score(languages=[combination], targets=languages)


def _folder_digest(folder: Path) -> str:
    """Of a module's files but its card, which people may change."""
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in (".json", ".safetensors"))
    paths = [path for path in paths if path.name != "digests.json"]
    lines = [f"{path.name}\0{digest}" for path, digest in zip(paths, digest_files(paths))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def _text_digest(info: dict[str, object]) -> str:
    identity = json.dumps(info["identity"], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(identity.encode()).hexdigest()[:32]
