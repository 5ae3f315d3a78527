"""`hf-mplm pretrain`: continue the pretraining of a masked language model, with LangSAMP or without."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .parser import MplmArgumentParser
from .training import (
    StartingArguments,
    check_delta,
    check_folders,
    check_origin,
    find_checkpoint,
    hold,
    load_checkpoint,
    quiet_other_processes,
    train_and_save,
)


if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from hf_mplm.data.store.token_store import TokenStore


@dataclass
class PretrainArguments(StartingArguments):
    """Flags of `hf-mplm pretrain` beside those of `MaskedLMTrainingArguments`."""

    store: str = field(metadata={"help": "Token store to train on, which `hf-mplm prepare` writes."})
    model: str | None = field(
        default=None, metadata={"help": "Masked-LM checkpoint to start from: a folder or an id on the Hub."}
    )
    init_config: str | None = field(
        default=None,
        metadata={
            "help": "Instead of --model, train from random weights: settings as JSON, or a YAML or JSON file, such as "
            '{"model_type": "xlm-roberta", "hidden_size": 384, "num_hidden_layers": 6}. The tokenizer is the store\'s.'
        },
    )
    languages: list[str] | None = field(
        default=None, metadata={"help": "Languages of the store to train on; all by default."}
    )
    method: Literal["langsamp", "mlm"] = field(
        default="langsamp",
        metadata={"help": "langsamp adds language and script embeddings before the LM head; mlm trains as it is."},
    )
    language_embeddings: bool = field(default=True, metadata={"help": "LangSAMP's table of languages."})
    script_embeddings: bool = field(default=True, metadata={"help": "LangSAMP's table of scripts."})
    add_languages: bool = field(
        default=False, metadata={"help": "Add the store's languages that a LangSAMP model of before lacks."}
    )
    delta: bool = field(
        default=False,
        metadata={
            "help": "Train low-rank weights (LoRA) over --model, of attention and feed-forward, instead of a copy; "
            "embeddings and head stay as they are. With --method mlm."
        },
    )
    delta_rank: int = field(
        default=8, metadata={"help": "Rank of what --delta trains, of at most 5 % of the model's parameters."}
    )


def make_parser() -> MplmArgumentParser:
    """The parser of `hf-mplm pretrain`: its own flags and all of Trainer's."""
    from hf_mplm.trainers import MaskedLMTrainingArguments

    return MplmArgumentParser(
        [PretrainArguments, MaskedLMTrainingArguments],
        prog="hf-mplm pretrain",
        description="Continue the pretraining of a masked language model in many languages. Alone, or under a "
        "launcher: torchrun --nproc_per_node 4 -m hf_mplm pretrain ..., accelerate launch -m hf_mplm pretrain .... "
        "Interrupted, the same command goes on from the last whole checkpoint.",
    )


def run(argv: Sequence[str]) -> int:
    """Train, and write model, tokenizer, card and state into `--output`."""
    arguments, args = make_parser().parse(argv)
    quiet_other_processes()
    with hold(args.output_dir, "pretrain"):
        return _train(arguments, args, ["pretrain", *argv])


def _train(arguments: PretrainArguments, args: Any, argv: Sequence[str]) -> int:
    import transformers

    from hf_mplm.data.store.token_store import load_store
    from hf_mplm.modeling.delta import add_delta
    from hf_mplm.trainers import MaskedLMTrainer
    from hf_mplm.trainers.base.processes import decided_by_first

    _check_delta(arguments)
    check_folders(args.output_dir, model=arguments.model, store=arguments.store)
    store = load_store(arguments.store)
    if arguments.languages is not None:
        store = store.select(arguments.languages)
    tokenizer = _load_tokenizer(arguments, store)
    origin = decided_by_first(lambda: _origin(arguments, store, tokenizer))
    checkpoint = find_checkpoint(args.output_dir, arguments.resume)
    decided_by_first(lambda: check_origin(args.output_dir, checkpoint, origin))
    # Before the model: Trainer's own seeding comes after the new tables have been drawn.
    transformers.set_seed(args.seed)
    model = _load_model(arguments, args.seed, store, tokenizer, checkpoint)
    _check_sizes(model, tokenizer, store)
    if arguments.delta:
        model = add_delta(model, arguments.delta_rank)
        if args.gradient_checkpointing:
            # Frozen embeddings give states without a graph, for which torch would not run a layer's backward pass.
            model.enable_input_require_grads()
    teacher = _load_teacher(arguments) if args.distill_weight else None
    trainer = MaskedLMTrainer(model, args, store=store, processing_class=tokenizer, teacher=teacher)
    trainer.origin = origin
    trainer.delta_base = arguments.model if arguments.delta else None
    return train_and_save(trainer, checkpoint, arguments.model, "Trained", argv)


def _origin(arguments: PretrainArguments, store: TokenStore, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What the run begins with, by content."""
    from hf_mplm.data.tokenizing.tokenizers import tokenizer_fingerprint
    from hf_mplm.trainers.base.run_record import describe_start, describe_store

    origin: dict[str, Any] = {
        "--method": arguments.method,
        "--delta_rank": arguments.delta_rank if arguments.delta else None,
        "--new_lm_head": arguments.new_lm_head,
        "store": describe_store(store),
    }
    if arguments.method == "langsamp":
        for table in ("language_embeddings", "script_embeddings"):
            origin[f"--{table}"] = getattr(arguments, table)
    if arguments.model is None:
        return {**origin, "--init_config": _read_settings(str(arguments.init_config))}
    start = describe_start(arguments.model, tokenizer_fingerprint(tokenizer))
    return {**origin, "--init_config": None, "model": start}


def _check_delta(arguments: PretrainArguments) -> None:
    if arguments.new_lm_head and arguments.model is None:
        raise ValueError("--new_lm_head is for an encoder saved without its LM head, --model; --init_config makes one")
    if arguments.new_lm_head and arguments.delta:
        raise ValueError("--delta leaves the LM head as it is, and --new_lm_head has to be trained; leave one out")
    if not arguments.delta:
        return
    check_delta(arguments.method)
    if arguments.model is None:
        raise ValueError("--delta is low-rank weights over a pretrained model; give --model rather than --init_config")


def _load_tokenizer(arguments: PretrainArguments, store: TokenStore) -> PreTrainedTokenizerBase:
    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer

    if (arguments.model is None) == (arguments.init_config is None):
        raise ValueError(
            "give either --model CHECKPOINT to start from, or --init_config SETTINGS for random weights, and not both"
        )
    if arguments.model is None:
        return load_tokenizer(store.tokenizer_path, trust_remote_code=arguments.trust_remote_code)
    tokenizer = load_tokenizer(arguments.model, trust_remote_code=arguments.trust_remote_code)
    store.check_tokenizer(tokenizer)
    return tokenizer


def _load_model(
    arguments: PretrainArguments,
    seed: int,
    store: TokenStore,
    tokenizer: PreTrainedTokenizerBase,
    checkpoint: Path | None,
) -> PreTrainedModel:
    from hf_mplm.trainers.masked_lm.from_scratch import build_encoder
    from hf_mplm.trainers.masked_lm.starting import load_for_method

    # Of low-rank weights the base is loaded, and the trainer puts those of the checkpoint into it.
    if checkpoint is not None and not arguments.delta:
        return load_checkpoint(checkpoint, trust_remote_code=arguments.trust_remote_code)
    settings: dict[str, Any] = {
        "method": arguments.method,
        "languages": store.languages,
        "use_language_embeddings": arguments.language_embeddings,
        "use_script_embeddings": arguments.script_embeddings,
        "add_languages": arguments.add_languages,
        "new_lm_head": arguments.new_lm_head,
        "trust_remote_code": arguments.trust_remote_code,
    }
    if arguments.model is not None:
        return load_for_method(arguments.model, **settings)
    model = build_encoder(tokenizer, **{"seed": seed, **_read_settings(str(arguments.init_config))})
    if arguments.method == "mlm":
        return model
    # Through a folder, as any checkpoint: LangSAMP starts from what is saved.
    import tempfile

    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as folder:
        # `save_pretrained` of transformers 5 writes in the first process of several only, and each has its own folder.
        model.config.save_pretrained(folder)
        weights = {name: weight.clone().contiguous() for name, weight in model.state_dict().items()}
        save_file(weights, Path(folder) / "model.safetensors", metadata={"format": "pt"})
        return load_for_method(folder, **settings)


def _load_teacher(arguments: PretrainArguments) -> Any:
    """The model of the start, which the run shall not forget."""
    from hf_mplm.modeling.stock import load_masked_lm
    from hf_mplm.trainers.masked_lm.teacher import Teacher

    if arguments.model is None or arguments.new_lm_head or arguments.delta:
        raise ValueError(
            "--distill_weight compares with the predictions of --model, so that it does not go with --init_config, "
            "--new_lm_head (whose head predicts nothing yet) or --delta"
        )
    return Teacher(load_masked_lm(arguments.model, trust_remote_code=arguments.trust_remote_code))


def _read_settings(text: str) -> dict[str, Any]:
    import yaml

    if Path(text).suffix in (".json", ".yaml", ".yml") or Path(text).is_file():
        text = Path(text).read_text(encoding="utf-8")
    try:
        settings = yaml.safe_load(text)  # JSON is YAML
    except yaml.YAMLError as error:
        raise ValueError(f"--init_config is neither a file nor JSON: {error}") from error
    if not isinstance(settings, dict):
        raise ValueError(f"--init_config must be a mapping of settings, not {json.dumps(settings)}")
    return settings


def _check_sizes(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, store: TokenStore) -> None:
    embeddings: Any = model.get_input_embeddings()
    rows = len(embeddings.weight)
    if rows < len(tokenizer):
        raise ValueError(
            f"the model has {rows:,} embeddings and its tokenizer {len(tokenizer):,} entries; grow the model with "
            "`hf-mplm tokenizer extend`"
        )
    config = model.config.to_dict()
    room = config.get("max_position_embeddings")
    if room is not None and "roberta" in model.config.model_type:
        room -= model.config.pad_token_id + 1  # positions start behind the padding's
    longest = store.info.get("chunk_length")
    if room is not None and longest is not None and longest > room:
        raise ValueError(
            f"{store.path} holds chunks of {longest} tokens and the model has positions for {room}; prepare a store "
            f"with --chunk_length {room}"
        )
