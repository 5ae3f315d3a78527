from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, BertTokenizerFast, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from hf_mplm.data.tokenizing.sentencepiece_model import MODEL_FILE, normalization_rules
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer, save_tokenizer, tokenizer_fingerprint, train_tokenizer
from hf_mplm.jobs.files import DamagedError
from tests.fixtures import TINY_VOCAB_SIZE, corpus_lines


ROOT = Path(__file__).resolve().parents[3]

NASTY_LINES = [
    "Ａｌｌ ｈｕｍａｎ ｂｅｉｎｇｓ，１９４８年",
    "all\u00a0human\u00a0beings\u202fare\u3000born\u2003free",
    "  leading,   double \t tab and trailing   ",
    "next\u0085line, line\u2028separator, paragraph\u2029separator, \u1680ogham",
    "zero\u200bwidth\u200cnon\u200djoiner\u200e\u200f\ufeff mark",
    "क\u094dष क\u094d\u200dष \U0001f468\u200d\U0001f469\u200d\U0001f467 ©\ufe0f ™\ufe0f",
    unicodedata.normalize("NFD", "Phẩm giá, tự do và ọ́mọnìyàn; й ё ΐ ά"),
    "e\u0323\u0301 o\u0302\u0301\u0323 a\u0301\u0301\u0301 и\u0306\u0301",
    "\u00a0\u0301 \u3000\u064e Ａ\u0301 ﬁ\u0302 ª\u0300",
    "ﷲ ﻻ\u064e ﺍ\u064b שׁ\u05b8 ﬁﬂ ½ ² ℃ Ⅷ ㍻ ｶﾞ",
    "\u09a8\u09c7\u09be \u1100\u1161\u11a8 \u0b95\u0bc6\u0bbe",
    "control\x00\x01\x0b\x1f\x7f characters\r",
    "▁lower ▁▁one eighth block ▁",
    "𝔘𝔫𝔦𝔳𝔢𝔯𝔰𝔞𝔩 ⓓⓔⓒ ǆ ĳ ſ ŉ",
    "ꤊꤢꤛꤢ ߊߋ 𞤀𞤁 unknown scripts ⵣ",
    "",
    " ",
]


def sentencepiece_ids(folder: Path, lines: list[str]) -> list[list[int]]:
    """SentencePiece's own ids in fairseq's order: one more, and 3 where SentencePiece has 0, the unknown."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / MODEL_FILE))
    return [[index + 1 if index else 3 for index in processor.encode(line)] for line in lines]


def test_ids_are_sentencepieces_own(tiny_tokenizer_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_tokenizer_folder)
    assert type(tokenizer).__name__.startswith("XLMRobertaTokenizer")
    lines = NASTY_LINES + [line for _, line in corpus_lines()]
    for line, expected in zip(lines, sentencepiece_ids(tiny_tokenizer_folder, lines)):
        assert tokenizer(line, add_special_tokens=False)["input_ids"] == expected, ascii(line)
        assert tokenizer(line)["input_ids"] == [0, *expected, 2]


def test_the_stock_character_map_would_fail_on_these_lines() -> None:
    """Guards the test above: the map of `nmt_nfkc` itself gives other text in the same pipeline."""
    buffer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(line for _, line in corpus_lines("eng_Latn")),
        model_writer=buffer,
        vocab_size=80,
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    spec = sentencepiece_model_pb2.ModelProto.FromString(buffer.getvalue()).normalizer_spec
    fast = normalizers.Precompiled(spec.precompiled_charsmap)
    processor = sentencepiece.SentencePieceProcessor(model_proto=buffer.getvalue())
    differing = [
        line
        for line in NASTY_LINES
        if processor.normalize(line).replace("▁", " ").split() != fast.normalize_str(line).split()
    ]
    assert "e\u0323\u0301" in differing[1] and len(differing) >= 4


def test_normalization_rules_fold_what_nmt_nfkc_folds_one_character_at_a_time() -> None:
    rules = normalization_rules()
    assert rules["Ａ"] == "A" and rules["\u00a0"] == " " and rules["ﬁ"] == "fi" and rules["\u0085"] == " "
    assert rules["\u200b"] == " " and rules["\x01"] == ""
    assert "\u200d" not in rules and "é" not in rules and "e\u0301" not in rules
    for character, replacement in rules.items():
        # Of Python's own NFKC, an independent table, at least for letters and digits.
        if len(character) == 1 and character.isalnum() and unicodedata.category(character) != "Lm":
            assert replacement == unicodedata.normalize("NFKC", character), ascii(character)


def test_layout_is_xlm_rs(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    assert len(tiny_tokenizer) == TINY_VOCAB_SIZE
    assert tiny_tokenizer.convert_tokens_to_ids(["<s>", "<pad>", "</s>", "<unk>"]) == [0, 1, 2, 3]
    assert tiny_tokenizer.mask_token_id == TINY_VOCAB_SIZE - 1
    first, second = (tiny_tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("human", "rights"))
    assert tiny_tokenizer("human", "rights")["input_ids"] == [0, *first, 2, 2, *second, 2]
    assert tiny_tokenizer.decode(tiny_tokenizer("All human beings")["input_ids"], skip_special_tokens=True) == (
        "All human beings"
    )


def test_saved_again_it_is_the_same_with_its_model_beside_it(tiny_tokenizer_folder: Path, tmp_path: Path) -> None:
    lines = NASTY_LINES + [line for _, line in corpus_lines()]
    tokenizer = load_tokenizer(tiny_tokenizer_folder)
    save_tokenizer(tokenizer, tmp_path / "once")
    save_tokenizer(load_tokenizer(tmp_path / "once"), tmp_path / "twice")
    again = load_tokenizer(tmp_path / "twice")
    assert again(lines)["input_ids"] == tokenizer(lines)["input_ids"]
    assert tokenizer_fingerprint(again) == tokenizer_fingerprint(tokenizer)
    assert sentencepiece_ids(tmp_path / "twice", lines) == sentencepiece_ids(tiny_tokenizer_folder, lines)


_READ = """
import json, sys
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer, save_tokenizer, tokenizer_fingerprint
source, target, lines = sys.argv[1], sys.argv[2], json.loads(sys.stdin.read())
tokenizer = load_tokenizer(source)
tokenizer.save_pretrained(target)
print(json.dumps([tokenizer_fingerprint(tokenizer), tokenizer(lines)["input_ids"]]))
"""


def test_the_other_stack_reads_and_writes_the_same_tokenizer(tiny_tokenizer_folder: Path, tmp_path: Path) -> None:
    here = Path(sys.prefix).name
    other = ROOT / (".venv" if here == ".venv-adapters" else ".venv-adapters") / "bin" / "python"
    if not other.is_file():
        pytest.skip(f"needs the other environment, {other} (make setup)")
    lines = NASTY_LINES + [line for _, line in corpus_lines()]
    tokenizer = load_tokenizer(tiny_tokenizer_folder)
    tokenizer.save_pretrained(tmp_path / "written_here")
    result = subprocess.run(
        [other, "-c", _READ, tmp_path / "written_here", tmp_path / "written_there"],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 0, result.stderr
    expected = [tokenizer_fingerprint(tokenizer), tokenizer(lines)["input_ids"]]
    assert json.loads(result.stdout.splitlines()[-1]) == expected
    back = load_tokenizer(tmp_path / "written_there")
    assert [tokenizer_fingerprint(back), back(lines)["input_ids"]] == expected


@pytest.mark.slow
def test_ids_are_sentencepieces_own_on_every_line_of_457_language_scripts(shared_data: Path, tmp_path: Path) -> None:
    files = sorted((shared_data / "udhr").glob("*.txt"))
    rows = [
        {"text": line, "language": file.stem}
        for file in files
        for line in file.read_bytes().decode().split("\n")
        if line
    ]
    assert len(rows) > 40_000
    train_tokenizer(rows, tmp_path, vocab_size=8000, input_sentence_size=8000)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    codes = [*range(1, 0xD800), *range(0xE000, 0x32400), *range(0xE0000, 0xE0200)]
    lines = [row["text"] for row in rows]
    lines += [unicodedata.normalize(form, line) for line in lines[::5] for form in ("NFD", "NFKD")]
    lines += [f"a{character}b {character}" for character in map(chr, codes)]
    ids = tokenizer(lines, add_special_tokens=False)["input_ids"]
    expected = sentencepiece_ids(tmp_path, lines)
    assert [ascii(line) for line, a, b in zip(lines, ids, expected) if a != b] == []


def test_the_same_text_gives_the_same_bytes_in_any_order_of_languages(tmp_path: Path) -> None:
    rows = [{"text": line, "language": code} for code, line in corpus_lines("eng_Latn", "ell_Grek", "hin_Deva")]
    other_order = sorted(rows, key=lambda row: row["language"], reverse=True)
    assert other_order[0] != rows[0]
    contents = []
    for name, given in (("one", rows), ("two", rows), ("three", other_order)):
        train_tokenizer(given, tmp_path / name, vocab_size=200, character_coverage=0.98, num_threads=1)
        contents.append({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1] == contents[2]
    assert all(str(tmp_path).encode() not in content for content in contents[0].values())


def test_scores_add_exactly_in_single_precision(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    state = json.loads(tiny_tokenizer.backend_tokenizer.to_str())
    scores = [score for _, score in state["model"]["vocab"]]
    assert len(set(scores)) > 50
    assert all(score * 64 == int(score * 64) for score in scores)


def test_fingerprint_sees_every_part_that_decides_on_ids(tiny_tokenizer_folder: Path, tmp_path: Path) -> None:
    state = json.loads((tiny_tokenizer_folder / "tokenizer.json").read_text(encoding="utf-8"))
    original = tokenizer_fingerprint(load_tokenizer(tiny_tokenizer_folder))

    def fingerprint(change: Callable[[dict[str, Any]], None]) -> str:
        copy = json.loads(json.dumps(state))
        change(copy)
        folder = tmp_path / "changed"
        folder.mkdir(exist_ok=True)
        (folder / "tokenizer.json").write_text(json.dumps(copy), encoding="utf-8")
        settings = (tiny_tokenizer_folder / "tokenizer_config.json").read_text(encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(settings, encoding="utf-8")
        return tokenizer_fingerprint(load_tokenizer(folder))

    vocabulary = state["model"]["vocab"]
    assert fingerprint(lambda copy: None) == original
    changes = [
        fingerprint(lambda copy: copy["model"]["vocab"][100].__setitem__(0, "▁piece")),
        fingerprint(lambda copy: copy["model"]["vocab"][100].__setitem__(1, vocabulary[100][1] - 1 / 64)),
        fingerprint(lambda copy: copy["model"]["vocab"].insert(100, copy["model"]["vocab"].pop(101))),
        fingerprint(lambda copy: copy.update(normalizer=None)),
    ]
    assert len({original, *changes}) == 5


def test_fingerprint_ignores_what_does_not_decide_on_ids(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    original = tokenizer_fingerprint(tiny_tokenizer)
    tiny_tokenizer(["some text", "some more text"], padding=True, truncation=True, max_length=4)
    tiny_tokenizer.model_max_length = 77
    tiny_tokenizer.padding_side = "left"
    assert tokenizer_fingerprint(tiny_tokenizer) == original
    tiny_tokenizer.add_tokens(["Wasserfall"])
    assert tokenizer_fingerprint(tiny_tokenizer) != original


def test_fingerprints_of_wordpiece_and_bpe(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b"]))
    cased, uncased = (BertTokenizerFast.from_pretrained(tmp_path, do_lower_case=lower) for lower in (False, True))
    assert len({tokenizer_fingerprint(cased), tokenizer_fingerprint(uncased)}) == 2
    cased.save_pretrained(tmp_path / "saved")
    assert tokenizer_fingerprint(AutoTokenizer.from_pretrained(tmp_path / "saved")) == tokenizer_fingerprint(cased)

    fingerprints = set()
    for merges in ([("a", "b"), ("ab", "c")], [("b", "c"), ("a", "bc")]):
        vocabulary = {token: index for index, token in enumerate(["a", "b", "c", "ab", "bc", "abc", "<unk>"])}
        backend = Tokenizer(models.BPE(vocabulary, merges))
        backend.normalizer, backend.pre_tokenizer = normalizers.NFC(), pre_tokenizers.Whitespace()
        fingerprints.add(tokenizer_fingerprint(PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")))
    assert len(fingerprints) == 2


def test_errors_say_what_is_needed(tmp_path: Path) -> None:
    lines = [line for _, line in corpus_lines("eng_Latn")]
    with pytest.raises(ValueError, match="holds no tokenizer.*hf-mplm tokenizer train"):
        load_tokenizer(tmp_path)
    with pytest.raises(ValueError, match=r"nobody/nothing.*tokenizer\.json"):
        load_tokenizer("nobody/nothing")
    with pytest.raises(ValueError, match="no text"):
        train_tokenizer([" ", "\n", ""], tmp_path / "x", vocab_size=100)
    with pytest.raises(ValueError, match=r"too large for this text: give --vocab_size \d+ or less"):
        train_tokenizer(lines, tmp_path / "x", vocab_size=5000)
    with pytest.raises(ValueError, match=r"too small for the characters of this text: give --vocab_size \d+ or more"):
        train_tokenizer(lines, tmp_path / "x", vocab_size=20)
    with pytest.raises(ValueError, match=r"0\.98 to 1"):
        train_tokenizer(lines, tmp_path / "x", vocab_size=100, character_coverage=0.5)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("too", ["large", "small"])
def test_the_vocabulary_size_that_an_error_names_works(too: str, tmp_path: Path) -> None:
    lines = [line for _, line in corpus_lines("eng_Latn", "deu_Latn")]
    with pytest.raises(ValueError, match=too) as refused:
        train_tokenizer(lines, tmp_path, vocab_size=5000 if too == "large" else 20, num_threads=1)
    named = int(str(refused.value).split("--vocab_size ")[1].split()[0])
    assert len(train_tokenizer(lines, tmp_path, vocab_size=named, num_threads=1)) == named


def test_long_lines_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = [line for _, line in corpus_lines("eng_Latn")]
    with caplog.at_level("INFO", logger="hf_mplm.data.tokenizing.tokenizers"):
        tokenizer = train_tokenizer([*lines, "ꙮ" * 1000], tmp_path, vocab_size=90, max_sentence_length=500)
    assert "1 sentences of more than 500 bytes were left out" in caplog.text
    assert "training on 10 sentences" in caplog.text
    assert tokenizer.unk_token_id in tokenizer("ꙮ")["input_ids"]


DAMAGE = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "no object": lambda data: b"[]",
    "null": lambda data: b"null",
    "deep": lambda data: b"[" * 100_000,
    "digits": lambda data: b'{"a": ' + b"1" * 5000 + b"}",
    "no text": lambda data: b"\xff\xfe\0",
}


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", MODEL_FILE])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_of_a_tokenizer_is_named(
    name: str, damage: str, tiny_tokenizer_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_tokenizer_folder, tmp_path / "tokenizer")
    (folder / name).write_bytes(DAMAGE[damage]((folder / name).read_bytes()))
    with pytest.raises(DamagedError, match=rf"^damaged: .*{name}: it ") as error:
        load_tokenizer(folder)
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


def test_wrong_types_in_a_tokenizer_are_one_line(tiny_tokenizer_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_tokenizer_folder, tmp_path / "tokenizer")
    draw = random.Random(0)
    refused = 0
    for _ in range(25):
        name = draw.choice(["tokenizer.json", "tokenizer_config.json"])
        whole = (tiny_tokenizer_folder / name).read_text(encoding="utf-8")
        state = json.loads(whole)
        place = state
        while True:
            key = draw.choice(list(place) if isinstance(place, dict) else range(min(3, len(place))))
            if not isinstance(place[key], (dict, list)) or not place[key] or draw.random() < 0.3:
                break
            place = place[key]
        place[key] = draw.choice([None, 5, -1, "x", [], {}, True, [[]], 1e9])
        (folder / name).write_text(json.dumps(state), encoding="utf-8")
        try:
            tokenizer_fingerprint(load_tokenizer(folder))
        except (ValueError, OSError) as error:
            refused += 1
            assert str(folder) in str(error) and "\n" not in str(error)
        (folder / name).write_text(whole, encoding="utf-8")
    assert refused > 8


def test_bits_that_flip_in_a_sentencepiece_model_are_no_traceback(tiny_tokenizer_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_tokenizer_folder, tmp_path / "tokenizer")
    (folder / "tokenizer.json").unlink()
    draw = random.Random(0)
    refused = 0
    for _ in range(6):
        data = bytearray((tiny_tokenizer_folder / MODEL_FILE).read_bytes())
        for _ in range(400):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        (folder / MODEL_FILE).write_bytes(data)
        try:
            tokenizer_fingerprint(load_tokenizer(folder))
        except (ValueError, OSError) as error:
            refused += 1
            assert str(error).startswith(f"damaged: {folder}")
    assert refused
