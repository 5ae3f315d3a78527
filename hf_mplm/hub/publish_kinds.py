"""What can be published: one row a kind of folder, how it is recognised, and the files that go; nothing else does."""

from __future__ import annotations

import ast
import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from hf_mplm.evaluation.vocabulary import STATIC_MODEL_TYPE
from hf_mplm.jobs.files import DamagedError, read_json


__all__ = ["KINDS", "Kind", "chosen_files", "find_kind", "other_files"]

RECORD_FILE = "hf_mplm.json"
CARD_FILE = "README.md"
_WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json")
_DELTA = ("adapter_config.json", "adapter_model.safetensors")
_TOKENIZER = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("sentencepiece.bpe.model", "spiece.model", "vocab.txt", "vocab.json", "merges.txt"),
)
_ENCODER = ("config.json", *_WEIGHTS, *_TOKENIZER, "training_args.json")
_SENTENCES = ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json")
_MODULES = ("[0-9]_*/config.json", "[0-9]_*/model.safetensors")
_ONNX = ("onnx/model*.onnx", "onnx/model*.onnx_data", "onnx/model*.onnx.data")
# What a card shows, and what it is drawn from.
_SHOWN = ("loss.svg", "scores.json", ".eval_results/*.yaml")
# Never, whatever a table says: Python's pickle format in its usual names, and what resumes a run.
_NEVER = (
    *(
        "*.bin",
        "*.pt",
        "*.pth",
        "*.pkl",
        "*.pickle",
        "*.ckpt",
        "*.npy",
        "*.npz",
        "*.joblib",
        "optimizer*",
        "scheduler*",
    ),
    *("rng_state*", "scaler*", ".*", "*.lock", "*.unfinished"),
)


class Kind(NamedTuple):
    """A kind of folder.

    Args:
        name (`str`): as `--kind` takes it.
        what (`str`): what a person calls it.
        recognise (`Callable`): folder and its `config.json` to whether it is of the kind.
        files (`tuple[str, ...]`): patterns of the files that go; `*` stands for no slash.
        needed (`tuple[str, ...]`): patterns of which each must find a file.
        repo_type (`str`): `"model"` or `"dataset"`.
        by_name (`bool`): whether it goes only where it is asked for by name, as text of other people does.
    """

    name: str
    what: str
    recognise: Callable[[Path, Mapping[str, Any]], bool]
    files: tuple[str, ...]
    needed: tuple[str, ...] = ()
    repo_type: str = "model"
    by_name: bool = False


def _has(*names: str) -> Callable[[Path, Mapping[str, Any]], bool]:
    return lambda folder, _: all((folder / name).is_file() for name in names)


def _is_static(folder: Path, config: Mapping[str, Any]) -> bool:
    return config.get("model_type") == STATIC_MODEL_TYPE


def _is_langsamp(folder: Path, config: Mapping[str, Any]) -> bool:
    return str(config.get("model_type", "")).endswith("-langscript")


def _is_encoder(folder: Path, config: Mapping[str, Any]) -> bool:
    return bool(config.get("model_type")) and any(True for _ in folder.glob("model*.safetensors*"))


def _is_collection(folder: Path, config: Mapping[str, Any]) -> bool:
    content = read_json(folder / "sprachbunds.json")
    return isinstance(content, dict) and "base" in content


# The first that recognises a folder is its kind.
KINDS: tuple[Kind, ...] = (
    Kind(
        "collection",
        "a collection of models for groups of languages",
        _is_collection,
        (
            *(
                "sprachbunds.json",
                "settings.yaml",
                "vectors/vectors.json",
                "vectors/*.safetensors",
                "vectors/*.parquet",
            ),
            *(f"sprachbund-*/{name}" for name in (*_ENCODER, *_DELTA, "*.py", "digests.json")),
            *(f"base/{name}" for name in (*_ENCODER, "digests.json")),
            "vectors/digests.json",
        ),
        ("sprachbunds.json", "sprachbund-*/*.safetensors"),
    ),
    Kind(
        "sentence-transformers",
        "an encoder for sentence-transformers",
        _has("modules.json"),
        (*_SENTENCES, *_ENCODER, *_MODULES, *_ONNX, "vectors.safetensors", "words.parquet"),
        ("modules.json",),
    ),
    Kind(
        "static",
        "static embeddings",
        _is_static,
        ("config.json", "vectors.safetensors", "words.parquet"),
        ("vectors.safetensors", "words.parquet"),
    ),
    Kind(
        "langsamp",
        "a LangSAMP checkpoint",
        _is_langsamp,
        (*_ENCODER, *_SHOWN, *(f"encoder/{name}" for name in _ENCODER)),
        ("model*.safetensors", "token*.json"),
    ),
    Kind(
        "module",
        "a module of a task or a language, over a base",
        _has("module.json"),
        ("module.json", *_DELTA, "adapter.safetensors", "head.safetensors", "head_config.json"),
        ("adapter_config.json", "adapter*.safetensors"),
    ),
    Kind(
        "adapter",
        "a task adapter, or low-rank weights over a base",
        _has("adapter_config.json"),
        (*_DELTA, *_TOKENIZER, "config.json", "head_config.json", "model_head.safetensors", "training_args.json"),
        ("adapter_model.safetensors",),
    ),
    Kind(
        "onnx", "an encoder as ONNX", _has("onnx/model.onnx"), ("config.json", *_TOKENIZER, *_ONNX), ("onnx/*.onnx",)
    ),
    Kind("encoder", "an encoder", _is_encoder, (*_ENCODER, *_SHOWN), ("model*.safetensors", "token*.json")),
    Kind(
        "results",
        "results of `hf-mplm evaluate`",
        _has("results.parquet"),
        ("results.parquet", "results.json"),
        ("results.parquet",),
        "dataset",
    ),
    Kind(
        "token-store",
        "a token store",
        _has("store.json"),
        ("store.json", "dataset_dict.json", "*/data-*.arrow", "*/dataset_info.json", "*/state.json", "tokenizer/*"),
        ("store.json", "*/data-*.arrow"),
        "dataset",
        True,
    ),
    Kind(
        "romanised-corpus",
        "a romanised corpus",
        _has("romanized.json"),
        ("romanized.json", "*.txt", "*.txt.gz", "*.parquet", "*.jsonl", "*/*.parquet"),
        ("romanized.json",),
        "dataset",
        True,
    ),
)


def find_kind(folder: Path, name: str | None = None) -> Kind:
    """The kind of a folder.

    Args:
        folder (`Path`): what is to be published.
        name (`str`, *optional*): the kind that it must be.

    Raises:
        FileNotFoundError: if there is no folder.
        ValueError: if it is none of the table, not the one that was named, or one that must be named.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    known = {kind.name: kind for kind in KINDS}
    if name is not None and name not in known:
        raise ValueError(f"there is no kind {name!r} of folder; there are {', '.join(known)}")
    config = read_json(folder / "config.json")
    config = config if isinstance(config, dict) else {}
    found = next((kind for kind in KINDS if kind.name == (name or kind.name) and kind.recognise(folder, config)), None)
    if found is None:
        what = f"is not {known[name].what}" if name else "is nothing that is published"
        raise ValueError(f"{folder} {what}; there are: {'; '.join(f'{kind.what} ({kind.name})' for kind in KINDS)}")
    if found.by_name and name is None:
        raise ValueError(
            f"{folder} is {found.what}: it holds other people's text, which is published only when it is asked for by "
            f"name, where its licence allows it: --kind {found.name}"
        )
    return found


def chosen_files(folder: Path, kind: Kind) -> list[str]:
    """The files of a folder that its kind lists, and the code that its configuration names; sorted.

    Raises:
        ValueError: if one leads out of the folder.
        DamagedError: if one that the kind needs is missing.
    """
    names = {name for name in _files(folder) if _fits(name, kind.files) and not _fits(_last(name), _NEVER)}
    if kind.name == "langsamp":
        names |= {path.name for path in _code(folder)}
    for pattern in kind.needed:
        if not any(_fits(name, (pattern,)) for name in names):
            raise DamagedError(folder, f"it holds no {pattern}, which {kind.what} has", "Make it again.")
    root = folder.resolve()
    for name in sorted(names):
        if not (folder / name).resolve().is_relative_to(root):
            raise ValueError(f"{folder / name} is a link to a file outside the folder; copy the file to its place")
    return sorted(names)


def other_files(folder: Path, chosen: Sequence[str]) -> list[str]:
    """The files that stay, sorted: those at the top, and folders of which nothing goes as one."""
    left = sorted(set(_files(folder)) - {*chosen, CARD_FILE, RECORD_FILE, "digests.json"})
    used = {name.split("/")[0] for name in chosen if "/" in name}
    return sorted(
        {name if "/" not in name or name.split("/")[0] in used else f"{name.split('/')[0]}/" for name in left}
    )


def _files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _fits(name: str, patterns: Sequence[str]) -> bool:
    parts = PurePosixPath(name).parts
    for pattern in patterns:
        wanted = pattern.split("/")
        if len(wanted) == len(parts) and all(map(fnmatch.fnmatchcase, parts, wanted)):
            return True
    return False


def _last(name: str) -> str:
    return PurePosixPath(name).name


def _code(folder: Path) -> list[Path]:
    """The modules that `auto_map` names, and what they import from the folder.

    Raises:
        DamagedError: if one is missing.
    """
    config = read_json(folder / "config.json")
    auto_map = config.get("auto_map") if isinstance(config, dict) else None
    modules = {str(name).partition(".")[0] for name in (auto_map or {}).values() if "--" not in str(name)}
    if not modules:
        raise DamagedError(folder / "config.json", "it names no code (auto_map)", "Save the model again.")
    found: set[Path] = set()
    new = {folder / f"{module}.py" for module in modules}
    while new:
        path = new.pop()
        if not path.is_file() or path.parent != folder:
            raise DamagedError(folder, f"it lacks {path.name}, by which others load it", "Save the model again.")
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
                new |= {folder / f"{node.module}.py"} - found
    return sorted(found)
