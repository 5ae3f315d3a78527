"""What a run of `evaluate` is asked for, in groups, and the flat keywords that stand for them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypedDict

from hf_mplm._lists import as_list
from hf_mplm.jobs.files import parse_json
from hf_mplm.languages import parse_code


__all__ = [
    "EncodingSettings",
    "EvaluationKeywords",
    "EvaluationSettings",
    "LoadingSettings",
    "RetrievalSettings",
    "TransferSettings",
    "WordSettings",
    "as_mapping",
]


@dataclass(frozen=True)
class RetrievalSettings:
    """How translations are looked for.

    Args:
        directions (`Sequence[str]`): `"source->target"`, `"target->source"` or both.
        settings (`Sequence[str]`): Of `"plain"`, `"centred"`, `"csls"` and `"centred+csls"`.
        csls_neighbours (`int`): Neighbours of CSLS.
    """

    directions: Sequence[str] = ("source->target",)
    settings: Sequence[str] = ("plain",)
    csls_neighbours: int = 10


@dataclass(frozen=True)
class WordSettings:
    """How translations of words are looked for, and similarities of words compared.

    Args:
        bli_settings (`Sequence[str]`): Of `"nn"` (plain cosine), `"csls"`, `"nn-different"` and `"csls-different"`,
            which leave out what both languages spell alike.
        allow_overlap (`bool`): Whether test pairs may stand in the dictionary by which the languages were mapped.
        oov (`str`): Of `wordsim`: `"skip"` leaves pairs with an unknown word out, `"0"` takes their similarity for 0.
    """

    bli_settings: Sequence[str] = ("nn", "csls")
    allow_overlap: bool = False
    oov: str = "skip"


@dataclass(frozen=True)
class TransferSettings:
    """What is trained, and scored on other languages.

    Args:
        settings (`Sequence[str]`): Of `"zero-shot"`, `"few-shot-K"`, `"in-language"` and `"probe"`.
        seeds (`Sequence[int]`): Seeds of the fine-tuned heads and their batches.
        train_file (`str`, *optional*): A training file for the tasks that come without any.
    """

    settings: Sequence[str] = ("zero-shot",)
    seeds: Sequence[int] = (42,)
    train_file: str | None = None


@dataclass(frozen=True)
class EncodingSettings:
    """How a sentence becomes a vector, for retrieval, probes and neutrality. Fine-tuning does not use it.

    Args:
        layer (`int`, *optional*): The layer to pool, by default two thirds of the depth.
        special_tokens (`bool`): Whether special tokens count in the mean.
        prompt (`str`, *optional*): What is put before every sentence, such as `"query: "`.
        prompt_name (`str`, *optional*): The name of one of the prompts that come with a sentence-transformers folder.
        pooling (`str`): `"mean"`, `"own"` (the modules of a sentence-transformers folder) or `"auto"`: its own where
            it has modules and no layer is asked for, the mean otherwise.
        tokens_per_batch (`int`, *optional*): Size of an encoding batch in tokens.
    """

    layer: int | None = None
    special_tokens: bool = True
    prompt: str | None = None
    prompt_name: str | None = None
    pooling: str = "auto"
    tokens_per_batch: int | None = None


@dataclass(frozen=True)
class LoadingSettings:
    """Which version of a model is loaded, and whether its code may run.

    Args:
        revision (`str`, *optional*): Commit, tag or branch on the Hub.
        trust_remote_code (`bool`): Whether code that comes with the model may run.
    """

    revision: str | None = None
    trust_remote_code: bool = False


class EvaluationKeywords(TypedDict, total=False):
    """The flat keywords of [`evaluate`], one a flag of `hf-mplm evaluate`.

    Lists may be given as the command line takes them: `"source->target,target->source"`. So may mappings, as JSON.
    """

    source_languages: str | Sequence[str]
    directions: str | Sequence[str]
    retrieval_settings: str | Sequence[str]
    csls_neighbours: int
    bli_settings: str | Sequence[str]
    allow_overlap: bool
    oov: str
    max_sentences: str | Mapping[str, int] | None
    transfer_settings: str | Sequence[str]
    seeds: str | int | Sequence[int]
    train_file: str | Path | None
    finetuning: str | Mapping[str, Mapping[str, Any]] | None
    layer: int | None
    special_tokens: bool
    prompt: str | None
    prompt_name: str | None
    pooling: str
    tokens_per_batch: int | None
    hub_revision: str | None
    trust_remote_code: bool


@dataclass(frozen=True)
class EvaluationSettings:
    """Everything that a run is asked for besides model, tasks, languages and folders.

    Args:
        source_languages (`Sequence[str]`): Languages to train on or to retrieve from.
        retrieval (`RetrievalSettings`): How translations are looked for.
        words (`WordSettings`): How words are judged.
        transfer (`TransferSettings`): What is trained.
        encoding (`EncodingSettings`): How a sentence becomes a vector.
        loading (`LoadingSettings`): How the model is loaded.
        options (`Mapping[str, Mapping[str, Any]]`): Task, or `"all"`, to hyper-parameters and options of its own that
            replace those of its record.
    """

    source_languages: Sequence[str] = ("eng_Latn",)
    retrieval: RetrievalSettings = field(default_factory=RetrievalSettings)
    words: WordSettings = field(default_factory=WordSettings)
    transfer: TransferSettings = field(default_factory=TransferSettings)
    encoding: EncodingSettings = field(default_factory=EncodingSettings)
    loading: LoadingSettings = field(default_factory=LoadingSettings)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def with_keywords(self, keywords: Mapping[str, Any]) -> EvaluationSettings:
        """Replace what flat keywords name.

        Args:
            keywords (`Mapping[str, Any]`): Of [`EvaluationKeywords`].

        Returns:
            `EvaluationSettings`: The settings, lists as tuples and languages as codes.

        Raises:
            TypeError: If a keyword is not known, naming the nearest.
            ValueError: If a value is not what its keyword takes.
        """
        for name in keywords:
            if name not in EvaluationKeywords.__annotations__:
                near = difflib.get_close_matches(name, EvaluationKeywords.__annotations__, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise TypeError(f"evaluate() takes no keyword {name!r}{hint}")
        groups: dict[str, Any] = {}
        for group, names in _GROUPS.items():
            given = {inner: _converted(name, keywords[name]) for name, inner in names.items() if name in keywords}
            groups[group] = replace(getattr(self, group), **given) if given else getattr(self, group)
        options = {task: dict(values) for task, values in self.options.items()}
        for task, values in as_mapping("finetuning", keywords.get("finetuning")).items():
            if not isinstance(values, Mapping):
                raise ValueError(f"finetuning of {task!r} is {values!r}; needed are hyper-parameters and their values")
            options.setdefault(task, {}).update(values)
        for task, limit in as_mapping("max_sentences", keywords.get("max_sentences")).items():
            options.setdefault(task, {})["max_sentences"] = limit
        sources = as_list(keywords.get("source_languages", self.source_languages))
        codes = tuple(dict.fromkeys(parse_code(code).code for code in sources))
        return EvaluationSettings(source_languages=codes, options=options, **groups)

    def keywords(self) -> dict[str, Any]:
        """Write the settings out as flat keywords, as JSON can hold them.

        Returns:
            `dict[str, Any]`: With a value for every keyword.
        """
        flat: dict[str, Any] = {"source_languages": list(self.source_languages)}
        for group, names in _GROUPS.items():
            for name, inner in names.items():
                value = getattr(getattr(self, group), inner)
                flat[name] = list(value) if isinstance(value, tuple | list) else value
        limits = {task: values["max_sentences"] for task, values in self.options.items() if "max_sentences" in values}
        others = {
            task: {name: value for name, value in values.items() if name != "max_sentences"}
            for task, values in self.options.items()
        }
        return {
            **flat,
            "max_sentences": limits,
            "finetuning": {task: values for task, values in others.items() if values},
        }


def as_mapping(name: str, value: Any) -> dict[str, Any]:
    """Take a mapping as Python gives it, or as the command line does, as JSON.

    Args:
        name (`str`): What it is called, for the message.
        value (`str` or `Mapping`, *optional*): The mapping, or JSON.

    Returns:
        `dict[str, Any]`: The mapping, empty for `None`.

    Raises:
        ValueError: If it is neither.
    """
    if value is None:
        return {}
    given = value
    if isinstance(value, str):
        try:
            given = parse_json(value)
        except ValueError as error:
            raise ValueError(
                f"--{name} is not JSON ({error}); it takes a task and its values, as in --help"
            ) from error
    if not isinstance(given, Mapping):
        raise ValueError(f"--{name} is {value}, which is no mapping from task to values, as in --help")
    return dict(given)


def _converted(name: str, value: Any) -> Any:
    if name == "seeds":
        try:
            seeds = tuple(dict.fromkeys(int(seed) for seed in as_list(value)))
        except (TypeError, ValueError):
            raise ValueError(f"seeds are {value!r}; needed are whole numbers, such as 42,43") from None
        return _some(name, value, seeds)
    if name in ("directions", "retrieval_settings", "bli_settings", "transfer_settings"):
        return _some(name, value, tuple(dict.fromkeys(as_list(value))))
    return str(value) if isinstance(value, Path) else value


def _some(name: str, value: Any, parts: tuple[Any, ...]) -> tuple[Any, ...]:
    if not parts:
        raise ValueError(f"{name} is {value!r}, which names nothing; leave it out or give one or more")
    return parts


# The group of settings, and the keyword of each of its fields.
_KEYWORD_OF = {
    ("retrieval", "settings"): "retrieval_settings",
    ("transfer", "settings"): "transfer_settings",
    ("loading", "revision"): "hub_revision",
}
_GROUPS: dict[str, dict[str, str]] = {
    group: {_KEYWORD_OF.get((group, entry.name), entry.name): entry.name for entry in fields(kind)}
    for group, kind in (
        ("retrieval", RetrievalSettings),
        ("words", WordSettings),
        ("transfer", TransferSettings),
        ("encoding", EncodingSettings),
        ("loading", LoadingSettings),
    )
}
