"""What the quickstart says at its end: its tables, and one page with pictures."""

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
from hf_mplm.report.compare import bootstrap_interval
from hf_mplm.report.page import Page

from .quickstart_scores import BITS, HELD_OUT_TASK, LOSS, TABLES


__all__ = ["Quickstart", "summary_tables", "write_report"]

# column of the tables: (task, setting, metric)
COLUMNS = {
    "bits per character": (HELD_OUT_TASK, "", BITS),
    "top-1": ("flores", "plain", "accuracy@1"),
    "centred top-1": ("flores", "centred", "accuracy@1"),
    "topics": ("sib200", "probe", "macro_f1"),
}
MORE_COLUMNS = {
    "MLM loss": (HELD_OUT_TASK, "", LOSS),
    "top-10": ("flores", "plain", "accuracy@10"),
    "centred top-10": ("flores", "centred", "accuracy@10"),
}
NEUTRALITY = {"cosine of translations": "cosine", "language told by a probe": "language_probe_accuracy"}
DISPLAYED = {"aligned": "LangSAMP, aligned", "langsamp": "LangSAMP"}

WHAT_IS_MEASURED = (
    "Bits per character: loss of masked tokens of held-out training sentences, by the characters that a token stands "
    "for. Retrieval: share of the 204 English test sentences whose translation is the nearest of all by cosine of "
    "mean-pooled states at two thirds of the depth; centred: after subtracting each language's mean. Topics: macro-F1 "
    "over seven topics of a linear probe that saw English sentences only. Intervals are 95 % bootstrap intervals over "
    "the languages of a group, of which there are few."
)
WHAT_RANDOM_WEIGHTS_SHOW = (
    "These are models of a few minutes and a few hundred thousand words. They can show the mechanism at work: both "
    "saw the same text with the same masks for the same number of steps from the same weights, and one of them was "
    "told language and script at its LM head. They cannot show how good a multilingual encoder is: an untrained "
    "encoder already finds many translations by the names, numbers and loanwords that two sentences share, and the "
    "first minutes of training make the sentences of one language alike before they make translations alike. One run "
    "is one seed: a difference of a point or two between two runs means nothing."
)
WHAT_IT_SHOWS = (
    "Both models saw the same text with the same masks for the same number of steps from the same weights, and one of "
    "them was told language and script at its LM head. That is a few minutes and a few hundred sentences of each new "
    "language: enough to see what each step does to languages that are taught and to those that are not, and too "
    "little to say which method is better. One run is one seed: a difference of a point or two between two runs means "
    "nothing."
)


@dataclass(frozen=True)
class Quickstart:
    """Where a finished quickstart lies, and what it was.

    Args:
        output (`Path`): its folder.
        models (`Mapping[str, str]`): name to folder, in the order of the table.
        rows (`Sequence[ResultRow]`): all results; `model` is the folder of one of the models.
        taught (`Sequence[str]`): codes of the new languages.
        facts (`Mapping[str, Any]`): what was run, for the page's last section.
    """

    output: Path
    models: Mapping[str, str]
    rows: Sequence[ResultRow]
    taught: Sequence[str]
    facts: Mapping[str, Any]

    def values(self, name: str, task: str, setting: str | None, metric: str) -> dict[str, float]:
        """Language to value of one model; any setting where it is `None`."""
        return {
            row.language: row.value
            for row in self.rows
            if (row.model, row.task, row.metric) == (self.models[name], task, metric)
            and setting in (None, row.setting)
        }

    def groups(self) -> dict[str, list[str]]:
        """Title to languages: those that were taught, and those that were known, where there are any."""
        known = [code for code in self.facts["languages"] if code not in self.taught]
        if not known:
            return {"All languages": list(self.taught)}
        return {"New languages": list(self.taught), "Known languages": known}


def summary_tables(run: Quickstart) -> list[tuple[str, list[str], list[list[Any]]]]:
    """Title, header and rows of a table for each group of languages: one row a model."""
    tables = []
    for title, languages in run.groups().items():
        body = []
        for name in run.models:
            cells = [_interval(run.values(name, *key), languages) for key in COLUMNS.values()]
            body.append([DISPLAYED.get(name, name), *cells])
        tables.append((f"{title}: {', '.join(languages)}", ["model", *COLUMNS], body))
    return tables


def learned_tables(run: Quickstart) -> tuple[list[str], list[list[Any]]]:
    """What LangSAMP's tables learned: its held-out loss with each language's own row, no row, and another's."""
    found = {}
    for said in TABLES:
        found[said] = run.values("langsamp", HELD_OUT_TASK, "" if said == "right" else f"{said} language", LOSS)
    body = []
    for said, losses in found.items():
        more = {code: losses[code] - found["right"][code] for code in losses}
        body.append([said, _interval(losses, list(losses)), None if said == "right" else _interval(more, list(more))])
    return ["language and script", "MLM loss", "more than with the right ones"], body


def neutrality_table(run: Quickstart) -> tuple[list[str], list[list[Any]]]:
    """How alike translations are in different languages, and how well a vector tells its language."""
    body = []
    for name in run.models:
        cells = []
        for metric in NEUTRALITY.values():
            values = run.values(name, "neutrality", None, metric)
            cells.append(_interval(values, list(values)))
        body.append([DISPLAYED.get(name, name), *cells])
    return ["model", *NEUTRALITY], body


def write_report(run: Quickstart, commands: str) -> Path:
    """Write `report.html`, which needs no other file, and return its path. Without matplotlib it has no pictures."""
    page = Page("hf_mplm quickstart: an encoder is taught new languages")
    page.paragraph(
        f"{len(run.facts['languages'])} language-scripts in {len(run.facts['scripts'])} scripts, "
        f"{run.facts['train_tokens']:,} tokens of training text, {run.facts['max_steps']:,} steps for each model, "
        f"on {run.facts['hardware']}. Means over languages; fractions, not percent."
    )
    for title, header, body in summary_tables(run):
        page.heading(title)
        page.table(header, body)
    page.paragraph(WHAT_IS_MEASURED)
    page.paragraph(WHAT_IT_SHOWS if len(run.groups()) > 1 else WHAT_RANDOM_WEIGHTS_SHOW)

    drawn = not plots.missing()
    if drawn:
        _add_charts(page, run)
    page.heading("What the tables of LangSAMP learned")
    page.table(*learned_tables(run))
    page.paragraph(
        "Held-out loss when the LM head is given the rows of a sentence's own language and script, none, or those of "
        "the next language and script of its list. Where the interval of a difference holds 0, the tables have "
        "learned nothing that this loss can tell."
    )
    page.table(*neutrality_table(run))
    page.paragraph(
        "Cosine of a sentence and its translation, over all pairs of languages but English, after each language's "
        "mean is taken away (section 5.3 of the paper); and the share of sentences whose language a linear probe "
        "names from the pooled vector. A probe that is always right tells nothing of how much a vector says of its "
        "language."
    )
    page.heading("The languages as LangSAMP sees them")
    codes, vectors, nearest = _language_vectors(run)
    if drawn:
        page.figure(
            plots.language_map(vectors, codes, [family_name(code) for code in codes]),
            "Language embeddings, first two principal components, coloured by family.",
        )
    page.table(["language", "name", "nearest", "cosine"], nearest)

    page.heading("Every number")
    columns = {**COLUMNS, **MORE_COLUMNS}
    rows = []
    for code in run.facts["languages"]:
        for name in run.models:
            rows.append([code, name, *(run.values(name, *key).get(code) for key in columns.values())])
    page.table(["language", "model", *columns], rows)

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


def _interval(values: Mapping[str, float], languages: Sequence[str]) -> str | None:
    """Mean over languages and its interval, as text; nothing where none was measured."""
    measured = [values[code] for code in languages if code in values]
    if not measured:
        return None
    low, high = bootstrap_interval(measured)
    return f"{np.mean(measured):.3f} ({low:.3f} to {high:.3f})"


def _add_charts(page: Page, run: Quickstart) -> None:
    trained = [name for name in run.models if name in ("baseline", "langsamp")]
    page.heading("Loss while training")
    page.figure(
        plots.curves(
            {name: _losses(Path(run.models[name])) for name in trained}, xlabel="step", ylabel="masked-LM loss (nats)"
        ),
        "Training loss of both models, on the same batches with the same masks.",
    )
    page.heading("Held-out text per language")
    page.figure(
        plots.bars({name: run.values(name, HELD_OUT_TASK, "", BITS) for name in run.models}, ylabel=BITS),
        "Lower is better. Sentences that no model was trained on, the same masks for all.",
    )
    page.heading("Retrieval from English per language")
    page.figure(
        plots.bars(
            {name: run.values(name, *COLUMNS["centred top-1"]) for name in run.models}, ylabel="top-1, centred"
        ),
        "Higher is better. Share of English test sentences whose translation is the nearest of 204.",
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
