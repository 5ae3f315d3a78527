"""The only place outside `modeling/` that looks at versions of other packages.

Each entry names the change upstream and the version at which it can go.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any


__all__ = ["TRANSFORMERS_5", "express_warmup_share"]

TRANSFORMERS_5 = int(version("transformers").partition(".")[0]) >= 5


def express_warmup_share(args: Any) -> None:
    """Let `warmup_steps` below 1 be a share of the run on both stacks.

    transformers 5 takes such a float (https://github.com/huggingface/transformers/pull/41326); 4.57 wants an integer
    there and the share in `warmup_ratio`. Remove when transformers 4 is no longer supported.

    Args:
        args (`transformers.TrainingArguments`): changed in place, before its own `__post_init__`.
    """
    if TRANSFORMERS_5:
        return
    if 0 < args.warmup_steps < 1:
        args.warmup_ratio, args.warmup_steps = args.warmup_steps, 0
    args.warmup_steps = int(args.warmup_steps)
