"""The kinds of task: how each is trained, predicted and scored, whatever the benchmark.

Imports `evaluation.files` and `evaluation.metrics`.
"""

from __future__ import annotations
