"""Latin transliteration as uroman writes it, by the smallest units that give its output.

Imports `jobs` and `data.corpus`.
"""

from __future__ import annotations
