"""`hf-mplm VERB`: finds the verb's module, which holds its parser and does its work."""

from __future__ import annotations

import difflib
import importlib
import logging
import os
import sys
from collections.abc import Sequence

from hf_mplm._version import __version__


__all__ = ["VERBS", "main"]

# verb: (module, what it is for). Modules are imported when their verb is called.
VERBS: dict[str, tuple[str, str]] = {
    "quickstart": ("quickstart", "train, compare and report on the sample that ships with the package"),
    "tokenizer": ("tokenizer", "train a SentencePiece tokenizer, or extend the vocabulary of a model"),
    "prepare": ("prepare", "turn text into a token store"),
    "pretrain": ("pretrain", "continue the pretraining of a masked language model, with LangSAMP or without"),
    "align-scripts": ("align_scripts", "align an encoder across scripts, by text and its romanisation"),
    "romanize": ("romanize", "write the Latin transliteration of a corpus"),
    "static": ("static", "map word vectors of many languages into one space, and make dictionaries"),
    "evaluate": ("evaluate", "measure an encoder on the tasks of the papers"),
    "compare": ("compare", "compare runs of `evaluate`, with confidence intervals"),
    "donors": ("donors", "rank source languages for a target language"),
    "env": ("env", "print the versions to put into a bug report"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        argv (`Sequence[str]`, *optional*): the command line without the program's name; `sys.argv[1:]` by default.

    Returns:
        `int`: the exit status; 2 for anything the user can mend, with one message on standard error. The environment
        variable `HF_MPLM_TRACEBACK=1` shows the traceback instead.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_usage())
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"hf-mplm {__version__}")
        return 0
    verb, rest = arguments[0], arguments[1:]
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1, cutoff=0.4)
        hint = f" Did you mean `hf-mplm {near[0]}`?" if near else ""
        print(f"hf-mplm: there is no verb {verb!r}.{hint} `hf-mplm --help` lists all.", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for chatty in ("httpx", "datasets", "fsspec", "torch"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    module = importlib.import_module(f".{VERBS[verb][0]}", __package__)
    if os.environ.get("HF_MPLM_TRACEBACK") == "1":
        return int(module.run(rest))
    try:
        return int(module.run(rest))
    except (ValueError, OSError, ImportError) as error:
        print(f"hf-mplm {verb}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"hf-mplm {verb}: interrupted; the same command goes on from there", file=sys.stderr)
        return 130


def _usage() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {purpose}" for verb, (_, purpose) in VERBS.items()]
    return "\n".join(
        [
            "usage: hf-mplm VERB [--config NAME_OR_YAML] [flags]",
            "",
            "Continue the pretraining of multilingual encoders, and measure how well they transfer.",
            "",
            *lines,
            "",
            "`hf-mplm VERB --help` lists a verb's flags. A first run: hf-mplm quickstart --output quickstart",
        ]
    )
