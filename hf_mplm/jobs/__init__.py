"""Work that goes on where it stopped: whole files, its plan, its lock, its parts, the engines that run them.

Imports nothing of the package.
"""

from __future__ import annotations
