"""`hf-mplm transfer run` and `status`: units of a study, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal


@dataclass
class RunArguments:
    """Flags of `hf-mplm transfer run`."""

    study: str = field(metadata={"help": "folder of the study, made by `hf-mplm transfer plan`"})
    engine: Literal["local", "ray"] = field(
        default="local", metadata={"help": "local: this process; ray: the machines of a Ray cluster"}
    )
    max_units: int | None = field(default=None, metadata={"help": "stop after so many units; all by default"})
    retry_failed: bool = field(default=False, metadata={"help": "run units again that failed"})
    device: str | None = field(default=None, metadata={"help": "such as cuda:1; what the plan says by default"})


@dataclass
class StatusArguments:
    """Flags of `hf-mplm transfer status`."""

    study: str = field(metadata={"help": "folder of the study"})


def study_settings(study: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of `StudySettings` of a study, and what else its plan says.

    Args:
        study (`str`): its folder.

    Raises:
        FileNotFoundError: if it is no study.
        ValueError: if it has no plan.
    """
    from hf_mplm.transfer.settings import StudySettings
    from hf_mplm.transfer.study.database import StudyDatabase

    with StudyDatabase(study) as database:
        kept = database.settings()
    if not kept:
        raise ValueError(f"{study} holds no plan; make one by: hf-mplm transfer plan --study {study}")
    names = {spec.name for spec in fields(StudySettings)}
    settings = {name: value for name, value in kept["settings"].items() if name in names}
    return settings, {name: value for name, value in kept["settings"].items() if name not in names}


def run(arguments: RunArguments) -> int:
    """Run what is left; any number of these commands share a study."""
    from hf_mplm.jobs.progress import progress_bar
    from hf_mplm.transfer.study.cluster import run_units_on_ray
    from hf_mplm.transfer.study.database import StudyDatabase
    from hf_mplm.transfer.study.planning import check_digests
    from hf_mplm.transfer.study.stopping import StoppingRule
    from hf_mplm.transfer.study.worker import run_units

    from .transfer_plan import make_experiment

    settings, rest = study_settings(arguments.study)
    if arguments.engine == "ray" and (arguments.max_units is not None or rest.get("target_sem") is not None):
        raise ValueError(
            "--engine ray sends all open units at once: it knows neither --max_units nor the sequential stopping of "
            "--target_sem; take --engine local, or plan without it"
        )
    if arguments.device is not None:
        settings["device"] = arguments.device
    with StudyDatabase(arguments.study) as database:
        if arguments.retry_failed:
            print(f"{database.retry_failed()} failed units are run again")
        left = len(database.units("open"))
    experiment = make_experiment(settings)
    check_digests(arguments.study, experiment)
    stopping = None if rest.get("target_sem") is None else StoppingRule(rest["target_sem"], rest["max_repeats"])
    with progress_bar(total=left, desc="units", unit=" unit") as bar:

        def watch(text: str) -> None:
            bar.set_postfix_str(text)
            bar.update(1)

        if arguments.engine == "ray":
            done = run_units_on_ray(arguments.study, make_experiment, settings, watch=watch)
        else:
            done = run_units(
                arguments.study, experiment, stopping=stopping, max_units=arguments.max_units, watch=watch
            )
    print(
        f"{done.finished} units finished, {done.failed} failed, {done.taken_over} taken over, {done.spared} spared by "
        "sequential stopping"
    )
    _print_state(arguments.study)
    return 1 if done.failed else 0


def status(arguments: StatusArguments) -> int:
    """Say how far a study is."""
    _print_state(arguments.study)
    return 0


def _print_state(study: str) -> None:
    from hf_mplm.report.table import text_table
    from hf_mplm.transfer.findings.table import Scores
    from hf_mplm.transfer.findings.transfer import rank_donors, transfer_table
    from hf_mplm.transfer.study.database import StudyDatabase
    from hf_mplm.transfer.study.units import describe

    with StudyDatabase(study) as database:
        counts, failures, running = database.counts(), database.failures(), database.running()
        seconds, open_units = database.seconds(), database.units("open")
        scores = Scores.from_rows(database.scores(last_step=True))
    print(", ".join(f"{n:,} {state}" for state, n in sorted(counts.items())))
    for claim in running:
        print(f"  at work: {describe(claim.unit)} ({claim.worker})")
    for unit, error in failures[:5]:
        print(f"  failed: {describe(unit)}: {error}")
    if len(failures) > 5:
        print(f"  and {len(failures) - 5} more failed")
    if failures:
        print(f"Run them again by: hf-mplm transfer run --study {study} --retry_failed")
    known = {kind: sum(took) / len(took) for kind, took in seconds.items()}
    left = sum(known.get(unit.kind, 0.0) for unit in open_units)
    unknown = {unit.kind for unit in open_units} - known.keys()
    if open_units:
        more = f", without {' and '.join(sorted(unknown))}, of which none is done" if unknown else ""
        print(f"About {left / 3600:,.2f} h are left on one worker{more}")
    table = transfer_table(scores)
    if table:
        rows: list[list[Any]] = [["task", "step", "transfer language", "mean score", "from", "to", ""]]
        rows += [
            [rank["task"], rank["step"], rank["language"], rank["ts"], rank["low"], rank["high"], rank["verdict"]]
            for rank in rank_donors(table)
        ]
        print("\nDonors so far, by the mean transfer score of their targets:")
        print("\n".join(text_table(rows)))
