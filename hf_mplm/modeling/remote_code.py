"""A checkpoint carries the code that loads it: the flat files of this folder, and an `auto_map` for every head."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any


__all__ = ["RemoteCode"]

# Everything that a modeling file imports, by any way; a test holds this against the imports.
SHARED_FILES = (
    "_compat.py",
    "configuration_langscript.py",
    "langscript.py",
    "masked_lm.py",
    "masked_only.py",
    "remote_code.py",
)


class RemoteCode:
    """Saves the code beside the weights, for people who load with `trust_remote_code=True` and without hf_mplm.

    `register_for_auto_class` would write an `auto_map` with the saved class alone, and the other heads' auto classes
    would not find theirs.
    """

    # The modeling file of the architecture, and its classes by auto class.
    remote_file: str
    remote_classes: dict[str, str]

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        """Save weights, configuration and code; see `PreTrainedModel.save_pretrained`.

        Args:
            save_directory (`str` or `os.PathLike`): folder to write.
            *args: of `PreTrainedModel.save_pretrained`.
            **kwargs: of `PreTrainedModel.save_pretrained`.
        """
        config = self.config  # type: ignore[attr-defined]
        module = self.remote_file.removesuffix(".py")
        config.auto_map = {
            "AutoConfig": f"configuration_langscript.{type(config).__name__}",
            **{auto: f"{module}.{name}" for auto, name in self.remote_classes.items()},
        }
        if kwargs.get("is_main_process", True):
            folder = Path(save_directory)
            folder.mkdir(parents=True, exist_ok=True)
            for name in (self.remote_file, *SHARED_FILES):
                shutil.copyfile(Path(__file__).with_name(name), folder / name)
        return super().save_pretrained(save_directory, *args, **kwargs)  # type: ignore[misc]
