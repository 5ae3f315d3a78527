"""The findings of a transfer study as files: tidy tables, Markdown, LaTeX and a page with pictures."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_mplm._lists import as_codes
from hf_mplm.jobs.files import atomic_write
from hf_mplm.languages import coordinates
from hf_mplm.transfer.findings.interference import Interference
from hf_mplm.transfer.findings.prediction import Prediction
from hf_mplm.transfer.findings.rows import PairTransfer, RecipientShare, count_steps
from hf_mplm.transfer.findings.table import Scores

from . import plots, transfer_plots
from .page import Page
from .table import markdown_escape, markdown_table
from .transfer_tables import StudyTable, latex, study_tables, tidy_tables


__all__ = ["write_report"]

logger = logging.getLogger(__name__)

TITLE = "Transfer study"
# A picture with more cells cannot be opened everywhere.
_MOST_CELLS = 20_000


def write_report(
    scores: Scores,
    folder: str | Path,
    *,
    seen: str | Sequence[str] | None = None,
    prediction: Prediction | None = None,
    failed: int = 0,
    title: str = TITLE,
    seed: int = 0,
) -> list[Path]:
    """Write what a study found.

    Without matplotlib the page has its tables and no pictures, and a line of the log and of the page says so.

    Args:
        scores (`Scores`): what was measured.
        folder (`str` or `Path`): where; files of the same names are replaced.
        seen (`str` or `Sequence[str]`, *optional*): languages that the base was trained on.
        prediction (`Prediction`, *optional*): of `predict`.
        failed (`int`, *optional*, defaults to 0): cells that failed, which are in no number.
        title (`str`, *optional*): of the page.
        seed (`int`, *optional*, defaults to 0): of the intervals.

    Returns:
        `list[Path]`: `transfer.parquet` (a row a pair), a CSV file for each table, `report.md`, `report.tex` and
        `report.html`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    known = as_codes(seen) or ()
    tidy = tidy_tables(scores, known, prediction, seed)
    tables = study_tables(tidy)
    said = [*_paragraphs(scores, tidy, failed), *(prediction.verdicts if prediction is not None else [])]
    pictures: dict[str, bytes] = {}
    if why := plots.missing():
        logger.warning("report.html has the tables and no pictures: %s", why)
        said.append(f"There are no pictures: {why}")
    else:
        pictures = _pictures(tidy, known)
    files = {
        "transfer.parquet": _parquet(tidy["transfer"], {"metrics": scores.metrics, "failed": failed}),
        **{f"{name}.csv": _csv(rows) for name, rows in tidy.items() if rows},
        "report.md": _markdown(title, said, tables).encode("utf-8", "backslashreplace"),
        "report.tex": "\n\n".join(map(latex, tables)).encode("utf-8", "backslashreplace"),
        "report.html": _page(title, said, tables, pictures).html().encode("utf-8", "backslashreplace"),
    }
    for name, content in files.items():
        with atomic_write(folder / name) as file:
            file.write(content)
    return [folder / name for name in files]


def _paragraphs(scores: Scores, tidy: Mapping[str, Sequence[Any]], failed: int) -> list[str]:
    table = tidy["transfer"]
    cells = sum(row["n_repeats"] for row in table)
    zero = {(row["task"], row["target"]) for row in table if row["base"] is not None and row["ts"] is None}
    without = {(row["task"], row["target"]) for row in table if row["base"] is None}
    donors, targets = ({row[name] for row in table} for name in ("transfer_language", "target"))
    lines = [
        f"{cells} scores of {len(targets)} targets after tuning on {len(donors)} transfer languages, and "
        f"{len(scores.base)} baselines. A transfer score is the mean change over repeats as a part of the base score: "
        "0.1 is a gain of a tenth. Intervals hold 95 % of a bootstrap over targets and repeats; where one holds 0, "
        "whether the language helps cannot be told.",
        "Metrics: " + ", ".join(f"{metric} of {task}" for task, metric in scores.metrics.items()) + ".",
        f"{failed} cells failed and {scores.not_finite} values were not finite; they are in no number here.",
    ]
    if zero:
        lines.append(
            "No transfer score, because the base has 0 there: "
            + ", ".join(f"{target} ({task})" for task, target in sorted(zero))
            + ". Their absolute changes stand in the tables of transfer languages."
        )
    if without:
        lines.append(
            "No baseline, so that no change can be told: "
            + ", ".join(f"{target} ({task})" for task, target in sorted(without))
            + "."
        )
    return lines


def _markdown(title: str, said: Sequence[str], tables: Sequence[StudyTable]) -> str:
    parts = [f"# {markdown_escape(title)}\n", *(f"{markdown_escape(line)}\n" for line in said)]
    noted = ""
    for table in tables:
        parts.append(f"## {markdown_escape(table.title)}\n")
        if table.note != noted:
            parts.append(f"{markdown_escape(table.note)}\n")
            noted = table.note
        parts.append(markdown_table(table.header, table.rows) + "\n")
    return "\n".join(parts)


def _page(title: str, said: Sequence[str], tables: Sequence[StudyTable], pictures: Mapping[str, bytes]) -> Page:
    page = Page(title)
    for line in said:
        page.paragraph(line)
    if pictures:
        page.heading("Pictures")
    for caption, picture in pictures.items():
        page.figure(picture, caption)
    noted = ""
    for table in tables:
        page.heading(table.title)
        if table.note != noted:
            page.paragraph(table.note)
            noted = table.note
        page.table(table.header, table.rows)
    return page


def _pictures(tidy: Mapping[str, list[Any]], seen: Sequence[str]) -> dict[str, bytes]:
    pictures: dict[str, bytes] = {}
    for (task, step), rows in _groups(tidy["transfer"], lambda row: (row["task"], row["step"])).items():
        if any(row["ts"] is not None for row in rows):
            where = f"{task} after {count_steps(step)}"
            order = "transfer languages down, targets across, alike ones together"
            pictures[f"Transfer scores, {where}: {order}{_left_off(rows)}"] = _heat_map(rows)
            spread = _groups([row for row in rows if row["ts"] is not None], lambda row: row["transfer_language"])
            values = {code: [row["ts"] for row in own] for code, own in spread.items()}
            values = dict(sorted(values.items(), key=lambda item: -float(np.var(item[1]))))
            unseen = [code for code in values if seen and code not in seen]
            caption = f"Spread over targets, {where}, by variance" + (
                "; not seen by the base in orange" if unseen else ""
            )
            pictures[caption] = transfer_plots.violins(values, ylabel="transfer score", marked=unseen)
    for (task, step), shares in _groups(tidy["recipients"], lambda row: (row["task"], row["step"])).items():
        caption = f"Targets by the share of transfer languages that help them, {task} after {count_steps(step)}"
        pictures.update(_map(caption, shares))
    for task, rows in _groups(tidy["transfer_ranking"], lambda row: row["task"]).items():
        curves = {}
        for code, own in _groups([row for row in rows if row["ts"] is not None], lambda row: row["language"]).items():
            own.sort(key=lambda row: row["step"])
            spreads = [(row["variance"] or 0.0) ** 0.5 for row in own]
            curves[code] = ([row["step"] for row in own], [row["ts"] for row in own], spreads)
        if any(len(steps) > 1 for steps, _, _ in curves.values()):
            caption = (
                f"Mean transfer score over steps with the standard deviation over targets, {task}; above and below, "
                "the targets that gain and lose the most, and how many gain and lose"
            )
            extremes = _extreme_targets([row for row in tidy["transfer"] if row["task"] == task])
            pictures[caption] = transfer_plots.step_curves(curves, ylabel="transfer score", extremes=extremes)
    for step, rows in _groups(tidy["commonality"], lambda row: row["step"]).items():
        common = {
            ", ".join(tasks): ([row["top"] for row in own], [row["common"] for row in own])
            for tasks, own in _groups(rows, lambda row: tuple(row["tasks"])).items()
        }
        pictures[f"Transfer languages among the best of several tasks, after {count_steps(step)}"] = plots.curves(
            common, xlabel="best transfer languages of each task", ylabel="in common"
        )
    for (task, fusion, size), own in _groups(
        tidy["interference"], lambda row: (row["task"], row["fusion"], row["size"])
    ).items():
        pictures[f"Interference of {size} languages, {task}, fusion {fusion}"] = _plane(own)
    return pictures


def _extreme_targets(rows: Sequence[PairTransfer]) -> dict[str, dict[int, transfer_plots.Extremes]]:
    """Of each transfer language and step, the two best and the two worst targets, and how many gain and lose."""
    found: dict[str, dict[int, transfer_plots.Extremes]] = {}
    known = [row for row in rows if row["ts"] is not None]
    for (code, step), own in _groups(known, lambda row: (row["transfer_language"], row["step"])).items():
        order = sorted(own, key=lambda row: (-(row["ts"] or 0.0), row["target"]))
        gains, losses = (sum(sign * (row["ts"] or 0.0) > 0 for row in own) for sign in (1, -1))
        names = [row["target"] for row in order]
        # With fewer than four targets none is to stand on both sides.
        some = min(2, len(names) // 2)
        best, worst = names[:some], names[len(names) - some :]
        found.setdefault(code, {})[step] = transfer_plots.Extremes(best, worst, gains, losses)
    return found


def _left_off(rows: Sequence[PairTransfer]) -> str:
    """What a picture of at most so many cells does not show, for its caption."""
    known = [row for row in rows if row["ts"] is not None]
    donors, targets = ({row[side] for row in known} for side in ("transfer_language", "target"))
    hidden = len(targets) - max(1, _MOST_CELLS // max(1, len(donors)))
    return f"; {hidden} more targets are in the table alone" if hidden > 0 else ""


def _heat_map(rows: Sequence[PairTransfer]) -> bytes:
    donors = sorted({row["transfer_language"] for row in rows if row["ts"] is not None})
    targets = sorted({row["target"] for row in rows if row["ts"] is not None})
    matrix = np.full((len(donors), len(targets)), np.nan)
    for row in rows:
        if row["ts"] is not None:
            matrix[donors.index(row["transfer_language"]), targets.index(row["target"])] = row["ts"]
    down, across = transfer_plots.clustered_order(matrix), transfer_plots.clustered_order(matrix.T)
    across = across[: max(1, _MOST_CELLS // len(donors))]
    names = [donors[row] for row in down], [targets[column] for column in across]
    return plots.heat_map(matrix[np.ix_(down, across)], *names, label="transfer score", centre=0.0)


def _map(caption: str, shares: Sequence[RecipientShare]) -> dict[str, bytes]:
    places = {row["target"]: _place(row["target"]) for row in shares}
    known = {code: place for code, place in places.items() if place is not None}
    if not known:
        return {}
    if lacking := len(places) - len(known):
        caption += f" ({lacking} have no known place)"
    values = {row["target"]: row["positive"] for row in shares}
    return {caption: transfer_plots.target_map(known, values, label="share of transfer languages that help")}


def _place(code: str) -> tuple[float, float] | None:
    try:
        return coordinates(code)
    except ValueError:
        return None


def _plane(rows: Sequence[Interference]) -> bytes:
    points = np.array([(row["x"], row["y"]) for row in rows])
    third = [
        "languages" if row["z"] is None else "third gains" if row["z"] > 0 else "third does not gain" for row in rows
    ]
    names = ("gains from company", "company gains from it")
    return plots.language_map(points, [row["language"] for row in rows], third, axes_names=names)


def _parquet(rows: Sequence[Any], metadata: Mapping[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers, texts = pa.float64(), pa.string()
    schema = pa.schema(
        [
            *((name, texts) for name in ("task", "metric")),
            ("step", pa.int64()),
            *((name, texts) for name in ("transfer_language", "target")),
            *((name, numbers) for name in ("base", "mean", "change", "ts", "sem")),
            ("n_repeats", pa.int64()),
            ("repeats", pa.list_(pa.int64())),
            ("scores", pa.list_(numbers)),
        ],
        metadata={b"hf_mplm": json.dumps(metadata, ensure_ascii=False).encode()},
    )
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), buffer, write_page_checksum=True)
    return buffer.getvalue()


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        # A cell holds one value: what has several is left as JSON.
        writer.writerow(
            {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in row.items()}
        )
    return text.getvalue().encode("utf-8", "backslashreplace")


def _groups(rows: Sequence[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found
