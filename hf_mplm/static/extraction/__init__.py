"""Static word vectors out of an encoder: X2Static, the mean of a word's states, or words by themselves.

Imports the rest of `static`.
"""

from __future__ import annotations
