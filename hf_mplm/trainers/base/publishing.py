"""What a trainer tells of a run in `hf_mplm.json`, and publishing its checkpoints on the Hub."""

from __future__ import annotations

import dataclasses
import logging
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi

from hf_mplm._version import __version__
from hf_mplm.data.store.shares import language_sizes
from hf_mplm.jobs.files import write_json

from .processes import hold_output
from .resumable import ResumableTrainer


__all__ = ["PublishingTrainer", "sparing_training"]

logger = logging.getLogger(__name__)

RECORD_FILE = "hf_mplm.json"
# Arguments that Trainer fills in where nobody gave them.
_FILLED_IN = ("accelerator_config",)


class PublishingTrainer(ResumableTrainer):
    """Publishes finished folders, by the same code as `hf-mplm push`.

    With `push_to_hub=True` the finished model goes to the Hub when it is saved; with `hub_strategy="every_save"` each
    checkpoint does, too, once it stands under its name, without what resumes a run. `hub_revision` names the branch.
    Trainer's own upload would copy weights without their code, pickle its arguments, and read in the background a
    folder that is being renamed: it is never reached.
    """

    # Set by those that know their data.
    store: Any = None
    languages: list[str]
    hub_model_id: Any
    recipe: str | None = None
    """The recipe that the command line named, for the card."""

    # Overridden to find out whose repository it is, before anything is trained; it is made by the first push.
    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Find the repository's full name.

        Args:
            token (`str`, *optional*): of the Hub.
            private (`bool`, *optional*): not used.

        Raises:
            ValueError: if the Hub does not know who asks.
        """
        if not self.is_world_process_zero():
            return
        name = self.args.hub_model_id or Path(self.args.output_dir).resolve().name
        self.hub_model_id = name if "/" in name else f"{_owner(token or self.args.hub_token)}/{name}"

    # Overridden because checkpoints are published once they are whole: see `_finish_checkpoint`.
    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        return

    def told_of_card(self, **card: Any) -> dict[str, Any]:
        """What a card is told beside what lies in the folder; nothing here, trainers of methods tell something."""
        return {}

    def _finish_checkpoint(self, written: Path, final: Path) -> None:
        with sparing_training("the record of a checkpoint"):
            self.write_record(written, **self.told_of_card())
        super()._finish_checkpoint(written, final)
        strategy = str(getattr(self.args.hub_strategy, "value", self.args.hub_strategy))
        if self.args.push_to_hub and strategy == "every_save":
            try:
                self._publish(final, f"Upload step {self.state.global_step:,}")
            except Exception as error:  # hours of training do not end because the Hub does not answer
                logger.warning("step %d was not published: %s", self.state.global_step, error)

    def save_finished(self, **card: Any) -> None:
        """As [`ResumableTrainer.save_finished`], and published with `push_to_hub=True`.

        Args:
            **card: as for `create_model_card`.
        """
        super().save_finished(**card)
        if self.args.push_to_hub and self.is_world_process_zero():
            self._publish(Path(self.args.output_dir), "Upload the trained model")
        self.accelerator.wait_for_everyone()

    def push_to_hub(
        self,
        commit_message: str | None = "End of training",
        blocking: bool = True,
        token: str | None = None,
        revision: str | None = None,
        private: bool | None = None,
        **card: Any,
    ) -> Any:
        """Save the model with its card, and publish it; see [`~hf_mplm.hub.publish`].

        Args:
            commit_message (`str`, *optional*): of the commit.
            blocking (`bool`, *optional*, defaults to `True`): it is always waited for.
            token (`str`, *optional*): of the Hub; `hub_token`, or the one that is logged in by default.
            revision (`str`, *optional*): the branch; `hub_revision`, or `main` by default.
            private (`bool`, *optional*): of a new repository; `hub_private_repo` by default.
            **card: as for `create_model_card`: `model_name`, `finetuned_from`, `license`, `tags`.

        Returns:
            [`~hf_mplm.hub.publish_commit.Pushed`]: the commit; `None` in other processes than the first.
        """
        with hold_output(self.args.output_dir, "publishing"):
            pass
        if getattr(self, "hub_model_id", None) is None:
            self.init_hf_repo(token=token)
        super().save_finished(**card)
        if not self.is_world_process_zero():
            return None
        return self._publish(
            Path(self.args.output_dir),
            commit_message or "Upload the trained model",
            token=token,
            revision=revision,
            private=private,
        )

    def _publish(self, folder: Path, message: str, **changes: Any) -> Any:
        from hf_mplm.hub.publishing import publish

        settings = {
            "token": self.args.hub_token,
            "revision": getattr(self.args, "hub_revision", None) or "main",
            "private": self.args.hub_private_repo,
            **{name: value for name, value in changes.items() if value is not None},
        }
        pushed = publish(folder, str(self.hub_model_id), message=message, **settings)
        logger.info("published %s: %s", folder, pushed.url)
        return pushed

    def write_record(self, folder: Path, **card: Any) -> None:
        """Write `hf_mplm.json`: by what, from what and how a model was made, and what its card is drawn from.

        Args:
            folder (`Path`): with a saved model.
            **card: what the card was told: `base_model`, `license`, `tags`, `paper`, `template`, `facts`.
        """
        from hf_mplm.hub.publish_privacy import without_places, without_run_settings
        from hf_mplm.hub.publish_record import git_revision, package_versions

        info = getattr(self.store, "info", None) or {}
        record = {
            "hf_mplm": __version__,
            "git": git_revision(),
            "packages": package_versions(),
            "trainer": type(self).__name__,
            "steps": self.state.global_step,
            "resumed_at": self._start_step or None,
            "recipe": self.recipe,
            "arguments": without_run_settings(self._changed_arguments()),
            "origin": self.origin,
            "corpora": _corpora(info),
            "sources": info.get("sources"),
            "languages": self._languages(info),
            "hardware": hardware(),
            "processes": self.args.world_size,
            "seconds": _last(self.state.log_history, "train_runtime"),
            "energy_kwh": self._energy(),
            "card": {name: value for name, value in card.items() if value},
        }
        write_json(folder / RECORD_FILE, without_places({k: v for k, v in record.items() if v not in (None, [], {})}))

    def _changed_arguments(self) -> dict[str, Any]:
        """Arguments that differ from their defaults."""
        # Not by making others, whose `__post_init__` would reset accelerate's state in the middle of training.
        plain = {
            field.name: field.default_factory() if callable(field.default_factory) else field.default
            for field in dataclasses.fields(self.args)
        }
        return {
            name: value
            for name, value in self.args.to_dict().items()
            if name in plain
            and name not in _FILLED_IN
            and _given(getattr(plain[name], "value", plain[name])) != _given(value)
            and isinstance(value, str | int | float | bool | list | dict)
        }

    def _languages(self, info: Mapping[str, Any]) -> dict[str, dict[str, int | float]]:
        """Each language's sizes, where the store tells them, and chunks drawn."""
        counted = info.get("languages") or {}
        drawn: Any = getattr(self, "draws_per_language", lambda: [])()
        found: dict[str, dict[str, int | float]] = {}
        for code, draws in zip(getattr(self, "languages", []), drawn):
            found[code] = {**language_sizes(counted.get(code) or {}), "draws": int(draws)}
        return found

    def _energy(self) -> float | None:
        """What CodeCarbon's callback measured, in kWh."""
        for callback in self.callback_handler.callbacks:
            measured = getattr(getattr(callback, "tracker", None), "final_emissions_data", None)
            if (energy := getattr(measured, "energy_consumed", None)) is not None:
                return float(energy)
        return None


@contextmanager
def sparing_training(what: str) -> Iterator[None]:
    """Tell of an error in what people read about a model, and go on: hours of training do not end with it.

    Args:
        what (`str`): what is written, as the warning names it.
    """
    try:
        yield
    except Exception as error:
        logger.warning("%s was not written: %s: %s", what, type(error).__name__, error)


def hardware() -> str:
    """The device that trains, as its maker calls it."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}"
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} threads"


def _given(value: Any) -> Any:
    """A value, or `None` for all that says as little: Trainer fills in `False` and `[]` for what nobody gave."""
    return None if value is False or value in ("", [], {}) else value


def _owner(token: str | None) -> str:
    try:
        return str(HfApi(token=token).whoami()["name"])
    except Exception as error:
        raise ValueError(
            f"the Hub does not say who you are ({type(error).__name__}), so that push_to_hub has no OWNER; log in by "
            "`hf auth login`, set HF_TOKEN, or give hub_model_id as OWNER/NAME"
        ) from error


def _corpora(info: Mapping[str, Any]) -> list[str]:
    """The corpora of a store, by name: the folders that its files were read from, or ids on the Hub."""
    files = (info.get("report") or {}).get("files") or {}
    return sorted({str(Path(str(file)).parent.name or file) for names in files.values() for file in names})


def _last(history: list[dict[str, Any]], key: str) -> Any:
    return next((entry[key] for entry in reversed(history) if key in entry), None)
