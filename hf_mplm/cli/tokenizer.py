"""`hf-mplm tokenizer train` and `hf-mplm tokenizer extend`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .actions import action_parser, split_action, verb_parser
from .corpus_lines import report_lines, status_of
from .parser import MplmArgumentParser
from .reading import RENAMED, ReadingArguments, reading_options


ACTIONS = {
    "train": "train a SentencePiece Unigram tokenizer on a corpus",
    "extend": "add a tokenizer's pieces to a model of XLM-R's family and grow its embeddings",
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
class ExtendArguments:
    """Flags of `hf-mplm tokenizer extend`."""

    model: str = field(metadata={"help": "masked-LM checkpoint to grow: a folder or a Hub id"})
    tokenizer: str = field(metadata={"help": "tokenizer whose pieces are added, as made by `hf-mplm tokenizer train`"})
    output: str = field(metadata={"help": "folder for the model and its new tokenizer"})
    initialization: str = field(
        default="mean",
        metadata={
            "help": "rows of new tokens: the mean of all old ones, the mean of the old subwords, or normal",
            "choices": ["mean", "subwords", "normal"],
        },
    )
    max_new_pieces: int | None = field(default=None, metadata={"help": "add the most probable so many pieces only"})
    seed: int = field(default=0, metadata={"help": "seed of `--initialization normal`"})
    overwrite: bool = field(default=False, metadata={"help": "replace a model that was extended with something else"})
    trust_remote_code: bool = field(
        default=False,
        metadata={"help": "run code that comes with the model or the tokenizer"},
    )


def make_parser(action: str | None = None) -> MplmArgumentParser:
    """The parser of one action, or of the verb itself, which only knows its actions.

    Args:
        action (`str`, *optional*): `train` or `extend`.
    """
    if action is None:
        return verb_parser(
            "tokenizer", "Train a SentencePiece tokenizer, or extend the vocabulary of a model.", ACTIONS
        )
    arguments = TrainArguments if action == "train" else ExtendArguments
    return action_parser("tokenizer", action, ACTIONS[action], arguments, RENAMED if action == "train" else None)


def run(argv: Sequence[str]) -> int:
    """Train or extend, and say where the result stands."""
    action, words = split_action(make_parser(), ACTIONS, argv)
    (arguments,) = make_parser(action).parse(words)
    return _train(arguments) if action == "train" else _extend(arguments)


def _train(arguments: TrainArguments) -> int:
    from hf_mplm.data.corpus.corpora import CorpusReport
    from hf_mplm.data.corpus.sources import ReadOptions
    from hf_mplm.data.tokenizing.tokenizers import tokenizer_fingerprint
    from hf_mplm.data.tokenizing.training import train_tokenizer_on_corpus
    from hf_mplm.jobs.progress import progress_bar

    settings = reading_options(asdict(arguments))
    corpus, output, languages = (settings.pop(name) for name in ("corpus", "output", "languages"))
    names = ("text_column", "language_column", "fold_han", "split", "revision")
    reading = {name: settings.pop(name) for name in names}
    report = CorpusReport()
    tokenizer = train_tokenizer_on_corpus(
        corpus,
        output,
        ReadOptions(None if languages is None else tuple(languages), **reading),
        report=report,
        watch=lambda rows: progress_bar(rows, desc="reading", unit=" sentences"),
        **settings,
    )
    for line in report_lines(report.to_dict()):
        print(line)
    print(
        f"Tokenizer with {len(tokenizer)} entries (fingerprint {tokenizer_fingerprint(tokenizer)}) written to {output}"
    )
    return status_of(arguments.languages, report.counts, arguments.fold_han, "tokenizer")


def _extend(arguments: ExtendArguments) -> int:
    from hf_mplm.data.tokenizing.tokenizers import extend_tokenizer, load_tokenizer, tokenizer_fingerprint
    from hf_mplm.jobs.job import make_folder
    from hf_mplm.modeling.stock import load_masked_lm
    from hf_mplm.modeling.vocabulary import extend_vocabulary
    from hf_mplm.trainers.base.sources import model_digest
    from hf_mplm.trainers.script_alignment.romanized_vocabulary import extension_job

    output = Path(arguments.output)
    if output.exists() and output.resolve() == Path(arguments.model).resolve():
        raise ValueError("--output is the folder of --model; give another one, so that the old checkpoint stays whole")
    trust = {"trust_remote_code": arguments.trust_remote_code}
    old, new = load_tokenizer(arguments.model, **trust), load_tokenizer(arguments.tokenizer, **trust)
    settings = asdict(arguments)
    for name in ("model", "tokenizer", "output", "overwrite", "trust_remote_code"):
        settings.pop(name)
    contents = {"model": model_digest(arguments.model, **trust), "tokenizer": tokenizer_fingerprint(new)}

    def extend(folder: Path) -> None:
        model = load_masked_lm(arguments.model, trust_remote_code=arguments.trust_remote_code)
        extended = extend_tokenizer(old, new, folder, max_new_pieces=arguments.max_new_pieces)
        extension = extend_vocabulary(
            model, old, extended, initialization=arguments.initialization, seed=arguments.seed
        )
        model.save_pretrained(folder)
        for token, (origin, target) in extension.moved.items():
            print(f"{token} moved from id {origin} to {target}, and its learned row with it")

    job = extension_job(output, "hf-mplm tokenizer extend")
    make_folder(job, {"identity": {**settings, **contents}}, extend, overwrite=arguments.overwrite)
    entries = len(load_tokenizer(output))
    print(
        f"Model and tokenizer with {entries} entries, {entries - len(old)} of them new, written to {arguments.output}"
    )
    return 0
