from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hf_mplm.trainers import find_last_checkpoint
from hf_mplm.trainers.base.checkpoints import what_is_missing
from tests.fixtures import tiny_xlm_roberta
from tests.processes import CONTEXT
from tests.trainers.helpers import largest_difference, make_trainer, weights


@pytest.fixture(scope="module")
def run(tiny_tokenizer_folder: Path) -> Callable[..., int]:
    """Runs `resume_worker.train` in a new process each time, forked from one that has imported everything."""

    def start(output: Path, workers: int, accumulation: int, **kill: int) -> int:
        from .resume_worker import train

        arguments = (str(tiny_tokenizer_folder), str(output), workers, accumulation)
        process = CONTEXT.Process(target=train, args=arguments, kwargs=kill)
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        return process.exitcode

    return start


@pytest.mark.parametrize(
    ("workers", "accumulation"),
    [(0, 1), (2, 2), pytest.param(0, 2, marks=pytest.mark.slow), pytest.param(2, 1, marks=pytest.mark.slow)],
)
def test_killed_and_resumed_is_the_run_that_was_not_killed(workers, accumulation, run, tmp_path):
    assert run(tmp_path / "whole", workers, accumulation) == 0
    generator, output = random.Random(10 * workers + accumulation), tmp_path / "killed"
    kills = [
        {"kill_step": generator.randint(3, 4)},
        {"kill_write": generator.randint(1, 9)},
        {"kill_write": generator.randint(1, 9)},
        {"kill_step": 7},
    ]
    killed = [run(output, workers, accumulation, **kill) for kill in kills]
    assert killed == [-signal.SIGKILL] * len(kills)
    assert run(output, workers, accumulation) == 0
    expected, found = (load_file(folder / "model.safetensors") for folder in (tmp_path / "whole", output))
    assert largest_difference(expected, found) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("workers", [0, 2])
def test_killed_at_every_write_of_a_checkpoint(workers, accumulation, run, tmp_path):
    assert run(tmp_path / "whole", workers, accumulation) == 0
    expected, output = load_file(tmp_path / "whole" / "model.safetensors"), tmp_path / "killed"
    for write in range(1, 12):
        run(output, workers, accumulation, kill_write=write)
        last = find_last_checkpoint(output)
        assert last is None or what_is_missing(last) is None
    assert run(output, workers, accumulation) == 0
    assert largest_difference(expected, load_file(output / "model.safetensors")) == 0.0


def save_some(tokenizer, folder, **settings):
    from tests.fixtures import tiny_xlm_roberta

    model = tiny_xlm_roberta(len(tokenizer), hidden_dropout_prob=0.1)
    return make_trainer(model, tokenizer, folder, save_strategy="steps", save_steps=2, **settings)


def test_without_the_random_state_the_weights_would_differ(tiny_tokenizer, tmp_path):
    """The comparison above must see a resume that is not exact."""
    whole = save_some(tiny_tokenizer, tmp_path / "whole", max_steps=4)
    whole.train()
    for forget in (False, True):
        folder = tmp_path / str(forget)
        first = save_some(tiny_tokenizer, folder, max_steps=4)
        first.args.save_total_limit = None
        first.train()
        (folder / "checkpoint-4" / "checkpoint.json").unlink()
        again = save_some(tiny_tokenizer, folder, max_steps=4)
        if forget:
            again._load_rng_state = lambda checkpoint: torch.manual_seed(0)
        again.train(resume_from_checkpoint=True)
        assert (largest_difference(weights(whole.model), weights(again.model)) > 0) is forget


def test_a_torn_checkpoint_is_reported_and_passed_over(tiny_tokenizer, tmp_path, caplog):
    save_some(tiny_tokenizer, tmp_path, max_steps=6).train()
    assert find_last_checkpoint(tmp_path).name == "checkpoint-6"
    with open(tmp_path / "checkpoint-6" / "optimizer.pt", "r+b") as file:
        file.truncate(100)
    (tmp_path / "checkpoint-4" / "rng_state.pth").unlink()
    (tmp_path / "_unfinished-checkpoint-8").mkdir()
    assert find_last_checkpoint(tmp_path).name == "checkpoint-2"
    for words in ("optimizer.pt has 100 bytes", "rng_state.pth is missing", "_unfinished-checkpoint-8"):
        assert words in caplog.text
    trainer = save_some(tiny_tokenizer, tmp_path, max_steps=6)
    with pytest.raises(ValueError, match="optimizer.pt has 100 bytes.*checkpoint-2"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-6"))
    trainer.train(resume_from_checkpoint=True)
    assert trainer.state.global_step == 6
    assert what_is_missing(tmp_path / "checkpoint-6") is None
    assert not list(tmp_path.glob("_unfinished*"))


def test_a_checkpoint_of_another_folder_is_refused(tiny_tokenizer, tmp_path):
    save_some(tiny_tokenizer, tmp_path / "one", max_steps=2).train()
    trainer = save_some(tiny_tokenizer, tmp_path / "two", max_steps=4)
    with pytest.raises(ValueError, match="its own output folder only.*--model"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "one" / "checkpoint-2"))
    with pytest.raises(ValueError, match="no whole checkpoint"):
        trainer.train(resume_from_checkpoint=True)


def test_resuming_replays_nothing_and_goes_on_with_another_batch_size(tiny_tokenizer, tmp_path):
    save_some(tiny_tokenizer, tmp_path, max_steps=2).train()
    seen = []
    trainer = save_some(tiny_tokenizer, tmp_path, max_steps=4, per_device_train_batch_size=3)
    collate = trainer.data_collator

    def spy(features):
        seen.extend(feature["draw"] for feature in features)
        return collate(features)

    trainer.data_collator = spy
    trainer.train(resume_from_checkpoint=True)
    assert seen == list(range(8, 14))


def test_the_best_checkpoint_has_its_final_name_and_stays(tiny_tokenizer, tmp_path):
    settings = {
        "eval_strategy": "steps",
        "eval_steps": 2,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": True,
        "load_best_model_at_end": True,
        "save_total_limit": 2,
    }
    trainer = save_some(tiny_tokenizer, tmp_path, max_steps=8, **settings)
    trainer.train()
    best = trainer.state.best_model_checkpoint
    assert Path(best).parent == tmp_path and what_is_missing(best) is None
    names = sorted(path.name for path in tmp_path.glob("checkpoint-*"))
    assert names == sorted(
        {Path(best).name, "checkpoint-8"} | ({"checkpoint-6"} if Path(best).name == "checkpoint-8" else set())
    )


def test_a_full_disk_names_the_last_good_checkpoint(tiny_tokenizer, tmp_path, monkeypatch):
    trainer = save_some(tiny_tokenizer, tmp_path, max_steps=4)
    real = torch.save

    def full(value, path, *args, **kwargs):
        if "checkpoint-4" in str(path):
            raise RuntimeError("PytorchStreamWriter failed writing file: No space left on device")
        return real(value, path, *args, **kwargs)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="checkpoint of step 4 could not be written.*No space left.*checkpoint-2"):
        trainer.train()
    assert find_last_checkpoint(tmp_path).name == "checkpoint-2"


@pytest.mark.parametrize("tied", [True, False])
def test_tied_weights_are_not_missed(tied, tiny_tokenizer, tmp_path, monkeypatch):
    """They are saved once, with the embeddings; untied, a lack of them is told."""
    import transformers.trainer

    told: list[str] = []
    monkeypatch.setattr(transformers.trainer.logger, "warning", lambda text, *args, **kwargs: told.append(text))
    model = tiny_xlm_roberta(len(tiny_tokenizer), tie_word_embeddings=tied)
    make_trainer(model, tiny_tokenizer, tmp_path, max_steps=1, save_strategy="steps", save_steps=1).train()
    checkpoint = tmp_path / "checkpoint-1"
    if not tied:
        kept = {
            name: value for name, value in load_file(checkpoint / "model.safetensors").items() if "decoder" not in name
        }
        trainer = make_trainer(model, tiny_tokenizer, tmp_path)
        trainer._issue_warnings_after_load(model.load_state_dict(kept, strict=False))
    else:
        make_trainer(model, tiny_tokenizer, tmp_path, max_steps=2).train(resume_from_checkpoint=checkpoint)
    assert any("missing keys" in text for text in told) != tied
