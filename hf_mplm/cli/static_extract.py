"""`hf-mplm static extract`: word vectors out of an encoder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from hf_mplm.report.table import text_table

from .corpus_lines import report_lines, status_of
from .reading import reading_options


__all__ = ["ExtractArguments", "run"]

_MOST_ROWS = 40


@dataclass
class ExtractArguments:
    """Flags of `hf-mplm static extract`; `ExtractionSettings` and `extract_static` explain them at length."""

    _argument_group_name: ClassVar[str] = "extraction"

    model: str = field(metadata={"help": "the encoder: a folder, or an id on the Hub"})
    corpus: list[str] = field(
        metadata={
            "help": "one or several folders of CODE.txt (a sentence a line), CODE.tsv (id, tab, sentence), *.jsonl, "
            "*.csv (all also as .gz, .bz2, .xz, .zst) or *.parquet; or ids of datasets on the Hub, which are streamed"
        }
    )
    output: str = field(metadata={"help": "folder for the vectors; unfinished work is kept in OUTPUT.extracting"})
    method: Literal["x2static", "pooled", "alone"] = field(
        default="x2static",
        metadata={
            "help": "x2static trains vectors against the contexts of their words; pooled is the mean state of a word "
            "in the text; alone encodes each word by itself"
        },
    )
    layer: int = field(default=6, metadata={"help": "hidden_states index at which the encoder ends"})
    context: Literal["without-target", "with-target"] = field(
        default="without-target",
        metadata={
            "help": "the mean of a sentence without the target's own tokens (the paper), which takes a vector an "
            "occurrence on the disk, or with them (its code), a vector a sentence"
        },
    )
    special_tokens: bool = field(default=True, metadata={"help": "count <s> and </s> in that mean, as the code does"})
    init: Literal["pooled", "random"] = field(
        default="pooled", metadata={"help": "where training starts; random is what the published code does"}
    )
    lower_case: bool = field(
        default=True, metadata={"help": "tell words apart in lower case only; sentences are encoded as they are"}
    )
    min_count: int = field(default=10, metadata={"help": "how often a word must occur"})
    max_words: int = field(default=200_000, metadata={"help": "words of a language, the most frequent"})
    min_words: int = field(default=7, metadata={"help": "words that a sentence must have"})
    max_sentences: int | None = field(
        default=None,
        metadata={
            "help": "most sentences of a language, of those with --min_words words; a hash of text and --seed "
            "chooses, whatever the order of the corpus; all by default"
        },
    )
    max_length: int = field(default=512, metadata={"help": "tokens of a sentence that are read, at most"})
    subsample: float = field(
        default=5e-6,
        metadata={
            "help": "threshold t: an occurrence of a word of frequency f is kept with probability min(1, sqrt(t/f) + "
            "t/f); made for a million sentences a language"
        },
    )
    negatives: int = field(default=10, metadata={"help": "words drawn against each target, by the root of counts"})
    epochs: int = field(default=5, metadata={"help": "passes over the text"})
    learning_rate: float = field(default=1e-3, metadata={"help": "of Adam, on the rows that a step touches"})
    targets_per_step: int = field(default=1024, metadata={"help": "targets whose mean loss makes a step"})
    seed: int = field(default=42, metadata={"help": "seed of what is drawn"})
    dtype: Literal["float32", "float16", "bfloat16"] = field(
        default="float32", metadata={"help": "in which the encoder computes; half precision is for GPUs"}
    )
    tokens_per_batch: int | None = field(
        default=None, metadata={"help": "tokens that are encoded together; by default what suits the device"}
    )
    num_proc: int = field(
        default=1, metadata={"help": "processes, each with one thread and an encoder; the bytes do not depend on it"}
    )
    engine: Literal["local", "ray"] = field(
        default="local", metadata={"help": "where the processes run: this machine, or a Ray cluster"}
    )
    languages: list[str] | None = field(
        default=None, metadata={"help": "codes to read (swh_Latn; srp for all its scripts); all by default"}
    )
    text_column: str = field(default="text", metadata={"help": "column of JSONL, CSV, Parquet and Hub datasets"})
    language_column: str = field(default="language", metadata={"help": "column of the language's code"})
    fold_han: bool = field(default=False, metadata={"help": "write Hans and Hant as Hani, as Glot500 does"})
    split: str = field(default="train", metadata={"help": "split of a Hub dataset"})
    corpus_revision: str | None = field(default=None, metadata={"help": "revision of a Hub dataset"})
    revision: str | None = field(default=None, metadata={"help": "commit, tag or branch of the model on the Hub"})
    trust_remote_code: bool = field(default=False, metadata={"help": "run code that comes with the model"})
    overwrite: bool = field(
        default=False, metadata={"help": "replace vectors, or unfinished work, made from something else"}
    )


def run(arguments: ExtractArguments) -> int:
    """Extract vectors, and say what was read and left out.

    Args:
        arguments (`ExtractArguments`): the flags.

    Returns:
        `int`: 0; 1 if a language that `--languages` names gave no vector.
    """
    from hf_mplm.jobs.files import read_json
    from hf_mplm.static.extraction.extract import EXTRACTION_FILE, extract_static
    from hf_mplm.static.extraction.settings import ExtractionSettings

    flags = asdict(arguments)
    settings = {name: flags.pop(name) for name in ExtractionSettings.__dataclass_fields__}
    hub_revision = flags.pop("revision")
    options: dict[str, Any] = {**reading_options(flags), "hub_revision": hub_revision}
    model, corpus, output = (options.pop(name) for name in ("model", "corpus", "output"))
    static = extract_static(model, corpus, output, ExtractionSettings(**settings), **options)
    info = read_json(Path(output) / EXTRACTION_FILE)
    print("\n".join([*_table(info["words"]), *report_lines(info)]))
    total = sum(len(table) for table in static.tables.values())
    print(
        f"\n{total:,} vectors of {len(static.languages)} languages are in {output}; what was read and left out stands "
        f"in its {EXTRACTION_FILE}"
    )
    return status_of(arguments.languages, info["words"], arguments.fold_han, "static extract")


def _table(words: dict[str, dict[str, Any]]) -> list[str]:
    head = (
        "language",
        "words",
        "rare",
        "sentences",
        "short",
        "not taken",
        "occurrences",
        "targets an epoch",
        "cut",
        "no context",
    )
    rows = [head]
    for code in sorted(words, key=lambda code: (-words[code]["words"], code)):
        found = words[code]
        targets = found.get("targets") or [0]
        rows.append(
            (
                code,
                f"{found['words']:,}",
                f"{found['rare_words']:,}",
                f"{found['sentences']:,}",
                f"{found['short_sentences']:,}",
                f"{found['unselected_sentences']:,}",
                f"{found.get('occurrences', found['word_occurrences']):,}",
                f"{sum(targets) / len(targets):,.0f}",
                f"{found.get('cut_words', 0):,}",
                f"{found.get('without_context', 0):,}",
            )
        )
    lines = text_table(rows[: _MOST_ROWS + 1])
    if len(rows) > _MOST_ROWS + 1:
        lines.append(f"... and {len(rows) - _MOST_ROWS - 1} more")
    return lines
