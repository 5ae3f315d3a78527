"""LangSAMP (arXiv 2409.18199): the same training with and without embeddings of languages and scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from examples.commands import run, write_training_text
from hf_mplm.evaluation import read_results
from hf_mplm.transfer import rank_donors

from .findings import Finding, paired, scores, with_numbers
from .study import Study, evaluate, most, trained


NAME = "LangSAMP"
ARMS = {
    "baseline": "baseline",
    "langsamp": "langsamp",
    "language-only": "langsamp-language-only",
    "script-only": "langsamp-script-only",
}
# Where a transfer may come from, well known to encoders and in five scripts.
DONORS = ["eng_Latn", "rus_Cyrl", "hin_Deva", "arb_Arab", "tur_Latn"]
LANGUAGES = {
    "small": [*DONORS, "zho_Hans", "swh_Latn", "kin_Latn", "quy_Latn", "uig_Arab", "san_Deva"],
    "full": None,
}
STEPS = {"small": 60, "full": 400}
LIMITS = {"small": {"flores": 80, "neutrality": 40}, "full": {}}
CHUNK_LENGTH, BATCH_SIZE, LEARNING_RATE = 64, 8, 1e-4


def work(study: Study) -> Iterator[None]:
    """Train and measure, seed by seed; yields where there is more to tell."""
    place, limits = study.folder("langsamp"), most(LIMITS[study.size])
    languages = languages_of(study)
    corpus = write_training_text(study.data / "sib200", place / "corpus", languages)
    store = place / "store"
    run("prepare", "--corpus", corpus, "--tokenizer", study.model, "--chunk_length", CHUNK_LENGTH, "--output", store)
    for seed in study.seeds:
        for arm in arms_of(study):
            model = place / "models" / f"{arm}-{seed}"
            train(study, arm, seed, model)
            flags = ("--languages", *languages, "--seeds", seed, *limits)
            evaluate(study, model, "flores,sib200,neutrality", results(study, arm, seed), *flags)
        flags = ("--languages", *languages, "--seeds", seed, "--source_languages", *donors_of(study))
        evaluate(study, place / "models" / f"langsamp-{seed}", "sib200", results(study, "donors", seed), *flags)
        yield


def train(study: Study, arm: str, seed: int, output: Path) -> None:
    """One run of continued pretraining."""
    steps = STEPS[study.size]
    if trained(output, steps):
        return
    size = ("--max_steps", steps, "--per_device_train_batch_size", BATCH_SIZE, "--gradient_accumulation_steps", 1)
    rest = ("--learning_rate", LEARNING_RATE, "--seed", seed, "--save_strategy", "no", "--disable_tqdm", "true")
    data = ("--model", study.model, "--store", study.folder("langsamp") / "store", "--output", output)
    run("pretrain", "--config", ARMS[arm], *data, *size, *rest)


def findings(study: Study) -> list[Finding]:
    """What the seeds that are whole say."""
    arms = arms_of(study)
    seeds = [seed for seed in study.seeds if study.whole([results(study, arm, seed) for arm in [*arms, "donors"]])]

    def differences(other: str, task: str, metric: str, setting: str = "") -> dict[str, list[float]]:
        return paired(
            *(
                [scores(results(study, arm, seed), task, metric, setting) for seed in seeds]
                for arm in ("langsamp", other)
            )
        )

    found = [
        Finding(NAME, "better transfer than the same training without", text, differences("baseline", *key))
        for text, key in MEASURES.items()
    ]
    cosine = differences("baseline", "neutrality", "cosine", "centred")
    claim = "translations more similar across languages"
    found.append(Finding(NAME, claim, "centred cosine with English", cosine, "cosine"))
    for ablation in ("language-only", "script-only"):
        if ablation in arms:
            found += [
                Finding(NAME, f"better than {ablation}", text, differences(ablation, *key))
                for text, key in MEASURES.items()
            ]
    claim = "donors by language embeddings beat English"
    found.append(Finding(NAME, claim, "topics by a probe, macro-F1", donors(study, seeds)))
    return with_numbers(found)


MEASURES = {
    "retrieval from English, accuracy@1": ("flores", "accuracy@1"),
    "topics by a probe, macro-F1": ("sib200", "macro_f1"),
}


def donors(study: Study, seeds: list[int]) -> dict[str, list[float]]:
    """What the nearest donor gives beyond English; 0 where it is English."""
    chosen, english = [], []
    for seed in seeds:
        model = study.folder("langsamp") / "models" / f"langsamp-{seed}"
        scored = {
            (row.source_language, row.language): row.value
            for row in read_results(results(study, "donors", seed))
            if row.metric == "macro_f1"
        }
        targets = sorted({target for _, target in scored} - set(donors_of(study)))
        nearest = {target: rank_donors(target, donors_of(study), model=model)[0].language for target in targets}
        chosen.append({target: scored[nearest[target], target] for target in targets})
        english.append({target: scored["eng_Latn", target] for target in targets})
    return paired(chosen, english)


def results(study: Study, arm: str, seed: int) -> Path:
    """Where the scores of a run are."""
    return study.folder("langsamp") / "results" / f"{arm}-{seed}"


def arms_of(study: Study) -> list[str]:
    """The small study leaves out the ablations."""
    return list(ARMS) if study.size == "full" else ["baseline", "langsamp"]


def donors_of(study: Study) -> list[str]:
    """The languages that a probe is trained on."""
    return DONORS if study.size == "full" else DONORS[:4]


def languages_of(study: Study) -> list[str]:
    """The languages that are trained on and measured."""
    return LANGUAGES[study.size] or sorted(path.name for path in (study.data / "sib200").iterdir() if path.is_dir())
