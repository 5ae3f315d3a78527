"""`hf-mplm romanize`: write the Latin transliteration of a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from .corpus_lines import report_lines, status_of
from .parser import MplmArgumentParser
from .reading import RENAMED, ReadingArguments, reading_options


__all__ = ["RomanizeArguments", "make_parser", "run"]


@dataclass
class RomanizeArguments(ReadingArguments):
    """What `hf-mplm romanize` reads and writes.

    Args:
        corpus (`list[str]`): Folders, files, or ids of datasets on the Hub.
        output (`str`): Folder to write.
        num_proc (`int`, *optional*, defaults to 1): Processes.
        engine (`str`, *optional*, defaults to `"local"`): `"local"` or `"ray"`.
        use_language_codes (`bool`, *optional*, defaults to `False`): Tell uroman the language of each sentence.
        output_format (`str`, *optional*, defaults to `"parquet"`): `"parquet"` or `"jsonl"`.
        cache_file (`str`, *optional*): SQLite file of romanised units that runs share.
        overwrite (`bool`, *optional*, defaults to `False`): Replace what was made from something else.
    """

    _argument_group_name: ClassVar[str] = "romanisation"

    corpus: list[str] = field(
        metadata={
            "help": "what to romanise: folders of CODE.txt (one sentence a line), JSON, CSV or Parquet with the "
            "columns text and language, or ids of datasets on the Hub"
        }
    )
    output: str = field(
        metadata={"help": "folder to write; the same command again goes on where an interrupted one stopped"}
    )
    num_proc: int = field(default=1, metadata={"help": "processes"})
    engine: Literal["local", "ray"] = field(
        default="local", metadata={"help": 'ray works on a Ray cluster, and needs: pip install "hf-mplm[ray]"'}
    )
    use_language_codes: bool = field(
        default=False,
        metadata={"help": "tell uroman the language of each sentence, which changes its output (the papers do not)"},
    )
    output_format: Literal["parquet", "jsonl"] = field(default="parquet", metadata={"help": "kind of files to write"})
    cache_file: str | None = field(
        default=None, metadata={"help": "SQLite file of romanised units, which processes and runs may share"}
    )
    overwrite: bool = field(
        default=False, metadata={"help": "replace a romanised corpus, or unfinished work, made from something else"}
    )


def make_parser() -> MplmArgumentParser:
    """The parser of `hf-mplm romanize`."""
    return MplmArgumentParser(
        (RomanizeArguments,),
        prog="hf-mplm romanize",
        renamed=RENAMED,
        description="Write the Latin transliteration of a corpus, as the package uroman gives it.",
    )


def run(argv: Sequence[str]) -> int:
    """Romanise a corpus and say where it is.

    Args:
        argv (`Sequence[str]`): the command line without program and verb.

    Returns:
        `int`: 0; 1 if a language that `--languages` names gave no sentence.
    """
    (arguments,) = make_parser().parse(argv)
    from hf_mplm.data.romanization.corpus import romanize_corpus

    options = reading_options(vars(arguments))
    info = romanize_corpus(options.pop("corpus"), options.pop("output"), **options)
    print(_summary(info, arguments.output))
    return status_of(arguments.languages, info["sentences"], arguments.fold_han, "romanize")


def _summary(info: dict[str, Any], output: str) -> str:
    sentences = sum(info["sentences"].values())
    lines = [f"{sentences:,} sentences of {len(info['sentences'])} language-scripts, uroman {info['uroman']}"]
    if unchanged := sum(info["unchanged"].values()):
        lines.append(f"{unchanged:,} of them are the same in Latin letters, and kept")
    lines += report_lines(info)
    return "\n".join([*lines, f"Written: {output}"])
