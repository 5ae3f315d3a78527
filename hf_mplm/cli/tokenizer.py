"""`hf-mplm tokenizer train`, `hf-mplm tokenizer extend` and `hf-mplm tokenizer trim`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .actions import action_parser, split_action, verb_parser
from .corpus_lines import report_lines, status_of
from .parser import MplmArgumentParser
from .reading import READING, RENAMED, ReadingArguments, reading_options


if TYPE_CHECKING:
    from hf_mplm.data.corpus.corpora import CorpusReport


ACTIONS = {
    "train": "train a SentencePiece Unigram tokenizer on a corpus",
    "extend": "add subwords to a model's vocabulary, learned from text, and grow its embeddings",
    "trim": "cut a model to the subwords that some text uses",
}


@dataclass
class TrainArguments(ReadingArguments):
    """Flags of `hf-mplm tokenizer train`."""

    corpus: list[str] = field(
        metadata={"help": "folders or files of text (CODE.txt, JSON, CSV, Parquet), or ids of Hub datasets"}
    )
    output: str = field(metadata={"help": "folder for the tokenizer's files"})
    vocab_size: int = field(metadata={"help": "entries of the vocabulary, special tokens included"})
    character_coverage: float = field(
        default=0.9995, metadata={"help": "share of character occurrences that the vocabulary must hold"}
    )
    input_sentence_size: int = field(
        default=1_000_000, metadata={"help": "sentences to train on, at most; a larger corpus is sampled"}
    )
    alpha: float = field(default=0.3, metadata={"help": "that sample draws languages by p ~ n^alpha"})
    seed: int = field(default=0, metadata={"help": "seed of that sample"})
    num_threads: int = field(
        default=4, metadata={"help": "threads of the trainer; the scores depend on it in the last digit"}
    )
    max_sentence_length: int = field(
        default=8192, metadata={"help": "bytes; longer sentences are left out and counted"}
    )
    model_max_length: int = field(default=512, metadata={"help": "longest input in tokens, recorded in the tokenizer"})
    overwrite: bool = field(default=False, metadata={"help": "replace a tokenizer that was trained on something else"})


@dataclass
class ExtendArguments(ReadingArguments):
    """Flags of `hf-mplm tokenizer extend`."""

    model: str = field(metadata={"help": "masked-LM checkpoint to grow: a folder or a Hub id"})
    output: str = field(metadata={"help": "folder for the model and its new tokenizer"})
    tokenizer: str | None = field(
        default=None,
        metadata={"help": "XLM-R's layout: tokenizer whose pieces are added, as made by `hf-mplm tokenizer train`"},
    )
    corpus: list[str] | None = field(
        default=None, metadata={"help": "text that new subwords are learned from, for tokenizers of every kind"}
    )
    initialization: str = field(
        default="mean",
        metadata={
            "help": "rows of new tokens: the mean of all old ones, of the old subwords, of similar tokens, or normal",
            "choices": ["mean", "subwords", "similar", "normal"],
        },
    )
    max_new_pieces: int | None = field(default=None, metadata={"help": "add the most probable so many pieces only"})
    seed: int = field(default=0, metadata={"help": "seed of `--initialization normal` and of the text that is drawn"})
    num_threads: int = field(default=4, metadata={"help": "threads that learn the pieces of a Unigram model"})
    new_lm_head: bool = field(
        default=False,
        metadata={"help": "the model was saved without its LM head (E5, LaBSE, MiniLM), and so is the result"},
    )
    overwrite: bool = field(default=False, metadata={"help": "replace a model that was extended with something else"})
    trust_remote_code: bool = field(
        default=False,
        metadata={"help": "run code that comes with the model or the tokenizer"},
    )


@dataclass
class TrimArguments(ReadingArguments):
    """Flags of `hf-mplm tokenizer trim`."""

    model: str = field(metadata={"help": "masked-LM checkpoint to cut: a folder or a Hub id"})
    corpus: list[str] = field(metadata={"help": "text whose subwords stay, all languages that the model shall serve"})
    output: str = field(metadata={"help": "folder for the model and its tokenizer"})
    min_count: int = field(default=1, metadata={"help": "cut subwords that occur less often"})
    keep_top: int = field(default=0, metadata={"help": "keep so many of the vocabulary's most frequent ones besides"})
    characters: Literal["all", "text"] = field(
        default="all", metadata={"help": "single characters that stay: all, or those of the text, which is smaller"}
    )
    new_lm_head: bool = field(
        default=False,
        metadata={"help": "the model was saved without its LM head (E5, LaBSE, MiniLM), and so is the result"},
    )
    overwrite: bool = field(default=False, metadata={"help": "replace a model that was cut to something else"})
    trust_remote_code: bool = field(
        default=False, metadata={"help": "run code that comes with the model or the tokenizer"}
    )


_ARGUMENTS = {"train": TrainArguments, "extend": ExtendArguments, "trim": TrimArguments}


def make_parser(action: str | None = None) -> MplmArgumentParser:
    """The parser of one action, or of the verb itself, which only knows its actions.

    Args:
        action (`str`, *optional*): one of `ACTIONS`.
    """
    if action is None:
        return verb_parser(
            "tokenizer", "Train a SentencePiece tokenizer, or extend or cut the vocabulary of a model.", ACTIONS
        )
    return action_parser("tokenizer", action, ACTIONS[action], _ARGUMENTS[action], RENAMED)


def run(argv: Sequence[str]) -> int:
    """Train, extend or trim, and say where the result stands."""
    action, words = split_action(make_parser(), ACTIONS, argv)
    (arguments,) = make_parser(action).parse(words)
    runs: dict[str, Callable[[Any], int]] = {"train": _train, "extend": _extend, "trim": _trim}
    return runs[action](arguments)


def _train(arguments: TrainArguments) -> int:
    from hf_mplm.data.corpus.corpora import CorpusReport
    from hf_mplm.data.tokenizing.tokenizers import tokenizer_fingerprint
    from hf_mplm.data.tokenizing.training import train_tokenizer_on_corpus

    settings = asdict(arguments)
    corpus, output = settings.pop("corpus"), settings.pop("output")
    report = CorpusReport()
    tokenizer = train_tokenizer_on_corpus(corpus, output, _options(settings), report=report, watch=_watch, **settings)
    _tell(report)
    print(
        f"Tokenizer with {len(tokenizer)} entries (fingerprint {tokenizer_fingerprint(tokenizer)}) written to {output}"
    )
    return status_of(arguments.languages, report.counts, arguments.fold_han, "tokenizer")


def _extend(arguments: ExtendArguments) -> int:
    from hf_mplm.data.corpus.corpora import CorpusReport
    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
    from hf_mplm.trainers.vocabulary.extension import extend_encoder

    settings = asdict(arguments)
    model, output = settings.pop("model"), settings.pop("output")
    report = CorpusReport()
    extension = extend_encoder(model, output, options=_options(settings), report=report, **settings)
    _tell(report)
    for token, (origin, target) in extension.moved.items() if extension else ():
        print(f"{token} moved from id {origin} to {target}, and its learned row with it")
    entries = len(load_tokenizer(output))
    before = len(load_tokenizer(model, trust_remote_code=arguments.trust_remote_code))
    print(f"Model and tokenizer with {entries} entries, {entries - before} of them new, written to {output}")
    return 0


def _trim(arguments: TrimArguments) -> int:
    from hf_mplm.data.corpus.corpora import CorpusReport
    from hf_mplm.report.table import text_table
    from hf_mplm.trainers.vocabulary.trimming import trim_encoder

    settings = asdict(arguments)
    model, corpus, output = (settings.pop(name) for name in ("model", "corpus", "output"))
    report = CorpusReport()
    trimmed = trim_encoder(model, corpus, output, _options(settings), report=report, watch=_watch, **settings)
    _tell(report)
    rows = [
        [
            language,
            f"{found['sentences']:,}",
            f"{found['before']:,}",
            f"{found['after']:,}",
            f"{found['unknown_before'] / max(found['before'], 1):.2%}",
            f"{found['unknown_after'] / max(found['after'], 1):.2%}",
        ]
        for language, found in trimmed.languages.items()
    ]
    header = ["language", "sentences", "tokens", "tokens now", "unknown", "unknown now"]
    print("\n".join(text_table([header, *rows])))
    print(
        f"{trimmed.tokens_before:,} subwords became {trimmed.tokens_after:,}, "
        f"{trimmed.parameters_before / 1e6:.1f} million parameters {trimmed.parameters_after / 1e6:.1f} million "
        f"({trimmed.parameters_after / trimmed.parameters_before:.1%}; {4 * trimmed.parameters_after / 1e6:,.0f} MB "
        "in float32)"
    )
    print(f"Model and tokenizer written to {output}")
    return status_of(arguments.languages, trimmed.languages, arguments.fold_han, "tokenizer")


def _watch(rows: Iterable[Any]) -> Iterable[Any]:
    from hf_mplm.jobs.progress import progress_bar

    return progress_bar(rows, desc="reading", unit=" sentences")


def _tell(report: CorpusReport) -> None:
    for line in report_lines(report.to_dict()):
        print(line)


def _options(settings: dict[str, Any]) -> Any:
    """Takes what says how a corpus is read out of flags."""
    from hf_mplm.data.corpus.sources import ReadOptions

    reading = reading_options({name: settings.pop(name) for name in READING})
    languages = reading.pop("languages")
    return ReadOptions(None if languages is None else tuple(languages), **reading)
