"""`hf-mplm transfer report`, `advise` and `predict`: what a study found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hf_mplm.transfer.findings.prediction import Prediction
    from hf_mplm.transfer.findings.transfer import PairTransfer


@dataclass
class ReportArguments:
    """Flags of `hf-mplm transfer report`."""

    study: str = field(metadata={"help": "folder of the study"})
    output: str | None = field(default=None, metadata={"help": "folder of the report; STUDY/report by default"})
    seen: list[str] | None = field(
        default=None, metadata={"help": "languages that the base was trained on, to tell them from those it was not"}
    )


@dataclass
class PredictArguments:
    """Flags of `hf-mplm transfer predict`."""

    study: str = field(metadata={"help": "folder of the study"})
    transfer_languages: list[str] | None = field(
        default=None, metadata={"help": "languages to predict for that were not tuned on, besides those of the study"}
    )
    targets: list[str] | None = field(
        default=None, metadata={"help": "targets to predict that were not scored, besides those of the study"}
    )
    vectors: str | None = field(
        default=None, metadata={"help": "folder of `hf-mplm sprachbund vectors`, for cosines of languages"}
    )
    view: str | None = field(default=None, metadata={"help": "which of its views; the first by default"})
    seen: list[str] | None = field(
        default=None, metadata={"help": "languages that the base was trained on, to tell them from those it was not"}
    )


@dataclass
class AdviseArguments(PredictArguments):
    """Flags of `hf-mplm transfer advise`."""

    target: str = field(default="", metadata={"help": "the language to help, such as tha_Thai"})
    task: str = field(default="", metadata={"help": "in which task"})
    step: int | None = field(default=None, metadata={"help": "after so many steps; the most by default"})
    top: int = field(default=10, metadata={"help": "rows to print"})


def report(arguments: ReportArguments) -> int:
    """Write tables, pictures and a page."""
    from pathlib import Path

    from hf_mplm.report.transfer_study import write_report
    from hf_mplm.transfer.study.database import StudyDatabase

    scores = _scores(arguments.study)
    with StudyDatabase(arguments.study) as database:
        counts = database.counts()
    if counts.get("failed"):
        print(
            f"{counts['failed']} units failed and are in no number: hf-mplm transfer status --study {arguments.study}"
        )
    if left := counts.get("open", 0) + counts.get("running", 0):
        print(f"{left} units are not done yet")
    folder = Path(arguments.output or Path(arguments.study) / "report")
    for path in write_report(scores, folder, seen=_codes(arguments.seen), failed=counts.get("failed", 0)):
        print(path)
    print(f"\nThe report is in {folder}")
    return 0


def predict(arguments: PredictArguments) -> int:
    """Predict transfer scores of pairs that were not measured, and say how far they can be trusted."""
    from hf_mplm.report.table import text_table
    from hf_mplm.transfer.findings.transfer import transfer_table

    found = _predict(arguments, transfer_table(_scores(arguments.study)))
    rows: list[list[Any]] = [["task", "step", "left out", "method", "Spearman", "folds"]]
    rows += [
        [one["task"], one["step"], one["held_out"], one["method"], one["spearman"], one["n_folds"]]
        for one in found.skills
    ]
    print("\n".join(text_table(rows)))
    for verdict in found.verdicts:
        print(verdict)
    if found.n_without_features:
        print(f"{found.n_without_features} measured pairs have no features and were left out")
    if found.pairs:
        rows = [["task", "step", "transfer language", "target", "predicted", "from", "to"]]
        rows += [
            [one["task"], one["step"], one["transfer_language"], one["target"], one["ts"], one["low"], one["high"]]
            for one in found.pairs
        ]
        print("\n".join(text_table(rows)))
    return 0


def advise(arguments: AdviseArguments) -> int:
    """Rank donors for a target: what was measured, then what its relatives show, then what is predicted."""
    from hf_mplm.languages import language_name
    from hf_mplm.report.table import text_table
    from hf_mplm.transfer.findings.advice import advise as rank
    from hf_mplm.transfer.findings.transfer import transfer_table

    if not arguments.target or not arguments.task:
        raise ValueError("whom to help, and in what? Say, for example, --target swh_Latn --task pos")
    table = transfer_table(_scores(arguments.study))
    arguments.targets = [*(arguments.targets or []), arguments.target]
    found = rank(table, arguments.target, arguments.task, _predict(arguments, table), step=arguments.step)
    rows: list[list[Any]] = [["donor", "name", "evidence", "transfer score", "from", "to", "measured for"]]
    rows += [
        [one.donor, language_name(one.donor), one.evidence, one.value, one.low, one.high, " ".join(one.languages)]
        for one in found[: arguments.top]
    ]
    print("\n".join(text_table(rows)))
    print(
        "A transfer score of 0.1 is a gain of a tenth of the base's score; an interval that spans 0 cannot tell a "
        "gain from a loss"
    )
    return 0


def _scores(study: str) -> Any:
    from hf_mplm.transfer.findings.table import Scores
    from hf_mplm.transfer.study.database import StudyDatabase

    with StudyDatabase(study) as database:
        scores = Scores.from_rows(database.scores())
    if not scores.tuned and not scores.combined:
        raise ValueError(f"no unit of {study} is done yet; hf-mplm transfer run --study {study}")
    return scores


def _predict(arguments: PredictArguments, table: Sequence[PairTransfer]) -> Prediction:
    from hf_mplm.languages import parse_code
    from hf_mplm.transfer.findings.features import pair_features
    from hf_mplm.transfer.findings.prediction import predict

    donors = {row["transfer_language"] for row in table}
    donors |= {parse_code(code).code for code in arguments.transfer_languages or []}
    targets = {row["target"] for row in table} | {parse_code(code).code for code in arguments.targets or []}
    vectors = None
    if arguments.vectors is not None:
        from hf_mplm.sprachbund import LanguageVectors

        known = LanguageVectors.load(arguments.vectors)
        view = arguments.view or known.views[0]
        vectors = dict(zip(known.languages, known.matrix(view)))
    text, seen = _store_text(arguments.study), _codes(arguments.seen)
    features = {
        (donor, target): pair_features(donor, target, text, vectors=vectors, seen=seen)
        for donor in sorted(donors)
        for target in sorted(targets)
    }
    return predict(table, features)


def _codes(given: Sequence[str] | None) -> list[str] | None:
    from hf_mplm.languages import parse_code

    return None if given is None else [parse_code(code).code for code in given]


def _store_text(study: str) -> Any:
    """The study's own text, for overlaps of tokens; `None` where it or the base cannot be read here."""
    from hf_mplm.data.store.token_store import load_store
    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
    from hf_mplm.transfer.findings.store_text import StoreText

    from .transfer_run import study_settings

    settings, _ = study_settings(study)
    if settings.get("store") is None:
        return None
    try:
        return StoreText(load_store(settings["store"]), load_tokenizer(settings["model"]))
    except (OSError, ValueError) as error:
        print(f"Predicted without overlaps of tokens: {error}")
        return None
