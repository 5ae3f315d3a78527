"""What a quickstart starts from: the encoder that ships, another one, or random weights."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from .quickstart_arguments import QuickstartArguments
from .quickstart_parts import make_part


__all__ = ["START", "check_start", "make_start"]

logger = logging.getLogger(__name__)

START = "start"
# Folders of a quickstart: the start where it is no other checkpoint, and its tokenizer, which `prepare` takes.
_UNTRAINED, _TOKENIZER = "untrained", "tokenizer"


def check_start(args: QuickstartArguments) -> None:
    """Refuse languages that the encoder that ships has no subwords of, and two starts at once.

    Raises:
        ValueError: with the line to type.
    """
    if args.model is not None and args.from_scratch:
        raise ValueError(f"--model {args.model} and --from_scratch are two starts; give one of them")
    if args.model is not None or args.from_scratch:
        return
    from hf_mplm.sample import sample_languages, start_languages

    known = start_languages()
    # Those that the sample does not hold are refused where it is read.
    others = [code for code in args.languages if code not in known and code in sample_languages()]
    if others:
        raise ValueError(
            f"the encoder that ships was cut to the subwords of {', '.join(known)}, and --languages asks for "
            f"{', '.join(others)}; choose among these, give --model, or --from_scratch"
        )


def make_start(args: QuickstartArguments, corpus: Path) -> str:
    """The checkpoint, with its tokenizer, that all models of a quickstart start from.

    Args:
        args (`QuickstartArguments`): what the quickstart was told.
        corpus (`Path`): its training text, on which a tokenizer is trained where there is none.

    Returns:
        `str`: a folder, or the id on the Hub that was given.
    """
    if args.model is not None:
        return args.model
    if args.from_scratch:
        return _random_start(args, corpus)

    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer, save_tokenizer
    from hf_mplm.jobs.digests import digest_file
    from hf_mplm.sample import start_file, write_start

    def build(folder: Path) -> None:
        write_start(folder)

    identity = {"file": digest_file(start_file())}
    start = make_part(args, _UNTRAINED, identity, build)
    make_part(args, _TOKENIZER, identity, lambda folder: save_tokenizer(load_tokenizer(start), folder))
    return str(start)


def _random_start(args: QuickstartArguments, corpus: Path) -> str:
    from hf_mplm.data.corpus.sources import ReadOptions
    from hf_mplm.data.tokenizing.tokenizers import save_tokenizer, tokenizer_fingerprint
    from hf_mplm.data.tokenizing.training import train_tokenizer_on_corpus
    from hf_mplm.trainers.masked_lm.from_scratch import build_encoder

    logger.info("A tokenizer of %s subwords on %s languages ...", args.vocab_size, len(args.languages))
    tokenizer = train_tokenizer_on_corpus(
        corpus,
        Path(args.output) / _TOKENIZER,
        ReadOptions(),
        command="hf-mplm quickstart",
        overwrite=args.overwrite,
        vocab_size=args.vocab_size,
    )
    sizes: dict[str, Any] = {
        "hidden_size": args.hidden_size,
        "num_hidden_layers": args.num_hidden_layers,
        "num_attention_heads": args.num_attention_heads,
        "intermediate_size": 4 * args.hidden_size,
    }

    def build(folder: Path) -> None:
        dropout: dict[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        build_encoder(tokenizer, seed=args.seed, **dropout, **sizes).save_pretrained(folder)
        save_tokenizer(tokenizer, folder)

    identity = {**sizes, "seed": args.seed, "tokenizer": tokenizer_fingerprint(tokenizer)}
    return str(make_part(args, _UNTRAINED, identity, build))
