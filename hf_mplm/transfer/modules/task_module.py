"""A task's module: what it learnt above a frozen base, put on any encoder of that base, tuned or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm._lists import as_list
from hf_mplm.evaluation import get_task
from hf_mplm.evaluation.kinds.examples import Features, Scores
from hf_mplm.evaluation.kinds.finetuned import TransferTask
from hf_mplm.evaluation.kinds.finetuning import FineTuningSettings, predict
from hf_mplm.jobs.files import DamagedError

from .adapted_encoder import AdaptedEncoder
from .heads import head_weights, make_task_model, task_labels
from .record import ModuleRecord


if TYPE_CHECKING:
    from typing_extensions import Self


__all__ = ["TaskModule"]

_ADVICE = "Fetch or train the module again."


class TaskModule:
    """A task's small layers and its head. Both backends behave alike.

    ```python
    encoder = adapt_encoder(base.encoder, "peft")
    module = TaskModule.load("modules/pos", tokenizer, data_dir)
    module.attach(encoder)
    with module.active():
        scores = module.score(examples, module.features(examples), "swh_Latn")
    ```

    Args:
        task (`TransferTask`): the task, which knows how texts become rows, and predictions scores.
        record (`ModuleRecord`): what the module was made from.
        tokenizer (`PreTrainedTokenizerBase`): the base's tokenizer.
        data_dir (`Path`): the folder with one folder a benchmark.
        folder (`Path`, *optional*): where its weights are; a module that was never saved has none.
    """

    def __init__(
        self,
        task: TransferTask[Any],
        record: ModuleRecord,
        tokenizer: PreTrainedTokenizerBase,
        data_dir: Path,
        folder: Path | None = None,
    ) -> None:
        self.task, self.record, self.tokenizer, self.data_dir, self.folder = task, record, tokenizer, data_dir, folder
        self.settings = FineTuningSettings(**record.settings)
        self._encoder: AdaptedEncoder | None = None
        self._model: PreTrainedModel | None = None

    @property
    def name(self) -> str:
        """What its layers are called in an encoder."""
        return f"task_{self.record.name}"

    @property
    def model(self) -> PreTrainedModel:
        """The encoder with the head on it.

        Raises:
            RuntimeError: if the module is attached to no encoder.
        """
        if self._model is None:
            raise RuntimeError(f"the module of {self.record.name} is attached to no encoder; call attach(encoder)")
        return self._model

    @classmethod
    def load(cls, folder: str | Path, tokenizer: PreTrainedTokenizerBase, data_dir: str | Path) -> Self:
        """Open a module that [`save`] wrote. Its weights are read when it is attached.

        Args:
            folder (`str` or `Path`): where it was written.
            tokenizer (`PreTrainedTokenizerBase`): the base's tokenizer.
            data_dir (`str` or `Path`): the folder with one folder a benchmark.

        Returns:
            `TaskModule`: the module, attached to nothing.

        Raises:
            FileNotFoundError: if there is none.
            DamagedError: if its record cannot be read.
            ValueError: if it is no task's module, or its labels are not those of the data.
        """
        record = ModuleRecord.load(folder)
        if record.kind != "task":
            raise ValueError(f"{folder} holds the module of a {record.kind}, {record.name}; needed is one of a task")
        task: Any = get_task(record.name)
        labels = task_labels(task, Path(data_dir))
        if labels != record.labels:
            raise ValueError(
                f"the module in {folder} names the labels {', '.join(record.labels)}, and the data in {data_dir} "
                f"{', '.join(labels)}; give the data that it was trained on"
            )
        return cls(task, record, tokenizer, Path(data_dir), Path(folder))

    @classmethod
    def new(
        cls,
        task: TransferTask[Any],
        record: ModuleRecord,
        tokenizer: PreTrainedTokenizerBase,
        data_dir: Path,
        encoder: AdaptedEncoder,
    ) -> Self:
        """Draw an untrained module from the random state and attach it.

        Args:
            task (`TransferTask`): the task.
            record (`ModuleRecord`): what the module is made from.
            tokenizer (`PreTrainedTokenizerBase`): the base's tokenizer.
            data_dir (`Path`): the folder with one folder a benchmark.
            encoder (`AdaptedEncoder`): the base's encoder.

        Returns:
            `TaskModule`: the module.
        """
        module = cls(task, record, tokenizer, data_dir)
        module._model = make_task_model(task, encoder.encoder, data_dir)
        encoder.add(module.name, record.size)
        module._encoder = encoder
        return module

    def attach(self, encoder: AdaptedEncoder) -> None:
        """Put the module on an encoder, as it is. It changes nothing until it is active.

        Args:
            encoder (`AdaptedEncoder`): an encoder of the module's base, of the same backend.

        Raises:
            ValueError: if the encoder is of another backend or width.
            DamagedError: if the module's files are damaged.
        """
        if encoder.backend != self.record.backend:
            raise ValueError(
                f"the module of {self.record.name} is of --backend {self.record.backend}, and the encoder of "
                f"{encoder.backend}; all modules of a study are of one backend"
            )
        width = int(encoder.encoder.config.hidden_size)
        if width != self.record.hidden_size:
            self.record.refuse_other(self.record.base, width, self.folder or self.record.name)
        if self.folder is None or self._model is not None:
            raise RuntimeError(f"the module of {self.record.name} is attached already, or was never saved")
        model = make_task_model(self.task, encoder.encoder, self.data_dir)
        self._fill_head(model, encoder.load(self.folder, self.name))
        self._model, self._encoder = model, encoder

    def detach(self) -> None:
        """Take the module off its encoder, which then computes what it did before."""
        if self._encoder is not None:
            self._encoder.remove(self.name)
        self._encoder = self._model = None

    def save(self, folder: str | Path, record: ModuleRecord | None = None) -> None:
        """Write an attached module: its layers and head, as its library reads them, and its record.

        Args:
            folder (`str` or `Path`): where.
            record (`ModuleRecord`, *optional*): in place of its own.
        """
        model, encoder = self.model, self._encoder
        assert encoder is not None
        self.record = record or self.record
        encoder.save(
            self.name,
            folder,
            head=head_weights(model),
            prefix=model.base_model_prefix,
            base_model=self.record.base_model,
        )
        self.record.save(folder)
        self.folder = Path(folder)

    @contextmanager
    def active(self, languages: Sequence[str] = ()) -> Iterator[None]:
        """Run the module inside the block, above what stands for languages.

        Args:
            languages (`Sequence[str]`, *optional*): names of language modules or combinations in the encoder, from the
                bottom to the top.

        Yields:
            Nothing.
        """
        encoder = self._encoder
        if encoder is None:
            raise RuntimeError(f"the module of {self.record.name} is attached to no encoder; call attach(encoder)")
        with encoder.active(*as_list(languages), self.name):
            yield

    def features(self, examples: Sequence[Any]) -> Features:
        """Tokenise examples, as the module was trained.

        Args:
            examples (`Sequence`): what the task's corpus gave.

        Returns:
            `Features`: their rows.
        """
        return self.task.features(examples, self.tokenizer, self.settings, train=False)

    def score(
        self, examples: Sequence[Any], features: Features, language: str, *, tokens_per_batch: int | None = None
    ) -> Scores:
        """Predict, in batches of like length, and compare with what is right. The module must be active.

        Args:
            examples (`Sequence`): what the task's corpus gave.
            features (`Features`): their rows.
            language (`str`): code of their language.
            tokens_per_batch (`int`, *optional*): size of a batch in tokens.

        Returns:
            `Scores`: the task's metrics, as fractions.
        """
        predictions = predict(
            self.model,
            features.rows,
            collate=lambda rows: self.task.collate(rows, self.tokenizer),
            decode=self.task.decode,
            tokens_per_batch=tokens_per_batch,
        )
        return self.task.score(examples, features, predictions, language)

    def _fill_head(self, model: PreTrainedModel, head: dict[str, Tensor]) -> None:
        own = head_weights(model)
        wrong = sorted({*own, *head} - {key for key in own if key in head and own[key].shape == head[key].shape})
        if wrong:
            raise DamagedError(self.folder or "module", f"its head does not fit: {', '.join(wrong[:4])}", _ADVICE)
        with torch.no_grad():
            for key, weight in own.items():
                weight.copy_(head[key])

    def __repr__(self) -> str:
        said = {name: value for name, value in asdict(self.record).items() if name in ("name", "backend", "size")}
        return f"TaskModule({said})"
