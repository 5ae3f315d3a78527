from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, BertModel, XLMRobertaModel

from hf_mplm.cli.main import main
from hf_mplm.data.tokenizing.tokenizers import tokenizer_fingerprint
from hf_mplm.trainers.vocabulary import extension
from tests.data.tokenizing.kinds import word_piece
from tests.fixtures import corpus_lines, tiny_bert, tiny_xlm_roberta


TRAIN = ["tokenizer", "train", "--vocab_size", "190", "--character_coverage", "0.98", "--num_threads", "1"]


def test_train_writes_a_tokenizer_and_says_where(
    tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "tokenizer"
    languages = ["--languages", "eng_Latn", "rus_Cyrl", "arb_Arab"]
    assert main([*TRAIN, "--corpus", str(tiny_corpus), "--output", str(output), *languages]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    tokenizer = AutoTokenizer.from_pretrained(output)
    assert len(tokenizer) == 190
    assert last == (f"Tokenizer with 190 entries (fingerprint {tokenizer_fingerprint(tokenizer)}) written to {output}")
    # Three languages were read, and no other: their letters are known, Thai ones are not.
    assert tokenizer.unk_token_id not in tokenizer("human rights права")["input_ids"]
    assert tokenizer.unk_token_id in tokenizer("มนุษย์")["input_ids"]


@pytest.mark.slow
def test_the_same_command_gives_the_same_bytes(tiny_corpus: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        command = [*TRAIN, "--corpus", str(tiny_corpus), "--output", str(folder), "--input_sentence_size", "100"]
        assert main([*command, "--languages", "deu_Latn", "ell_Grek", "swh_Latn"]) == 0
    first, second = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders)
    assert first == second
    files = {"sentencepiece.bpe.model", "tokenizer.json", "tokenizer_config.json"}
    assert set(first) == files | {"tokenizer_training.json", "digests.json"}


def test_extend_grows_model_and_tokenizer_together(
    tiny_corpus: Path, tiny_tokenizer_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, added, output = tmp_path / "base", tmp_path / "added", tmp_path / "output"
    tokenizer = AutoTokenizer.from_pretrained(tiny_tokenizer_folder)
    tokenizer.save_pretrained(base)
    model = tiny_xlm_roberta(len(tokenizer))
    encoder = XLMRobertaModel(model.config)  # a checkpoint as published: with a pooler that the masked-LM class drops
    pooler = {f"roberta.pooler.{name}": value for name, value in encoder.pooler.state_dict().items()}
    model.save_pretrained(base, state_dict={**model.state_dict(), **pooler})
    corpus = ["--corpus", str(tiny_corpus), "--languages", "eng_Latn", "kat_Geor"]
    assert main([*TRAIN, *corpus, "--output", str(added)]) == 0
    capsys.readouterr()

    assert main(["tokenizer", "extend", "--model", str(base), "--tokenizer", str(added), "--output", str(output)]) == 0

    printed = capsys.readouterr().out.splitlines()
    new_tokenizer = AutoTokenizer.from_pretrained(output)
    assert len(new_tokenizer) > len(tokenizer)
    assert printed[-2] == (
        f"<mask> moved from id {tokenizer.mask_token_id} to {new_tokenizer.mask_token_id}, and its learned row with it"
    )
    assert printed[-1].endswith(f"{len(new_tokenizer) - len(tokenizer)} of them new, written to {output}")
    grown, report = AutoModelForMaskedLM.from_pretrained(output, output_loading_info=True)
    assert not report["missing_keys"]
    rows, old_rows = grown.get_input_embeddings().weight, model.get_input_embeddings().weight
    assert len(rows) == grown.config.vocab_size == len(new_tokenizer)
    assert torch.equal(rows[new_tokenizer.mask_token_id], old_rows[tokenizer.mask_token_id])
    assert torch.equal(rows[: tokenizer.mask_token_id], old_rows[: tokenizer.mask_token_id])
    loaded, report = AutoModel.from_pretrained(output, output_loading_info=True)
    assert not report["missing_keys"]
    assert torch.equal(loaded.pooler.dense.weight, encoder.pooler.dense.weight)
    english = [line for _, line in corpus_lines("eng_Latn")]
    assert sum(map(len, new_tokenizer(english)["input_ids"])) < sum(map(len, tokenizer(english)["input_ids"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--corpus", "nowhere/at/all", "--output", "x", "--vocab_size", "500"], "nowhere/at/all"),
        (["extend", "--model", "nowhere/at/all", "--tokenizer", "y", "--output", "x"], "tokenizer.json"),
    ],
)
def test_errors_name_what_is_missing(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["tokenizer", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_headless_checkpoint_and_the_models_own_folder_are_refused(
    tiny_tokenizer_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "base"
    tokenizer = AutoTokenizer.from_pretrained(tiny_tokenizer_folder)
    tokenizer.save_pretrained(base)
    XLMRobertaModel(tiny_xlm_roberta(len(tokenizer)).config).save_pretrained(base)
    command = ["tokenizer", "extend", "--model", str(base), "--tokenizer", str(tiny_tokenizer_folder), "--output"]
    assert main([*command, str(tmp_path / "output")]) == 2
    assert "no masked-LM checkpoint" in capsys.readouterr().err
    assert main([*command, str(base)]) == 2
    assert "--output is the folder of --model" in capsys.readouterr().err


def test_help_lists_actions_and_flags(capsys: pytest.CaptureFixture[str]) -> None:
    for argv, expected in ((["--help"], "extend"), (["train", "--help"], "--character_coverage")):
        with pytest.raises(SystemExit) as stopped:
            main(["tokenizer", *argv])
        assert stopped.value.code == 0
        assert expected in capsys.readouterr().out


def test_trim_cuts_model_and_tokenizer_together(
    tiny_corpus: Path, tiny_tokenizer_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, output = tmp_path / "base", tmp_path / "trimmed"
    tokenizer = AutoTokenizer.from_pretrained(tiny_tokenizer_folder)
    tokenizer.save_pretrained(base)
    tiny_xlm_roberta(len(tokenizer)).save_pretrained(base)
    command = ["tokenizer", "trim", "--model", str(base), "--corpus", str(tiny_corpus), "--output", str(output)]
    command += ["--languages", "deu_Latn", "rus_Cyrl"]
    assert main(command) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed if line.startswith(("deu", "rus"))] == ["deu_Latn", "rus_Cyrl"]
    assert printed[-1] == f"Model and tokenizer written to {output}"
    small, whole = AutoTokenizer.from_pretrained(output), AutoModelForMaskedLM.from_pretrained(base)
    model = AutoModelForMaskedLM.from_pretrained(output)
    assert model.config.vocab_size == len(small) < len(tokenizer)
    lines = [line for _, line in corpus_lines("deu_Latn")][:4]
    with torch.no_grad():
        states = [
            one.base_model(**cut(lines, return_tensors="pt", padding=True)).last_hidden_state
            for one, cut in ((whole.eval(), tokenizer), (model.eval(), small))
        ]
    assert torch.equal(*states)
    # The same command takes what stands there; another one is refused, and does it anew when told so.
    before = (output / "model.safetensors").stat().st_mtime_ns
    assert main(command) == 0 and (output / "model.safetensors").stat().st_mtime_ns == before
    assert main([*command, "--min_count", "3"]) != 0
    assert "min_count" in capsys.readouterr().err
    assert main([*command, "--min_count", "3", "--overwrite"]) == 0
    assert len(AutoTokenizer.from_pretrained(output)) < len(small)


@pytest.mark.parametrize("initialization", ["subwords", "similar"])
def test_extend_learns_from_a_corpus(
    initialization: str, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, output = tmp_path / "base", tmp_path / "grown"
    tokenizer = word_piece([line for _, line in corpus_lines("eng_Latn", "deu_Latn")], tmp_path / "pieces")
    tokenizer.save_pretrained(base)
    tiny_bert(len(tokenizer)).save_pretrained(base)
    command = ["tokenizer", "extend", "--model", str(base), "--output", str(output)]
    assert main(command) != 0
    assert "--corpus DIR" in capsys.readouterr().err
    command += ["--corpus", str(tiny_corpus), "--languages", "kat_Geor,deu_Latn", "--initialization", initialization]
    assert main(command) != 0
    assert "--max_new_pieces" in capsys.readouterr().err
    assert main([*command, "--max_new_pieces", "100"]) == 0
    grown = AutoTokenizer.from_pretrained(output)
    assert len(grown) == len(tokenizer) + 100
    line = next(line for _, line in corpus_lines("kat_Geor"))
    assert tokenizer.unk_token_id in tokenizer(line)["input_ids"]
    assert grown.unk_token_id not in grown(line)["input_ids"]
    assert AutoModelForMaskedLM.from_pretrained(output).config.vocab_size == len(grown)


@pytest.mark.parametrize("verb", ["extend", "trim"])
def test_an_encoder_without_its_head_is_grown_and_cut_and_stays_one(
    verb: str, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, output = tmp_path / "base", tmp_path / "output"
    lines = [line for _, line in corpus_lines("eng_Latn", "deu_Latn")]
    tokenizer = word_piece(lines, tmp_path / "pieces")
    tokenizer.save_pretrained(base)
    torch.manual_seed(0)
    encoder = BertModel(tiny_bert(len(tokenizer)).config).eval()
    encoder.save_pretrained(base)
    command = ["tokenizer", verb, "--model", str(base), "--corpus", str(tiny_corpus), "--output", str(output)]
    command += ["--languages", "kat_Geor"] if verb == "extend" else ["--languages", "deu_Latn"]
    command += ["--max_new_pieces", "50"] if verb == "extend" else []
    assert main(command) == 2
    assert "give --new_lm_head" in capsys.readouterr().err
    assert main([*command, "--new_lm_head"]) == 0
    printed = capsys.readouterr().out
    made, report = AutoModel.from_pretrained(output, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    new = AutoTokenizer.from_pretrained(output)
    assert made.config.vocab_size == len(new) != len(tokenizer)
    assert made.config.architectures == ["BertModel"]
    assert torch.equal(made.pooler.dense.weight, encoder.pooler.dense.weight)
    # Text of kept subwords has the states that it had.
    line = next(line for _, line in corpus_lines("deu_Latn"))
    with torch.no_grad():
        states = [
            one(**cut([line], return_tensors="pt")).last_hidden_state
            for one, cut in ((encoder, tokenizer), (made, new))
        ]
    assert torch.equal(*states)
    if verb == "trim":
        # Without the head, which is not there, and the pooler, which is kept and not used.
        size = sum(value.numel() for name, value in made.named_parameters() if not name.startswith("pooler"))
        assert f"million parameters {size / 1e6:.1f} million" in printed
        assert json.loads((output / "trimming_report.json").read_text())["parameters_after"] == size
    # One that has its head keeps it, and the flag is refused.
    tiny_bert(len(tokenizer)).save_pretrained(base)
    assert main([*command, "--new_lm_head", "--overwrite"]) == 2
    assert "has an LM head already" in capsys.readouterr().err


def test_the_learner_of_pieces_is_told_the_languages(
    tiny_corpus: Path, tiny_tokenizer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it can balance them where it has to draw."""
    base = tmp_path / "base"
    tokenizer = AutoTokenizer.from_pretrained(tiny_tokenizer_folder)
    tokenizer.save_pretrained(base)
    tiny_xlm_roberta(len(tokenizer)).save_pretrained(base)
    learn, seen = extension.train_tokenizer, []

    def watching(rows, *args, **kwargs):
        seen.extend(rows)
        return learn(seen, *args, **kwargs)

    monkeypatch.setattr(extension, "train_tokenizer", watching)
    command = ["tokenizer", "extend", "--model", str(base), "--corpus", str(tiny_corpus), "--num_threads", "1"]
    command += ["--languages", "eng_Latn,kat_Geor", "--max_new_pieces", "80", "--output", str(tmp_path / "grown")]
    assert main(command) == 0
    assert {row["language"] for row in seen} == {"eng_Latn", "kat_Geor"}
