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
    """Write the plan, run the baseline, time some cells, and say what will be done."""
    from hf_mplm.transfer.experiment import StudyExperiment
    from hf_mplm.transfer.study.database import StudyDatabase
    from hf_mplm.transfer.study.planning import plan_study
    from hf_mplm.transfer.study.units import describe, make_units
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
    times = experiment.time_cells()
    scoring = times.scoring_hours(planned.cells)
    tuning = times.tuning_hours(units, settings.steps, settings.schedule, settings.fusion_steps)
    print(
        f"{times.cells} cells were timed ({times.a_cell:,.2f} s each) and some steps of tuning ({times.a_step:,.2f} s "
        f"each): about {scoring + tuning:,.1f} h on one worker like this one, {scoring:,.1f} of scoring and "
        f"{tuning:,.1f} of tuning"
    )
    with StudyDatabase(arguments.study) as database:
        for unit, error in database.failures():
            print(f"  failed: {describe(unit)}: {error}")
    print(f"\nThe plan is in {arguments.study}. Next: hf-mplm transfer run --study {arguments.study}")
    return 0
