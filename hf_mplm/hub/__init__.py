"""What is shown and shared on the Hub: model cards, MTEB's result files, metrics of the `evaluate` library.

Imports `languages`, `jobs`, `modeling`, `evaluation`, `transfer` and `report`.
"""

from __future__ import annotations
