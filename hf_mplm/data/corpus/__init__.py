"""Text as it comes: the files of a corpus, the Hub's datasets, rows of sentence and language, what was dropped.

Imports `languages` and `jobs`.
"""

from __future__ import annotations
