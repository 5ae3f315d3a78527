"""Representation sprachbund (arXiv 2109.00271): a model a cluster, against one of all and against languages drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from examples.commands import run_example
from examples.sprachbund_study import held_out
from hf_mplm.languages import resource

from .findings import Finding, paired, scores, with_numbers
from .study import Study


NAME = "sprachbund"
CLUSTERS = 3
# Languages, steps of a model, and of how many languages one is measured on tasks.
SIZES = {"small": (16, 30, 2), "full": (40, 60, 1)}
DRAWS = [1, 2, 3]


def work(study: Study) -> Iterator[None]:
    """Cluster, train and measure at the same number of steps in all."""
    languages, steps, every = SIZES[study.size]
    data = ("--data", study.data, "--output", study.folder("sprachbund"), "--start", study.model, "--only", "training")
    size = ("--languages", languages, "--steps", steps, "--holdout", 30, "--every", every, "--clusters", CLUSTERS)
    run_example("sprachbund_study", *data, *size, "--measured", CLUSTERS, "--seeds", *DRAWS, "--budgets", "total")
    yield


def findings(study: Study) -> list[Finding]:
    """What the models that are finished say. The seeds are those of the languages drawn."""
    place = study.folder("sprachbund") / "training"
    names = {"all": ["all-models"], "clusters": [f"total-k{CLUSTERS}-clusters"]}
    names["random"] = [f"total-k{CLUSTERS}-random{draw}" for draw in DRAWS]
    found = []
    for text, unit, sign, read in (
        ("held-out loss", "nats", -1.0, lambda name: held_out(place / name)),
        (
            "retrieval from English, accuracy@1",
            "points",
            1.0,
            lambda name: _scores(place, name, "flores", "accuracy@1"),
        ),
        ("topics by a probe, macro-F1", "points", 1.0, lambda name: _scores(place, name, "sib200", "macro_f1")),
    ):
        values = {arm: [one for name in of if (one := read(name)) is not None] for arm, of in names.items()}
        # The clusters are the same whatever is drawn.
        for other, claim in (
            ("all", "clusters better than one model"),
            ("random", "clusters better than random ones"),
        ):
            gain = paired(values["clusters"] * max(1, len(values[other])), values[other], sign)
            found.append(Finding(NAME, claim, text, gain, unit))
            claim = f"{claim}: low-resource languages gain more"
            found.append(Finding(NAME, claim, text, tail_beyond_head(gain), unit))
    return with_numbers(found)


def tail_beyond_head(gain: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """The gain of each language that XLM-R was not trained on, beyond the mean gain of the others."""
    head = [values for code, values in gain.items() if resource(code) == "head"]
    if not head:
        return {}
    means = [sum(column) / len(head) for column in zip(*head)]
    return {
        code: [value - mean for value, mean in zip(values, means)]
        for code, values in gain.items()
        if resource(code) == "tail"
    }


def _scores(place: Path, name: str, task: str, metric: str) -> dict[str, float] | None:
    folder = place / "results" / name
    return scores(folder, task, metric) if (folder / "results.parquet").is_file() else None
