"""`hf-mplm audit`: sentences of test sets in the text that a model is trained on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from .parser import MplmArgumentParser


@dataclass
class AuditArguments:
    """Flags of `hf-mplm audit`."""

    data_dir: str = field(metadata={"help": "folder with one folder a benchmark, such as sib200/ and tatoeba/"})
    store: str | None = field(default=None, metadata={"help": "token store or pair store that is trained on"})
    corpus: list[str] | None = field(
        default=None, metadata={"help": "folders, files or Hub ids of text, in place of --store"}
    )
    tasks: list[str] | None = field(default=None, metadata={"help": "tasks; all that have sentences by default"})
    languages: list[str] | None = field(default=None, metadata={"help": "languages of the test sets; all by default"})
    output: str | None = field(default=None, metadata={"help": "folder for overlap.parquet and overlap.json"})
    tolerate: float = field(
        default=0.0, metadata={"help": "share of a test set that may occur whole before the exit status is 1"}
    )
    text_column: str = field(
        default="text", metadata={"help": "of --corpus: column of JSON, CSV, Parquet and Hub datasets"}
    )
    language_column: str = field(default="language", metadata={"help": "of --corpus: column of the language's code"})


def make_parser() -> MplmArgumentParser:
    """The parser of `hf-mplm audit`."""
    return MplmArgumentParser(
        AuditArguments,
        prog="hf-mplm audit",
        description="Look for the sentences of test sets in training text, whole and in runs of 32 letters (12 in "
        "scripts of which a character is a syllable or a word). The exit status is 1 if more of a test set occurs "
        "whole than --tolerate allows.",
    )


def run(argv: Sequence[str]) -> int:
    """Look, print a line for each test set that has something in common with the text, and say what was read."""
    (arguments,) = make_parser().parse(argv)
    from hf_mplm.evaluation.overlap.audit import audit

    if not 0 <= arguments.tolerate <= 1:
        raise ValueError(f"--tolerate is {arguments.tolerate}; needed is a share, from 0 to 1")
    columns = ("text_column", "language_column")
    reading = {} if arguments.corpus is None else {name: getattr(arguments, name) for name in columns}
    report = audit(
        arguments.data_dir,
        store=arguments.store,
        corpus=arguments.corpus,
        tasks=arguments.tasks,
        languages=arguments.languages,
        output=arguments.output,
        **reading,
    )
    for skip in report.skipped:
        print(f"left out: {f'{skip.task} {skip.language}'.strip()}: {skip.reason}", file=sys.stderr)
    shown = [row for row in report.rows if row.any]
    if shown:
        print(f"{'task':<14}{'language':<12}{'sentences':>10}{'whole':>9}{'half':>9}{'a run':>9}")
        for row in shown:
            shares = "".join(f"{share:>9.2%}" for share in (row.exact, row.half, row.any))
            print(f"{row.task:<14}{row.language:<12}{row.n:>10,}{shares}")
    clean = len(report.rows) - len(shown)
    print(
        f"{report.sentences_read:,} sentences of {report.source} read; {clean:,} of {len(report.rows):,} test sets "
        "have nothing in common with them"
    )
    if short := sum(row.n_short for row in report.rows):
        print(f"{short:,} sentences are shorter than a run, and were looked for as whole lines alone")
    leaking = [row for row in report.rows if row.exact > arguments.tolerate]
    if leaking:
        worst = max(leaking, key=lambda row: row.exact)
        print(
            f"hf-mplm audit: of {len(leaking):,} test sets more occurs whole than {arguments.tolerate:.2%}, most of "
            f"{worst.task} {worst.language} ({worst.exact:.2%})",
            file=sys.stderr,
        )
    if arguments.output is not None:
        print(f"written: {arguments.output}/overlap.parquet, {arguments.output}/overlap.json")
    return 1 if leaking else 0
