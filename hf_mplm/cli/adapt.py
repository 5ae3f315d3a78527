"""`hf-mplm adapt`: give an encoder a language, from a folder of text to a model with its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .parser import MplmArgumentParser
from .reading import RENAMED, ReadingArguments


@dataclass
class AdaptArguments(ReadingArguments):
    """Flags of `hf-mplm adapt`; those that say how text is read hold for `--corpus` and `--replay_corpus`."""

    model: str = field(metadata={"help": "the encoder (XLM-R, BERT, ModernBERT): a folder or an id on the Hub"})
    corpus: list[str] = field(metadata={"help": "text in the new languages, as for `hf-mplm prepare`"})
    output: str = field(metadata={"help": "folder for everything; the same command goes on where it stopped"})
    languages: list[str] | None = field(
        default=None, kw_only=True, metadata={"help": "the new languages; all of --corpus"}
    )
    dry_run: bool = field(
        default=False, metadata={"help": "diagnose and print the plan, with hours and gigabytes, and stop there"}
    )
    replay_corpus: list[str] | None = field(
        default=None, metadata={"help": "text in languages that the encoder knows, which it is reminded of"}
    )
    replay_languages: list[str] | None = field(default=None, metadata={"help": "which of them; all by default"})
    replay_share: float = field(default=0.3, metadata={"help": "share of the draws that they have together"})
    distill_weight: float = field(
        default=1.0,
        metadata={"help": "without --replay_corpus: weight of the divergence from what the start would predict"},
    )
    data_dir: str | None = field(
        default=None, metadata={"help": "folder with one folder a benchmark, to measure on and to look for overlap"}
    )
    tasks: list[str] = field(
        default_factory=lambda: ["flores", "sib200"], metadata={"help": "what is measured of them"}
    )
    new_pieces: str = field(
        default="auto", metadata={"help": "subwords to add: a number, 0 for none, or auto, as the diagnosis advises"}
    )
    initialization: Literal["mean", "subwords", "similar", "normal"] = field(
        default="subwords", metadata={"help": "rows of new subwords, as for `hf-mplm tokenizer extend`"}
    )
    method: Literal["langsamp", "mlm"] = field(
        default="langsamp", metadata={"help": "with language and script embeddings before the LM head, or without"}
    )
    max_steps: str = field(default="auto", metadata={"help": "most steps: a number, or auto, as advised"})
    stop_gain: float = field(
        default=0.01,
        metadata={"help": "end once the held-out curve predicts less than this of what is left, in nats; 0 never"},
    )
    evaluations: int = field(
        default=20, metadata={"help": "how often the held-out loss is taken, and a checkpoint written"}
    )
    batch_size: int = field(default=32, metadata={"help": "chunks a step"})
    chunk_length: int = field(default=128, metadata={"help": "tokens of a chunk"})
    learning_rate: float = field(default=1e-4, metadata={"help": "after a warm-up, and constant from there on"})
    mask_rate: float = field(default=0.15, metadata={"help": "share of the tokens to predict"})
    align_scripts: bool = field(default=False, metadata={"help": "align scripts after pretraining"})
    align_steps: int = field(default=200, metadata={"help": "steps of that"})
    new_lm_head: bool = field(
        default=False, metadata={"help": "make the LM head of an encoder that was saved without one (E5, LaBSE)"}
    )
    head_warmup_steps: int = field(default=0, metadata={"help": "first steps that train the LM head alone"})
    holdout: int = field(default=100, metadata={"help": "sentences of each language held out, at most a tenth"})
    seed: int = field(default=0, metadata={"help": "of everything that is drawn"})
    use_cpu: bool = field(default=False, metadata={"help": "leave accelerators alone"})
    num_proc: int = field(default=1, metadata={"help": "processes that tokenize"})
    overwrite: bool = field(default=False, metadata={"help": "make anew what was made with other settings"})
    trust_remote_code: bool = field(default=False, metadata={"help": "run code that comes with the model"})


def make_parser() -> MplmArgumentParser:
    """The parser of `hf-mplm adapt`."""
    return MplmArgumentParser(
        [AdaptArguments],
        prog="hf-mplm adapt",
        renamed=RENAMED,
        description="Give an encoder new languages: look at the text, grow the vocabulary where that helps, continue "
        "the pretraining without forgetting, and report what was won and lost. Interrupted, the same command goes on "
        "where it stopped.",
    )


def run(argv: Sequence[str]) -> int:
    """Adapt, and say where the result stands."""
    (arguments,) = make_parser().parse(argv)
    import transformers

    from hf_mplm.adapt import AdaptJob, AdaptSettings

    transformers.utils.logging.disable_progress_bar()
    told: dict[str, Any] = asdict(arguments)
    output, dry_run, overwrite = (told.pop(name) for name in ("output", "dry_run", "overwrite"))
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    settings = AdaptSettings(**given)
    job = AdaptJob(settings, output, overwrite=overwrite)
    if dry_run:
        print("\n".join(job.dry_run()))
        print(f"\nNothing was trained. The diagnosis is in {output}/diagnosis/diagnosis.md")
        return 0
    outcome = job.run()
    from hf_mplm.adapt.outcome_page import outcome_lines

    print("\n".join(outcome_lines(outcome)))
    print(f"\nThe encoder and its card are in {output}/model, the report in {output}/report/report.md")
    return 0
