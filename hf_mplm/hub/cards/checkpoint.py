"""The card of a checkpoint, drawn from what a run leaves on disk: configuration, arguments, state, record, scores."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from huggingface_hub import ModelCardData

from hf_mplm._lists import as_list
from hf_mplm.jobs.files import DamagedError, atomic_write, read_json
from hf_mplm.modeling.delta import is_delta
from hf_mplm.report.loss_curve import loss_curve, loss_series
from hf_mplm.report.table import markdown_code, markdown_escape

from ..publish_metadata import hub_languages
from .describing import ablation_lines, describe_architecture, is_local, summarize
from .languages import LanguageFacts, gather_languages, language_table, shorten_number
from .limits import find_limits, read_overlap
from .rendering import is_own_card, render, save_card
from .results import group_tables, model_index, results_table, task_types_of
from .scores import read_scores, read_task_types
from .sources import hub_datasets, license_of, license_text, source_lines
from .training import changed_arguments, held_out_loss, measured_lines, training_lines


if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["CURVE_FILE", "draw_model_card", "language_facts", "loss_picture", "measured_facts", "write_model_card"]

logger = logging.getLogger(__name__)

CURVE_FILE = "loss.svg"
_TEMPLATES = ("align", "align-static", "pretrain")
_LOSS = {"align": "Held-out loss, all terms together,"}
_PACKAGES = ("hf-mplm", "transformers", "torch", "datasets", "tokenizers")


class CardKeywords(TypedDict, total=False):
    """What the card of a checkpoint is told beside its name and what lies in the folder; see [`write_model_card`]."""

    base_model: str | None
    license: str | None
    language_counts: Mapping[str, int] | None
    paper: Mapping[str, str] | None
    tags: str | Sequence[str]
    template: str | None
    facts: Mapping[str, Any] | None


def write_model_card(folder: str | Path, *, name: str | None = None, **told: Unpack[CardKeywords]) -> Path:
    """Write `README.md`, and the curve of the loss, into a checkpoint's folder, out of what lies there.

    A card that a person has written is left as it is. In one that this function wrote, the sections between its
    markers are written anew, what a person wrote around them stays, and so do the metadata that a person changed.

    Args:
        folder (`str` or `Path`): a saved checkpoint; `config.json` is read, and where they exist `training_args.json`,
            `trainer_state.json`, `run.json`, `hf_mplm.json`, `scores.json` and what `hf-mplm audit` left
            (`overlap.json`).
        name (`str`, *optional*): what the card calls the model; the folder's name by default.
        base_model (`str`, *optional*): Hub id of the checkpoint that training started from.
        license (`str`, *optional*): the Hub's licence identifier; that of the training text where all of it has one.
        language_counts (`Mapping[str, int]`, *optional*): language-script to number of chunks drawn in training.
        paper (`Mapping[str, str]`, *optional*): `title`, `url` and `citation` of the method.
        tags (`str` or `Sequence[str]`, *optional*): tags of the card.
        template (`str`, *optional*): a template of this package; `"pretrain"` by default.
        facts (`Mapping[str, Any]`, *optional*): what else is told of training, such as `processes` and `layer`.

    What is not given is taken from the folder's `hf_mplm.json`, where training wrote it down.

    Returns:
        `Path`: of the card.

    Raises:
        FileNotFoundError: the folder holds no `config.json`.
        DamagedError: something that it is drawn from cannot be read.
    """
    folder = Path(folder)
    path = folder / "README.md"
    if path.is_file() and not is_own_card(folder):
        logger.info("kept %s, which somebody wrote by hand", path)
        return path
    text = draw_model_card(folder, name=name or folder.resolve().name, **told)
    picture = loss_picture(folder)
    if picture is not None:
        with atomic_write(folder / CURVE_FILE) as file:
            file.write(picture)
    save_card(text, path)
    return path


def draw_model_card(folder: Path, *, name: str, **told: Unpack[CardKeywords]) -> str:
    """The card that [`write_model_card`] writes, as text. Arguments and errors are the same."""
    if unknown := sorted(set(told) - CardKeywords.__optional_keys__):
        known = ", ".join(sorted(CardKeywords.__optional_keys__))
        raise TypeError(f"a card is told nothing called {', '.join(unknown)}; there are name, {known}")
    record = _read(folder / "hf_mplm.json")
    noted = record.get("card") or {}
    # What training wrote down, under what is given now.
    said: dict[str, Any] = {**noted, **{key: value for key, value in told.items() if value}}
    template = said.get("template") or "pretrain"
    if template not in _TEMPLATES:
        raise ValueError(f"there is no template {template!r} of a card; there are {', '.join(_TEMPLATES)}")
    base_model, paper, given = said.get("base_model"), said.get("paper"), said.get("license")
    facts = {**(noted.get("facts") or {}), **(told.get("facts") or {})}
    config = _read(folder / "config.json")
    if not config:
        raise FileNotFoundError(f"{folder} holds no config.json: a card is written for a saved checkpoint")
    arguments, state = _read(folder / "training_args.json"), _read(folder / "trainer_state.json")
    sources = record.get("sources") or []
    license = given or license_of(sources)
    languages, rows = language_facts(folder, told.get("language_counts"))
    trained = _trained(languages)
    from_hub = bool(base_model) and not is_local(str(base_model))
    has_tables, delta = "languages" in config, is_delta(folder)
    data = ModelCardData(
        language=hub_languages(trained or list(map(str, config.get("languages", [])))) or None,
        license=license,
        library_name="transformers",
        pipeline_tag="fill-mask",
        base_model=base_model if from_hub else None,
        base_model_relation=("adapter" if delta else "finetune") if from_hub else None,
        datasets=hub_datasets(sources) or None,
        tags=sorted({"hf-mplm", *as_list(said.get("tags") or (), keep_spaces=True)}),
        **_results_metadata(rows, name, read_task_types(folder)),
    )
    texts = {key: [value for one in languages if (value := getattr(one, key))] for key in ("sentences", "tokens")}
    return render(
        template,
        data,
        packages=_PACKAGES,
        name=markdown_escape(name.split("/")[-1]),
        quoted_name=json.dumps(name, ensure_ascii=False),
        summary=summarize(config, trained, base_model, bool((record.get("origin") or {}).get("--init_config"))),
        has_tables=has_tables,
        is_delta=delta,
        model_type=markdown_code(str(config.get("model_type"))),
        example_language=json.dumps(trained[0] if trained else "eng_Latn"),
        architecture=describe_architecture(config),
        n_sentences=shorten_number(sum(texts["sentences"])) if texts["sentences"] else "",
        n_tokens=shorten_number(sum(texts["tokens"])),
        sources=source_lines(sources),
        corpora=", ".join(map(markdown_code, record.get("corpora") or [])),
        license_text=license_text(license, is_given=bool(given)),
        training=training_lines(
            {**arguments, **facts}, _read(folder / "run.json").get("changes", []), record.get("recipe")
        )
        + ablation_lines(config),
        measured=measured_lines(record),
        arguments=changed_arguments(record),
        held_out=held_out_loss(state),
        held_out_name=_LOSS.get(template, "Held-out masked-LM loss"),
        has_curve=bool(loss_series(state.get("log_history", []))),
        # A baseline of LangSAMP's trainer, without its embeddings, is not the paper's method.
        paper=dict(paper) if paper and (has_tables or template != "pretrain") else None,
        **measured_facts(folder, languages, rows),
    )


def language_facts(
    folder: Path, language_counts: Mapping[str, int] | None = None
) -> tuple[list[LanguageFacts], list[Any]]:
    """What is known of a checkpoint's languages, and its results.

    Args:
        folder (`Path`): the checkpoint's.
        language_counts (`Mapping[str, int]`, *optional*): language to chunks drawn; as recorded by default.
    """
    record, state = _read(folder / "hf_mplm.json"), _read(folder / "trainer_state.json")
    told = record.get("languages") or {}
    if language_counts is None:
        language_counts = {code: counts["draws"] for code, counts in told.items() if "draws" in counts}
    rows = read_scores(folder)
    return gather_languages(told, language_counts, state, rows), rows


def measured_facts(folder: Path, languages: Sequence[LanguageFacts], rows: Sequence[Any]) -> dict[str, Any]:
    """What the sections on languages, results and limits are filled with.

    Args:
        folder (`Path`): the checkpoint's.
        languages (`Sequence[LanguageFacts]`): see [`language_facts`].
        rows (`Sequence[ResultRow]`): the same.
    """
    table, meanings = language_table(languages, rows) if languages else ("", [])
    trained = _trained(languages)
    results = {"results": results_table(rows), "group_tables": group_tables(rows)} if rows else {}
    return {
        "language_table": table,
        "column_meanings": meanings,
        "trained": trained,
        "scripts": sorted({code.partition("_")[2] for code in trained} - {""}),
        "n_languages": len(languages),
        "n_measured_alone": len(languages) - len(trained),
        "limits": find_limits(languages, rows, read_overlap(folder)),
        **results,
    }


def loss_picture(folder: Path) -> bytes | None:
    """The curve of the loss of a run as SVG; `None` where no loss was logged."""
    series = loss_series(_read(folder / "trainer_state.json").get("log_history", []))
    return loss_curve(series).encode("utf-8") if series else None


def _trained(languages: Sequence[LanguageFacts]) -> list[str]:
    return [one.code for one in languages if one.is_trained]


def _results_metadata(rows: Sequence[Any], name: str, types: Mapping[str, str]) -> dict[str, Any]:
    if not rows:
        return {}
    try:
        return {"eval_results": model_index(rows, task_types_of(rows, types)), "model_name": name.split("/")[-1]}
    except ValueError as error:  # a task of somebody's own, whose type only they can tell
        logger.info("the card has no model-index: %s", error)
        return {}


def _read(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if value is not None and not isinstance(value, dict):
        raise DamagedError(path, "it holds no JSON object")
    return value or {}
