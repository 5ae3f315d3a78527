"""Measuring an encoder: the runner, the tasks, the results.

`benchmarks` holds a file a task, `kinds` what tasks of a kind share, `files` the formats, `metrics` the scores.
May import `languages`, `jobs`, `data`, `modeling`, `losses` and `recipes`; never `trainers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from . import benchmarks as benchmarks
    from . import files as files
    from . import kinds as kinds
    from . import metrics as metrics
    from .callback import DownstreamEvaluationCallback
    from .encoder import Encoder, TransformerEncoder
    from .files.corpus import MissingDataError
    from .files.folder_corpus import FolderCorpus
    from .files.hub_data import HubDataset
    from .files.layouts import read_records
    from .files.records import DataError, text_of
    from .kinds.classification import ClassificationTask, LabelledText, label_index
    from .loading import load_model
    from .measured import load_encoder
    from .results import ResultRow, make_row, read_metadata, read_results, to_dicts, write_results
    from .runner import evaluate
    from .summary import group_mean, groups_of, language_means, source_means
    from .tasks import TASKS, get_task

__all__ = [
    "TASKS",
    "ClassificationTask",
    "DataError",
    "DownstreamEvaluationCallback",
    "Encoder",
    "FolderCorpus",
    "HubDataset",
    "LabelledText",
    "MissingDataError",
    "ResultRow",
    "TransformerEncoder",
    "evaluate",
    "get_task",
    "group_mean",
    "groups_of",
    "label_index",
    "language_means",
    "load_encoder",
    "load_model",
    "make_row",
    "read_metadata",
    "read_records",
    "read_results",
    "source_means",
    "text_of",
    "to_dicts",
    "write_results",
]

_NAMES = {
    "callback": [
        "DownstreamEvaluationCallback",
    ],
    "encoder": [
        "Encoder",
        "TransformerEncoder",
    ],
    "files.corpus": [
        "MissingDataError",
    ],
    "files.folder_corpus": [
        "FolderCorpus",
    ],
    "files.hub_data": [
        "HubDataset",
    ],
    "files.layouts": [
        "read_records",
    ],
    "files.records": [
        "DataError",
        "text_of",
    ],
    "kinds.classification": [
        "ClassificationTask",
        "LabelledText",
        "label_index",
    ],
    "loading": [
        "load_model",
    ],
    "measured": [
        "load_encoder",
    ],
    "results": [
        "ResultRow",
        "make_row",
        "read_metadata",
        "read_results",
        "to_dicts",
        "write_results",
    ],
    "runner": [
        "evaluate",
    ],
    "summary": [
        "group_mean",
        "groups_of",
        "language_means",
        "source_means",
    ],
    "tasks": [
        "TASKS",
        "get_task",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
