"""The formats of benchmarks: records, folder layouts, CoNLL-U, tagged columns, SQuAD.

Imports `languages`.
"""

from __future__ import annotations
