"""`hf-mplm prepare`: turn text into a token store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from hf_mplm.data.store.shares import MOST_UNKNOWN, unknown_share
from hf_mplm.report.table import text_table

from .corpus_lines import report_lines, some, status_of
from .parser import MplmArgumentParser
from .reading import RENAMED, ReadingArguments, reading_options


_MOST_ROWS = 40
_MOST_MERGED = 5


@dataclass
class PrepareArguments(ReadingArguments):
    """Flags of `hf-mplm prepare`; `prepare_store` explains them at length."""

    corpus: list[str] = field(
        metadata={
            "help": "one or several folders of CODE.txt (a sentence a line), CODE.tsv (id, tab, sentence), *.jsonl, "
            "*.json, *.csv (all also as .gz, .bz2, .xz, .zst) or *.parquet; or ids of datasets on the Hub, which are "
            "streamed"
        }
    )
    tokenizer: str = field(metadata={"help": "folder of a tokenizer, or its id on the Hub"})
    output: str = field(metadata={"help": "folder of the store; unfinished work is kept in OUTPUT.preparing"})
    chunk_length: int = field(default=512, metadata={"help": "tokens a row"})
    holdout: int = field(
        default=0,
        metadata={"help": "sentences of each language-script set aside for a held-out loss, at most a tenth of it"},
    )
    num_proc: int = field(default=1, metadata={"help": "processes; the store is the same for any number"})
    seed: int = field(default=42, metadata={"help": "chooses the held-out sentences"})
    romanize: bool = field(
        default=False,
        metadata={"help": "write a pair store: a sentence and its Latin transliteration a row, for align-scripts"},
    )
    use_language_codes: bool = field(
        default=False, metadata={"help": "with --romanize: tell uroman the language, which the papers do not"}
    )
    engine: Literal["local", "ray"] = field(
        default="local", metadata={"help": "where the processes run: this machine, or a Ray cluster"}
    )
    overwrite: bool = field(
        default=False, metadata={"help": "replace a store, or unfinished work, that was made from something else"}
    )
    trust_remote_code: bool = field(
        default=False,
        metadata={"help": "run code that comes with the tokenizer"},
    )


def make_parser() -> MplmArgumentParser:
    """The parser of `hf-mplm prepare`."""
    return MplmArgumentParser(
        [PrepareArguments],
        prog="hf-mplm prepare",
        renamed=RENAMED,
        description="Tokenize a corpus and pack it into chunks of one language-script each. Interrupted, the same "
        "command goes on where it stopped.",
    )


def run(argv: Sequence[str]) -> int:
    """Prepare a store and print what is in it."""
    (arguments,) = make_parser().parse(argv)
    from hf_mplm.data.store.prepare import prepare_store

    settings = reading_options(asdict(arguments))
    corpus, tokenizer, output = (settings.pop(name) for name in ("corpus", "tokenizer", "output"))
    if settings.pop("romanize"):
        from hf_mplm.data.store.pair_store import prepare_pair_store

        pairs = prepare_pair_store(corpus, tokenizer, output, **settings)
        print(pair_summary(pairs.info))
        print(f"\nThe pair store is in {pairs.path}")
        return status_of(arguments.languages, pairs.info["report"]["counts"], arguments.fold_han, "prepare")
    if settings.pop("use_language_codes"):
        raise ValueError("--use_language_codes is for --romanize, which is not given")
    store = prepare_store(corpus, tokenizer, output, **settings)
    print(summary(store.info))
    print(f"\nThe token store is in {store.path}")
    return status_of(arguments.languages, store.info["report"]["counts"], arguments.fold_han, "prepare")


def summary(info: dict[str, Any]) -> str:
    """What is in a store, as a table: the languages of most sentences, all together, and what was dropped and why.

    Args:
        info (`dict[str, Any]`): what `store.json` says.
    """
    dropped = {code: sum(reasons.values()) for code, reasons in info["report"]["dropped"].items()}
    languages = sorted(info["languages"], key=lambda code: (-info["languages"][code]["sentences"], code))
    head = ("language", "sentences", "tokens", "chunks", "held out", "dropped", "unknown")
    rows = [_row(code, info["languages"][code], dropped.get(code, 0)) for code in languages]
    total = _row(f"all {len(languages)}", info["totals"], sum(dropped.values()))
    rest = rows[_MOST_ROWS:]
    lines = text_table([head, *rows[:_MOST_ROWS], total])
    if rest:
        lines.insert(-1, f"... and {len(rest)} more, which store.json lists")
    lines += report_lines(info["report"])
    several = [code for code, files in sorted(info["report"]["files"].items()) if len(files) > 1]
    for code in several[:_MOST_MERGED]:
        lines.append(f"{code} is read from {some(info['report']['files'][code], 3)}")
    if len(several) > _MOST_MERGED:
        lines.append(f"So are, from several files each, {some(several[_MOST_MERGED:], 8)}")
    lost = sorted(set(dropped) - set(info["languages"]) - {"unknown"})
    if lost:
        lines.append(f"No sentence is left of: {', '.join(lost)}")
    short = [code for code in languages if info["languages"][code]["holdout_sentences"] < info["identity"]["holdout"]]
    if short:
        lines.append(
            f"{len(short)} language-scripts hold out fewer than {info['identity']['holdout']} sentences, because they "
            f"are small: {some(short, 8)}"
        )
    lines += unknown_lines(info["languages"])
    if n_long := info["totals"]["long_sentences"]:
        lines.append(f"{n_long:,} sentences are longer than a chunk and go on in the next one")
    return "\n".join(lines)


def unknown_lines(languages: dict[str, dict[str, int]]) -> list[str]:
    """A warning of languages that lose more than a few characters in a hundred, and what to do.

    Args:
        languages (`dict`): of `store.json`.
    """
    lost = {code: share for code, counts in languages.items() if (share := unknown_share(counts)) > MOST_UNKNOWN}
    if not lost:
        return []
    shown = some([f"{code} ({share:.0%})" for code, share in sorted(lost.items(), key=lambda one: -one[1])], 8)
    return [
        f"The tokenizer does not know more than {MOST_UNKNOWN:.0%} of the characters of {shown}: what it does not "
        "know is lost. Grow the vocabulary first: hf-mplm tokenizer train --corpus CORPUS --output PIECES, then "
        "hf-mplm tokenizer extend --model MODEL --tokenizer PIECES --output NEW_MODEL"
    ]


def pair_summary(info: dict[str, Any]) -> str:
    """What is in a pair store, as a table, and what was dropped and why.

    Args:
        info (`dict[str, Any]`): what `store.json` says.
    """
    dropped = {code: sum(reasons.values()) for code, reasons in info["report"]["dropped"].items()}
    languages = sorted(info["languages"], key=lambda code: (-info["languages"][code]["pairs"], code))
    rows = [("language", "pairs", "unchanged", "tokens", "romanised", "held out", "cut", "dropped")]
    for code, counts, lost in [
        *((code, info["languages"][code], dropped.get(code, 0)) for code in languages[:_MOST_ROWS]),
        (f"all {len(languages)}", info["totals"], sum(dropped.values())),
    ]:
        keys = ("pairs", "unchanged", "tokens", "romanized_tokens", "holdout_pairs", "long_sentences")
        rows.append((code, *(f"{counts[key]:,}" for key in keys), f"{lost:,}"))
    lines = text_table(rows)
    if len(languages) > _MOST_ROWS:
        lines.insert(-1, f"... and {len(languages) - _MOST_ROWS} more, which store.json lists")
    return "\n".join(lines + report_lines(info["report"]))


def _row(name: str, counts: dict[str, int], n_dropped: int) -> tuple[str, ...]:
    return (
        name,
        f"{counts['sentences']:,}",
        f"{counts['tokens']:,}",
        f"{counts['chunks']:,}",
        f"{counts['holdout_sentences']:,}",
        f"{n_dropped:,}",
        f"{unknown_share(counts):.2%}",
    )
