"""What a person looks at: tables, pages, plots, comparisons of runs.

May import `languages`, `jobs`, `evaluation`, whose results it reads, `sprachbund` and `transfer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_mplm._lazy import lazy_names


if TYPE_CHECKING:
    from .compare import Comparison, GroupScore, bootstrap_interval, compare_runs, paired_p_value, split_by_model
    from .comparison import html_report, latex_table, markdown_report, write_comparison
    from .means import means_table
    from .page import Page
    from .table import markdown_table

__all__ = [
    "Comparison",
    "GroupScore",
    "Page",
    "bootstrap_interval",
    "compare_runs",
    "html_report",
    "latex_table",
    "markdown_report",
    "markdown_table",
    "means_table",
    "paired_p_value",
    "split_by_model",
    "write_comparison",
]

_NAMES = {
    "compare": [
        "Comparison",
        "GroupScore",
        "bootstrap_interval",
        "compare_runs",
        "paired_p_value",
        "split_by_model",
    ],
    "comparison": [
        "html_report",
        "latex_table",
        "markdown_report",
        "write_comparison",
    ],
    "means": [
        "means_table",
    ],
    "page": [
        "Page",
    ],
    "table": [
        "markdown_table",
    ],
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _NAMES)
