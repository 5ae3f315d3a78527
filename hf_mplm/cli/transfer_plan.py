"""`hf-mplm transfer plan`: what a study will do, how long it takes and what it needs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hf_mplm.transfer.settings import StudySettings


@dataclass
class PlanArguments:
    """Flags of `hf-mplm transfer plan`."""

    study: str = field(metadata={"help": "folder of the study"})
    target_sem: float | None = field(
        default=None,
        metadata={
            "help": "sequential stopping: a language gets no more repeats when each of its transfer scores has at "
            "most this standard error (0.02 is usual) or an interval without 0"
        },
    )
    max_repeats: int = field(default=10, metadata={"help": "repeats at most, with --target_sem"})
    sample: int | None = field(
        default=None, metadata={"help": "draw so many combinations of three languages at random; all by default"}
    )


def make_experiment(settings: dict[str, Any]) -> Any:
    """The experiment of a study, from what its folder keeps.

    Args:
        settings (`dict`): the fields of `StudySettings`.
    """
    from hf_mplm.transfer.experiment import StudyExperiment
    from hf_mplm.transfer.settings import StudySettings

    return StudyExperiment.from_settings(StudySettings(**settings))


def run(arguments: PlanArguments, settings: StudySettings) -> int:
    """Write the plan, run the baseline, and say what will be done."""
    from hf_mplm.transfer.experiment import StudyExperiment
    from hf_mplm.transfer.study.planning import plan_study
    from hf_mplm.transfer.study.units import make_units
    from hf_mplm.transfer.study.worker import run_units

    if arguments.target_sem is not None and arguments.target_sem <= 0:
        raise ValueError(f"target_sem is {arguments.target_sem}; needed is more than 0, such as 0.02")
    experiment = StudyExperiment.from_settings(settings)
    repeats = settings.repeats if arguments.target_sem is None else arguments.max_repeats
    combined = experiment.combination_languages() if settings.combinations else []
    units = make_units(
        experiment.transfer_languages(),
        repeats,
        combination_languages=combined,
        sizes=settings.combinations,
        fusion=settings.fusion,
        sample=arguments.sample,
        seed=settings.seed,
    )
    extra = {"target_sem": arguments.target_sem, "max_repeats": arguments.max_repeats, "sample": arguments.sample}
    planned = plan_study(arguments.study, {**asdict(settings), **extra}, experiment, units, steps=settings.steps)
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in planned.by_kind.items())
    print(
        f"{planned.units:,} units ({kinds}) with {planned.cells:,} cells, about {planned.megabytes:,.1f} MB of scores"
    )
    for size, n in planned.combinations.items():
        print(f"  combinations of {size}: {n:,}{' (--sample N draws some)' if size == 3 and n > 1000 else ''}")
    for (task, target), reason in sorted(experiment.refused().items()):
        print(f"  left out: {task} in {target}: {reason}")
    if planned.is_new:
        run_units(arguments.study, experiment, max_units=1)
    _tell_time(arguments.study, len(settings.steps), planned.by_kind)
    print(f"\nThe plan is in {arguments.study}. Next: hf-mplm transfer run --study {arguments.study}")
    return 0


def _tell_time(study: str, n_steps: int, by_kind: dict[str, int]) -> None:
    from hf_mplm.transfer.study.database import StudyDatabase

    with StudyDatabase(study) as database:
        seconds = database.seconds().get("baseline")
    if not seconds:
        print("The baseline failed or is at work elsewhere; `hf-mplm transfer status` says more")
        return
    hours = seconds[0] * (n_steps * by_kind.get("tuning", 0) + by_kind.get("combination", 0)) / 3600
    print(
        f"Scoring everything once took {seconds[0]:,.1f} s, so that scoring alone takes {hours:,.1f} h on one worker "
        "like this one; tuning comes on top, and `hf-mplm transfer status` knows it once some units are done"
    )
