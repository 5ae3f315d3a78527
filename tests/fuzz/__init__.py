"""Seeded attacks on the command line: corpora with faults, damaged folders, kills at any moment.

    python -m tests.fuzz --corpora 200 --damage 200 --kills 60 --seed 0

prints every fault with the seed that gives it again. A short form runs in the fast suite, the long one in the slow.
"""

from __future__ import annotations
