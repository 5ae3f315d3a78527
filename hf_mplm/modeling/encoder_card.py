"""The card of an encoder that was exported from a LangSAMP model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hf_mplm._compat import strip_local_settings


__all__ = ["strip_local_settings", "write_encoder_card"]

_CARD = """---
library_name: transformers
pipeline_tag: feature-extraction
tags:
- hf-mplm
---

# {name}

The encoder of a LangSAMP model of {languages} languages, whose language and script embeddings stand before the LM head
and are not part of it. Made with [hf_mplm](https://pypi.org/project/hf-mplm/).

<!-- hf_mplm: use -->
## Use

A plain {model_type} checkpoint; no code beyond `transformers` is needed:

```python
from transformers import AutoModel, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{name}")
encoder = AutoModel.from_pretrained("{name}")
```

For vectors of sentences take the mean over tokens of a layer at two thirds of the depth, and not the pooler.
<!-- hf_mplm: end of use -->
<!-- hf_mplm: results -->
<!-- hf_mplm: end of results -->
"""


def write_encoder_card(folder: str | os.PathLike[str], config: Any) -> None:
    """Write `README.md` beside an exported encoder, where there is none.

    Args:
        folder (`str` or `os.PathLike`): the encoder's.
        config (`LangScriptConfig`): of the model that it was taken from.
    """
    path = Path(folder) / "README.md"
    if path.exists():
        return
    name = path.parent.resolve().name.replace('"', "")
    text = _CARD.format(
        name=name, languages=len(config.languages), model_type=config.model_type.removesuffix("-langscript")
    )
    path.write_text(text, encoding="utf-8")
