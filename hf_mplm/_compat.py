"""The only place outside `modeling/` that looks at versions of other packages.

Each entry names the change upstream and the version at which it can go.
"""

from __future__ import annotations

import functools
import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    import torch

__all__ = [
    "TRANSFORMERS_5",
    "express_warmup_share",
    "load_tensors_to_indexed_cpu",
    "segment_attention_mask",
    "strip_local_settings",
]

LOCAL_SETTINGS = ("is_local", "local_files_only")
TRANSFORMERS_5 = int(version("transformers").partition(".")[0]) >= 5


def strip_local_settings(folder: str | Path) -> None:
    """Take out of `tokenizer_config.json` what only tells how the tokenizer was read here.

    transformers 5 saves the keyword arguments of `from_pretrained` with it: `is_local` and `local_files_only`, which
    would keep others from the network. Remove when it does not write them.

    Args:
        folder (`str` or `Path`): with a tokenizer that was just saved.
    """
    path = Path(folder) / "tokenizer_config.json"
    if not path.is_file():
        return
    settings = json.loads(path.read_bytes())
    kept = {name: value for name, value in settings.items() if name not in LOCAL_SETTINGS}
    if len(kept) < len(settings):
        path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


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


def segment_attention_mask(together: torch.Tensor, implementation: str, dtype: torch.dtype) -> torch.Tensor:
    """The mask that lets the tokens of a row see those of their own text only, as the encoder's `attention_mask`.

    transformers 5 hands a mask of four dimensions on to the attention as it is
    (https://github.com/huggingface/transformers/pull/41265); XLM-R and BERT of 4.57 take one of three, and turn it
    into what is added to the scores. Remove when transformers 4 is no longer supported.

    Args:
        together (`torch.Tensor`): whether two places of a row belong to one text. Shapes: (rows, width, width), bool.
        implementation (`str`): `"sdpa"`, which takes booleans, or `"eager"`, which adds.
        dtype (`torch.dtype`): the model's, which what is added must not change.
    """
    import torch

    if not TRANSFORMERS_5:
        return together.to(torch.float32)
    if implementation == "sdpa":
        return together[:, None]
    nothing = torch.zeros(together.shape, dtype=dtype, device=together.device)
    return nothing.masked_fill(~together, torch.finfo(dtype).min)[:, None]


@functools.cache  # torch cannot sort two registrations of one priority
def load_tensors_to_indexed_cpu() -> None:
    """Let `torch.load` restore tensors to "cpu:0", a name that torch knows for no storage.

    transformers 4.57 asks for it when several processes resume on CPUs (`Trainer._load_optimizer_and_scheduler` takes
    `args.device` for the place); 5.x has "cpu" there. Remove when transformers 4 is no longer supported.
    """
    import torch

    if not TRANSFORMERS_5:
        torch.serialization.register_package(100, lambda _: None, _stay_on_cpu)


def _stay_on_cpu(storage: Any, location: str) -> Any:
    return storage if location.startswith("cpu:") else None
