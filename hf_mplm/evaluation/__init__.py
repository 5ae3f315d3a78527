"""Measuring an encoder: the runner, the tasks, the results.

`benchmarks` holds a file a task, `kinds` what tasks of a kind share, `files` the formats, `metrics` the scores.
Imports `languages`, `jobs`, `data`, `modeling`, `losses` and `recipes`; never `trainers`.
"""

from __future__ import annotations
