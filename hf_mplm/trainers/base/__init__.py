"""The machine under every trainer: draws, exact accumulation, whole-or-absent checkpoints, held-out loss, meters.

Imports `data` and `modeling`.
"""

from __future__ import annotations
