"""Tiny benchmarks in their own formats, with what benchmarks differ in: codes, scripts, varieties, odd characters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.evaluation.conftest import write_sib200


# Words of a language, by what a benchmark calls it.
WORDS = {
    "en": "the cat sat on a mat and a dog saw it by the door",
    "sw": "paka mweusi ameketi juu ya mkeka na mbwa anamtazama mlangoni leo",
    "th": "แมว นั่ง อยู่ บน เสื่อ และ สุนัข มอง มัน ที่ ประตู",
    "zh": "这个 国家 的 东西 们 说 话 车 马 长 门 见",
    "hant": "這個 國家 的 東西 們 說 話 車 馬 長 門 見",
    "de": "die Katze saß auf einer Matte und ein Hund sah sie",
    "no": "katten satt på ei matte og ein hund såg henne der",
    "quy": "misi tiyachkan qatapi hinaspa allqu qawachkan punkupi kunan",
}


def sentence(language: str, number: int) -> str:
    """The n-th sentence of a language; no two are alike."""
    words = WORDS[language].split(" ")
    start = number % len(words)
    return " ".join([*words[start:], *words[:start], str(number)])


def write_tiny_benchmarks(data: Path) -> Path:
    """Write every benchmark that the Hub has."""
    write_sib200(data)
    for code, language in (("swh", "sw"), ("tha", "th"), ("cmn", "zh"), ("deu", "de")):
        own = [sentence(language, number) for number in range(30)]
        # What ends a line elsewhere, and what JSON escapes.
        own[3] += "\u2028" + '"quoted"\\ \u00a0'
        write(data / f"tatoeba/tatoeba.{code}-eng.{code}", own)
        write(data / f"tatoeba/tatoeba.{code}-eng.eng", [sentence("en", number) for number in range(30)])
    for code, language in (("eng_Latn", "en"), ("swh_Latn", "sw"), ("tha_Thai", "th")):
        write(data / f"flores/devtest/{code}.devtest", [sentence(language, number) for number in range(20)])
    _write_pairs(data)
    _write_tagged(data)
    _write_trees(data)
    _write_questions(data)
    return data


def write(path: Path, lines: Sequence[str]) -> None:
    """Write lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _write_pairs(data: Path) -> None:
    names = ("entailment", "neutral", "contradiction")
    pairs = {
        name: [(sentence(name, number), sentence(name, number + 1), number % 3) for number in range(24)]
        for name in ("en", "sw", "zh", "de", "quy")
    }
    for split in ("dev", "test"):
        rows = [
            f"{language}\t{names[label]}\t{split} {one}\t{other}"
            for language in ("en", "sw", "zh")
            for one, other, label in pairs[language]
        ]
        write(data / f"xnli/xnli.{split}.tsv", ["language\tgold_label\tsentence1\tsentence2", *rows])
        rows = [f"quy\t{one} {split}\t{other}\t{names[label]}" for one, other, label in pairs["quy"]]
        write(data / f"americasnli/{split}/quy.tsv", ["language\tpremise\thypothesis\tlabel", *rows])
    for language in ("en", "de"):
        rows = [f"{one}\t{other}\t{names[label]}" for one, other, label in pairs[language]]
        rows[2] = rows[2].replace("contradiction", "contradictory")
        write(data / f"xnli/multinli.train.{language}.tsv", ["premise\thypo\tlabel", *rows])
    for language in ("en", "de", "zh"):
        for name in ("translated_train", "dev_2k", "test_2k"):
            rows = [f"{n}\t{one} {name}\t{other}\t{n % 2}" for n, (one, other, _) in enumerate(pairs[language])]
            write(data / f"pawsx/x-final/{language}/{name}.tsv", ["id\tsentence1\tsentence2\tlabel", *rows])


def _write_tagged(data: Path) -> None:
    # WikiANN's names: `als` is Alemannic, `zh-classical` literary Chinese.
    for name, language in (("en", "en"), ("sw", "sw"), ("als", "de"), ("zh-classical", "hant"), ("zh", "zh")):
        for split in ("train", "dev", "test"):
            lines = []
            for number in range(6):
                words = f"{split} {sentence(language, number)}".split(" ")
                lines += [f"{word} {('O', 'B-PER', 'I-PER')[place % 3]}" for place, word in enumerate(words)] + [""]
            write(data / f"ner/{name}/{split}.txt", lines)


def _write_trees(data: Path) -> None:
    treebanks = {"en_tiny": "en", "no_nynorsk": "no", "zh_gsd": "hant", "zh_gsdsimp": "zh", "qhe_hiencs": "en"}
    for treebank, language in treebanks.items():
        for split in ("train", "dev", "test"):
            lines = []
            for number in range(4):
                lines.append(f"# sent_id = {number}")
                words = sentence(language, number).split(" ")
                lines.append(f"1-2\t{words[0]}{words[1]}\t_\t_\t_\t_\t_\t_\t_\t_")
                for place, word in enumerate(words, start=1):
                    relation = "root" if place == 1 else "nsubj:pass" if place == 2 else "dep"
                    tag = "VERB" if place == 1 else "NOUN"
                    lines.append(f"{place}\t{word}\t_\t{tag}\t_\t_\t{place - 1}\t{relation}\t_\t_")
                lines.append("")
            write(data / f"ud/{treebank}-ud-{split}.conllu", lines)


def _write_questions(data: Path) -> None:
    for language in ("en", "zh", "th"):
        _squad(data / f"xquad/xquad.{language}.json", language, articles=8)
    for language in ("en", "de"):
        for split in ("dev", "test"):
            _squad(data / f"mlqa/{split}-context-{language}-question-{language}.json", language, articles=2)
    both = {"english": "en", "swahili": "sw", "thai": "th"}
    for split, articles in (("train", 6), ("dev", 2)):
        content = [
            article
            for name, language in both.items()
            if name != "thai"
            for article in _articles(language, articles, f"{name}-{split}-")
        ]
        _dump(data / f"tydiqa/tydiqa-goldp-v1.1-{split}.json", content)


def _squad(path: Path, language: str, articles: int) -> None:
    _dump(path, _articles(language, articles, "q"))


def _articles(language: str, count: int, prefix: str) -> list[dict[str, Any]]:
    found = []
    for number in range(count):
        paragraphs = []
        for place in range(2):
            context = sentence(language, 2 * number + place) + f" {prefix}"
            answer = context.split(" ")[2]
            item = {
                "id": f"{prefix}{number}-{place}",
                "question": sentence(language, number),
                "answers": [{"text": answer, "answer_start": context.index(answer)}],
            }
            paragraphs.append({"context": context, "qas": [item]})
        found.append({"title": f"{prefix}{language}{number}", "paragraphs": paragraphs})
    return found


def _dump(path: Path, articles: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"data": articles}, ensure_ascii=False), encoding="utf-8")
