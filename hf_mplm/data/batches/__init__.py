"""From rows to batches: which rows are drawn, what is masked, how rows are put together. Functions of (seed, draw).

Imports nothing of the package.
"""

from __future__ import annotations
