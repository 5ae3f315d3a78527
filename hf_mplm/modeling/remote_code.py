"""A checkpoint carries the code that loads it: the flat files of this folder, and an `auto_map` for every head."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar


__all__ = ["RemoteCode", "classes_by_auto_class"]

if TYPE_CHECKING:
    from transformers import PreTrainedModel as _PreTrainedModel
else:
    # A mixin, which stands before the architecture's own classes.
    _PreTrainedModel = object

# Everything that a modeling file imports, by any way; a test holds this against the imports.
SHARED_FILES = (
    "_compat.py",
    "configuration_langscript.py",
    "final_layer.py",
    "langscript.py",
    "language_tables.py",
    "masked_lm.py",
    "masked_only_lm.py",
    "remote_code.py",
    "stock.py",
    "tied_lookup.py",
)


def classes_by_auto_class(architecture: str) -> dict[str, str]:
    """The names of an architecture's classes, by the auto class that loads them.

    Args:
        architecture (`str`): as transformers' class names begin, `XLMRoberta`.

    Returns:
        `dict[str, str]`: class names by auto class.
    """
    heads = ("QuestionAnswering", "SequenceClassification", "TokenClassification")
    return {
        "AutoModel": f"{architecture}LangScriptModel",
        "AutoModelForMaskedLM": f"{architecture}ForLangScriptMLM",
        **{f"AutoModelFor{head}": f"{architecture}LangScriptFor{head}" for head in heads},
    }


class RemoteCode(_PreTrainedModel):
    """Saves the code beside the weights, for people who load with `trust_remote_code=True` and without hf_mplm.

    `register_for_auto_class` would write an `auto_map` with the saved class alone, and the other heads' auto classes
    would not find theirs.
    """

    # The architecture as transformers' class names begin, and its modeling file.
    architecture: ClassVar[str]
    remote_file: ClassVar[str]

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        """Save weights, configuration and code; see `PreTrainedModel.save_pretrained`.

        Args:
            save_directory (`str` or `os.PathLike`): folder to write.
            *args: of `PreTrainedModel.save_pretrained`.
            **kwargs: of `PreTrainedModel.save_pretrained`.
        """
        module = self.remote_file.removesuffix(".py")
        self.config.auto_map = {
            "AutoConfig": f"configuration_langscript.{type(self.config).__name__}",
            **{auto: f"{module}.{name}" for auto, name in classes_by_auto_class(self.architecture).items()},
        }
        if kwargs.get("is_main_process", True):
            folder = Path(save_directory)
            folder.mkdir(parents=True, exist_ok=True)
            for name in (self.remote_file, *SHARED_FILES):
                shutil.copyfile(Path(__file__).with_name(name), folder / name)
        return super().save_pretrained(save_directory, *args, **kwargs)
