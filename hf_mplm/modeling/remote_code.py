"""A checkpoint carries the code that loads it: a modeling file, what that imports, and an `auto_map` for all heads."""

from __future__ import annotations

import importlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar


__all__ = [
    "RemoteCode",
    "classes_by_auto_class",
    "copy_tokenizer",
    "follow_umask",
    "package_module",
    "travelling_files",
]

TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("sentencepiece.bpe.model", "vocab.txt", "vocab.json", "merges.txt"),
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel as _PreTrainedModel
else:
    # A mixin, which stands before the architecture's own classes.
    _PreTrainedModel = object


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


def travelling_files(remote_file: str) -> list[Path]:
    """The files that a checkpoint carries: a modeling file and everything that it imports from its own folder.

    Args:
        remote_file (`str`): name of the modeling file.

    Returns:
        `list[Path]`: the files, in order of their names.
    """
    from transformers.dynamic_module_utils import get_relative_import_files

    modeling = Path(__file__).with_name(remote_file)
    return sorted({modeling, *map(Path, get_relative_import_files(str(modeling)))})


def follow_umask(folder: str | os.PathLike[str]) -> None:
    """Let weights be read by whom `config.json` beside them is: safetensors writes them for their owner alone (0600).

    Args:
        folder (`str` or `os.PathLike`): of a checkpoint.
    """
    config = Path(folder) / "config.json"
    if config.is_file():
        for path in Path(folder).glob("*.safetensors"):
            path.chmod(config.stat().st_mode & 0o777)


def copy_tokenizer(name_or_path: str, folder: str | os.PathLike[str]) -> list[str]:
    """Copy the files of a checkpoint's tokenizer that a folder lacks.

    Args:
        name_or_path (`str`): a folder, or an id on the Hub.
        folder (`str` or `os.PathLike`): where they go.

    Returns:
        `list[str]`: names of the files that were copied.
    """
    from transformers.utils import cached_file

    copied = []
    for name in TOKENIZER_FILES if name_or_path else ():
        found = cached_file(
            name_or_path,
            name,
            _raise_exceptions_for_gated_repo=False,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        target = Path(folder) / name
        if found is not None and not target.exists():
            shutil.copyfile(found, target)
            copied.append(name)
    return copied


def package_module(name: str) -> Any:
    """A module of the package that stays behind when this file travels: speed for training, making checkpoints.

    Named and not imported, since transformers would want every import of a file that travels to travel with it.

    Args:
        name (`str`): a file beside this one, without `.py`.

    Returns:
        the module; `None` where this file was loaded from a checkpoint.
    """
    return importlib.import_module(f".{name}", __package__) if __name__.startswith("hf_mplm.") else None


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
            "AutoConfig": f"configuration_{module.removeprefix('modeling_')}.{type(self.config).__name__}",
            **{auto: f"{module}.{name}" for auto, name in classes_by_auto_class(self.architecture).items()},
        }
        if kwargs.get("is_main_process", True):
            folder = Path(save_directory)
            folder.mkdir(parents=True, exist_ok=True)
            for file in travelling_files(self.remote_file):
                shutil.copyfile(file, folder / file.name)
        saved = super().save_pretrained(save_directory, *args, **kwargs)
        if kwargs.get("is_main_process", True):
            follow_umask(save_directory)
        return saved
