"""From a piece of a corpus to sentences with their words."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from hf_mplm.data.corpus.options import ReadOptions
from hf_mplm.data.corpus.readers import read_segment
from hf_mplm.data.corpus.report import CorpusReport
from hf_mplm.data.corpus.segments import Segment

from ..words import lower_case, word_spans


__all__ = ["WordSentence", "read_sentences", "split_words"]


class WordSentence(NamedTuple):
    """A sentence and its words.

    Args:
        text (`str`): as it is written, in NFC.
        words (`list[str]`): its words, in lower case where that is wanted.
        spans (`list[tuple[int, int]]`): where they begin and end in `text`.
    """

    text: str
    words: list[str]
    spans: list[tuple[int, int]]


def read_sentences(segments: Sequence[Segment], options: ReadOptions, report: CorpusReport) -> dict[str, list[str]]:
    """The sentences of some segments by language, languages sorted, sentences in the order of the corpus.

    Args:
        segments (`Sequence[Segment]`): what to read.
        options (`ReadOptions`): columns, languages.
        report (`CorpusReport`): receives the counts.
    """
    found: dict[str, list[str]] = {}
    for segment in segments:
        for language, text in read_segment(segment, options, report):
            found.setdefault(language, []).append(text)
    return dict(sorted(found.items()))


def split_words(text: str, language: str, lower: bool) -> WordSentence:
    """Find the words of a sentence.

    Args:
        text (`str`): a sentence.
        language (`str`): its code.
        lower (`bool`): whether words are to be in lower case; the text stays as it is.
    """
    text = unicodedata.normalize("NFC", text)
    spans = word_spans(text, language)
    words = [text[start:stop] for start, stop in spans]
    return WordSentence(text, [lower_case(word, language) for word in words] if lower else words, spans)
