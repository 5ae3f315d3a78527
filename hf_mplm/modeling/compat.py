"""What differs between transformers 4.57 and 5.x for the files that travel with a checkpoint.

Each entry names the change upstream and the version at which it can go.
"""

from __future__ import annotations

from typing import Any

import transformers


__all__ = ["TRANSFORMERS_5", "rename_rope"]

TRANSFORMERS_5 = int(transformers.__version__.partition(".")[0]) >= 5


def rename_rope(settings: dict[str, Any]) -> dict[str, Any]:
    """ModernBERT's rotary and layer settings under the names that the installed transformers reads.

    transformers 5 writes `rope_parameters` and `layer_types` (https://github.com/huggingface/transformers/pull/39847);
    4.57 reads `global_rope_theta`, `local_rope_theta` and `global_attn_every_n_layers`, and would silently take their
    defaults for a checkpoint written by 5. Remove when transformers 4 is no longer supported.

    Args:
        settings (`dict`): keyword arguments of a configuration, not changed. Only ModernBERT's have such names.

    Returns:
        `dict`: the same settings; on transformers 4 with the old names added where only the new ones were given.
    """
    if TRANSFORMERS_5:
        return settings
    settings = dict(settings)
    rope = settings.get("rope_parameters") or {}
    for layer_type, name in (("full_attention", "global_rope_theta"), ("sliding_attention", "local_rope_theta")):
        theta = rope.get(layer_type, {}).get("rope_theta")
        if theta is not None:
            settings.setdefault(name, theta)
    full = [index for index, kind in enumerate(settings.get("layer_types") or []) if kind == "full_attention"]
    if len(full) > 1:
        settings.setdefault("global_attn_every_n_layers", full[1] - full[0])
    return settings
