"""`hf-mplm VERB`: finds the verb's module, which holds its parser and does its work."""

from __future__ import annotations

import difflib
import importlib
import io
import logging
import os
import re
import select
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hf_mplm._version import __version__


__all__ = ["VERBS", "main"]

# verb: (module, what it is for). Modules are imported when their verb is called.
VERBS: dict[str, tuple[str, str]] = {
    "quickstart": ("quickstart", "train, compare and report on the sample that ships with the package"),
    "adapt": ("adapt", "give an encoder new languages, from a folder of text to a model and its report"),
    "tokenizer": ("tokenizer", "train a SentencePiece tokenizer, or extend the vocabulary of a model"),
    "prepare": ("prepare", "turn text into a token store"),
    "pretrain": ("pretrain", "continue the pretraining of a masked language model, with LangSAMP or without"),
    "align-scripts": ("align_scripts", "align an encoder across scripts, by text and its romanisation"),
    "align-static": ("align_static", "align an encoder across languages, by word vectors that are aligned already"),
    "romanize": ("romanize", "write the Latin transliteration of a corpus"),
    "static": ("static", "take word vectors out of an encoder, map them into one space, and make dictionaries"),
    "sprachbund": ("sprachbund", "find the languages that belong together, by what an encoder knows of them"),
    "transfer": ("transfer", "measure who helps whom: tune in one language, score all others"),
    "evaluate": ("evaluate", "measure an encoder on the tasks of the papers"),
    "audit": ("audit", "find sentences of test sets in the text that a model is trained on"),
    "compare": ("compare", "compare runs of `evaluate`, with confidence intervals"),
    "donors": ("donors", "rank source languages for a target language"),
    "push": ("push", "publish a checkpoint, vectors, a collection or results on the Hugging Face Hub"),
    "export": ("export", "write an encoder for sentence-transformers, onnxruntime and transformers.js"),
    "check": ("check", "hold stores, checkpoints and results against their digests"),
    "env": ("env", "print the versions to put into a bug report"),
}

TRACEBACK = "HF_MPLM_TRACEBACK=1"
# sysexits.h: an internal software error.
FAULT = 70
# What a shell reports of a program that ended because nobody reads what it writes.
READER_GONE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        argv (`Sequence[str]`, *optional*): the command line without the program's name; `sys.argv[1:]` by default.

    Returns:
        `int`: the exit status; 2 for anything the user can mend, with one message on standard error, 70 for a fault of
        this package. The environment variable `HF_MPLM_TRACEBACK=1` shows the traceback instead.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # A table with an en dash must not cost a run its last lines where the terminal knows ASCII alone.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            return _main(arguments)
        finally:
            # Here rather than at the interpreter's end, where a closed pipe would print a traceback.
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        if os.environ.get("HF_MPLM_TRACEBACK") == "1":
            raise
        if _leave_quietly():
            return READER_GONE
        # What a verb meets is told by `_main`; this is standard output itself, such as a file on a full disk.
        return _say("", error)


def _main(arguments: list[str]) -> int:
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
        given = f"no verb {verb!r}" if re.fullmatch(r"[A-Za-z_-]{1,40}", verb) else "no such verb"
        print(f"hf-mplm: there is {given}.{hint} `hf-mplm --help` lists all.", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for chatty in ("httpx", "httpx2", "datasets", "fsspec", "torch"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if os.environ.get("HF_MPLM_TRACEBACK") == "1":
        return _run(verb, rest)
    try:
        with _ended_by_schedulers(verb):
            return _run(verb, rest)
    except KeyboardInterrupt:
        print(f"hf-mplm {verb}: interrupted; the same command goes on from there", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        if isinstance(error, BrokenPipeError) and _closed():
            raise
        return _say(verb, error)
    except Exception as error:
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            print(f"hf-mplm {verb}: error: not enough memory: {_describe(error)}", file=sys.stderr)
            return 2
        print(
            f"hf-mplm {verb}: this is a fault of hf_mplm and not of what you typed: {_describe(error)}. Please report "
            f"it, with what `hf-mplm env` prints and with the traceback, which {TRACEBACK} shows",
            file=sys.stderr,
        )
        return FAULT


@contextmanager
def _ended_by_schedulers(verb: str) -> Iterator[None]:
    """Say it where SIGTERM or SIGUSR1, with which schedulers end jobs, ends a verb.

    It ends at once, without waiting for worker processes: what is half done is told from what is whole.
    """
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)]
    before: dict[int, Any] = {}
    process = os.getpid()

    def end(number: int, _: object) -> None:
        # A process that was forked has no line to print.
        if os.getpid() == process:
            line = f"hf-mplm {verb}: ended by {signal.Signals(number).name}; the same command goes on from there\n"
            os.write(2, line.encode())
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    # A launcher of several processes tells of their end itself, and must not wait for one inside a collective.
    if threading.current_thread() is threading.main_thread() and "RANK" not in os.environ:
        # One that a caller ignores or catches stays the caller's.
        free = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
        before = {number: signal.signal(number, end) for number in free}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(verb: str, arguments: list[str]) -> int:
    module = importlib.import_module(f".{VERBS[verb][0]}", __package__)
    try:
        return int(module.run(arguments))
    finally:
        # Threads of gloo that outlive their process group abort the process at its end.
        distributed = getattr(sys.modules.get("torch"), "distributed", None)
        if distributed is not None and distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()


def _say(verb: str, error: Exception) -> int:
    message = str(error).strip() or f"{type(error).__name__}, without a word; {TRACEBACK} shows where"
    print(f"{f'hf-mplm {verb}'.strip()}: error: {message}", file=sys.stderr)
    return 2


def _describe(error: BaseException) -> str:
    """The kind of an unexpected exception and what it says, in one line of bounded length."""
    text = " ".join(str(error).split())
    shown = text if len(text) <= 300 else f"{text[:300]} ..."
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__


def _closed() -> list[Any]:
    """Those of standard output and standard error that nobody reads any more, as behind `| head`."""
    found = []
    for stream in (sys.stdout, sys.stderr):
        try:
            poll = select.poll()
            poll.register(stream.fileno(), 0)
            if any(event & select.POLLERR for _, event in poll.poll(0)):
                found.append(stream)
        except (AttributeError, OSError, ValueError):
            continue  # no file, or a system without poll
    return found


def _leave_quietly() -> bool:
    """Let what is left in a stream that nobody reads go nowhere; `False` if there is none."""
    closed = _closed()
    for stream in closed:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return bool(closed)


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
