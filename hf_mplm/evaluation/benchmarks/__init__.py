"""The tasks, a file each: where a benchmark's data stand, and how they are scored.

Imports `evaluation.kinds`, `evaluation.files`, `evaluation.metrics` and the modules of `evaluation` itself.
"""

from __future__ import annotations
