"""Text that is not UTF-8: which encoding it is in, and the line to type."""

from __future__ import annotations

import codecs
import unicodedata
from collections import Counter

from hf_mplm.languages import detect_script
from hf_mplm.languages.script_detection import detected_as

from .quoting import typed


__all__ = ["refuse_other_encodings"]

# The longer mark first: FF FE 00 00 begins as UTF-16's does.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_WIDE = {"UTF-16LE": 2, "UTF-16BE": 2, "UTF-32LE": 4, "UTF-32BE": 4}
_CONTENTS = (
    (b"\x1f\x8b", "gzip", ".gz"),
    (b"BZh", "bzip2", ".bz2"),
    (b"\xfd7zXZ\x00", "xz", ".xz"),
    (b"\x28\xb5\x2f\xfd", "zstd", ".zst"),
    (b"PAR1", "Parquet", ".parquet"),
)
# Control characters that are found in text: tab, line feed, vertical tab, form feed, carriage return, escape.
_USUAL = b"\t\n\x0b\x0c\r\x1b"
_EAST_ASIAN_STOPS = " \n\u3000\u3001\u3002\uff0c"
# One, a Korean syllable, the Chinese space.
_FREQUENT_AND_ROUND = "\u4e00\uac00\u3000"
_RARE = bytes(code for code in range(0x20) if code not in _USUAL)

_EIGHT_BIT = {
    "Arab": ("cp1256", "iso8859-6"),
    "Cyrl": ("cp1251", "koi8-r"),
    "Grek": ("cp1253", "iso8859-7"),
    "Hang": ("cp949",),
    "Hani": ("gb18030", "big5"),
    "Hebr": ("cp1255", "iso8859-8"),
    "Jpan": ("cp932", "euc-jp"),
    "Thai": ("cp874",),
    "Latn": ("cp1252", "cp1250", "cp1254"),
}
_FEWEST_LINES = 10
_MOST_VALID = 0.1


def refuse_other_encodings(sample: bytes, name: str, script: str | None) -> None:
    """Raise if a file's beginning is text in another encoding than UTF-8, or no text at all.

    UTF-16 and UTF-32 are told by their mark, and without one by what their bytes are read as: their every other byte,
    or three of four, are control characters or no UTF-8 at all, while they are nothing but characters of a few blocks
    when they are read as what they are.

    Args:
        sample (`bytes`): the first bytes, decompressed.
        name (`str`): the file's own name, for the line to type.
        script (`str`, *optional*): ISO 15924 code of what the text should be in, if that is known.

    Raises:
        ValueError: naming the encoding, and the line that converts the file.
    """
    for mark, content, suffix in _CONTENTS:
        if sample.startswith(mark) and not name.lower().endswith(suffix):
            raise ValueError(f"this is {content} and not text; give it a name that ends in {suffix}")
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            raise ValueError(_convert(encoding, encoding, name))
    if wide := _wide_encoding(sample):
        raise ValueError(_convert(f"{wide[:6]} without a byte order mark", wide, name))
    lines = [line for line in sample.split(b"\n")[:-1] if line.strip()]
    valid = sum(map(_is_utf8, lines))
    if len(lines) - valid >= _FEWEST_LINES and valid <= _MOST_VALID * len(lines):
        likely = _eight_bit_encoding(b"\n".join(lines), script)
        cause = (
            _convert(f"it may be {likely.upper()} or one of its kind", likely, name) if likely else "needed is UTF-8"
        )
        raise ValueError(f"{len(lines) - valid:,} of its first {len(lines):,} lines are not UTF-8; {cause}")


def _convert(what: str, encoding: str, name: str) -> str:
    what = what if what.startswith("it may be") else f"this is {what}"
    decoder, suffix = (
        {"gz": "gzip -dc", "bz2": "bzip2 -dc", "xz": "xz -dc", "zst": "zstd -dc"},
        name.rpartition(".")[2],
    )
    source = f"{decoder[suffix.lower()]} {typed(name)} | " if suffix.lower() in decoder else ""
    given = "" if source else f" {typed(name)}"
    return f"{what}, needed is UTF-8: {source}iconv -f {encoding.upper()} -t UTF-8{given} > NEW_FILE"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _wide_encoding(sample: bytes) -> str | None:
    rare = len(sample) - len(sample.translate(None, _RARE))
    as_it_is = _share_of_text(sample.decode("utf-8", errors="replace"))
    # Whatever script a text is in, its spaces and ends of lines have zero bytes.
    if rare < max(1, len(sample) // 500) or as_it_is > 0.97:
        return None
    found = []
    for encoding, width in _WIDE.items():
        text = sample[: len(sample) // width * width].decode(encoding, errors="replace")
        if _share_of_text(text) < 0.97 or (width == 2 and not _is_sure(text, as_it_is)):
            continue
        # Read in the other order the letters of one block lie in many.
        found.append((len({ord(c) >> 8 for c in text}), encoding))
    return min(found)[1] if found else None


def _is_sure(text: str, as_it_is: float) -> bool:
    """Whether a text read as UTF-16 can be nothing else.

    Two bytes of any text are most often a Chinese character or a Korean syllable. A text of these has its spaces, full
    stops and ends of lines, which no two other bytes give, and few characters whose lower byte is zero, as stray
    zero bytes in UTF-8 would be.
    """
    counts = Counter(text)
    if sum(n for c, n in counts.items() if "\u3100" <= c <= "\ud7a3") < 0.1 * len(text):
        return True
    stops = sum(counts[c] for c in _EAST_ASIAN_STOPS)
    round_ones = sum(n for c, n in counts.items() if ord(c) % 256 == 0 and c not in _FREQUENT_AND_ROUND)
    return as_it_is < 0.9 and stops >= 0.005 * len(text) and round_ones <= 0.03 * len(text)


def _share_of_text(text: str) -> float:
    """The share of characters that are found in text: nothing unassigned, no control character, none that is wrong."""
    counts = Counter(text)
    good = sum(
        n
        for c, n in counts.items()
        if c in "\t\n\r" or (c != "\ufffd" and unicodedata.category(c) not in ("Cc", "Cn", "Co", "Cs"))
    )
    return good / max(1, len(text))


def _eight_bit_encoding(sample: bytes, script: str | None) -> str | None:
    """The older encoding of a script that gives text in that script."""
    script = detected_as(script or "")
    found = []
    for encoding in _EIGHT_BIT.get(script, ()):
        text = sample.decode(encoding, errors="replace")
        if _share_of_text(text) >= 0.97 and _script_of(text) == script:
            # KOI8-R read as another Cyrillic encoding has capitals for small letters.
            found.append((sum(map(str.isupper, text)), encoding))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _script_of(text: str) -> str | None:
    # ASCII tells nothing: it is in all of these encodings, with tags and names in texts of any script.
    letters = "".join(c for c in text if ord(c) > 127)
    try:
        return detected_as(detect_script(letters))
    except ValueError:
        return None
