from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from hf_mplm.data.corpus.encodings import refuse_other_encodings
from tests.fixtures import CORPUS

from .reading import put, read


WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
TEXTS = {file.stem: file.read_text(encoding="utf-8") for file in sorted(CORPUS.glob("*.txt"))}
# Scripts whose higher bytes are a tab, a line feed or a carriage return.
TEXTS |= {
    "guj_Gujr": "બધા માણસો જન્મથી સ્વતંત્ર છે\n" * 5,
    "mal_Mlym": "മനുഷ്യരെല്ലാം തുല്യാവകാശങ്ങളോടും\n" * 5,
    "kor_Hang": "모든 인간은 태어날 때부터 자유로우며\n" * 5,
    "zgh_Tfng": "ⵉⵣⵔⴼⴰⵏ ⵏ ⵓⴼⴳⴰⵏ\n" * 5,
}


def refused(sample: bytes, script: str | None = None) -> str | None:
    try:
        refuse_other_encodings(sample, "a.txt", script)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("code", TEXTS)
def test_wide_encodings_without_a_mark_are_told_apart_in_every_script(code: str) -> None:
    text = TEXTS[code]
    assert refused(text.encode()) is None and refused(text.encode()[:1001]) is None
    for encoding in WIDE:
        for part in (text, text[:60] + "\n"):
            name = encoding.upper().replace("-L", "L").replace("-B", "B")
            assert f"this is {name[:6]} without a byte order mark" in str(refused(part.encode(encoding))), encoding
            assert f"iconv -f {name} -t UTF-8 a.txt" in str(refused(part.encode(encoding)))


def test_stray_control_characters_make_no_alarm() -> None:
    draw = random.Random(0)
    for text in TEXTS.values():
        for rate in (0.001, 0.01, 0.05, 0.1, 0.3):
            for stray in (b"\0", b"\x01", b"\x0e"):
                dirty = b"".join(
                    bytes([byte]) + (stray if draw.random() < rate else b"") for byte in text.encode()[:2000]
                )
                assert "without a byte order mark" not in str(refused(dirty))


@pytest.mark.parametrize("encoding, name", [("utf-16", "UTF-16"), ("utf-32", "UTF-32")])
def test_a_mark_tells_and_the_line_to_type_mends_it(encoding: str, name: str, tmp_path: Path) -> None:
    path = put(tmp_path, "rus_Cyrl.txt", TEXTS["rus_Cyrl"].encode(encoding))
    with pytest.raises(ValueError, match=f"this is {name}, needed is UTF-8: iconv -f {name} -t UTF-8") as error:
        read(tmp_path)
    line = str(error.value).rpartition("UTF-8: ")[2].replace("NEW_FILE", "new.txt")
    subprocess.run(line, shell=True, check=True, cwd=tmp_path)
    assert (tmp_path / "new.txt").read_text(encoding="utf-8") == TEXTS["rus_Cyrl"]
    path.unlink()


def test_rows_of_json_are_looked_at_too(tmp_path: Path) -> None:
    put(tmp_path, "rows.jsonl", ('{"text": "moja", "language": "sw"}\n' * 5).encode("utf-16-le"))
    with pytest.raises(ValueError, match="rows.jsonl: this is UTF-16 without a byte order mark"):
        read(tmp_path)


@pytest.mark.parametrize(
    "code, encoding, name",
    [
        ("rus_Cyrl", "cp1251", "CP1251"),
        ("rus_Cyrl", "koi8-r", "KOI8-R"),
        ("ell_Grek", "cp1253", "CP1253"),
        ("arb_Arab", "cp1256", "CP1256"),
        ("tha_Thai", "cp874", "CP874"),
        ("jpn_Jpan", "cp932", "CP932"),
        ("cmn_Hans", "gb18030", "GB18030"),
    ],
)
def test_older_encodings_are_named_by_their_script(code: str, encoding: str, name: str, tmp_path: Path) -> None:
    text = "\n".join(TEXTS[code].split("\n") * 3)
    for file in (f"{code}.txt", f"{code[:3]}.txt"):
        path = put(tmp_path, file, text.encode(encoding, errors="ignore"))
        with pytest.raises(ValueError, match=f"lines are not UTF-8; it may be {name} .*iconv -f {name}"):
            read(tmp_path)
        path.unlink()


def test_some_bad_lines_stop_nothing(tmp_path: Path) -> None:
    put(tmp_path, "swh_Latn.txt", b"\xff bad\n" * 8 + b"moja\n" * 2)
    rows, report = read(tmp_path)
    assert len(rows) == 2 and report.dropped == {"swh_Latn": {"invalid_utf8": 8}}
