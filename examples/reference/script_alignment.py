"""Transliteration-based alignment (arXiv 2406.19759): two areal groups, against the start and masked LM alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from examples.commands import run, write_training_text
from examples.script_alignment import GROUPS
from hf_mplm.evaluation import ResultRow

from .findings import Finding, paired, scores, with_numbers
from .study import Study, evaluate, most, trained


NAME = "script alignment"
ARMS = {"ppa": "ppa", "mlm": "ppa-mlm"}
STEPS = {"small": 30, "full": 150}
BATCH_SIZES = {"small": 8, "full": 16}
LIMITS = {"small": {"flores": 80}, "full": {}}
LEARNING_RATE = 5e-5


def work(study: Study) -> Iterator[None]:
    """Align and measure, seed by seed; yields where there is more to tell."""
    place = study.folder("script-alignment")
    for group in groups_of(study):
        members = GROUPS[group]
        languages = [*members["languages"], "eng_Latn"]
        corpus = write_training_text(study.data / "sib200", place / group / "corpus", languages)
        pairs = ("--tokenizer", study.model, "--romanize", "--output", place / group / "pairs")
        run("prepare", "--corpus", corpus, "--languages", *members["languages"], *pairs)
        # What a probe draws is of its own seed, so that one start serves all.
        measure(study, group, study.model, results(study, group, "start"), study.seeds[0])
    for seed in study.seeds:
        for group in groups_of(study):
            for arm in ARMS:
                model = place / group / f"{arm}-{seed}"
                align(study, group, arm, seed, model)
                measure(study, group, model, results(study, group, arm, seed), seed)
            yield


def align(study: Study, group: str, arm: str, seed: int, output: Path) -> None:
    """One run of the alignment, or of masked LM on the same pairs."""
    steps = STEPS[study.size]
    if trained(output, steps):
        return
    size = (
        "--max_steps",
        steps,
        "--per_device_train_batch_size",
        BATCH_SIZES[study.size],
        "--gradient_accumulation_steps",
        1,
    )
    rest = ("--learning_rate", LEARNING_RATE, "--seed", seed, "--save_strategy", "no", "--disable_tqdm", "true")
    store = study.folder("script-alignment") / group / "pairs"
    run(
        "align-scripts",
        "--config",
        ARMS[arm],
        "--model",
        study.model,
        "--store",
        store,
        "--output",
        output,
        *size,
        *rest,
    )


def measure(study: Study, group: str, model: object, output: Path, seed: int) -> None:
    """Retrieval from a language of each script; topics from all of them, or in the small study from English."""
    languages, sources = GROUPS[group]["languages"], GROUPS[group]["sources"]
    flags = ("--languages", *languages, "--seeds", seed, "--source_languages")
    evaluate(study, model, "flores", output / "retrieval", *flags, *sources, *most(LIMITS[study.size]))
    evaluate(study, model, "sib200", output / "topics", *flags, *(sources if study.size == "full" else sources[:1]))


def findings(study: Study) -> list[Finding]:
    """What the seeds that are whole say, a group at a time."""
    found = []
    for group in groups_of(study):
        arms = {
            seed: [results(study, group, arm, seed) / part for arm in ARMS for part in ("retrieval", "topics")]
            for seed in study.seeds
        }
        seeds = [seed for seed in study.seeds if study.whole(arms[seed])]
        for text, (part, task, metric) in MEASURES.items():
            ppa, mlm = (
                [scores(results(study, group, arm, seed) / part, task, metric, only=across) for seed in seeds]
                for arm in ARMS
            )
            if not seeds:
                continue
            start = [scores(results(study, group, "start") / part, task, metric, only=across)]
            measured = f"{group}: {text}"
            found += [
                Finding(NAME, "better across scripts than the start", measured, paired(ppa, start)),
                Finding(NAME, "better across scripts than masked LM alone", measured, paired(ppa, mlm)),
                Finding(NAME, "masked LM alone does not help", measured, paired(mlm, start, sign=-1.0)),
            ]
    return with_numbers(found)


MEASURES = {
    "retrieval, accuracy@1": ("retrieval", "flores", "accuracy@1"),
    "topics by a probe, macro-F1": ("topics", "sib200", "macro_f1"),
}


def groups_of(study: Study) -> list[str]:
    """The small study takes one group."""
    return list(GROUPS) if study.size == "full" else ["south-east-asian"]


def across(row: ResultRow) -> bool:
    """Whether the source language is written in another script."""
    return row.source_language.rpartition("_")[2] != row.script


def results(study: Study, group: str, arm: str, seed: int | None = None) -> Path:
    """Where the scores of a run are."""
    return study.folder("script-alignment") / group / "results" / (arm if seed is None else f"{arm}-{seed}")
