"""An encoder with small trained modules between its layers, whatever library puts them there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from torch import Tensor
from transformers import PreTrainedModel


__all__ = ["AdaptedEncoder"]


class AdaptedEncoder(ABC):
    """An encoder and the modules in it, by name, of which a chosen few are active.

    The encoder's own weights are frozen and are never copied or replaced, so that an encoder whose weights are shared
    with a masked LM goes on sharing them.

    Args:
        encoder (`PreTrainedModel`): a stock encoder, changed in place.
    """

    #: Name of the library.
    backend: ClassVar[str]
    #: What the size of a new module is called in its settings.
    size_name: ClassVar[str]

    def __init__(self, encoder: PreTrainedModel) -> None:
        self.encoder = encoder
        self.encoder.requires_grad_(False)
        self.names: list[str] = []
        self._active: tuple[str, ...] = ()

    def add(self, name: str, size: int) -> None:
        """Put in a new module, drawn from the random state, which is part of nothing until it is active.

        Args:
            name (`str`): its name.
            size (`int`): reduction factor of a bottleneck, or rank of a low-rank update.

        Raises:
            ValueError: if there is one of that name.
        """
        if name in self.names:
            raise ValueError(f"the encoder holds a module {name} already; remove it first")
        self._add(name, size)
        self.names.append(name)
        self.encoder.requires_grad_(False)
        self.activate(*self._active)

    def load(self, folder: str | Path, name: str) -> dict[str, Tensor]:
        """Put in a module that [`save`] wrote.

        Args:
            folder (`str` or `Path`): where it was written.
            name (`str`): what it is called here.

        Returns:
            `dict[str, Tensor]`: the weights of the head that was saved with it; empty if there was none.

        Raises:
            DamagedError: if the files are not those of a module of this library, or do not fit the encoder.
        """
        if name in self.names:
            raise ValueError(f"the encoder holds a module {name} already; remove it first")
        head = self._load(Path(folder), name)
        self.names.append(name)
        self.encoder.requires_grad_(False)
        self.activate(*self._active)
        return head

    def remove(self, name: str) -> None:
        """Take a module out. Without any, the encoder computes what it did before the first was put in."""
        self.activate(*(part for part in self._active if part != name))
        self._remove(name)
        self.names.remove(name)

    def activate(self, *parts: str) -> None:
        """Choose what the encoder runs, from the bottom to the top: a language's module, then a task's.

        Args:
            *parts (`str`): names of modules or of combinations; none for the encoder as it is.
        """
        self._activate(parts)
        self._active = parts

    @contextmanager
    def active(self, *parts: str) -> Iterator[None]:
        """Choose what the encoder runs inside the block.

        Args:
            *parts (`str`): names of modules or of combinations, from the bottom to the top.

        Yields:
            Nothing.
        """
        before = self._active
        self.activate(*parts)
        try:
            yield
        finally:
            self.activate(*before)

    def train(self, name: str) -> None:
        """Give gradients to the weights of one module or combination, and to nothing else of the encoder.

        Args:
            name (`str`): its name.
        """
        weights = self.weights(name)
        self.encoder.requires_grad_(False)
        for weight in weights.values():
            weight.requires_grad_(True)

    @abstractmethod
    def weights(self, name: str) -> dict[str, Tensor]:
        """The weights of one module or combination, by their names in the encoder."""

    @abstractmethod
    def save(
        self,
        name: str,
        folder: str | Path,
        *,
        head: Mapping[str, Tensor] | None = None,
        prefix: str = "",
        base_model: str = "",
    ) -> None:
        """Write a module, in safetensors alone, as its library reads it.

        Args:
            name (`str`): its name here.
            folder (`str` or `Path`): where.
            head (`Mapping[str, Tensor]`, *optional*): weights of the head on top of it, by their names in the model
                of the task.
            prefix (`str`, *optional*, defaults to `""`): what the encoder is called in that model.
            base_model (`str`, *optional*, defaults to `""`): what is said of where the encoder came from.
        """

    @abstractmethod
    def combine(self, names: Sequence[str], fusion: str) -> str:
        """Join modules of several languages.

        Args:
            names (`Sequence[str]`): two modules or more.
            fusion (`str`): `"average"`, or `"trained"` and `"untrained"`, whose weights are drawn here; [`train`]
                gives them gradients.

        Returns:
            `str`: the name of the combination, for [`activate`], [`train`] and [`dissolve`].

        Raises:
            ValueError: if the library cannot join modules so.
        """

    @abstractmethod
    def dissolve(self, combination: str) -> None:
        """Forget a combination. Its modules stay."""

    @abstractmethod
    def _add(self, name: str, size: int) -> None: ...

    @abstractmethod
    def _load(self, folder: Path, name: str) -> dict[str, Tensor]: ...

    @abstractmethod
    def _remove(self, name: str) -> None: ...

    @abstractmethod
    def _activate(self, parts: tuple[str, ...]) -> None: ...
