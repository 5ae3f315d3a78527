"""Another vocabulary for an encoder: model and tokenizer in, model and tokenizer out, before any training.

Imports `trainers.base`.
"""

from __future__ import annotations
