"""`hf-mplm align-scripts`: align an encoder across scripts, by sentences and their romanisations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from .parser import MplmArgumentParser
from .reading import READING, RENAMED, ReadingArguments, reading_options
from .training import (
    StartingArguments,
    check_folders,
    check_origin,
    find_checkpoint,
    hold,
    load_checkpoint,
    quiet_other_processes,
    train_and_save,
)


@dataclass
class AlignScriptsArguments(ReadingArguments, StartingArguments):
    """Flags of `hf-mplm align-scripts` beside those of `ScriptAlignmentArguments`."""

    model: str = field(
        metadata={"help": "masked-LM checkpoint to start from (XLM-R, BERT, ModernBERT): a folder or an id on the Hub"}
    )
    corpus: list[str] | None = field(
        default=None,
        metadata={
            "help": "text to align on, as for `hf-mplm prepare`, or what `hf-mplm romanize` wrote; it is prepared "
            "first, into --store"
        },
    )
    store: str | None = field(
        default=None,
        metadata={"help": "pair store; with --corpus where to prepare it, OUTPUT/pairs by default"},
    )
    use_language_codes: bool = field(
        default=False, metadata={"help": "tell uroman the language, which the papers do not"}
    )
    holdout: int = field(default=0, metadata={"help": "pairs of each language set aside for a held-out loss"})
    num_proc: int = field(default=1, metadata={"help": "processes that romanise and tokenize"})
    engine: Literal["local", "ray"] = field(default="local", metadata={"help": "where those processes run"})
    romanized_vocab_size: int = field(
        default=0,
        metadata={
            "help": "beyond the paper: learn a vocabulary of this size from the romanised text, and add the subwords "
            "that the model lacks; 0 leaves the vocabulary as it is"
        },
    )
    overwrite: bool = field(
        default=False,
        metadata={
            "help": "replace pairs, or a model with a grown vocabulary, that were made in --output from something "
            "else; never a checkpoint"
        },
    )


def make_parser() -> MplmArgumentParser:
    """The parser of `hf-mplm align-scripts`: its own flags and all of Trainer's."""
    from hf_mplm.trainers.script_alignment.arguments import ScriptAlignmentArguments

    return MplmArgumentParser(
        [AlignScriptsArguments, ScriptAlignmentArguments],
        prog="hf-mplm align-scripts",
        renamed=RENAMED,
        description="Align an encoder across scripts: masked LM on sentences and on their romanisations, a contrast "
        "of the two, and TLM. From raw text alone, or from a prepared --store, alone or under a launcher: accelerate "
        "launch -m hf_mplm align-scripts .... Interrupted, the same command goes on where it stopped. The result is "
        "an ordinary checkpoint of the model's own class.",
    )


def run(argv: Sequence[str]) -> int:
    """Prepare pairs where there are none, train, and write model, tokenizer, card and state into `--output`."""
    arguments, args = make_parser().parse(argv)
    _check(arguments, args)
    quiet_other_processes()
    with hold(args.output_dir, "align-scripts"):
        return _train(arguments, args, ["align-scripts", *argv])


def _train(arguments: AlignScriptsArguments, args: Any, argv: Sequence[str]) -> int:
    import transformers

    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
    from hf_mplm.modeling.stock import load_masked_lm
    from hf_mplm.trainers.base.processes import decided_by_first
    from hf_mplm.trainers.base.run_record import describe_store
    from hf_mplm.trainers.script_alignment.trainer import ScriptAlignmentTrainer

    check_folders(args.output_dir, model=arguments.model, store=arguments.store)
    tokenizer = load_tokenizer(arguments.model, trust_remote_code=arguments.trust_remote_code)
    origin = decided_by_first(lambda: _origin(arguments, tokenizer))
    checkpoint = find_checkpoint(args.output_dir, arguments.resume)
    decided_by_first(lambda: check_origin(args.output_dir, checkpoint, origin))
    _check_start(arguments, args, tokenizer)
    model_path, store = _prepare(arguments, args)
    origin = {**origin, "store": describe_store(store)}
    decided_by_first(lambda: check_origin(args.output_dir, checkpoint, origin))
    transformers.set_seed(args.seed)
    trust, new_head = arguments.trust_remote_code, arguments.new_lm_head
    if checkpoint is None:
        model = load_masked_lm(model_path, new_head=new_head, trust_remote_code=trust)
    else:
        model = load_checkpoint(checkpoint, trust_remote_code=trust)
    tokenizer = load_tokenizer(model_path, trust_remote_code=trust)
    trainer = ScriptAlignmentTrainer(model, args, store=store, processing_class=tokenizer)
    trainer.origin = origin
    return train_and_save(trainer, checkpoint, arguments.model, "Aligned in", argv)


def _origin(arguments: AlignScriptsArguments, tokenizer: Any) -> dict[str, Any]:
    """What the run begins with, by content."""
    from hf_mplm.data.tokenizing.tokenizers import tokenizer_fingerprint
    from hf_mplm.trainers.base.run_record import describe_start

    start = describe_start(arguments.model, tokenizer_fingerprint(tokenizer))
    given = {f"--{name}": getattr(arguments, name) for name in ("romanized_vocab_size", "new_lm_head")}
    return {"model": start, **given}


def _check_start(arguments: AlignScriptsArguments, args: Any, tokenizer: Any) -> None:
    """Load what training starts from before anything is romanised, and see that the settings fit it."""
    from hf_mplm.data.tokenizing.sentencepiece_model import model_of_tokenizer
    from hf_mplm.modeling.stock import load_masked_lm
    from hf_mplm.trainers.script_alignment.trainer import check_settings

    if arguments.romanized_vocab_size:
        model_of_tokenizer(tokenizer)  # its vocabulary can grow
    model: Any = load_masked_lm(
        arguments.model, new_head=arguments.new_lm_head, trust_remote_code=arguments.trust_remote_code
    )
    check_settings(model, args)
    rows = len(model.get_input_embeddings().weight)
    if rows < len(tokenizer):
        raise ValueError(
            f"the model has {rows:,} embeddings and its tokenizer {len(tokenizer):,} entries; grow the model with "
            "`hf-mplm tokenizer extend`"
        )


def _check(arguments: AlignScriptsArguments, args: Any) -> None:
    if arguments.corpus is None and arguments.store is None:
        raise ValueError("give --corpus TEXT to prepare and align on, or --store PAIRS that is prepared already")
    if arguments.corpus is None and arguments.romanized_vocab_size:
        raise ValueError("--romanized_vocab_size learns from text; give --corpus too")
    if arguments.new_lm_head and arguments.romanized_vocab_size:
        raise ValueError(
            "--romanized_vocab_size grows a model with its LM head, which --new_lm_head says is not there yet: give "
            "the encoder its head first, by hf-mplm pretrain --new_lm_head, or leave one out"
        )
    if arguments.corpus is not None and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError(
            "nothing is prepared under torchrun or accelerate launch, where every process would do it. First, alone:\n"
            f"  {_preparing_line(arguments, args)}\n"
            "then launch with --store PAIRS in place of --corpus"
        )


def _preparing_line(arguments: AlignScriptsArguments, args: Any) -> str:
    """The command that prepares what these arguments ask for."""
    line = ["hf-mplm prepare --romanize --corpus", *(arguments.corpus or ["TEXT"]), "--tokenizer", arguments.model]
    defaults = AlignScriptsArguments(model="")
    for name in (*READING, "use_language_codes", "trust_remote_code", "holdout", "num_proc", "engine"):
        value = getattr(arguments, name)
        if value == getattr(defaults, name):
            continue
        values = value if isinstance(value, list) else [] if value is True else [value]
        line += [f"--{name}", *map(str, values)]
    if args.max_length is not None:
        line += ["--chunk_length", str(args.max_length)]
    return " ".join([*line, "--output PAIRS"])


def _check_languages(arguments: AlignScriptsArguments, args: Any, languages: Sequence[str]) -> None:
    """Refuse a store with languages that were not asked for, as a recipe of a group asks for its own."""
    if arguments.languages is None:
        return
    from hf_mplm.data.corpus.options import ReadOptions
    from hf_mplm.data.corpus.resolver import CodeResolver

    asked = CodeResolver(ReadOptions(languages=tuple(arguments.languages), fold_han=arguments.fold_han))
    if others := [code for code in languages if not asked.wants(code)]:
        raise ValueError(
            f"the store {arguments.store} holds {', '.join(others[:8])}{', ...' if len(others) > 8 else ''}, and "
            f"--languages, of the command line or the recipe, does not name them. Prepare a store of its languages:\n"
            f"  {_preparing_line(arguments, args)}"
        )


def _prepare(arguments: AlignScriptsArguments, args: Any) -> tuple[str, Any]:
    """The model to start from, and the pairs."""
    from hf_mplm.data.store.pair_store import load_pair_store, prepare_pair_store
    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer

    from .prepare import pair_summary

    if arguments.corpus is None:
        store = load_pair_store(str(arguments.store))
        _check_languages(arguments, args, store.languages)
        return arguments.model, store
    reading = reading_options({name: value for name, value in asdict(arguments).items() if name in READING})
    model, output = arguments.model, Path(args.output_dir)
    if arguments.romanized_vocab_size:
        from hf_mplm.trainers.script_alignment.romanized_vocabulary import extend_for_romanized

        model = str(
            extend_for_romanized(
                model,
                arguments.corpus,
                output / "extended-model",
                vocab_size=arguments.romanized_vocab_size,
                use_language_codes=arguments.use_language_codes,
                num_threads=arguments.num_proc,
                trust_remote_code=arguments.trust_remote_code,
                overwrite=arguments.overwrite,
                **reading,
            )
        )
    output.mkdir(parents=True, exist_ok=True)
    store = prepare_pair_store(
        arguments.corpus,
        load_tokenizer(model, trust_remote_code=arguments.trust_remote_code),
        arguments.store or output / "pairs",
        chunk_length=args.max_length or 512,
        holdout=arguments.holdout,
        num_proc=arguments.num_proc,
        engine=arguments.engine,
        use_language_codes=arguments.use_language_codes,
        overwrite=arguments.overwrite,
        **reading,
    )
    print(pair_summary(store.info))
    return model, store
