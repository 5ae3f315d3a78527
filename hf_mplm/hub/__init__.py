"""What is shown and shared on the Hub: model cards, publishing, MTEB's result files, metrics for `evaluate`.

May import `languages`, `jobs`, `data`, `modeling`, `evaluation`, `transfer` and `report`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from . import metric_modules as metric_modules
    from .cards import add_results_to_card, read_card, write_model_card
    from .metric_modules import module_path
    from .mteb_export import MtebExport, export_mteb
    from .names import safe_name
    from .publish_commit import Pushed
    from .publish_metadata import hub_languages
    from .publishing import Publication, plan_publication, publish

__all__ = [
    "MtebExport",
    "Publication",
    "Pushed",
    "add_results_to_card",
    "export_mteb",
    "hub_languages",
    "module_path",
    "plan_publication",
    "publish",
    "read_card",
    "safe_name",
    "write_model_card",
]

_NAMES = {
    "cards": [
        "add_results_to_card",
        "read_card",
        "write_model_card",
    ],
    "metric_modules": [
        "module_path",
    ],
    "mteb_export": [
        "MtebExport",
        "export_mteb",
    ],
    "names": [
        "safe_name",
    ],
    "publish_commit": [
        "Pushed",
    ],
    "publish_metadata": [
        "hub_languages",
    ],
    "publishing": [
        "Publication",
        "plan_publication",
        "publish",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
