"""Static embeddings and back (arXiv 2203.09435): extraction, mapping, and alignment of the encoder towards them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from examples.commands import run, run_example, write_training_text

from .findings import Finding, paired, scores, with_numbers
from .study import Study


NAME = "static"
LANGUAGES = ["eng_Latn", "spa_Latn", "rus_Cyrl", "tur_Latn", "swh_Latn", "tha_Thai", "zho_Hans"]
STEPS = {"small": 20, "full": 60}
RUNS = {
    "small": ["mlm", "x2s-dcca", "x2s-mse"],
    "full": ["mlm", "x2s-dcca", "published", "x2s-mse", "x2s-mse-encoder"],
}
MEASURES = {
    "Tatoeba, accuracy@1": ("tatoeba", "accuracy@1"),
    "retrieval of SIB-200, accuracy@1": ("flores", "accuracy@1"),
    "topics by a probe, macro-F1": ("sib200", "macro_f1"),
}


def work(study: Study) -> Iterator[None]:
    """Extract, map, judge by dictionaries, align."""
    place = study.folder("static")
    sib200 = write_training_text(study.data / "sib200", place / "corpus", LANGUAGES)
    corpus = ("--corpus", sib200, study.data / "udhr", "--languages", *LANGUAGES)
    words = ("--min_count", 3, "--min_words", 4, "--subsample", 1e-3, "--layer", 6)
    run("static", "extract", "--model", study.model, *corpus, *words, "--output", place / "x2static")
    given, silver = lexicons(study.data / "sib200", place)
    others = ("--languages", *LANGUAGES[1:])
    run("static", "map", "--static", place / "x2static", *others, "--dictionary", *given, "--output", place / "mapped")
    for name in ("x2static", "mapped"):
        data = ("--data_dir", silver, "--output", place / "bli" / name, "--directions", "both")
        run("evaluate", "--model", place / name, "--tasks", "bli", "--languages", *LANGUAGES, *data)
    yield
    chunks = ("--chunk_length", 64, "--holdout", 50, "--output", place / "store")
    run("prepare", *corpus, "--tokenizer", study.model, *chunks)
    data = ("--model", study.model, "--store", place / "store", "--static", place / "mapped", "--data_dir", study.data)
    rest = ("--languages", *LANGUAGES, "--seeds", *study.seeds, "--max_steps", STEPS[study.size])
    run_example("static_alignment_seeds", *data, *rest, "--runs", *RUNS[study.size], "--output", place)
    yield


def lexicons(sib200: Path, place: Path) -> tuple[list[Path], Path]:
    """Dictionaries with English out of parallel training sentences: one half to map by, the other to judge by."""
    parallel, given, silver = place / "parallel", place / "given", place / "silver"
    for folder in (parallel, given, silver / "bli"):
        folder.mkdir(parents=True, exist_ok=True)
    for code in LANGUAGES:
        with open(sib200 / code / "train.tsv", encoding="utf-8", newline="") as handle:
            lines = [f"{row['index_id']}\t{row['text'].strip()}" for row in csv.DictReader(handle, delimiter="\t")]
        (parallel / f"{code}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for code in LANGUAGES[1:]:
        texts = (parallel / f"{LANGUAGES[0]}.tsv", parallel / f"{code}.tsv")
        run("static", "lexicon", "--parallel", *texts, "--output", place / "lexicons")
        name = f"{LANGUAGES[0]}-{code}.tsv"
        pairs = (place / "lexicons" / name).read_text(encoding="utf-8").splitlines()
        (given / name).write_text("\n".join(pairs[::2]) + "\n", encoding="utf-8")
        (silver / "bli" / name).write_text("\n".join(pairs[1::2]) + "\n", encoding="utf-8")
    return sorted(given.glob("*.tsv")), silver


def findings(study: Study) -> list[Finding]:
    """What the runs that are finished say."""
    place = study.folder("static")
    found = []
    bli = [place / "bli" / name for name in ("mapped", "x2static")]
    if study.whole(bli):
        for metric in ("accuracy@1", "accuracy@5"):
            mapped, alone = ([scores(folder, "bli", metric, "csls")] for folder in bli)
            measured = f"lexicon induction by CSLS, {metric}"
            found.append(Finding(NAME, "better dictionaries by mapping", measured, paired(mapped, alone)))
    for claim, (better, other) in {
        "DCCA better than masked LM alone": ("x2s-dcca", "mlm"),
        "DCCA better than the start": ("x2s-dcca", "start"),
        "DCCA better than MSE": ("x2s-dcca", "x2s-mse"),
        "MSE better than masked LM alone": ("x2s-mse", "mlm"),
    }.items():
        fixed = other == "start"
        seeds = sorted(set(seeds_of(study, better)) & set(seeds_of(study, better if fixed else other)))
        if not seeds or (fixed and not study.whole([results(place, other, 0)])):
            continue
        for text, key in MEASURES.items():
            one = [scores(results(place, better, seed), *key) for seed in seeds]
            two = [scores(results(place, other, seed), *key) for seed in (seeds[:1] if fixed else seeds)]
            found.append(Finding(NAME, claim, text, paired(one, two)))
    return with_numbers(found)


def seeds_of(study: Study, name: str) -> list[int]:
    """Seeds of which a recipe has results."""
    place = study.folder("static")
    found = (path.parents[1].name.rpartition("-") for path in place.glob(f"results/{name}-*/main/results.parquet"))
    return sorted(int(seed) for recipe, _, seed in found if recipe == name and seed.isdigit())


def results(place: Path, name: str, seed: int) -> Path:
    """Where `examples.static_alignment_seeds` puts the scores of a run."""
    return place / "results" / (name if name == "start" else f"{name}-{seed}") / "main"
