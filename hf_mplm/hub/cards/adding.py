"""Scores into a card that stands there already."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_mplm._lists import as_list
from hf_mplm.evaluation.vocabulary import is_static_folder

from .checkpoint import language_facts, measured_facts
from .eval_results import write_eval_results
from .rendering import read_card, render_part, write_card_file
from .results import group_tables, model_index, results_table, task_types_of
from .scores import write_scores
from .sections import BEGIN_RESULTS, replace_section


__all__ = ["add_results_to_card"]

_END = "<!-- hf_mplm: end of results -->"
_RESULTS = re.compile(f"{re.escape(BEGIN_RESULTS)}.*?{re.escape(_END)}", re.DOTALL)


def add_results_to_card(
    folder: str | Path,
    rows: Sequence[Any],
    *,
    name: str | None = None,
    task_types: Mapping[str, str] | None = None,
    limited: str | Collection[str] = (),
) -> Path:
    """Write scores into a card: tables between markers, the languages and limits of a checkpoint, the `model-index`.

    They are kept in `scores.json` beside the card, from which a later card is drawn, and in `.eval_results/*.yaml`
    where MTEB measures the same. Everything else in the card stays as it is, so that it can be called again after the
    card was edited.

    Args:
        folder (`str` or `Path`): the checkpoint's folder, with a `README.md`.
        rows (`Sequence[ResultRow]`): of this model alone, as [`~hf_mplm.evaluation.results.read_results`] gives them.
        name (`str`, *optional*): the model's name in the index; the folder's name by default.
        task_types (`Mapping[str, str]`, *optional*): what the Hub calls tasks of your own, by their names.
        limited (`str` or `Collection[str]`, *optional*): tasks of which only some sentences were taken
            (`--max_sentences`), which MTEB does not.

    Returns:
        `Path`: of the card.

    Raises:
        FileNotFoundError: there is no card; [`write_model_card`] makes one.
        ValueError: there are no rows, or rows of a task of which nobody said what the Hub calls it.
        DamagedError: the card's front matter cannot be read.
    """
    folder = Path(folder)
    path = folder / "README.md"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; write_model_card({str(folder)!r}) makes one")
    if not rows:
        raise ValueError(f"no results to write into {path}")
    types = task_types_of(rows, task_types)
    card = read_card(folder)
    write_scores(folder, rows, task_types)
    write_eval_results(folder, rows, limited=as_list(limited))
    facts: dict[str, Any] = {"results": results_table(rows), "group_tables": group_tables(rows)}
    block = f"{BEGIN_RESULTS}\n{render_part('results', **facts)}\n{_END}"
    # A function, because the block may hold backslashes that a replacement string would interpret.
    card.text = _RESULTS.sub(lambda _: block, card.text) if _RESULTS.search(card.text) else f"{card.text}\n\n{block}\n"
    if (folder / "config.json").is_file() and not is_static_folder(folder):
        # Of a card that a person wrote there are no such sections.
        facts = measured_facts(folder, *language_facts(folder))
        for part in ("languages", "limits"):
            if section := render_part(part, **facts):
                card.text = replace_section(card.text, part, f"{section}\n")
    data: Any = card.data
    data.model_name = name or folder.resolve().name
    data.eval_results = model_index(rows, types)
    write_card_file(card, path)
    return path
