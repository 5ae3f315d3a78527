from __future__ import annotations

from pathlib import Path

import pytest

from hf_mplm.evaluation.benchmarks.sib200 import LABELS
from tests.fixtures import corpus_lines


SIB_LANGUAGES = ("eng_Latn", "swh_Latn", "tha_Thai")
SIB_SIZES = {"train": 28, "dev": 14, "test": 21}


def write_sib200(folder: Path, languages=SIB_LANGUAGES) -> Path:
    """A benchmark in SIB-200's format, whose topics can be read off the first word."""
    for language in languages:
        texts = [line for _, line in corpus_lines()]
        target = folder / "sib200" / language
        target.mkdir(parents=True)
        offset = len(language) + languages.index(language)
        for split, size in SIB_SIZES.items():
            lines = ["index_id\tcategory\ttext"]
            for number in range(size):
                text = texts[(7 * number + offset) % len(texts)].replace('"', "")
                lines.append(f'{number}\t{LABELS[number % 7]}\t"{LABELS[number % 7]} says ""{text}"""')
            (target / f"{split}.tsv").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def sib_data(tmp_path: Path) -> Path:
    return write_sib200(tmp_path / "data")
