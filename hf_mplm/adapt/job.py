"""From a folder of text to an adapted encoder: four stages, each whole or absent, that go on where they stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hf_mplm.data.corpus.corpora import find_files
from hf_mplm.data.corpus.options import ReadOptions
from hf_mplm.data.corpus.plan import make_plan
from hf_mplm.data.store.pair_store import prepare_pair_store
from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.data.store.token_store import TokenStore
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.hub.cards.checkpoint import loss_picture
from hf_mplm.jobs.files import explain_full_disk, read_json, write_json
from hf_mplm.jobs.job import Job, make_folder
from hf_mplm.jobs.lock import hold_folder
from hf_mplm.jobs.plan import is_plan, plan_differences
from hf_mplm.trainers.base.sources import model_digest
from hf_mplm.trainers.vocabulary.extension import extend_encoder

from .bound import ALIGNMENT, REPORT, TRAINING, begun_stages, keep_settings, refuse_changes
from .costs import Costs, estimate_costs
from .diagnosis import diagnose
from .diagnosis_page import diagnosis_page, plan_lines
from .encoder_facts import EncoderFacts, describe_encoder
from .keeping import is_unguarded, keeping_line
from .outcome import measure_outcome, update_card
from .outcome_page import bits_picture, outcome_page
from .plan_text import measure_text
from .reading import list_codes, read_options
from .settings import AUTO, AdaptSettings
from .training import align_model, shared_tokens, train_model
from .watched import watched_languages, write_watched_text


__all__ = ["AdaptJob"]

logger = logging.getLogger(__name__)

_CARD = "README.md"
_LOST = 0.5


class AdaptJob:
    """One adaptation, in one folder: `diagnosis`, `vocabulary`, `store`, `model` (or `trained` and `model`), `report`.

    Args:
        settings ([`AdaptSettings`]): what it is told.
        output (`str` or `Path`): its folder.
        overwrite (`bool`, *optional*, defaults to `False`): make anew what was made with other settings.
    """

    def __init__(self, settings: AdaptSettings, output: str | Path, *, overwrite: bool = False) -> None:
        self.settings = settings
        self.output = Path(output)
        self.overwrite = overwrite
        self._reading = read_options(settings, settings.languages)

    def run(self) -> dict[str, Any]:
        """Do all four stages, or those that are left.

        Returns:
            `dict`: what the report holds.

        Raises:
            ValueError: if something else stands in the folder, or the text cannot be learned from.
            FolderInUseError: if another process works in it.
        """
        advice = f"What is finished is kept in {self.output}: free some space and repeat the same command."
        with explain_full_disk(self.output.parent, advice), hold_folder(self.output, "hf-mplm adapt"):
            self._refuse_something_else()
            keep_settings(self.settings, self.output)
            found = self.diagnose()
            logger.info("%s", "\n".join(plan_lines(found, self.plan(found))))
            if is_unguarded(self.settings):
                logger.warning("%s", keeping_line(self.settings))
            start = self._grow(found)
            store = self._prepare_training(start)
            model = self._train(found, start, store)
            return self._report(found, start, store, model)

    def dry_run(self) -> list[str]:
        """The first stage alone, and the plan in lines; any setting may be another one afterwards."""
        with hold_folder(self.output, "hf-mplm adapt"):
            self._refuse_something_else()
            found = self.diagnose()
        return plan_lines(found, self.plan(found))

    def encoder(self) -> EncoderFacts:
        """The encoder in numbers; loads it."""
        settings = self.settings
        return describe_encoder(
            settings.model,
            load_tokenizer(settings.model, trust_remote_code=settings.trust_remote_code),
            new_lm_head=settings.new_lm_head,
            trust_remote_code=settings.trust_remote_code,
        )

    # ---- Stages ----

    def diagnose(self) -> dict[str, Any]:
        """The first stage: `diagnosis/diagnosis.json`, and the same for people."""
        settings = self.settings
        told = ("model", "data_dir", "tasks", "batch_size", "chunk_length", "new_lm_head", "seed")
        given = {name: getattr(settings, name) for name in told} | {"model": self._digest()}
        if settings.data_dir is not None and settings.replay_corpus is not None:
            # Test sentences are looked for in it, too.
            replayed = read_options(settings, settings.replay_languages)
            given["replay_corpus"] = self._plan_of_text(settings.replay_corpus, replayed, {})["identity"]
        plan = self._plan_of_text(settings.corpus, self._reading, given)
        folder = self.output / "diagnosis"
        if not (self.output / "store").is_dir():
            self._refuse_old_languages()

        def build(made: Path) -> None:
            logger.info("Looking at the text ...")
            found = diagnose(settings, self.encoder(), self.output)
            write_json(made / "diagnosis.json", found)
            (made / "diagnosis.md").write_text(diagnosis_page(found), encoding="utf-8")

        self._make(folder, "diagnosis", plan, build, replaces=self._may_look_again(folder, plan))
        found: dict[str, Any] = read_json(folder / "diagnosis.json")
        for line in found["warnings"]:
            logger.warning("%s", line)
        return found

    def plan(self, found: dict[str, Any]) -> dict[str, Any]:
        """What will be done, and what it costs.

        Args:
            found (`dict`): the diagnosis.
        """
        settings, advice = self.settings, found["advice"]
        pieces = self._pieces(found)
        steps = self._steps(found)
        encoder = EncoderFacts(**{**found["encoder"], "languages": ()})
        text = measure_text(settings, found)
        costs: Costs = estimate_costs(
            settings,
            encoder,
            new_pieces=pieces,
            steps=steps,
            tokens=text.new + text.replayed,
            held_out=text.held_out,
            watched=text.watched,
        )
        share = 1.0 if settings.replay_corpus is None else 1 - settings.replay_share
        drawn = share * steps * settings.batch_size * settings.chunk_length
        return {
            "passes": drawn / max(1, text.new),
            "align_steps": settings.align_steps if settings.align_scripts else 0,
            "benchmarks": [] if settings.data_dir is None else list(settings.tasks),
            "new_pieces": pieces,
            "max_steps": steps,
            "replay": advice["replay"],
            "keeping": keeping_line(settings),
            **costs._asdict(),
        }

    def _grow(self, found: dict[str, Any]) -> str | Path:
        """The second stage: the encoder to start from."""
        settings, pieces = self.settings, self._pieces(found)
        lost = {code: about["unknown"] for code, about in found["languages"].items() if about["unknown"] > _LOST}
        if not pieces:
            if lost:
                raise ValueError(
                    f"the vocabulary does not know {max(lost.values()):.0%} of the characters of "
                    f"{', '.join(lost)}, and is not to grow: nothing can be learned from such text. Give more of it, "
                    "or --new_pieces 1000 to have its subwords added (not for tokenizers of other kinds than Unigram, "
                    "WordPiece and BPE)"
                )
            return settings.model
        folder = self.output / "vocabulary"
        logger.info("Growing the vocabulary by %s subwords ...", f"{pieces:,}")
        try:
            extend_encoder(
                settings.model,
                folder,
                corpus=list(settings.corpus),
                options=self._reading_of_wanting(found),
                max_new_pieces=pieces,
                initialization=settings.initialization,
                seed=settings.seed,
                num_threads=1,
                new_lm_head=settings.new_lm_head,
                trust_remote_code=settings.trust_remote_code,
                overwrite=self.overwrite,
            )
        except ValueError as error:
            advice = f"--new_pieces {pieces // 2} asks for fewer, and --new_pieces 0 for none"
            raise ValueError(
                f"the vocabulary could not be grown by {pieces:,} subwords ({advice}): {error}"
            ) from error
        return folder

    def _prepare(self, start: str | Path, folder: Path, watched: Path | None = None) -> TokenStore:
        """The text that is trained on, or that of the watched languages, in the tokens of `start`."""
        settings = self.settings
        corpus = [watched] if watched else [*settings.corpus, *(settings.replay_corpus or ())]
        reading = ReadOptions() if watched else read_options(settings, self._all_languages())
        return prepare_store(
            corpus,
            start,
            folder,
            chunk_length=settings.chunk_length,
            holdout=settings.holdout,
            num_proc=settings.num_proc,
            seed=settings.seed,
            **asdict(reading),
            trust_remote_code=settings.trust_remote_code,
            overwrite=self.overwrite,
        )

    def _prepare_training(self, start: str | Path) -> TokenStore:
        store = self._prepare(start, self.output / "store")
        for code, counts in store.info["languages"].items():
            lost = counts["unknown_characters"] / max(1, counts["characters"])
            if lost > _LOST:
                raise ValueError(
                    f"{code}: no byte or subword of the vocabulary covers {lost:.0%} of its characters, so that "
                    "nothing can be learned from it. Give more text and --new_pieces 2000, with --overwrite, or "
                    "another encoder"
                )
        return store

    def _train(self, found: dict[str, Any], start: str | Path, store: TokenStore) -> Path:
        """The third stage."""
        settings = self.settings
        trust = settings.trust_remote_code
        replayed = [code for code in store.languages if code not in found["languages"]]
        steps = self._steps(found)
        old = load_tokenizer(settings.model, trust_remote_code=trust)
        num_old = shared_tokens(old, load_tokenizer(start, trust_remote_code=trust))
        identity = {
            **{name: getattr(settings, name) for name in TRAINING},
            "start": model_digest(start),
            "store": store.info["identity"],
            "max_steps": steps,
            "replayed": replayed,
        }
        folder = self.output / ("trained" if settings.align_scripts else "model")

        def train(made: Path) -> None:
            logger.info("Training %s steps at most ...", f"{steps:,}")
            train_model(settings, start, store, replayed, steps, num_old, made)

        self._make(folder, "trained model", {"identity": identity}, train, goes_on=True)
        return self._align(folder) if settings.align_scripts else folder

    def _align(self, trained: Path) -> Path:
        settings = self.settings
        pairs = prepare_pair_store(
            [*settings.corpus, *(settings.replay_corpus or ())],
            load_tokenizer(trained),
            self.output / "pairs",
            chunk_length=settings.chunk_length,
            **asdict(read_options(settings, self._all_languages())),
            num_proc=settings.num_proc,
            overwrite=self.overwrite,
        )
        identity = {
            **{name: getattr(settings, name) for name in ALIGNMENT},
            "start": model_digest(trained),
            "store": pairs.info["identity"],
        }
        folder = self.output / "model"

        def align(made: Path) -> None:
            logger.info("Aligning scripts in %s steps ...", f"{settings.align_steps:,}")
            align_model(settings, trained, pairs, made)

        self._make(folder, "aligned model", {"identity": identity}, align, goes_on=True)
        return folder

    def _report(self, found: dict[str, Any], start: str | Path, store: TokenStore, model: Path) -> dict[str, Any]:
        """The fourth stage."""
        settings = self.settings
        watched = watched_languages(found, store.languages)
        # Another vocabulary reads the same held-out sentences in other tokens.
        same = start == settings.model
        before = [store if same else self._prepare(settings.model, self.output / "store-before")]
        after = [store]
        if watched:
            text = write_watched_text(self.output / "watched" / "text", watched, settings.holdout)
            after.append(self._prepare(start, self.output / "watched" / "store", text))
            before.append(
                after[-1] if same else self._prepare(settings.model, self.output / "watched" / "store-before", text)
            )
        identity = {
            **{name: getattr(settings, name) for name in REPORT},
            "tasks": list(settings.tasks),
            "start": self._digest(),
            "model": model_digest(model),
            "stores": [each.info["identity"] for each in after],
        }
        folder, scores = self.output / "report", self.output / "scores"

        def build(made: Path) -> None:
            logger.info("Measuring the start and the result ...")
            outcome = measure_outcome(settings, found, before, after, model, scores)
            write_json(made / "outcome.json", outcome)
            (made / "bits.svg").write_text(bits_picture(outcome), encoding="utf-8")
            curve = loss_picture(model)
            if curve is not None:
                (made / "curve.svg").write_bytes(curve)
            page = outcome_page(found, outcome, scores, curve=curve is not None)
            (made / "report.md").write_text(page, encoding="utf-8")

        self._make(folder, "report", {"identity": identity}, build)
        outcome: dict[str, Any] = read_json(folder / "outcome.json")
        update_card(model, outcome, scores)
        return outcome

    # ---- What is decided ----

    def _pieces(self, found: dict[str, Any]) -> int:
        wanted = self.settings.new_pieces
        return int(found["advice"]["new_pieces"]) if wanted == AUTO else int(wanted)

    def _steps(self, found: dict[str, Any]) -> int:
        wanted = self.settings.max_steps
        return int(found["advice"]["max_steps"]) if wanted == AUTO else int(wanted)

    def _reading_of_wanting(self, found: dict[str, Any]) -> ReadOptions:
        """What new subwords are learned from: languages that lack them, or all where none is said to."""
        # A diagnosis of an earlier version does not tell them.
        wanting = tuple(found["advice"].get("wanting", ()))
        return replace(self._reading, languages=wanting) if wanting else self._reading

    def _all_languages(self) -> tuple[str, ...] | None:
        """What is read of both corpora together; `None` for everything."""
        settings = self.settings
        if settings.languages is None and settings.replay_languages is None:
            return None
        new = settings.languages or list_codes(settings, settings.corpus)
        old = settings.replay_languages
        if old is None:
            old = () if settings.replay_corpus is None else tuple(list_codes(settings, settings.replay_corpus))
        return (*new, *old)

    def _refuse_old_languages(self) -> None:
        settings = self.settings
        if settings.replay_corpus is None:
            return
        new = set(settings.languages or list_codes(settings, settings.corpus))
        old = set(settings.replay_languages or list_codes(settings, settings.replay_corpus))
        if both := sorted(new & old):
            raise ValueError(
                f"{', '.join(both)} would be new and replayed at once; say which languages are which by --languages "
                "and --replay_languages"
            )

    # ---- The folder ----

    def _digest(self) -> str:
        return model_digest(self.settings.model)

    def _may_look_again(self, diagnosis: Path, plan: dict[str, Any]) -> bool:
        """Whether a diagnosis of other settings may be replaced: it is quickly made, and of other text or another
        encoder refused where something was made of these already."""
        before = read_json(diagnosis / "made_of.json", "To look again, repeat the command with --overwrite.")
        if not is_plan(before) or not plan_differences(before, plan):
            return False
        same = all(before["identity"].get(name) == plan["identity"][name] for name in ("corpus", "model"))
        return same or not begun_stages(self.output)

    def _plan_of_text(self, corpus: tuple[str, ...], reading: ReadOptions, settings: dict[str, Any]) -> dict[str, Any]:
        files = find_files(list(corpus), reading)
        told = {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
        return make_plan(files, reading, told)

    def _refuse_something_else(self) -> None:
        if not self.overwrite:
            refuse_changes(self.settings, self.output)

    def _make(
        self,
        folder: Path,
        product: str,
        plan: dict[str, Any],
        build: Callable[[Path], None],
        *,
        goes_on: bool = False,
        replaces: bool = False,
    ) -> None:
        job = Job(
            folder,
            folder.with_name(f"{folder.name}.making"),
            command="hf-mplm adapt",
            product=product,
            mark="made_of.json",
            foreign="is nothing that an adaptation made, so it is not replaced",
            inputs="text, encoder and settings",
        )
        # What stopped before its first checkpoint loses nothing by other settings.
        unbegun = goes_on and not folder.exists() and f"{folder.name}.making" not in begun_stages(self.output)
        overwrite = self.overwrite or replaces or unbegun
        make_folder(job, plan, build, overwrite=overwrite, goes_on=goes_on, undigested=(_CARD,))
