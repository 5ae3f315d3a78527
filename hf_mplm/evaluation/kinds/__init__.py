"""The kinds of task: how each is trained, predicted and scored, whatever the benchmark.

Imports `evaluation.files`, `evaluation.metrics` and the modules of `evaluation` itself (`context`, `results`, `task`).
"""

from __future__ import annotations
