"""What a person looks at: tables, pages, plots, comparisons of runs.

Imports `languages` and `evaluation`, whose results it reads.
"""

from __future__ import annotations
