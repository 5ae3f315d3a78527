"""Scores in the form of MTEB's result files, for the two of its tasks that measure what is measured here."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hf_mplm._lists import as_list
from hf_mplm.evaluation.summary import PIVOT
from hf_mplm.languages import parse_code

from .names import safe_name


__all__ = ["MtebExport", "export_mteb", "mteb_subset"]

ENGLISH = "eng_Latn"
FLORES_DEVTEST = 1012
# MTEB has a Hub revision here. Where the sentences came from files of the user's own, or another repository than its:
LOCAL_DATA = "local"
#: The repositories of MTEB's own tasks.
DATASETS = {"Tatoeba": "mteb/tatoeba-bitext-mining"}
#: Repositories of which a task's scores are not those of MTEB's task, to the reason.
OTHER_DATA = {"openlanguagedata/flores_plus": ("flores", "FLORES+ has other sentences than FLORES-200, in parts")}
#: Why the other tasks are not exported. MTEB has tasks on the same texts that measure something else.
INCOMPARABLE = {
    "bible": "MTEB's BibleNLPBitextMining has other verses",
    "sib200": "MTEB's SIB200 tasks cluster vectors, or fit a classifier on a few items of each label",
    "xnli": "MTEB's XNLI separates two of the labels by one similarity, without training",
    "pawsx": "MTEB's PawsXPairClassification separates the labels by one similarity, without training",
    "xquad": "MTEB's XQuADRetrieval looks for passages",
    "mlqa": "MTEB's MLQARetrieval looks for passages",
}
# The subsets of MTEB's Tatoeba, `CODE-eng`, with the scripts by which it names their languages. The codes are LASER's.
_TATOEBA = """
    afr-Latn amh-Ethi ang-Latn ara-Arab arq-Arab arz-Arab ast-Latn awa-Deva aze-Latn bel-Cyrl ben-Beng ber-Tfng
    bos-Latn bre-Latn bul-Cyrl cat-Latn cbk-Latn ceb-Latn ces-Latn cha-Latn cmn-Hans cor-Latn csb-Latn cym-Latn
    dan-Latn deu-Latn dsb-Latn dtp-Latn ell-Grek epo-Latn est-Latn eus-Latn fao-Latn fin-Latn fra-Latn fry-Latn
    gla-Latn gle-Latn glg-Latn gsw-Latn heb-Hebr hin-Deva hrv-Latn hsb-Latn hun-Latn hye-Armn ido-Latn ile-Latn
    ina-Latn ind-Latn isl-Latn ita-Latn jav-Latn jpn-Jpan kab-Latn kat-Geor kaz-Cyrl khm-Khmr kor-Hang kur-Latn
    kzj-Latn lat-Latn lfn-Latn lit-Latn lvs-Latn mal-Mlym mar-Deva max-Deva mhr-Cyrl mkd-Cyrl mon-Cyrl nds-Latn
    nld-Latn nno-Latn nob-Latn nov-Latn oci-Latn orv-Cyrl pam-Latn pes-Arab pms-Latn pol-Latn por-Latn ron-Latn
    rus-Cyrl slk-Latn slv-Latn spa-Latn sqi-Latn srp-Cyrl swe-Latn swg-Latn swh-Latn tam-Taml tat-Cyrl tel-Telu
    tgl-Latn tha-Thai tuk-Latn tur-Latn tzl-Latn uig-Arab ukr-Cyrl urd-Arab uzb-Latn vie-Latn war-Latn wuu-Hans
    xho-Latn yid-Hebr yue-Hant zsm-Latn
"""


@dataclass(frozen=True)
class MtebExport:
    """What was exported, and what was not.

    Args:
        paths (`tuple[Path, ...]`): The files.
        left_out (`dict[str, int]`): Reason to the number of scores that were left out for it.
    """

    paths: tuple[Path, ...]
    left_out: dict[str, int]


def export_mteb(
    rows: Sequence[Any],
    output: str | Path,
    *,
    limited: str | Collection[str] = (),
    commits: Mapping[str, str] | None = None,
) -> MtebExport:
    """Write scores as MTEB's result files, `MODEL/REVISION/TASK.json`, where MTEB measures the same.

    That is so for `Tatoeba`, in which the other language asks and English answers, and for the devtest part of
    `FloresBitextMining` in any direction. Both compare plain cosines; their main score is the F1 of bitext mining.
    The name of the model says which layer was pooled, since another layer is another embedding model.

    Args:
        rows (`Sequence[ResultRow]`): The rows of a run; it may hold several models and layers.
        output (`str` or `Path`): The folder.
        limited (`str` or `Collection[str]`, *optional*): Tasks of which only some sentences were taken
            (`--max_sentences`). They are left out.
        commits (`Mapping[str, str]`, *optional*): Dataset repositories that the sentences are from, to the commit.

    Returns:
        `MtebExport`: The files, and what was left out and why.
    """
    limited = frozenset(as_list(limited))
    files: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    left_out: Counter[str] = Counter()
    others = dict(why for repository, why in OTHER_DATA.items() if repository in (commits or {}))
    for row in rows:
        if row.task in ("tatoeba", "flores") and row.metric not in ("f1", "accuracy@1"):
            # Nothing is lost with these: a cell is exported by its other metrics, or left out with them.
            continue
        reason = others.get(row.task) or _reason(row, limited)
        if reason is not None:
            left_out[reason] += 1
            continue
        subset, languages = _subset(row)
        model = _model_name(row)
        scores = files[model, row.revision, "Tatoeba" if row.task == "tatoeba" else "FloresBitextMining"][subset]
        scores |= {"hf_subset": subset, "languages": languages, "f1" if row.metric == "f1" else "accuracy": row.value}
    paths = []
    owners: dict[Path, tuple[str, str]] = {}
    for (model, revision, task), subsets in sorted(files.items()):
        complete = {name: scores for name, scores in sorted(subsets.items()) if "f1" in scores}
        if len(complete) < len(subsets):
            left_out[f"{task} was measured by a version that did not report its f1"] += len(subsets) - len(complete)
        if not complete:
            continue
        # With one answer a sentence, recall weighted over sentences is the accuracy.
        entries = [{**found, "main_score": found["f1"], "recall": found["accuracy"]} for found in complete.values()]
        folder = Path(output) / safe_name(model) / safe_name(revision, "no_revision_available")
        # Two names may differ in nothing but what a file name cannot hold; on some systems also in capitals.
        owner = owners.setdefault(Path(str(folder).casefold()), (model, revision))
        if owner != (model, revision):
            raise ValueError(
                f"{model} ({revision}) and {owner[0]} ({owner[1]}) would be written into one folder, {folder}; export "
                "them into two"
            )
        folder.mkdir(parents=True, exist_ok=True)
        contents = {
            "dataset_revision": (commits or {}).get(DATASETS.get(task, ""), LOCAL_DATA),
            "evaluation_time": None,
            "kg_co2_emissions": None,
            # Not computed by MTEB. None is what it takes for "not known", and keeps it from mending old mistakes.
            "mteb_version": None,
            "scores": {"test" if task == "Tatoeba" else "devtest": entries},
            "task_name": task,
        }
        paths.append(_write(folder / f"{task}.json", contents))
        _write(folder / "model_meta.json", {"name": model, "revision": revision, "similarity_fn_name": "cosine"})
    return MtebExport(tuple(paths), dict(left_out))


def mteb_subset(row: Any, limited: Collection[str] = ()) -> str | None:
    """The subset of MTEB's task, such as `swh-eng`, of which MTEB would measure the same; `None` if there is none.

    Args:
        row (`ResultRow`): a result.
        limited (`Collection[str]`, *optional*): tasks of which only some sentences were taken.
    """
    return None if _reason(row, limited) is not None else _subset(row)[0]


def _reason(row: Any, limited: Collection[str]) -> str | None:
    """Tell why a row is not what MTEB measures; `None` if it is."""
    if row.task not in ("tatoeba", "flores"):
        return INCOMPARABLE.get(row.task, f"MTEB has no task like {row.task}")
    # A pair of languages is the same one where one of them is the pivot of a cluster.
    if row.setting.removeprefix(f"{PIVOT}-").removesuffix("-no-specials") != "plain":
        return f"MTEB compares plain cosines, not {row.setting}"
    if row.task in limited:
        return f"only some sentences of {row.task} were taken (--max_sentences)"
    if row.n_skipped:
        return f"MTEB scores every sentence, and some of {row.task} were left out"
    if row.task == "flores":
        if row.n != FLORES_DEVTEST:
            return f"MTEB takes the {FLORES_DEVTEST} sentences of FLORES' devtest, not the {row.n} of SIB-200"
        return None
    if row.source_language != ENGLISH:
        return "MTEB's Tatoeba has English on one side"
    if row.direction != "target->source":
        return "MTEB's Tatoeba lets the other language ask: evaluate with --directions target->source"
    if parse_code(row.language).language not in _tatoeba_codes():
        return f"MTEB's Tatoeba has no {row.language}"
    return None


def _subset(row: Any) -> tuple[str, list[str]]:
    if row.task == "tatoeba":
        code = _tatoeba_codes()[parse_code(row.language).language]
        return f"{code.partition('-')[0]}-eng", [code, "eng-Latn"]
    asking, answering = row.source_language, row.language
    if row.direction == "target->source":
        asking, answering = answering, asking
    return f"{asking}-{answering}", [asking.replace("_", "-"), answering.replace("_", "-")]


@lru_cache(maxsize=1)
def _tatoeba_codes() -> dict[str, str]:
    """ISO 639-3 codes as they are written here to MTEB's: `arb` to `ara-Arab`."""
    return {parse_code(code.replace("-", "_")).language: code for code in _TATOEBA.split()}


def _model_name(row: Any) -> str:
    # A folder is named by its last part: where it stands on somebody's disk is no part of its name.
    name = row.model if re.fullmatch(r"[\w.-]+/[\w.-]+", row.model) else Path(row.model).name
    layer = f"-layer{row.layer}" if row.layer >= 0 else ""
    return f"{name}{layer}{'-no-specials' if row.setting.endswith('-no-specials') else ''}"


def _write(path: Path, contents: dict[str, Any]) -> Path:
    path.write_text(json.dumps(contents, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path
