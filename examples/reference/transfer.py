"""The transfer study (arXiv 2403.20088): who helps whom after a few steps of masked LM in one language."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from statistics import mean

from examples.commands import run, write_training_text
from hf_mplm.languages import resource
from hf_mplm.transfer import Scores, StudyDatabase

from .findings import Finding, with_numbers
from .study import Study


NAME = "transfer study"
LANGUAGES = ["eng_Latn", "tur_Latn", "rus_Cyrl", "tel_Telu", "mlt_Latn", "wol_Latn", "yor_Latn", "uig_Arab"]
LANGUAGES += ["kin_Latn", "quy_Latn", "san_Deva", "bod_Tibt"]
FINETUNING = {"pos": {"learning_rate": 3e-3, "num_train_epochs": 3, "batch_size": 16, "max_length": 64}}
EXAMPLES = {"small": (70, 10), "full": (200, 50)}
TASK = "pos"
# (task, step, donor, target) to the relative change of each repeat.
Transfers = Mapping[tuple[str, int, str, str], Mapping[int, float]]


def work(study: Study) -> Iterator[None]:
    """Train the task's module, tune on each language, score."""
    place = study.folder("transfer")
    sib200 = write_training_text(study.data / "sib200", place / "corpus", LANGUAGES)
    corpus = ("--corpus", sib200, study.data / "udhr", "--languages", *LANGUAGES)
    run("prepare", *corpus, "--tokenizer", study.model, "--chunk_length", 64, "--output", place / "store")
    most, tested = EXAMPLES[study.size]
    learned = ("--max_examples", most, "--max_dev_examples", 6, "--finetuning", json.dumps(FINETUNING))
    base = ("--model", study.model, "--data_dir", study.data)
    module = ("--backend", "peft", "--task", TASK, "--output", place / "modules")
    run("transfer", "train-task", *base, *module, *learned)
    grid = ("--steps", 1, 10, "--repeats", len(study.seeds), "--max_length", 48, "--max_test_examples", tested)
    more = ("--modules", place / "modules", "--store", place / "store", "--tasks", TASK, *grid)
    run("transfer", "plan", "--study", place / "study", "--config", "transfer-study", *base, *more)
    run("transfer", "run", "--study", place / "study")
    yield


def findings(study: Study) -> list[Finding]:
    """What the units that are finished say, a task at a time, in percent of the base's score.

    The seeds are the study's repeats.
    """
    place = study.folder("transfer")
    place = place / "study" if (place / "study").is_dir() else place
    if not (place / "study.sqlite").is_file():
        return []
    with StudyDatabase(place) as database:
        scores = Scores.from_rows(database.scores())
    found = []
    for task, metric in scores.metrics.items():
        steps = sorted({step for of, step, _, _ in scores.tuned if of == task})
        if not steps:
            continue
        transfers = relative(scores, task)
        for step in steps:
            text = f"{task} ({metric}), {step:,} step{'s' if step > 1 else ''}"
            every = received(transfers, step)
            unseen = {target: values for target, values in every.items() if resource(target) == "tail"}
            found.append(Finding(NAME, "a few steps help", f"mean over donors, {text}", every, "%"))
            claim = "languages that XLM-R did not see receive from almost any"
            found.append(Finding(NAME, claim, f"mean over donors, {text}", unseen, "%"))
            found.append(
                Finding(
                    NAME,
                    "no universal donor",
                    f"own best donor beyond the best of all, {text}",
                    own_best(transfers, step),
                    "%",
                )
            )
    return with_numbers(found)


def relative(scores: Scores, task: str) -> dict[tuple[str, int, str, str], dict[int, float]]:
    """Transfer scores by repeat; none of a target whose base has 0."""
    return {
        key: {repeat: (value - base) / base for repeat, value in repeats.items()}
        for key, repeats in scores.tuned.items()
        if key[0] == task and (base := scores.base.get((task, key[3]), 0.0)) > 0
    }


def received(transfers: Transfers, step: int) -> dict[str, list[float]]:
    """Target to the mean over donors in each repeat that all have; a donor's own text does not count."""
    table, repeats = _by_target(transfers, step)
    return {
        target: [mean(values[repeat] for values in donors.values()) for repeat in repeats]
        for target, donors in table.items()
    }


def own_best(transfers: Transfers, step: int) -> dict[str, list[float]]:
    """What a target's own best donor gives beyond the donor that is best on average.

    Both are chosen by the other repeats, so that luck in choosing is not taken for a difference.
    """
    table, repeats = _by_target(transfers, step)
    if len(repeats) < 2:
        return {}
    found: dict[str, list[float]] = defaultdict(list)
    for repeat in repeats:
        others = [one for one in repeats if one != repeat]
        learned = {
            target: {donor: mean(values[one] for one in others) for donor, values in donors.items()}
            for target, donors in table.items()
        }
        for target, donors in learned.items():
            general = {donor: mean(of[donor] for of in learned.values() if donor in of) for donor in donors}
            best, best_of_all = max(donors, key=donors.__getitem__), max(general, key=general.__getitem__)
            found[target].append(table[target][best][repeat] - table[target][best_of_all][repeat])
    return dict(found)


def _by_target(transfers: Transfers, step: int) -> tuple[dict[str, dict[str, Mapping[int, float]]], list[int]]:
    table: dict[str, dict[str, Mapping[int, float]]] = defaultdict(dict)
    for (_, of, donor, target), repeats in transfers.items():
        if of == step and donor != target:
            table[target][donor] = repeats
    sets = [set(values) for donors in table.values() for values in donors.values()]
    return table, sorted(set.intersection(*sets)) if sets else []
