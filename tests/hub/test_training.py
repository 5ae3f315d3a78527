"""`Trainer(push_to_hub=True)`: what it publishes, against the loopback Hub."""

from __future__ import annotations

import json
from pathlib import Path

from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from tests.fixtures import tiny_xlm_roberta
from tests.trainers.helpers import make_trainer

from .pushing import finish, start
from .server import Fault, LoopbackHub


TRAIN = """
import json, sys
from pathlib import Path
from tests.fixtures import build_tiny_tokenizer, tiny_xlm_roberta
from tests.trainers.helpers import CODES, make_trainer
from hf_mplm.modeling import XLMRobertaForLangScriptMLM
out = Path(sys.argv[1])
tokenizer = build_tiny_tokenizer(out / "tokenizer")
tiny_xlm_roberta(len(tokenizer)).save_pretrained(out / "start")
model = XLMRobertaForLangScriptMLM.from_encoder(out / "start", CODES)
settings = {"push_to_hub": True, "hub_strategy": "every_save", "hub_revision": "training", "save_strategy": "steps"}
trainer = make_trainer(model, tokenizer, out / "run", save_steps=2, max_steps=4, save_total_limit=1, **settings)
# Trainer's own ways of uploading must not be reached.
import huggingface_hub
huggingface_hub.HfApi.upload_folder = huggingface_hub.HfApi.upload_file = None
(out / "run").mkdir(exist_ok=True)
(out / "run" / "notes-private.txt").write_text("mine")
trainer.train()
trainer.save_finished(license="mit")
pushed = trainer.push_to_hub(revision="main", license="mit")
print(json.dumps({"id": trainer.hub_model_id, "commit": pushed.commit}))
"""


def test_every_save_and_the_end_are_published_without_what_resumes(tmp_path: Path) -> None:
    with LoopbackHub() as hub:
        # The first push of a checkpoint fails for good, and training goes on.
        hub.faults.append(Fault("POST", "/commit/", 401))
        status, out, err = finish(start(hub, tmp_path, "-c", TRAIN, str(tmp_path)))
        assert status == 0, err[-3000:]
        told = json.loads(out.splitlines()[-1])
        assert told["id"] == "somebody/run"
        assert "step 2 was not published" in err
        messages = hub.repositories["model", "somebody/run"].messages
        training = [messages[oid] for oid in hub.history("somebody/run", "training")]
        assert training == ["Upload the trained model", "Upload step 4", "initial commit"]
        assert hub.history("somebody/run")[0] == told["commit"]
        for branch in ("training", "main"):
            for oid in hub.history("somebody/run", branch)[:-1]:
                files = hub.files("somebody/run", oid)
                assert {"model.safetensors", "langscript.py", "encoder/config.json", "hf_mplm.json"} <= set(files)
                assert not [name for name in files if name.endswith((".pt", ".pth", ".bin", ".txt"))]
                record = json.loads(files["hf_mplm.json"])
                assert record["trainer"] == "MaskedLMTrainer" and record["arguments"]["max_steps"] == 4
                assert record["languages"]["deu_Latn"]["draws"] > 0 and record["steps"] in (2, 4)
                everything = b"".join(content for name, content in files.items() if not name.endswith("safetensors"))
                assert b"# run" in files["README.md"] and b"<svg" in files["loss.svg"]
                assert b"](loss.svg)" in files["README.md"] and record["card"]["template"] == "pretrain"
                assert str(tmp_path).encode() not in everything and b"hub_" not in files["training_args.json"]
        card = hub.files("somebody/run")["README.md"].decode()
        assert 'from_pretrained("somebody/run")' in card and "license: mit" in card and "| German | deu_Latn |" in card
        assert "continues the pretraining of `start`" in card


def test_arguments_that_nobody_gave_are_not_told(tmp_path: Path, tiny_tokenizer_folder: Path) -> None:
    tokenizer = load_tokenizer(tiny_tokenizer_folder)
    model = tiny_xlm_roberta(len(tokenizer))
    trainer = make_trainer(model, tokenizer, tmp_path / "run", data_seed=0, warmup_steps=3, adam_beta2=0.98)
    told = trainer._changed_arguments()
    assert told["data_seed"] == 0 and told["warmup_steps"] == 3 and told["adam_beta2"] == 0.98
    assert told["use_cpu"] is True and told["learning_rate"] == 1e-2
    assert not {"accelerator_config", "debug", "gradient_checkpointing", "weight_decay", "seed_of"} & set(told)
