"""The tasks, a file each: where a benchmark's data stand, and how they are scored.

Imports `evaluation.kinds`, `evaluation.files` and `evaluation.metrics`.
"""

from __future__ import annotations
