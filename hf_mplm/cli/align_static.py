"""`hf-mplm align-static`: align an encoder across languages by static word vectors that are aligned already."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .parser import MplmArgumentParser
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


if TYPE_CHECKING:
    from hf_mplm.static.embeddings import StaticEmbeddings

logger = logging.getLogger(__name__)


@dataclass
class AlignStaticArguments(StartingArguments):
    """Flags of `hf-mplm align-static` beside those of `StaticAlignmentArguments`."""

    model: str = field(
        metadata={"help": "masked-LM checkpoint to start from (XLM-R, BERT, ModernBERT): a folder or an id on the Hub"}
    )
    store: str = field(
        metadata={"help": "token store to train masked LM on, which `hf-mplm prepare` writes; with text held out"}
    )
    static: str | None = field(
        default=None,
        metadata={
            "help": "folder with static embeddings in one space, which `hf-mplm static map` writes; not needed with "
            "--align_weight 0"
        },
    )


def make_parser() -> MplmArgumentParser:
    """The parser of `hf-mplm align-static`: its own flags and all of Trainer's."""
    from hf_mplm.trainers.static_alignment.arguments import StaticAlignmentArguments

    return MplmArgumentParser(
        [AlignStaticArguments, StaticAlignmentArguments],
        prog="hf-mplm align-static",
        description="Align an encoder across languages without parallel text: masked LM, and single words that are "
        "drawn towards static vectors which are aligned across languages already. Alone or under a launcher: "
        "accelerate launch -m hf_mplm align-static .... Interrupted, the same command goes on where it stopped. The "
        "result is an ordinary checkpoint of the model's own class.",
    )


def run(argv: Sequence[str]) -> int:
    """Train, and write model, tokenizer, card and state into `--output`."""
    arguments, args = make_parser().parse(argv)
    quiet_other_processes()
    with hold(args.output_dir, "align-static"):
        return _train(arguments, args, ["align-static", *argv])


def _train(arguments: AlignStaticArguments, args: Any, argv: Sequence[str]) -> int:
    import transformers

    from hf_mplm.data.store.token_store import load_store
    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
    from hf_mplm.modeling.stock import load_masked_lm
    from hf_mplm.static.embeddings import StaticEmbeddings
    from hf_mplm.trainers.base.processes import decided_by_first
    from hf_mplm.trainers.static_alignment.trainer import StaticAlignmentTrainer

    check_folders(args.output_dir, model=arguments.model, store=arguments.store, static=arguments.static)
    store = load_store(arguments.store)
    if store.holdout is None and args.eval_strategy != "no":
        raise ValueError(
            f"{arguments.store} holds no text out, by whose loss the best checkpoint is chosen: prepare it with "
            "`hf-mplm prepare --holdout 100`, or give --eval_strategy no --load_best_model_at_end false"
        )
    trust = arguments.trust_remote_code
    tokenizer = load_tokenizer(arguments.model, trust_remote_code=trust)
    store.check_tokenizer(tokenizer)
    static = None
    if arguments.static is not None and args.align_weight:
        static = StaticEmbeddings.from_pretrained(arguments.static)
        _warn_of_another_encoder(arguments, static)
    origin = decided_by_first(lambda: _origin(arguments, store, tokenizer, static))
    checkpoint = find_checkpoint(args.output_dir, arguments.resume)
    decided_by_first(lambda: check_origin(args.output_dir, checkpoint, origin))
    transformers.set_seed(args.seed)
    if checkpoint is None:
        model = load_masked_lm(arguments.model, new_head=arguments.new_lm_head, trust_remote_code=trust)
    else:
        model = load_checkpoint(checkpoint, trust_remote_code=trust)
    words = None if static is None else static.word_vectors()
    trainer = StaticAlignmentTrainer(model, args, words=words, store=store, processing_class=tokenizer)
    trainer.origin = origin
    return train_and_save(trainer, checkpoint, arguments.model, "Aligned in", argv)


def _origin(
    arguments: AlignStaticArguments, store: Any, tokenizer: Any, static: StaticEmbeddings | None
) -> dict[str, Any]:
    """What the run begins with, by content."""
    from hf_mplm.data.tokenizing.tokenizers import tokenizer_fingerprint
    from hf_mplm.jobs.digests import digest_files
    from hf_mplm.trainers.base.run_record import describe_start, describe_store

    start = describe_start(arguments.model, tokenizer_fingerprint(tokenizer))
    origin: dict[str, Any] = {
        "model": start,
        "store": describe_store(store),
        "--static": None,
        "--new_lm_head": arguments.new_lm_head,
    }
    if static is not None:
        files = [Path(str(arguments.static)) / name for name in ("vectors.safetensors", "words.parquet")]
        origin["--static"] = "-".join(digest[:12] for digest in digest_files(files))
    return origin


def _warn_of_another_encoder(arguments: AlignStaticArguments, static: StaticEmbeddings) -> None:
    """Say so where the vectors were extracted from another encoder, which may be what is wanted."""
    from hf_mplm.evaluation.loading import model_revision

    made_from = static.config.get("revision")
    if made_from and made_from != model_revision(arguments.model, trust_remote_code=arguments.trust_remote_code):
        logger.warning(
            "%s was extracted from another encoder (%s, %s) than %s, which is now aligned with it",
            arguments.static,
            static.config.get("encoder"),
            made_from,
            arguments.model,
        )
