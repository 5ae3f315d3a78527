"""What the quickstart says at its end: one table, and one page with pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hf_mplm.evaluation.results import ResultRow
from hf_mplm.languages import family_name, language_name
from hf_mplm.report import plots
from hf_mplm.report.page import Page


__all__ = ["HELD_OUT_METRIC", "HELD_OUT_TASK", "Quickstart", "summary_table", "write_report"]

HELD_OUT_TASK, HELD_OUT_METRIC = "holdout", "mlm_loss"

# column of the table: (task, setting, metric)
COLUMNS = {
    "MLM loss": (HELD_OUT_TASK, "", HELD_OUT_METRIC),
    "retrieval top-1": ("flores", "plain", "accuracy@1"),
    "retrieval top-10": ("flores", "plain", "accuracy@10"),
    "centred top-1": ("flores", "centred", "accuracy@1"),
    "centred top-10": ("flores", "centred", "accuracy@10"),
    "topic probe macro-F1": ("sib200", "probe", "macro_f1"),
}

WHAT_IS_MEASURED = (
    "MLM loss: nats per masked token of held-out sentences. Retrieval: share of the 204 English test sentences "
    "whose translation is the nearest (top-1) or among the ten nearest (top-10) by cosine of mean-pooled states "
    "at two thirds of the depth; centred: after subtracting each language's mean. Topics: macro-F1 over seven "
    "topics of a linear probe that saw English sentences only."
)
WHAT_IT_SHOWS = (
    "These are models of a few minutes and a few hundred thousand words. They can show the mechanism at work: "
    "both saw the same text with the same masks for the same number of steps from the same weights, and one of "
    "them was told language and script at its LM head. They cannot show how good a multilingual encoder is: an "
    "untrained encoder already finds many translations by the names, numbers and loanwords that two sentences "
    "share, and the first minutes of training make the sentences of one language alike before they make "
    "translations alike, so that a trained model can stand below the untrained one. One run is one seed: a "
    "difference of a point or two between two runs means nothing. For findings about the method read the paper, "
    "or continue the pretraining of a real encoder with the commands below."
)


@dataclass(frozen=True)
class Quickstart:
    """Where a finished quickstart lies, and what it was.

    Args:
        output (`Path`): its folder.
        models (`Mapping[str, Path]`): name in the table to folder, in the order of the table.
        rows (`Sequence[ResultRow]`): all results; `model` is the folder of one of the models.
        facts (`Mapping[str, Any]`): what was run, for the page's last section.
    """

    output: Path
    models: Mapping[str, Path]
    rows: Sequence[ResultRow]
    facts: Mapping[str, Any]

    def values(self, name: str, column: str) -> dict[str, float]:
        """Language to value of one model and one column of the table."""
        task, setting, metric = COLUMNS[column]
        folder = str(self.models[name])
        return {
            row.language: row.value
            for row in self.rows
            if (row.model, row.task, row.setting, row.metric) == (folder, task, setting, metric)
        }


def summary_table(run: Quickstart) -> tuple[list[str], list[list[Any]]]:
    """Header and rows of the table: one row a model, each number a mean over languages."""
    header = ["model", *COLUMNS]
    body: list[list[Any]] = []
    for name in run.models:
        cells = [list(run.values(name, column).values()) for column in COLUMNS]
        body.append([name, *(float(np.mean(values)) if values else None for values in cells)])
    return header, body


def write_report(run: Quickstart, commands: str) -> Path:
    """Write `report.html`, which needs no other file, and return its path. Without matplotlib it has no pictures."""
    header, body = summary_table(run)
    trained = [name for name in run.models if name != "untrained"]
    page = Page("hf_mplm quickstart: a baseline and a LangSAMP model")
    page.paragraph(
        f"{len(run.facts['languages'])} language-scripts in {len(run.facts['scripts'])} scripts, "
        f"{run.facts['train_tokens']:,} tokens of training text, {run.facts['max_steps']:,} steps for each model, "
        f"on {run.facts['hardware']}. Means over languages; fractions, not percent."
    )
    page.table(header, body)
    page.paragraph(WHAT_IS_MEASURED)
    page.paragraph(WHAT_IT_SHOWS)

    drawn = not plots.missing()
    if drawn:
        _add_charts(page, run, trained)
    page.heading("The languages as LangSAMP sees them")
    codes, vectors, nearest = _language_vectors(run)
    if drawn:
        page.figure(
            plots.language_map(vectors, codes, [family_name(code) for code in codes]),
            "Language embeddings, first two principal components, coloured by family.",
        )
    page.table(["language", "name", "nearest", "cosine"], nearest)

    page.heading("Every number")
    rows = []
    for code in run.facts["languages"]:
        for name in run.models:
            rows.append([code, name, *(run.values(name, column).get(code) for column in COLUMNS)])
    page.table(["language", *header], rows)

    page.heading("What was run")
    page.table(
        ["", ""], [[key, str(value)] for key, value in run.facts.items() if key not in ("languages", "scripts")]
    )
    page.heading("Next")
    page.code(commands)
    page.paragraph(
        "Text: SIB-200 (Adelani et al., 2024), CC-BY-SA 4.0, out of FLORES-200. Method: LangSAMP (Liu et al., 2025)."
    )
    return page.write(run.output / "report.html")


def _add_charts(page: Page, run: Quickstart, trained: list[str]) -> None:
    page.heading("Loss while training")
    page.figure(
        plots.curves(
            {name: _losses(run.models[name]) for name in trained}, xlabel="step", ylabel="masked-LM loss (nats)"
        ),
        "Training loss of both models, on the same batches with the same masks.",
    )
    page.heading("Held-out loss per language")
    page.figure(
        plots.bars({name: run.values(name, "MLM loss") for name in trained}, ylabel="nats per masked token"),
        "Lower is better. Sentences that no model was trained on, the same masks for both.",
    )
    page.heading("Retrieval from English per language")
    page.figure(
        plots.bars(
            {name: run.values(name, "centred top-10") for name in run.models}, ylabel="top-10 accuracy, centred"
        ),
        "Higher is better. Share of English test sentences whose translation is among the ten nearest of 204.",
    )


def _losses(folder: Path) -> tuple[list[float], list[float]]:
    state = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
    points = [(entry["step"], entry["loss"]) for entry in state["log_history"] if "loss" in entry]
    return [step for step, _ in points], [loss for _, loss in points]


def _language_vectors(run: Quickstart) -> tuple[list[str], np.ndarray, list[list[Any]]]:
    from transformers import AutoModelForMaskedLM

    model = AutoModelForMaskedLM.from_pretrained(run.models["langsamp"], trust_remote_code=False)
    codes = list(run.facts["languages"])
    table = model.language_embeddings.weight.detach().numpy()
    vectors = np.stack([table[model.language_ids_of(code)[0]] for code in codes])
    nearest = []
    for code in codes:
        others = [other for other in codes if other.split("_")[0] != code.split("_")[0]]
        closest, cosine = model.nearest_languages(code, among=others)[0]
        nearest.append([code, language_name(code), closest, float(cosine)])
    return codes, vectors, nearest
