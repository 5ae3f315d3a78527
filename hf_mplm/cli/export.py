"""`hf-mplm export ACTION`: encoders as sentence-transformers and ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import export_onnx, export_sentences
from .actions import action_parser, split_action, verb_parser
from .parser import MplmArgumentParser


ACTIONS = {
    "sentence-transformers": "write an encoder as a folder that SentenceTransformer loads, with the same vectors",
    "onnx": "write an encoder as ONNX for onnxruntime and transformers.js, and say what that changes",
}
# Action: the dataclass of its flags, and what does it.
_ACTIONS: dict[str, tuple[type, Callable[[Any], int]]] = {
    "sentence-transformers": (export_sentences.SentenceExportArguments, export_sentences.run),
    "onnx": (export_onnx.OnnxExportArguments, export_onnx.run),
}


def make_parser(action: str | None = None) -> MplmArgumentParser:
    """The parser of one action, or of the verb itself, which only knows its actions.

    Args:
        action (`str`, *optional*): one of `ACTIONS`.
    """
    if action is None:
        return verb_parser("export", "Encoders as other tools load them.", ACTIONS)
    return action_parser("export", action, ACTIONS[action], _ACTIONS[action][0])


def run(argv: Sequence[str]) -> int:
    """Do one action, and say where the result stands."""
    action, words = split_action(make_parser(), ACTIONS, argv)
    (arguments,) = make_parser(action).parse(words)
    return _ACTIONS[action][1](arguments)
