"""Corpora as people have them: many formats, and rows and files with faults, all of which have to be told."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import random
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fixtures import corpus_lines


__all__ = ["FuzzCorpus", "check_prepare", "make_corpus"]

CODES = ("swh_Latn", "deu_Latn", "rus_Cyrl", "arb_Arab", "tha_Thai", "ell_Grek", "hin_Deva", "yor_Latn")
# What `parse_code` makes of them where the corpus writes them so.
WRITTEN = {"swh_Latn": "sw", "deu_Latn": "de", "rus_Cyrl": "ru", "ell_Grek": "el", "tha_Thai": "th", "yor_Latn": "yo"}
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}
BAD_ROWS = ("blank", "invalid_utf8", "null_text", "number_text", "und", "unknown", "deep", "digits", "twice", "array")


class FuzzCorpus(NamedTuple):
    """A corpus, and what has to be said of it.

    Args:
        folder (`Path`): where it stands.
        good (`Counter[str]`): sentences of each code that must be kept.
        bad (`int`): rows that must be counted as dropped.
        named (`list[str]`): names of files that must be named on screen or in the store's JSON.
        fatal (`list[str]`): names of files of which one must be named if the command fails.
        made_of (`list[str]`): what was drawn, for whoever reads a failure.
    """

    folder: Path
    good: Counter[str]
    bad: int
    named: list[str]
    fatal: list[str]
    made_of: list[str]


def make_corpus(folder: Path, seed: int) -> FuzzCorpus:
    """Draw a corpus; the same seed gives the same one."""
    draw = random.Random(seed)
    corpus = FuzzCorpus(folder, Counter(), 0, [], [], [])
    folder.mkdir(parents=True)
    bad = 0
    for number in range(draw.randint(1, 4)):
        code = draw.choice(CODES)
        texts = [text for _, text in corpus_lines(code)]
        lines = [f"{texts[i % len(texts)]} {seed} {number} {i}" for i in range(draw.randint(3, 30))]
        rows: list[tuple[str, str]] = [("good", line) for line in lines]
        kinds = draw.sample(BAD_ROWS, draw.choice((0, 0, 1, 2)))
        form = draw.choice((_text, _text, _verses, _jsonl, _jsonl, _csv, _parquet))
        for kind in kinds:
            if kind in _POSSIBLE[form]:
                rows.insert(draw.randint(1, len(rows)), (kind, ""))
        name = form(corpus.folder, number, code, rows, draw)
        corpus.good[code] += len(lines)
        bad += sum(kind != "good" for kind, _ in rows)
        corpus.made_of.append(f"{name}: {len(lines)} rows, {', '.join(kind for kind, _ in rows if kind != 'good')}")
    for _ in range(draw.choice((0, 0, 1, 2))):
        fault = draw.choice(_FAULTS)
        name, fatal = fault(corpus.folder, draw)
        (corpus.fatal if fatal else corpus.named).append(name)
        corpus.made_of.append(f"{name}: {fault.__name__}")
    return corpus._replace(bad=bad)


def check_prepare(corpus: FuzzCorpus, status: int, output: str, store: Path) -> list[str]:
    """Everything that is wrong with what `hf-mplm prepare` made of a corpus."""
    if status != 0:
        if corpus.fatal and any(name in output for name in corpus.fatal):
            return []
        return [f"refused for nothing that may stop it: {output.strip()[-300:]}"]
    info = json.loads((store / "store.json").read_text(encoding="utf-8"))
    told = output + json.dumps(info["report"], ensure_ascii=False)
    faults = [f"{name} is not named" for name in [*corpus.named, *corpus.fatal] if name not in told]
    for code, n in corpus.good.items():
        kept = info["report"]["counts"].get(code, 0)
        if kept < n:
            faults.append(f"lost: {kept} of {n} sentences of {code} are in the store")
    dropped = sum(sum(reasons.values()) for reasons in info["report"]["dropped"].values())
    kept = sum(info["report"]["counts"].values())
    if kept + dropped < sum(corpus.good.values()) + corpus.bad:
        faults.append(f"silent: {kept} rows kept and {dropped} dropped of {sum(corpus.good.values()) + corpus.bad}")
    return faults


def _bytes(rows: list[tuple[str, str]], render: Callable[[str, str], bytes]) -> bytes:
    spelled = {"blank": b"\n", "invalid_utf8": b"\xff\xfe\xfa bad\n"}
    return b"".join(spelled[kind] if kind in spelled else render(kind, text) for kind, text in rows)


def _text(folder: Path, number: int, code: str, rows: list[tuple[str, str]], draw: random.Random) -> str:
    suffix = draw.choice((".txt", ".txt", ".TXT", ".text")) + draw.choice(list(COMPRESSIONS))
    data = _bytes(rows, lambda kind, text: f"{text}\n".encode())
    if draw.random() < 0.2:
        data = b"\xef\xbb\xbf" + data
    if draw.random() < 0.2:
        data = data.replace(b"\n", b"\r\n")
    return _place(folder, number, code, suffix, data, draw)


def _verses(folder: Path, number: int, code: str, rows: list[tuple[str, str]], draw: random.Random) -> str:
    data = _bytes(rows, lambda kind, text: f"{number}{zlib.crc32(text.encode()):010d}\t{text}\n".encode())
    return _place(folder, number, code, ".tsv" + draw.choice(list(COMPRESSIONS)), data, draw)


def _jsonl(folder: Path, number: int, code: str, rows: list[tuple[str, str]], draw: random.Random) -> str:
    column = draw.random() < 0.6
    written = code if draw.random() < 0.5 else WRITTEN.get(code, code)

    def render(kind: str, text: str) -> bytes:
        row: dict[str, Any] = {"text": text}
        if column:
            row["language"] = written
        line = {
            "null_text": lambda: json.dumps({**row, "text": None}),
            "number_text": lambda: json.dumps({**row, "text": 7}),
            "und": lambda: json.dumps({"text": "who knows", "language": "und"}),
            "unknown": lambda: json.dumps({"text": "who knows", "language": "q@@"}),
            "deep": lambda: "[" * 100_000,
            "digits": lambda: '{"text": "a", "id": ' + "9" * 5_000 + "}",
            "twice": lambda: '{"text": "a", "text": "b", "language": "swh_Latn"}',
            "array": lambda: json.dumps([text]),
        }.get(kind, lambda: json.dumps(row, ensure_ascii=draw.random() < 0.5))
        return f"{line()}\n".encode()

    if not column:
        # Without the column nothing says that a row's language is unknown.
        rows[:] = [row for row in rows if row[0] not in ("und", "unknown")]
    data = _bytes(rows, render)
    suffix = draw.choice((".jsonl", ".jsonl", ".json")) + draw.choice(list(COMPRESSIONS))
    if column and draw.random() < 0.5:
        return _write(folder / f"rows-{number}{suffix}", data)
    return _place(folder, number, code, suffix, data, draw)


def _csv(folder: Path, number: int, code: str, rows: list[tuple[str, str]], draw: random.Random) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["id", "text", "language"])
    for i, (kind, text) in enumerate(rows):
        writer.writerow([i, "who knows" if kind != "good" else text, code if kind == "good" else "und"])
    return _write(folder / f"rows-{number}.csv", buffer.getvalue().encode())


def _parquet(folder: Path, number: int, code: str, rows: list[tuple[str, str]], draw: random.Random) -> str:
    texts = [None if kind == "null_text" else "who knows" if kind == "und" else text for kind, text in rows]
    codes = ["und" if kind == "und" else code for kind, _ in rows]
    form = draw.choice(("plain", "class", "dictionary"))
    if form == "class":
        names = sorted(set(codes))
        features = {
            "text": {"dtype": "string", "_type": "Value"},
            "language": {"names": names, "_type": "ClassLabel"},
        }
        table = pa.table({"text": pa.array(texts, pa.string()), "language": [names.index(one) for one in codes]})
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    else:
        column = pa.array(codes) if form == "plain" else pa.array(codes).dictionary_encode()
        table = pa.table({"text": pa.array(texts, pa.string()), "language": column})
    path = folder / f"rows-{number}.parquet"
    pq.write_table(table, path, row_group_size=draw.choice((2, 1000)))
    return path.name


_POSSIBLE: dict[Callable[..., str], tuple[str, ...]] = {
    _text: ("blank", "invalid_utf8"),
    _verses: ("blank", "invalid_utf8"),
    _jsonl: BAD_ROWS,
    _csv: ("und",),
    _parquet: ("null_text", "und"),
}


def _place(folder: Path, number: int, code: str, suffix: str, data: bytes, draw: random.Random) -> str:
    place = draw.choice(("name", "folder", "deep"))
    if place == "name":
        path = folder / f"{code}{suffix}"
        return _write(path if not path.exists() else folder / str(number) / path.name, data)
    if place == "folder":
        return _write(folder / code / f"part-{number}{suffix}", data)
    return _write(folder / "sub" / str(number) / f"{code}.{number}{suffix}", data)


def _write(path: Path, data: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(COMPRESSIONS.get(path.suffix, bytes)(data))
    return path.name


# Files that cannot be used. Those that are `fatal` may stop the command, which then names them.
def cut_gzip(folder: Path, draw: random.Random) -> tuple[str, bool]:
    data = gzip.compress("\n".join(text for _, text in corpus_lines("jpn_Jpan")).encode())
    (folder / "jpn_Jpan.txt.gz").write_bytes(data[: draw.randint(1, len(data) - 1)])
    return "jpn_Jpan.txt.gz", True


def flipped_parquet(folder: Path, draw: random.Random) -> tuple[str, bool]:
    path = folder / "kat_Geor.parquet"
    pq.write_table(pa.table({"text": [text for _, text in corpus_lines("kat_Geor")]}), path)
    data = bytearray(path.read_bytes())
    data[-draw.randint(9, 200)] ^= 0xFF
    path.write_bytes(data)
    # A flip may fall into statistics that nobody reads; then the rows are used, and the file is named by them.
    return path.name, True


def cut_parquet(folder: Path, draw: random.Random) -> tuple[str, bool]:
    path = folder / "kat_Geor.parquet"
    pq.write_table(pa.table({"text": [text for _, text in corpus_lines("kat_Geor")]}), path)
    path.write_bytes(path.read_bytes()[: -draw.randint(1, 100)])
    return path.name, True


def utf16(folder: Path, draw: random.Random) -> tuple[str, bool]:
    text = "\n".join(text for _, text in corpus_lines(draw.choice(("srp_Cyrl", "srp_Latn"))))
    encoding = draw.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"))
    return _write(folder / "srp_Cyrl.txt", text.encode(encoding)), True


def split_name(folder: Path, draw: random.Random) -> tuple[str, bool]:
    return _write(folder / draw.choice(("dev.txt", "all.txt", "new.txt")), b"Watu wote wamezaliwa huru\n" * 5), True


def no_language(folder: Path, draw: random.Random) -> tuple[str, bool]:
    return _write(folder / draw.choice(("12345.txt", "x@y.txt")), b"Watu wote wamezaliwa huru\n"), True


def empty_file(folder: Path, draw: random.Random) -> tuple[str, bool]:
    return _write(folder / "jpn_Jpan.txt", b""), False


def other_kind(folder: Path, draw: random.Random) -> tuple[str, bool]:
    return _write(folder / draw.choice(("notes.docx", "swh_Latn.pdf", "README", "a.arrow")), b"PK\x03\x04"), False


def pipe(folder: Path, draw: random.Random) -> tuple[str, bool]:
    os.mkfifo(folder / "eng_Latn.txt")
    return "eng_Latn.txt", False


def dangling_link(folder: Path, draw: random.Random) -> tuple[str, bool]:
    (folder / "eng_Latn.txt").symlink_to("nowhere.txt")
    return "eng_Latn.txt", False


def link_to_itself(folder: Path, draw: random.Random) -> tuple[str, bool]:
    (folder / "again").symlink_to(".", target_is_directory=True)
    return "again", False


_FAULTS = [
    cut_gzip,
    flipped_parquet,
    cut_parquet,
    utf16,
    split_name,
    no_language,
    empty_file,
    other_kind,
    pipe,
    dangling_link,
    link_to_itself,
]
