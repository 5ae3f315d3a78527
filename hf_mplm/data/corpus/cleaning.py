"""From bytes to a sentence: what is removed of a line, what makes a line be left out, and that both are counted."""

from __future__ import annotations

from .segments import Places


__all__ = ["clean", "decode", "sentences_of"]

_BOM = "\ufeff"


def decode(raw: bytes, language: str | None, places: Places) -> str | None:
    """A line as text; None, and counted, if it is not UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        places.drop("invalid_utf8", language)
        return None


def clean(text: str, language: str | None, places: Places) -> str | None:
    """One line without what no sentence should have; None if nothing is left."""
    if text.startswith(_BOM):
        text = text[1:]
        places.clean("bom", language)
    if text.endswith("\r"):
        text = text[:-1]
        places.clean("carriage_return", language)
    if "\0" in text:
        text = text.replace("\0", "")
        places.clean("nul", language)
    if not text or text.isspace():
        places.drop("blank", language)
        return None
    return text


def sentences_of(text: str, language: str, places: Places) -> list[str]:
    """The sentences of a text of several lines; those that are kept are counted."""
    sentences = []
    for line in text.split("\n"):
        sentence = clean(line, language, places)
        if sentence is None:
            continue
        if not _is_encodable(sentence):
            places.drop("invalid_utf8", language)
            continue
        places.report.count(language)
        sentences.append(sentence)
    return sentences


def _is_encodable(text: str) -> bool:
    # JSON can spell half a surrogate pair ("\\ud800"), which is no character and which no tokenizer takes.
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
