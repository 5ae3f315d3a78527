"""Pure functions from gold and predicted values to scores.

Imports nothing of the package.
"""

from __future__ import annotations
