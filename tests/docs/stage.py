"""A folder in which the commands of the documentation run as they stand: the models and data that pages name, tiny.

What a page names is there under its own name: `FacebookAI/xlm-roberta-base` is a folder with two layers of 32, which
transformers finds before it would ask the Hub, `text/` holds a few lines of seven languages, `data/` a few sentences
of a benchmark.
"""

from __future__ import annotations

import csv
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from hf_mplm.cli.main import main
from hf_mplm.data import load_tokenizer, save_tokenizer
from hf_mplm.sample import iter_sample
from tests.data.tokenizing.kinds import byte_fallback_bpe, word_piece
from tests.fixtures import CORPUS, tiny_bert, tiny_modernbert, tiny_xlm_roberta


LANGUAGES = ["eng_Latn", "swh_Latn", "amh_Ethi", "ell_Grek", "tha_Thai", "hin_Deva", "hau_Latn"]
ENGLISH = "eng_Latn"
LINES = 40
XLM_ROBERTA = ("FacebookAI/xlm-roberta-base", "cis-lmu/glot500-base")
MBERT, MMBERT = "google-bert/bert-base-multilingual-cased", "jhu-clsp/mmBERT-base"


def build_stage(folder: Path, tiny_encoder: Path) -> Path:
    """Write models, text and benchmark data into an empty folder."""
    for name in XLM_ROBERTA:
        shutil.copytree(tiny_encoder, folder / name)
    lines = [line for path in sorted(CORPUS.glob("*.txt")) for line in path.read_text("utf-8").splitlines()]
    words = word_piece(lines, folder / MBERT)
    tiny_bert(len(words), pad_token_id=words.pad_token_id).save_pretrained(folder / MBERT)
    # English alone, as a vocabulary that does not know the script of the page.
    english = [row.text for row in iter_sample("eng_Latn", "train")][:200]
    gemma = byte_fallback_bpe(english)
    modern = tiny_modernbert(len(gemma), pad_token_id=gemma.pad_token_id)
    modern.save_pretrained(folder / MMBERT)
    save_tokenizer(gemma, folder / MMBERT)
    write_text(folder / "text")
    write_data(folder / "data")
    return folder


def write_text(folder: Path, languages: Sequence[str] = LANGUAGES) -> None:
    """A few training sentences of each language."""
    folder.mkdir()
    for code in languages:
        texts = [row.text for row in iter_sample(code, "train")][:LINES]
        (folder / f"{code}.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


def write_data(folder: Path, languages: Sequence[str] = LANGUAGES) -> None:
    """SIB-200 with the same few items of every language, several of each topic."""
    for code in languages:
        place = folder / "sib200" / code
        place.mkdir(parents=True)
        for split, wanted in (("train", 5), ("dev", 1), ("test", 3)):
            topics: dict[str, int] = defaultdict(int)
            with open(place / f"{split}.tsv", "w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, delimiter="\t", lineterminator="\n")
                writer.writerow(["index_id", "category", "text"])
                for row in sorted(iter_sample(code, split), key=lambda row: int(row.index_id)):
                    topics[row.category] += 1
                    if topics[row.category] <= wanted:
                        writer.writerow((row.index_id, row.category, row.text))
        if code != ENGLISH:
            write_tatoeba(folder / "tatoeba", code)


def write_tatoeba(folder: Path, code: str) -> None:
    """Sentences of a language and of English, line by line, as Tatoeba's test sets have them."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"tatoeba.{code[:3]}-eng"
    for language, suffix in ((code, code[:3]), (ENGLISH, "eng")):
        rows = sorted(iter_sample(language, "test"), key=lambda row: int(row.index_id))[:20]
        text = "".join(f"{row.text}\n" for row in rows)
        (folder / f"{name}.{suffix}").write_text(text, encoding="utf-8")


def write_encoder(folder: Path, tokenizer_folder: Path, layers: int) -> None:
    """A masked LM of the architecture of XLM-R, 32 wide and so many layers deep."""
    tokenizer = load_tokenizer(tokenizer_folder)
    tiny_xlm_roberta(len(tokenizer), num_hidden_layers=layers).save_pretrained(folder)
    save_tokenizer(tokenizer, folder)


def make_static(folder: Path) -> None:
    """Word vectors of two languages out of `START`, a dictionary, and a store, as examples ask for them."""
    start, text = str(folder / "START"), str(folder / "text")
    few = ["--languages", "eng_Latn", "swh_Latn"]
    extract = ["static", "extract", "--model", start, "--corpus", text, "--output", str(folder / "vectors"), *few]
    assert main([*extract, "--method", "pooled", "--min_count", "1", "--num_proc", "1"]) == 0
    (folder / "lexicons").mkdir()
    lexicon = folder / "lexicons" / "eng_Latn-swh_Latn.tsv"
    lexicon.write_text("the\tya\nof\twa\nand\tna\nin\tkatika\n", encoding="utf-8")
    mapped = ["--dictionary", str(lexicon), "--output", str(folder / "mapped")]
    assert main(["static", "map", "--static", str(folder / "vectors"), *mapped]) == 0
    sizes = ["--chunk_length", "64", "--holdout", "4", "--num_proc", "1"]
    assert main(["prepare", "--corpus", text, "--tokenizer", start, "--output", str(folder / "store"), *sizes]) == 0
