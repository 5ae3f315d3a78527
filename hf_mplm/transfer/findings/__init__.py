"""What a study found, as pure functions from its scores to tables: transfer, interference, prediction, advice.

Imports nothing of its room but the scores of `transfer_metrics`, so that a table can be made anywhere.
"""

from __future__ import annotations
