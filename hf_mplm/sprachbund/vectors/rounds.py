"""Encoding in rounds: some sentences of every language, then more of those whose vectors are not precise yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hf_mplm.jobs.files import atomic_write
from hf_mplm.jobs.parts import read_result, write_result

from .block_sums import NUM_BLOCKS, BlockSums
from .sentences import SelectedSentences, read_batches
from .sources import SentenceSource


__all__ = ["RoundPart", "Tally", "encode_part", "finished_encoding", "make_parts", "round_bounds"]

FIRST_ROUND = 64
"""Sentences of a language in the first round; every later one doubles what has been encoded."""

# Sentences that are encoded, and lost when interrupted, at a time; sorted by length they leave little padding.
_PART_SENTENCES = 2048


@dataclass(frozen=True)
class RoundPart:
    """Sentences of some languages that are encoded at a time.

    Args:
        index (`int`): its place among those of its round.
        round (`int`): the round, from 0.
        folder (`str`): where its result is written.
        selected (`str`): the file of sentences.
        batches (`tuple[tuple[str, int, int, int], ...]`): language, record batch, rows and bytes.
        sources (`tuple[SentenceSource, ...]`): what gives the sentences vectors.
        threads (`int`, *optional*): of torch; as they are by default.
    """

    index: int
    round: int
    folder: str
    selected: str
    batches: tuple[tuple[str, int, int, int], ...]
    sources: tuple[SentenceSource, ...]
    threads: int | None = None

    @property
    def weight(self) -> int:
        """Bytes of text."""
        return sum(size for *_, size in self.batches)

    @property
    def path(self) -> Path:
        """Where its sums stand; what was found stands beside, as JSON."""
        return Path(self.folder) / f"round-{self.round:02d}-{self.index:06d}.safetensors"


@dataclass
class Tally:
    """What has been summed up so far.

    Args:
        languages (`list[str]`): codes, in the order of the rows.
        views (`dict[str, BlockSums]`): the sums of each view.
        no_tokens (`dict[str, int]`): sentences of which the tokenizer makes nothing, by language.
        stopped (`dict[str, str]`): why a language got no further sentences: `target_sem`, `all_text` or
            `max_sentences`.
    """

    languages: list[str]
    views: dict[str, BlockSums] = field(default_factory=dict)
    no_tokens: dict[str, int] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)

    def add(self, part: RoundPart) -> None:
        """Add what a finished part summed up.

        Raises:
            OSError: if it has vanished or is damaged.
        """
        from safetensors.numpy import load_file

        found = finished_encoding(part, verify=False)
        if found is None:
            raise OSError(f"part {part.index} in {part.folder} has vanished; repeat the same command")
        tensors = load_file(part.path)
        row_of = {code: row for row, code in enumerate(self.languages)}
        rows = [row_of[code] for code in found["languages"]]
        for view in found["views"]:
            sums, counts, squares = (tensors[f"{view}.{name}"] for name in ("sums", "counts", "squares"))
            if view not in self.views:
                self.views[view] = BlockSums.zeros(len(self.languages), sums.shape[-1])
            total = self.views[view]
            total.sums[rows] += sums
            total.counts[rows] += counts
            total.squares[rows] += squares
        for code, n in found["no_tokens"].items():
            self.no_tokens[code] = self.no_tokens.get(code, 0) + n

    def errors(self) -> np.ndarray:
        """The largest relative standard error over the views; infinite where none is known. Shape: (languages,)."""
        worst = np.full(len(self.languages), -np.inf)
        for blocks in self.views.values():
            counted = blocks.totals() > 0
            means = blocks.means()
            distance = np.linalg.norm(means - means[counted].mean(axis=0), axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                relative = blocks.standard_errors() / distance
            worst = np.maximum(worst, np.where(np.isfinite(relative), relative, np.inf))
        return worst

    def decide(self, selected: SelectedSentences, bound: int, last: bool, target_sem: float) -> None:
        """Note which languages need no further sentences, at the end of a round.

        Args:
            selected (`SelectedSentences`): all sentences.
            bound (`int`): sentences of a language that have been encoded, if it has as many.
            last (`bool`): whether no round follows.
            target_sem (`float`): relative standard error that is small enough.
        """
        errors = self.errors() if self.views else np.full(len(self.languages), np.inf)
        for code, error in zip(self.languages, errors):
            if code in self.stopped:
                continue
            if error <= target_sem:
                self.stopped[code] = "target_sem"
            elif selected.size(code) < bound or (selected.size(code) == bound and not last):
                self.stopped[code] = "all_text"
            elif last:
                self.stopped[code] = "max_sentences"


def round_bounds(max_sentences: int) -> list[int]:
    """Sentences of a language up to the end of each round: 64, 128, 256, ..., `max_sentences`."""
    bounds = [FIRST_ROUND]
    while bounds[-1] < max_sentences:
        bounds.append(2 * bounds[-1])
    return [*bounds[:-1], max_sentences]


def make_parts(
    number: int,
    selected: SelectedSentences,
    stopped: Mapping[str, str],
    folder: Path,
    sources: Sequence[SentenceSource],
    threads: int | None,
) -> list[RoundPart]:
    """The parts of a round, which depend on the sentences alone.

    Args:
        number (`int`): the round, from 0.
        selected (`SelectedSentences`): all sentences, in a record batch a round.
        stopped (`Mapping[str, str]`): languages that get no further sentences.
        folder (`Path`): for the results.
        sources (`Sequence[SentenceSource]`): what gives the sentences vectors.
        threads (`int`, *optional*): of torch.
    """
    groups: list[list[tuple[str, int, int, int]]] = [[]]
    for code, batches in sorted(selected.batches.items()):
        if code in stopped or len(batches) <= number:
            continue
        if groups[-1] and sum(rows for _, _, rows, _ in groups[-1]) + batches[number][1] > _PART_SENTENCES:
            groups.append([])
        groups[-1].append((code, *batches[number]))
    return [
        RoundPart(index, number, str(folder), str(selected.path), tuple(group), tuple(sources), threads)
        for index, group in enumerate(groups)
        if group
    ]


def encode_part(part: RoundPart) -> dict[str, int]:
    """Encode the sentences of one part, and write their sums.

    Args:
        part (`RoundPart`): what to do.

    Returns:
        `dict[str, int]`: `sentences` and `weight`, for the progress bar.

    Raises:
        ValueError: if a state is not finite, naming language and view.
    """
    from safetensors.numpy import save

    languages = sorted({code for code, *_ in part.batches})
    row_of = {code: row for row, code in enumerate(languages)}
    texts: list[str] = []
    hashes, rows = [], []
    read = read_batches(Path(part.selected), [number for _, number, *_ in part.batches])
    for (code, *_), batch in zip(part.batches, read):
        texts += batch["text"].to_pylist()
        hashes.append(batch["hash"].to_numpy())
        rows.append(np.full(batch.num_rows, row_of[code]))
    # Sentences are chosen by the size of their hash, so that its last bits are free to tell the block.
    blocks, owner = (np.concatenate(hashes) % NUM_BLOCKS).astype(np.int64), np.concatenate(rows)
    tensors: dict[str, np.ndarray] = {}
    no_tokens: dict[str, int] = {}
    for view, kept, vectors in _encode(part, texts):
        own, places = owner[kept], blocks[kept]
        total = BlockSums.zeros(len(languages), vectors.shape[1])
        for code, row in row_of.items():
            chosen = own == row
            if not np.isfinite(vectors[chosen]).all():
                raise ValueError(
                    f"the model's states of {code} in {view} are not finite (NaN or infinite), so that nothing can be "
                    f"said of it; look at the model, or leave {code} or the layer out"
                )
            total.add(row, places[chosen], vectors[chosen])
            if missing := int((owner == row).sum() - chosen.sum()):
                no_tokens[code] = missing
        for name in ("sums", "counts", "squares"):
            tensors[f"{view}.{name}"] = getattr(total, name)
    views = [name.removesuffix(".sums") for name in tensors if name.endswith(".sums")]
    with atomic_write(part.path) as handle:
        handle.write(save(tensors))
    found = {"languages": languages, "views": views, "no_tokens": no_tokens}
    write_result(part.path.with_suffix(".json"), part.path, found)
    return {"sentences": len(texts), "weight": part.weight}


def finished_encoding(part: RoundPart, *, verify: bool = True) -> dict[str, Any] | None:
    """Read what a part found; None if it is not finished.

    Args:
        part (`RoundPart`): the part.
        verify (`bool`, *optional*, defaults to `True`): whether to hold its sums against their digest.
    """
    needed = ("languages", "views", "no_tokens")
    return read_result(part.path.with_suffix(".json"), part.path, needed, verify=verify)


def _encode(part: RoundPart, texts: Sequence[str]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    import torch

    before = torch.get_num_threads()
    try:
        if part.threads is not None:
            torch.set_num_threads(part.threads)
        for source in part.sources:
            kept, views = source.encode(texts)
            for view, vectors in views.items():
                yield view, kept, vectors
    finally:
        torch.set_num_threads(before)
