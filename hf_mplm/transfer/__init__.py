"""Who helps whom: donors of a language, and the scores of the transfer study.

Imports `languages` and `evaluation`.
"""

from __future__ import annotations
