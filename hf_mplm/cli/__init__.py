"""The command line: one module a verb. Imports everything; nothing imports it."""

from __future__ import annotations
