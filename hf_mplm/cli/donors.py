"""`hf-mplm donors`: rank source languages for a target language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .parser import MplmArgumentParser


@dataclass
class DonorsArguments:
    """Flags of `hf-mplm donors`."""

    target: str = field(metadata={"help": "The language to transfer to, such as tha_Thai."})
    among: list[str] | None = field(
        default=None, metadata={"help": "Languages to choose from; with --study all that it knows."}
    )
    model: str | None = field(default=None, metadata={"help": "A LangSAMP checkpoint or Hub id."})
    results: list[str] | None = field(
        default=None, metadata={"help": "Folders of `hf-mplm evaluate` with several sources.", "metavar": "RUN"}
    )
    study: str | None = field(default=None, metadata={"help": "A transfer study, which says more than both."})
    task: str | None = field(default=None, metadata={"help": "With --study: in which task."})
    trust_remote_code: bool = field(default=False, metadata={"help": "Run code that comes with the model."})


def make_parser() -> MplmArgumentParser:
    """The parser of `hf-mplm donors`."""
    return MplmArgumentParser(
        DonorsArguments,
        prog="hf-mplm donors",
        description="Rank source languages for a target by the language embeddings of a LangSAMP model, by measured "
        "results, or by both: what was measured comes first. With a transfer study, by what it measured and predicts.",
    )


def run(argv: Sequence[str]) -> int:
    """Rank; see [`DonorsArguments`]."""
    (args,) = make_parser().parse(argv)
    if args.study is not None:
        return _by_study(args)
    if args.among is None:
        raise ValueError("which languages are there to choose from? Say, for example, --among eng_Latn,arb_Arab")
    from hf_mplm.evaluation.results import NOT_APPLICABLE, read_results
    from hf_mplm.languages import language_name
    from hf_mplm.report.table import markdown_table
    from hf_mplm.transfer.donors import rank_donors

    rows = [row for path in args.results or [] for row in read_results(path)]
    donors = rank_donors(
        args.target, args.among, model=args.model, results=rows, trust_remote_code=args.trust_remote_code
    )
    cells = []
    for donor in donors:
        layers = ", ".join(str(layer) for layer in donor.layers if layer != NOT_APPLICABLE)
        name = language_name(donor.language)
        cells.append([donor.language, name, donor.cosine, donor.score, donor.n_tasks, layers or None])
    print(markdown_table(["donor", "name", "cosine", "measured (fraction)", "tasks", "layer"], cells))
    return 0


def _by_study(args: DonorsArguments) -> int:
    from .transfer_findings import AdviseArguments, advise

    if args.model is not None or args.results:
        raise ValueError("--study ranks by transfer scores, --model and --results by others: give one or the other")
    return advise(
        AdviseArguments(args.study or "", transfer_languages=args.among, target=args.target, task=args.task or "")
    )
