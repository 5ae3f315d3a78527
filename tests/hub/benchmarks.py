"""Benchmarks in the layouts in which their repositories on the Hub hold them, made from the benchmarks' own files."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets

from .server import Blob, LoopbackHub, Repository


NLI = ("entailment", "neutral", "contradiction")
ENTITIES = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
UPOS = "NOUN PUNCT ADP NUM SYM SCONJ ADJ PART DET CCONJ PROPN PRON X _ ADV INTJ VERB AUX".split()
SPLITS = {"train": "train", "dev": "validation", "test": "test"}

Files = Iterator[tuple[str, bytes]]


def publish(hub: LoopbackHub, data: Path) -> None:
    """Publish every benchmark that a data folder has, each at the revision that its task names."""
    from hf_mplm.evaluation.files.hub_data import COMMIT, HubDataset
    from hf_mplm.evaluation.tasks import TASKS, get_task

    sources = {
        source.folder: source
        for name in TASKS
        for source in get_task(name).hub_data  # type: ignore[attr-defined]
        if isinstance(source, HubDataset)
    }
    for folder, source in sources.items():
        if not (data / folder).is_dir():
            continue
        files = {path: Blob(content, path.endswith((".parquet", ".gz"))) for path, content in MAKERS[folder](data)}
        assert files, folder
        # What no reader may take for data.
        files |= {name: Blob(b"---\n---\n", False) for name in ("README.md", ".gitattributes")}
        repository = hub.repositories["dataset", source.id] = Repository()
        oid = repository.commit("refs/heads/main", files, "data")
        if COMMIT.fullmatch(source.revision):
            for known in (repository.commits, repository.parents, repository.messages):
                known[source.revision] = known[oid]  # type: ignore[index]
        elif source.revision != "main":
            repository.refs[source.revision] = oid


def sib200(data: Path) -> Files:
    for path in sorted((data / "sib200").glob("*/*.tsv")):
        yield f"data/{path.parent.name}/{path.name}", path.read_bytes()


def tatoeba(data: Path) -> Files:
    for path in sorted((data / "tatoeba").glob("tatoeba.*-eng.eng")):
        name = path.name.split(".")[1]
        own = path.with_name(f"tatoeba.{name}.{name.removesuffix('-eng')}")
        rows = [
            {"sentence1": one, "sentence2": other, "lang": name}
            for one, other in zip(_lines(own), _lines(path), strict=True)
        ]
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        yield f"test/{name}.jsonl.gz", gzip.compress(content)


def flores(data: Path) -> Files:
    for path in sorted((data / "flores" / "devtest").glob("*.devtest")):
        rows = [{"id": number, "text": text, "glottocode": "none0000"} for number, text in enumerate(_lines(path))]
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        yield f"devtest/{path.stem}.jsonl", content
        # A variety, and another split.
        yield f"devtest/{path.stem}_vari1234.jsonl", content
        yield f"dev/{path.stem}.jsonl", content


def xnli(data: Path) -> Files:
    rows = [row for split in ("dev", "test") for row in _xnli_rows(data, split)]
    for path in sorted((data / "xnli").glob("multinli.train.*.tsv")):
        for row in _table(path):
            label = row["label"].replace("contradictory", "contradiction")
            rows.append(("train", path.stem.split(".")[-1], row["premise"], row["hypo"], label))
    yield from _pairs(rows, ("premise", "hypothesis"), NLI, "all_languages")


def americasnli(data: Path) -> Files:
    rows = [
        (path.parent.name, path.stem, row["premise"], row["hypothesis"], row["label"])
        for path in sorted((data / "americasnli").glob("*/*.tsv"))
        for row in _table(path)
    ]
    yield from _pairs(rows, ("premise", "hypothesis"), NLI, "all_languages")


def pawsx(data: Path) -> Files:
    names = {"translated_train": "train", "train": "train", "dev_2k": "dev", "test_2k": "test"}
    rows = [
        (names[path.stem], path.parent.name, row["sentence1"], row["sentence2"], row["label"])
        for path in sorted((data / "pawsx" / "x-final").glob("*/*.tsv"))
        for row in _table(path)
    ]
    yield from _pairs(rows, ("sentence1", "sentence2"), ("0", "1"), None)


def ner(data: Path) -> Files:
    features = {"tokens": _texts(), "ner_tags": _labels(ENTITIES), "langs": _texts()}
    for path in sorted((data / "ner").glob("*/*.txt")):
        blocks = [block.split("\n") for block in path.read_text(encoding="utf-8").strip("\n").split("\n\n") if block]
        pairs = [[line.rsplit(" ", 1) for line in block] for block in blocks]
        rows = [
            {
                "tokens": [word for word, _ in block],
                "ner_tags": [tag for _, tag in block],
                "langs": [path.parent.name for _ in block],
            }
            for block in pairs
        ]
        yield f"{path.parent.name}/{SPLITS[path.stem]}-00000-of-00001.parquet", _parquet(rows, features)


def ud(data: Path) -> Files:
    features = {"tokens": _texts(), "upos": _labels(UPOS), "head": _texts(), "deprel": _texts()}
    for path in sorted((data / "ud").rglob("*.conllu")):
        treebank, _, split = path.stem.partition("-ud-")
        rows = []
        for block in path.read_text(encoding="utf-8").strip("\n").split("\n\n"):
            lines = [line.split("\t") for line in block.split("\n") if not line.startswith("#")]
            words = [line for line in lines if line[0].isdigit()]
            columns = {"tokens": 1, "upos": 3, "head": 6, "deprel": 7}
            rows.append({name: [word[number] for word in words] for name, number in columns.items()})
        yield f"parquet/{treebank}/{split}.parquet", _parquet(rows, features)


def xquad(data: Path) -> Files:
    for path in sorted((data / "xquad").glob("xquad.*.json")):
        yield f"{path.stem}/validation-00000-of-00001.parquet", _questions(path)


def mlqa(data: Path) -> Files:
    for path in sorted((data / "mlqa").glob("*.json")):
        split, _, context, _, question = path.stem.split("-")
        yield f"mlqa.{context}.{question}/{SPLITS[split]}/0000.parquet", _questions(path)
        yield f"mlqa-translate-train.{context}/{SPLITS[split]}/0000.parquet", _questions(path)


def tydiqa(data: Path) -> Files:
    for split, name in (("train", "train"), ("dev", "validation")):
        (path,) = (data / "tydiqa").glob(f"*-{split}.json")
        yield f"secondary_task/{name}-00000-of-00001.parquet", _questions(path)
        yield f"primary_task/{name}-00000-of-00001.parquet", _questions(path)


MAKERS: dict[str, Callable[[Path], Files]] = {
    maker.__name__: maker
    for maker in (sib200, tatoeba, flores, xnli, americasnli, pawsx, ner, ud, xquad, mlqa, tydiqa)
}


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def _table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), delimiter="\t", quoting=csv.QUOTE_NONE))


def _xnli_rows(data: Path, split: str) -> Iterator[tuple[str, str, str, str, str]]:
    for row in _table(data / "xnli" / f"xnli.{split}.tsv"):
        yield split, row["language"], row["sentence1"], row["sentence2"], row["gold_label"]


def _pairs(rows: Any, columns: tuple[str, str], labels: Any, everything: str | None) -> Files:
    features = {name: datasets.Value("string") for name in columns} | {"label": datasets.ClassLabel(names=labels)}
    grouped: dict[tuple[str, str], list[dict[str, str]]] = {}
    for split, name, one, other, label in rows:
        for group in (name, everything):
            if group is not None:
                row = {columns[0]: one, columns[1]: other, "label": label}
                grouped.setdefault((group, SPLITS[split]), []).append(row)
    for (name, split), own in grouped.items():
        yield f"{name}/{split}-00000-of-00001.parquet", _parquet(own, features)


def _questions(path: Path) -> bytes:
    rows = [
        {
            "id": item["id"],
            "title": article.get("title", "") if "xquad" not in path.name else "",
            "context": paragraph["context"],
            "question": item["question"],
            "answers": {
                "text": [answer["text"] for answer in item["answers"]],
                "answer_start": [answer["answer_start"] for answer in item["answers"]],
            },
        }
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for item in paragraph["qas"]
    ]
    answers = {"text": _texts(), "answer_start": datasets.List(datasets.Value("int32"))}
    texts = {name: datasets.Value("string") for name in ("id", "title", "context", "question")}
    return _parquet(rows, texts | {"answers": answers})


def _texts() -> Any:
    return datasets.List(datasets.Value("string"))


def _labels(names: Any) -> Any:
    return datasets.List(datasets.ClassLabel(names=list(names)))


def _parquet(rows: list[dict[str, Any]], features: dict[str, Any]) -> bytes:
    target = io.BytesIO()
    shown = datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        datasets.Dataset.from_list(rows, features=datasets.Features(features)).to_parquet(target)
    finally:
        if shown:
            datasets.enable_progress_bars()
    return target.getvalue()
