"""Model cards, drawn from what a run leaves on disk: configuration, arguments, trainer state, store and results."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from hf_mplm._lists import as_list
from hf_mplm.jobs.files import DamagedError, atomic_write, read_json
from hf_mplm.modeling.delta import is_delta
from hf_mplm.report.table import format_cell, markdown_code, markdown_escape, markdown_table

from .card_sections import digests_of, mark_sections, merge_metadata, merge_sections, read_digests
from .publish_metadata import hub_languages


__all__ = ["add_results_to_card", "is_own_card", "read_card", "save_card", "write_model_card"]

logger = logging.getLogger(__name__)

_BEGIN, _END = "<!-- hf_mplm: results -->", "<!-- hf_mplm: end of results -->"
_RESULTS = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
_TEMPLATES = ("align", "align-static", "pretrain")
RESULTS = "Means over languages, as fractions; a source language's own score stands apart."
_PACKAGES = ("hf-mplm", "transformers", "torch", "datasets", "tokenizers")

# Arguments that say something about a checkpoint; the folder's training_args.json holds all of them.
_TOLD = {
    "max_steps": "steps",
    "per_device_train_batch_size": "batch per device",
    "gradient_accumulation_steps": "gradient accumulation",
    "learning_rate": "learning rate",
    "lr_scheduler_type": "schedule",
    "warmup_steps": "warm-up steps",
    "adam_beta1": "Adam beta1",
    "adam_beta2": "Adam beta2",
    "adam_epsilon": "Adam epsilon",
    "weight_decay": "weight decay",
    "mask_rate": "mask rate",
    "lm_head": "LM head",
    "head_warmup": "first steps, of the LM head alone",
    "mlm_weight": "weight of masked LM on the original text",
    "romanized_mlm_weight": "weight of masked LM on the romanised text",
    "seq_weight": "weight of the sentence contrast",
    "tlm_weight": "weight of masked LM on both joined",
    "token_weight": "weight of the alignment of words",
    "loss": "alignment of words with static vectors",
    "align_weight": "weight of the alignment",
    "words_per_step": "words a step",
    "words": "words drawn from",
    "pool_special_tokens": "special tokens pooled with a word",
    "target_scale": "length of the vectors",
    "components": "principal axes of the vectors",
    "ridge": "ridge, as a share of the mean eigenvalue",
    "subspace_batch": "words compared at a time",
    "temperature": "temperature of the sentence contrast",
    "similarity": "similarity of sentences",
    "max_length": "longest text in tokens",
    "alpha": "language sampling exponent",
    "seed": "seed",
    "layer": "layer that is pooled",
    "processes": "processes",
}

# Groups of languages with a column of their own.
_GROUPS = ("tail", "head", "Latn", "non-Latn", "all")


def write_model_card(
    folder: str | Path,
    *,
    name: str | None = None,
    base_model: str | None = None,
    license: str | None = None,
    language_counts: Mapping[str, int] | None = None,
    paper: Mapping[str, str] | None = None,
    tags: str | Sequence[str] = (),
    template: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Write `README.md` into a checkpoint's folder, out of what lies there.

    A card that a person has written is left as it is. In one that this function wrote, the sections between its
    markers are written anew, what a person wrote around them stays, and so do the metadata that a person changed.

    Args:
        folder (`str` or `Path`): a saved checkpoint; `config.json` is read, and `training_args.json` and
            `trainer_state.json` where they exist.
        name (`str`, *optional*): what the card calls the model; the folder's name by default.
        base_model (`str`, *optional*): Hub id of the checkpoint that training started from.
        license (`str`, *optional*): the Hub's licence identifier.
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
    """
    folder = Path(folder)
    path = folder / "README.md"
    if path.is_file() and not is_own_card(folder):
        logger.info("kept %s, which somebody wrote by hand", path)
        return path
    record = _read(folder / "hf_mplm.json")
    noted = record.get("card") or {}
    template = template or noted.get("template") or "pretrain"
    license, base_model = license or noted.get("license"), base_model or noted.get("base_model")
    paper, tags = paper or noted.get("paper"), tags or noted.get("tags") or ()
    told = record.get("languages") or {}
    if language_counts is None:
        language_counts = {code: counts.get("draws", 0) for code, counts in told.items()} or None
    if template not in _TEMPLATES:
        raise ValueError(f"there is no template {template!r} of a card; there are {', '.join(_TEMPLATES)}")
    config = _read(folder / "config.json")
    if not config:
        raise FileNotFoundError(f"{folder} holds no config.json: a card is written for a saved checkpoint")
    arguments, state = _read(folder / "training_args.json"), _read(folder / "trainer_state.json")
    changes = _read(folder / "run.json").get("changes", [])
    name = name or folder.resolve().name
    languages = sorted(language_counts or {})
    from_hub = bool(base_model) and not _is_local(str(base_model))
    card_data = ModelCardData(
        language=hub_languages(languages or list(map(str, config.get("languages", [])))) or None,
        license=license,
        library_name="transformers",
        pipeline_tag="fill-mask",
        base_model=base_model if from_hub else None,
        base_model_relation="finetune" if from_hub else None,
        tags=sorted({"hf-mplm", *as_list(tags, keep_spaces=True)}),
    )
    has_tables = "languages" in config
    card = ModelCard.from_template(
        card_data,
        template_str=(resources.files(__package__) / "templates" / f"{template}.md").read_text(encoding="utf-8"),
        name=markdown_escape(name.split("/")[-1]),
        quoted_name=json.dumps(name, ensure_ascii=False),
        summary=_summary(config, languages, base_model, bool((record.get("origin") or {}).get("--init_config"))),
        has_tables=has_tables,
        is_delta=is_delta(folder),
        model_type=markdown_code(str(config.get("model_type"))),
        example_language=json.dumps(languages[0] if languages else "eng_Latn"),
        architecture=_architecture(config),
        languages=languages,
        scripts=sorted({code.partition("_")[2] for code in languages} - {""}),
        language_counts=_training_data(language_counts or {}, told),
        corpora=", ".join(map(markdown_code, record.get("corpora") or [])),
        license_text=f"Licence: {license}." if license else "No licence was given.",
        training=list(map(markdown_escape, _training({**arguments, **(facts or {})}, changes) + _ablation(config))),
        held_out=_held_out(state),
        # A baseline of LangSAMP's trainer, without its embeddings, is not the paper's method.
        paper=dict(paper) if paper and (has_tables or template != "pretrain") else None,
        versions=", ".join(f"{package} {metadata.version(package)}" for package in _PACKAGES),
    )
    save_card(card, path)
    return path


def add_results_to_card(
    folder: str | Path, rows: Sequence[Any], *, name: str | None = None, task_types: Mapping[str, str] | None = None
) -> Path:
    """Write scores into a card: a table between two markers, and the `model-index` that the Hub reads.

    Everything else in the card stays as it is, so that it can be called again after the card was edited.

    Args:
        folder (`str` or `Path`): the checkpoint's folder, with a `README.md`.
        rows (`Sequence[ResultRow]`): of this model alone, as [`~hf_mplm.evaluation.results.read_results`] gives them.
        name (`str`, *optional*): the model's name in the index; the folder's name by default.
        task_types (`Mapping[str, str]`, *optional*): what the Hub calls tasks of your own, by their names.

    Returns:
        `Path`: of the card.

    Raises:
        FileNotFoundError: there is no card; [`write_model_card`] makes one.
        ValueError: there are no rows, or rows of a task of which nobody said what the Hub calls it.
        DamagedError: the card's front matter cannot be read.
    """
    path = Path(folder) / "README.md"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; write_model_card({str(folder)!r}) makes one")
    if not rows:
        raise ValueError(f"no results to write into {path}")
    # Here, because trainers write cards and have no use for tables of results.
    from hf_mplm.evaluation.summary import group_mean, groups_of, language_means, measurement_order, source_means
    from hf_mplm.evaluation.tasks import task_type

    types = {task: (task_types or {}).get(task) or task_type(task) for task in {row.task for row in rows}}
    targets, sources, members = language_means(rows), source_means(rows), groups_of(rows)
    header = ["task", "setting", "source", "metric", *_GROUPS, "source itself", "languages"]
    lines: list[list[Any]] = []
    index = []
    for key in sorted({*targets, *sources}, key=measurement_order):
        task, metric, setting, source, direction, layer = key
        values, own = targets.get(key, {}), sources.get(key, {})
        means = [group_mean(values, members.get(group, ())) for group in _GROUPS]
        means.append(group_mean(own, list(own)))
        how = ", ".join(part for part in (setting, direction, f"layer {layer}" if layer >= 0 else "") if part)
        lines.append([task, how, source or None, metric, *means, len(values)])
        count = f"{len(values)} language{'s' if len(values) > 1 else ''}"
        where = f"mean over {count}" if values else "the source language itself"
        value = means[_GROUPS.index("all")] if values else means[-1]
        index.append(
            EvalResult(
                task_type=types[task],
                dataset_type=task,
                dataset_name=f"{task}, {where}",
                # Results of one type and configuration are merged into one by huggingface_hub, whatever their names.
                dataset_config=f"{how}{f', from {source}' if source else ''}",
                metric_type=metric,
                metric_value=round(float(value or 0.0), 6),
            )
        )
    card = read_card(folder)
    table = markdown_table(header, lines, aligned=False)
    block = f"{_BEGIN}\n## Results\n\n{RESULTS}\n\n{table}\n{_END}"
    # A function, because the block may hold backslashes that a replacement string would interpret.
    card.text = _RESULTS.sub(lambda _: block, card.text) if _RESULTS.search(card.text) else f"{card.text}\n\n{block}\n"
    data: Any = card.data
    data.model_name = name or Path(folder).resolve().name
    data.eval_results = index
    _save(card, path)
    return path


def is_own_card(folder: str | Path) -> bool:
    """Tell whether a folder's card was written by this package, and may be written anew; see [`read_card`]."""
    return _BEGIN in read_card(folder).content


def read_card(folder: str | Path) -> ModelCard:
    """Read the card of a checkpoint.

    Args:
        folder (`str` or `Path`): the checkpoint's folder, with a `README.md`.

    Returns:
        `ModelCard`: the card.

    Raises:
        DamagedError: it is not UTF-8, or what stands between its `---` lines is not what the Hub reads there.
    """
    path = Path(folder) / "README.md"
    try:
        return ModelCard.load(path)
    except UnicodeDecodeError as error:
        raise DamagedError(path, f"it is not UTF-8 (byte {error.start})", "Save it as UTF-8.") from error
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        what = f"its front matter cannot be read ({' '.join(str(error).split())[:300]})"
        raise DamagedError(path, what, "Mend what stands between its --- lines, or delete them.") from error


def _is_local(model: str) -> bool:
    return Path(model).exists() or model.startswith((".", "/", "~"))


def _public(model: str) -> str:
    """A Hub id, or a folder's own name: where it lies on some machine is nobody's business."""
    return Path(model).name if _is_local(model) else model


def _training_data(draws: Mapping[str, int], told: Mapping[str, Mapping[str, int]]) -> str:
    """Each language with its sentences and tokens, where they are known, and how often its chunks were drawn."""
    lines = []
    for code, count in sorted(draws.items()):
        known = told.get(code) or {}
        size = f"{known['sentences']:,} sentences, {known['tokens']:,} tokens, " if "sentences" in known else ""
        lines.append(f"{code} ({size}{count:,} chunks drawn)")
    return ", ".join(lines)


def save_card(card: ModelCard, path: Path) -> None:
    """Write a card over one of before, of which an author's words and metadata stay.

    Args:
        card (`ModelCard`): as it is now.
        path (`Path`): of the card.
    """
    card.text = mark_sections(card.text)
    ours = card.data.to_dict()
    if path.is_file():
        before = read_card(path.parent)
        wrote, text = read_digests(before.text)
        card.text = merge_sections(text, card.text)
        merged = merge_metadata(before.data.to_dict(), ours, wrote)
        # Results stand in a form of their own, which only the card that was read knows how to write.
        results = merged.pop("model-index", None) and getattr(before.data, "eval_results", None)
        name = getattr(before.data, "model_name", None)
        card.data = ModelCardData(**merged, **({"eval_results": results, "model_name": name} if results else {}))
    card.text = f"{card.text.rstrip()}\n\n{digests_of(ours)}\n"
    _save(card, path)


def _summary(config: Mapping[str, Any], languages: Sequence[str], base_model: str | None, from_scratch: bool) -> str:
    start = (
        f"continues the pretraining of {markdown_code(_public(base_model))}"
        if base_model
        else "was pretrained from scratch"
        if from_scratch
        else "was pretrained"
    )
    method = (
        f"by masked language modelling with LangSAMP: {' and '.join(_tables(config))} embeddings are added to the "
        "encoder's output before the LM head, so that the encoder itself has less need to encode them"
        if "languages" in config
        else "by masked language modelling"
    )
    count = f" on {len(languages)} language-scripts" if languages else ""
    return f"A multilingual encoder that {start}{count}, {method}. Trained with [hf_mplm](https://pypi.org/project/hf-mplm/)."


def _architecture(config: Mapping[str, Any]) -> str:
    text = (
        f"{markdown_code(str(config.get('model_type')))}: {_number(config, 'num_hidden_layers')} layers, "
        f"{_number(config, 'hidden_size')} wide, {_number(config, 'num_attention_heads')} heads, a vocabulary of "
        f"{_number(config, 'vocab_size')}."
    )
    tables = [f"{len(config.get(f'{table}s', []))} {table} embeddings" for table in _tables(config)]
    return f"{text} Beside the LM head: {' and '.join(tables)}." if tables else text


def _tables(config: Mapping[str, Any]) -> list[str]:
    """LangSAMP's tables that a model has."""
    return [
        table
        for table in ("language", "script")
        if "languages" in config and config.get(f"use_{table}_embeddings", True)
    ]


def _training(arguments: Mapping[str, Any], changes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a run was trained with, one line each, with the steps at which it went on with something else."""
    history: dict[str, list[str]] = {}
    for change in changes:
        for name, (before, _) in change["settings"].items():
            history.setdefault(name, []).append(f"{before} until step {change['step']:,}")
    # A setting that changed is told, whichever it is.
    names = [*_TOLD, *(name for name in history if name not in _TOLD)]
    return [
        f"{_TOLD.get(name, name)}: " + ", then ".join([*history.get(name, ()), str(arguments.get(name))])
        for name in names
        if name in history or arguments.get(name) is not None
    ]


def _ablation(config: Mapping[str, Any]) -> list[str]:
    """Which of LangSAMP's two tables was left out."""
    if "languages" not in config:
        return []
    return [f"ablation: no {table} embeddings" for table in ("language", "script") if table not in _tables(config)]


def _number(config: Mapping[str, Any], key: str) -> str:
    value = config.get(key)
    return f"{value:,}" if isinstance(value, int) else format_cell(None)


def _held_out(state: Mapping[str, Any]) -> str:
    losses = [entry["eval_loss"] for entry in state.get("log_history", []) if "eval_loss" in entry]
    return f"{losses[-1]:.4f}" if losses else ""


def _save(card: ModelCard, path: Path) -> None:
    with atomic_write(path) as file:
        file.write(str(card).encode("utf-8", errors="backslashreplace"))


def _read(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if value is not None and not isinstance(value, dict):
        raise DamagedError(path, "it holds no JSON object")
    return value or {}
