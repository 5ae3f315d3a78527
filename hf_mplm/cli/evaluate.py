"""`hf-mplm evaluate`: measure an encoder, or static embeddings, on the tasks of the papers."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .parser import MplmArgumentParser


@dataclass
class EvaluationArguments:
    """What to measure, on what, and where to write it."""

    model: str = field(
        metadata={
            "help": "Hub id or folder of an encoder that AutoModel loads; or folder of static embeddings, or of a "
            "collection of `sprachbund train`."
        }
    )
    tasks: list[str] = field(metadata={"help": "Task names, such as sib200 tatoeba bible."})
    output: str = field(metadata={"help": "Folder for results.parquet; the same command goes on where it stopped."})
    data_dir: str | None = field(
        default=None,
        metadata={
            "help": "Folder with one folder a benchmark, such as sib200/ and tatoeba/; by default each benchmark is "
            "read from the Hub, as far as it is there."
        },
    )
    languages: list[str] = field(
        default_factory=lambda: ["all"], metadata={"help": "Language-scripts to score, or all that have data."}
    )
    source_languages: list[str] = field(
        default_factory=lambda: ["eng_Latn"],
        metadata={
            "help": "Languages to train on or retrieve from; for a collection also pivot, "
            "and cluster (all that each cluster has, trained on together)."
        },
    )
    directions: list[str] = field(
        default_factory=lambda: ["source->target"],
        metadata={"help": "Directions of retrieval: source->target, target->source or both."},
    )
    retrieval_settings: list[str] = field(
        default_factory=lambda: ["plain"], metadata={"help": "Of plain, centred, csls and centred+csls."}
    )
    transfer_settings: list[str] | None = field(
        default=None,
        metadata={
            "help": "Of zero-shot, few-shot-K, in-language and probe; zero-shot by default, and probe of static "
            "embeddings, which are not fine-tuned."
        },
    )
    seeds: list[int] = field(
        default_factory=lambda: [42], metadata={"help": "Seeds of the fine-tuned heads and their batches."}
    )
    layer: int | None = field(
        default=None,
        metadata={"help": "Layer to pool, an index into hidden_states; by default two thirds of the depth."},
    )
    special_tokens: bool = field(default=True, metadata={"help": "Count <s> and </s> in the mean, as the papers do."})
    pooling: str = field(
        default="auto",
        metadata={
            "help": "mean (of a layer), own (the modules of a sentence-transformers folder), or auto: own where there "
            "are modules and no --layer."
        },
    )
    prompt: str | None = field(default=None, metadata={"help": 'Put before every sentence, such as "query: ".'})
    prompt_name: str | None = field(
        default=None, metadata={"help": "Name of a prompt that comes with a sentence-transformers folder."}
    )
    csls_neighbours: int = field(default=10, metadata={"help": "Neighbours of CSLS."})
    bli_settings: list[str] = field(
        default_factory=lambda: ["nn", "csls"],
        metadata={"help": "Of nn, csls, nn-different and csls-different (without what both languages spell alike)."},
    )
    vocabulary: str | None = field(
        default=None,
        metadata={"help": "Folder of static embeddings whose words an encoder reads one by one, for bli and wordsim."},
    )
    allow_overlap: bool = field(
        default=False, metadata={"help": "Judge by pairs of words that the languages were mapped with too."}
    )
    oov: str = field(
        default="skip", metadata={"help": "Pairs of wordsim with an unknown word: skip them, or take 0 for them."}
    )
    max_sentences: str | None = field(
        default=None, metadata={"help": 'Most sentence pairs of a language by task, as JSON: {"bible": 500}.'}
    )
    finetuning: str | None = field(
        default=None,
        metadata={
            "help": 'Hyper-parameters by task, as JSON: {"sib200": {"learning_rate": 2e-5}, "all": {"patience": 3}}; '
            "those of the recipe evaluate-langsamp otherwise."
        },
    )
    tokens_per_batch: int | None = field(default=None, metadata={"help": "Size of an encoding batch in tokens."})
    train_file: str | None = field(default=None, metadata={"help": "Training data for tasks that come without any."})
    revision: str | None = field(default=None, metadata={"help": "Commit, tag or branch of a Hub model."})
    update_card: bool = field(
        default=False, metadata={"help": "Write the scores into the card of --model, which must be a folder of yours."}
    )
    mteb: str | None = field(
        default=None,
        metadata={"help": "Folder for MTEB's result files of what MTEB measures too: Tatoeba and FLORES' devtest."},
    )
    trust_remote_code: bool = field(default=False, metadata={"help": "Run code that comes with the model."})


def make_parser() -> MplmArgumentParser:
    """The parser of `hf-mplm evaluate`."""
    return MplmArgumentParser(
        EvaluationArguments,
        prog="hf-mplm evaluate",
        description="Measure an encoder on retrieval, classification, tagging, parsing and questions, and write one "
        "table of results.",
    )


def run(argv: Sequence[str]) -> int:
    """Evaluate; see [`EvaluationArguments`]."""
    (args,) = make_parser().parse(argv)
    if args.update_card:
        # Before hours of evaluation rather than after them.
        _require_checkpoint(Path(args.model))
    from hf_mplm.evaluation.runner import evaluate
    from hf_mplm.evaluation.vocabulary import is_static_folder

    model: Any = args.model
    transfer = args.transfer_settings or ["zero-shot"]
    if is_static_folder(args.model):
        model = read_static(args.model)
        transfer = args.transfer_settings or ["probe"]
    measure: Any = evaluate
    if (Path(args.model) / "sprachbunds.json").is_file():
        from hf_mplm.sprachbund import evaluate_collection as measure
    rows = measure(
        model,
        args.tasks,
        args.data_dir,
        "all" if args.languages == ["all"] else args.languages,
        args.output,
        source_languages=args.source_languages,
        directions=args.directions,
        retrieval_settings=args.retrieval_settings,
        transfer_settings=transfer,
        seeds=args.seeds,
        layer=args.layer,
        special_tokens=args.special_tokens,
        pooling=args.pooling,
        prompt=args.prompt,
        prompt_name=args.prompt_name,
        csls_neighbours=args.csls_neighbours,
        bli_settings=args.bli_settings,
        allow_overlap=args.allow_overlap,
        oov=args.oov,
        vocabulary=read_static(args.vocabulary) if args.vocabulary is not None else None,
        max_sentences=_mapping("max_sentences", args.max_sentences),
        finetuning=_mapping("finetuning", args.finetuning),
        tokens_per_batch=args.tokens_per_batch,
        train_file=args.train_file,
        hub_revision=args.revision,
        trust_remote_code=args.trust_remote_code,
        progress=True,
    )
    from hf_mplm.report.means import means_table

    print(means_table(rows))
    for line in rows.missing:
        print(f"hf-mplm evaluate: {line}", file=sys.stderr)
    if args.update_card and rows:
        from hf_mplm.hub.cards import add_results_to_card, write_model_card
        from hf_mplm.hub.cards.static import write_static_card

        if not (Path(args.model) / "README.md").is_file():
            (write_static_card if is_static_folder(args.model) else write_model_card)(args.model)
        limited = list(_mapping("max_sentences", args.max_sentences) or ())
        # A folder that was evaluated, trained on and evaluated again has rows of two models.
        current = [row for row in rows if row.revision == rows[-1].revision]
        print(f"scores written into {add_results_to_card(args.model, current, limited=limited)}")
    if args.mteb is not None:
        from .mteb import print_export

        print_export(rows, args.mteb, args.output)
    print(f"\n{len(rows)} results in {args.output}/results.parquet")
    print(f"Compare with another run: hf-mplm compare {args.output} OTHER_RUN")
    return 1 if rows.missing else 0


def read_static(folder: str) -> Any:
    """The static embeddings of a folder: evaluation knows them as an `Encoder` and a `Vocabulary` only."""
    from hf_mplm.static.embeddings import StaticEmbeddings

    return StaticEmbeddings.from_pretrained(folder)


def _require_checkpoint(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"--update_card writes into {folder / 'README.md'}, but {folder} is no folder with a config.json; give "
            "the folder of your checkpoint as --model, or leave --update_card out"
        )
    if (folder / "README.md").is_file():
        from hf_mplm.hub.cards import read_card

        read_card(folder)


def _mapping(flag: str, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"--{flag} is not JSON ({error}); it takes a task and its values, as in --help") from error
    if not isinstance(value, dict):
        raise ValueError(f"--{flag} is {text}, which is no mapping from task to values, as in --help")
    return value
