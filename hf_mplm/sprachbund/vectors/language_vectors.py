"""Vectors of languages: means of sentence vectors, with what their errors and bootstraps need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_mplm._lists import as_codes, as_list
from hf_mplm.jobs.digests import refuse_damage, write_digests
from hf_mplm.jobs.files import DamagedError, atomic_write, read_json, write_json
from hf_mplm.languages import parse_code

from .block_sums import BlockSums
from .projection import Projection, project
from .space import describe_space, space_difference


__all__ = ["FORMAT", "VECTORS_FILE", "LanguageVectors"]

FORMAT = "hf-mplm-language-vectors"
VECTORS_FILE = "vectors.json"
_TENSORS = "vectors.safetensors"
# Vectors that differ by less than this share of their length are equal but for rounding in float32.
_EQUAL = 1e-6


class LanguageVectors:
    """Vectors of languages in one or several views of the same text, such as the layers of an encoder.

    A vector is the mean of a language's sentence vectors (Fan et al., 2021, section 3.1). Sums and counts are kept for
    each block of sentences, so that parts of a corpus add up and blocks can be drawn anew.

    Args:
        languages (`Sequence[str]`): codes such as `swh_Latn`.
        views (`Mapping[str, BlockSums]`): name of a view, such as `layer4-mean`, to the sums in the languages' order.
        config (`Mapping[str, Any]`, *optional*): what is known of their making: `source`, `model`, `revision`,
            `tokenizer` (fingerprint), `random_seed` of random weights, settings, and `stopped` by language.
        centres (`Mapping[str, np.ndarray]`, *optional*): the centre of each view, which stays when languages are taken
            out; by default the mean over `languages`.

    Raises:
        ValueError: if there is no language or no view, a code stands twice, or a language has no sentence.

    Example:

    ```python
    from hf_mplm.sprachbund import LanguageVectors

    vectors = LanguageVectors.load("vectors")
    vectors.nearest("swh_Latn", 5, view="layer4-mean")
    ```
    """

    def __init__(
        self,
        languages: Sequence[str],
        views: Mapping[str, BlockSums],
        config: Mapping[str, Any] | None = None,
        *,
        centres: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        if not languages or not views:
            raise ValueError("there are no vectors: give at least one language and one view")
        self._languages: list[str] = as_list(languages)
        if len(set(self._languages)) < len(self._languages):
            twice = sorted({code for code in self._languages if self._languages.count(code) > 1})
            raise ValueError(f"{', '.join(twice)} stands twice; merge what belongs together")
        self._row = {code: row for row, code in enumerate(self._languages)}
        self._views = dict(views)
        self.config: dict[str, Any] = dict(config or {})
        self._means: dict[str, np.ndarray] = {}
        for view, blocks in self._views.items():
            if len(blocks.sums) != len(self._languages):
                raise ValueError(f"{view} has {len(blocks.sums)} rows for {len(self._languages)} languages")
            empty = [code for code, total in zip(self._languages, blocks.totals()) if not total]
            if empty:
                raise ValueError(f"{view} has no sentence of {', '.join(empty[:5])}; leave such languages out")
            means = blocks.means()
            wrong = [code for code, mean in zip(self._languages, means) if not np.isfinite(mean).all()]
            if wrong:
                raise ValueError(f"the vectors of {', '.join(wrong[:5])} in {view} are not finite")
            self._means[view] = means
        self._centres = {view: (centres or {}).get(view, means.mean(axis=0)) for view, means in self._means.items()}

    @property
    def languages(self) -> list[str]:
        """The codes, in the order of every matrix's rows."""
        return list(self._languages)

    @property
    def views(self) -> list[str]:
        """The names of the views."""
        return list(self._views)

    def blocks(self, view: str | None = None) -> BlockSums:
        """The sums of a view."""
        return self._views[self._view(view)]

    def counts(self, view: str | None = None) -> np.ndarray:
        """Sentences of each language. Shape: (languages,)."""
        return self.blocks(view).totals()

    def centre(self, view: str | None = None) -> np.ndarray:
        """The unweighted mean over the languages that the vectors were made of. Shape: (dimension,)."""
        return self._centres[self._view(view)]

    def matrix(self, view: str | None = None, center: bool = True) -> np.ndarray:
        """The vectors of all languages.

        Args:
            view (`str`, *optional*): which; may be left out where there is only one.
            center (`bool`, *optional*, defaults to `True`): whether the centre is taken off, without which the cosines
                of contextual encoders lie close to 1. The paper does not centre.

        Returns:
            `np.ndarray`: Shape: (languages, dimension), float64.

        Raises:
            ValueError: if there is no such view, or its vectors are all the same.
        """
        view = self._view(view)
        means = self._means[view]
        centred = means - self._centres[view]
        if len(self._languages) > 1:
            apart = np.linalg.norm(means - means[0], axis=1).max()
            if apart <= _EQUAL * np.linalg.norm(means, axis=1).max():
                raise ValueError(
                    f"the vectors of {view} are the same for all {len(means)} languages, as the first token's are at "
                    "layer 0, where no token has seen another; give another view"
                )
        elif center and not np.linalg.norm(centred) > _EQUAL * np.linalg.norm(means):
            raise ValueError(
                f"there is one language, {self._languages[0]}, whose vector is the centre; give the vectors of "
                "several, or center=False"
            )
        return centred if center else means.copy()

    def cosine(self, view: str | None = None, center: bool = True) -> np.ndarray:
        """The cosine of every pair of languages.

        Args:
            view (`str`, *optional*): as for [`matrix`].
            center (`bool`, *optional*, defaults to `True`): as for [`matrix`].

        Returns:
            `np.ndarray`: Shape: (languages, languages); symmetric, with ones on the diagonal.
        """
        unit = self._unit(self.matrix(view, center))
        cosines: np.ndarray = np.clip(unit @ unit.T, -1, 1)
        np.fill_diagonal(cosines, 1)
        return cosines

    def nearest(
        self, language: str | np.ndarray, n: int = 10, *, view: str | None = None, center: bool = True
    ) -> list[tuple[str, float]]:
        """The languages of the largest cosines with one, the nearest first.

        Args:
            language (`str` or `np.ndarray`): its code; or the mean vector of a language that is not among these, from
                which the same centre is taken off. Shape: (dimension,).
            n (`int`, *optional*, defaults to 10): how many.
            view (`str`, *optional*): as for [`matrix`].
            center (`bool`, *optional*, defaults to `True`): as for [`matrix`].

        Returns:
            `list[tuple[str, float]]`: codes and cosines; equal cosines in the order of the codes.
        """
        matrix = self.matrix(view, center)
        own = self.row(language) if isinstance(language, str) else None
        query = matrix[own] if own is not None else np.asarray(language, dtype=np.float64)
        if own is None and center:
            query = query - self.centre(view)
        if query.shape != matrix.shape[1:] or not np.linalg.norm(query) > 0:
            raise ValueError(
                f"a vector of shape {query.shape} and length {np.linalg.norm(query):.3g} was given; needed is one of "
                f"shape {matrix.shape[1:]} that is neither zero nor the centre"
            )
        cosines = self._unit(matrix) @ (query / np.linalg.norm(query))
        order = sorted((row for row in range(len(matrix)) if row != own), key=lambda row: (-cosines[row], row))
        return [(self._languages[row], float(cosines[row])) for row in order[:n]]

    def row(self, language: str) -> int:
        """The row of a language in every matrix.

        Raises:
            KeyError: if it is not there, naming some that are.
        """
        code = language if language in self._row else parse_code(language).code
        if code not in self._row:
            same = [known for known in self._languages if known[:3] == code[:3]] or self._languages[:5]
            raise KeyError(f"there is no vector of {code}; of {len(self._languages)} there are {', '.join(same)}")
        return self._row[code]

    def standard_errors(self, view: str | None = None, *, relative: bool = True) -> np.ndarray:
        """How far each vector may be from that of all text, as one standard error.

        Args:
            view (`str`, *optional*): as for [`matrix`].
            relative (`bool`, *optional*, defaults to `True`): whether as a share of the distance to the centre.

        Returns:
            `np.ndarray`: sqrt(trace(S) / n), with S the covariance of the n sentences; NaN where one sentence alone
            tells nothing of it, or where a share of no distance is asked for. Shape: (languages,).
        """
        view = self._view(view)
        errors = self._views[view].standard_errors()
        if not relative:
            return errors
        distance = np.linalg.norm(self._means[view] - self._centres[view], axis=1)
        return np.divide(errors, distance, out=np.full_like(errors, np.nan), where=distance > 0)

    def bootstrap(self, seed: int) -> LanguageVectors:
        """The same vectors with every language's blocks drawn anew, with replacement, and the centre of these.

        A language whose sentences lie in one block stays as it is: of its error nothing is known.

        Args:
            seed (`int`): of the draw; the same one draws the same blocks in every view of the same sentences.
        """
        drawn = {view: blocks.resampled(self._languages, seed) for view, blocks in self._views.items()}
        return LanguageVectors(self._languages, drawn, {**self.config, "bootstrap_seed": seed})

    def project(
        self, method: Projection, *, view: str | None = None, center: bool = True, seed: int = 0
    ) -> np.ndarray:
        """Place the languages in a plane; see [`project`]. Shape: (languages, 2)."""
        return project(method, self.matrix(view, center), self.cosine(view, center), seed)

    def select(
        self, languages: str | Sequence[str] | None = None, views: str | Sequence[str] | None = None
    ) -> LanguageVectors:
        """Some languages and views; the centres stay those of all languages.

        Args:
            languages (`str` or `Sequence[str]`, *optional*): codes; all by default.
            views (`str` or `Sequence[str]`, *optional*): names of views; all by default.
        """
        codes = as_codes(languages)
        rows = [self.row(code) for code in codes] if codes is not None else list(range(len(self._languages)))
        names = [self._view(view) for view in as_codes(views) or self.views]
        return LanguageVectors(
            [self._languages[row] for row in rows],
            {view: self._views[view].rows(rows) for view in names},
            self.config,
            centres=self._centres,
        )

    @classmethod
    def merge(cls, parts: Sequence[LanguageVectors]) -> LanguageVectors:
        """Put vectors of several parts of the text together; the sums of a language that several have are added.

        Args:
            parts (`Sequence[LanguageVectors]`): of the same views of the same model. Sentences that two of them have
                count twice.

        Raises:
            ValueError: if there is none, or they are of different models, tokenizers or views.
        """
        if not parts:
            raise ValueError("there is nothing to merge")
        first = parts[0]
        for other in parts[1:]:
            spaces = [describe_space(part.config, part.views) for part in (first, other)]
            if key := space_difference(*spaces):
                raise ValueError(
                    f"vectors of another {key} cannot be added: {spaces[0].get(key)!r} and {spaces[1].get(key)!r}"
                )
            shapes = [{view: part.blocks(view).sums.shape[1:] for view in part.views} for part in (first, other)]
            if shapes[0] != shapes[1]:
                raise ValueError(f"the views differ: {shapes[0]} and {shapes[1]}")
        languages = sorted({code for part in parts for code in part.languages})
        row_of = {code: row for row, code in enumerate(languages)}
        views = {}
        for view in first.views:
            _, n_blocks, dimension = first.blocks(view).sums.shape
            total = views[view] = BlockSums.zeros(len(languages), dimension, n_blocks)
            for part in parts:
                rows = [row_of[code] for code in part.languages]
                blocks = part.blocks(view)
                total.sums[rows] += blocks.sums
                total.counts[rows] += blocks.counts
                total.squares[rows] += blocks.squares
        stopped = {code: why for part in parts for code, why in part.config.get("stopped", {}).items()}
        # One model may have been called by several names.
        shared = {
            key: value
            for key, value in first.config.items()
            if key == "model" or all(part.config.get(key) == value for part in parts)
        }
        return cls(languages, views, {**shared, "stopped": stopped} if stopped else shared)

    def save(self, folder: str | Path) -> None:
        """Write `vectors.safetensors`, `vectors.json` and their digests.

        Args:
            folder (`str` or `Path`): the folder, which is made where it is missing.
        """
        from safetensors.numpy import save

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {}
        for view, blocks in self._views.items():
            tensors[f"{view}.sums"] = np.ascontiguousarray(blocks.sums)
            tensors[f"{view}.counts"] = np.ascontiguousarray(blocks.counts)
            tensors[f"{view}.squares"] = np.ascontiguousarray(blocks.squares)
            tensors[f"{view}.centre"] = np.ascontiguousarray(self._centres[view])
        with atomic_write(folder / _TENSORS) as handle:
            handle.write(save(tensors))
        own = {"format": FORMAT, "languages": self._languages, "views": self.views}
        write_json(folder / VECTORS_FILE, {**self.config, **own})
        write_digests(folder, [VECTORS_FILE, _TENSORS])

    @classmethod
    def load(cls, folder: str | Path) -> LanguageVectors:
        """Read what [`save`] wrote.

        Raises:
            FileNotFoundError: if there is no such folder.
            ValueError: if it holds no vectors of languages.
            DamagedError: if a file is not as it was written.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        folder = Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(
                f"there is no folder {folder}; make one with: hf-mplm sprachbund vectors --output {folder}"
            )
        written = read_json(folder / VECTORS_FILE)
        if not isinstance(written, dict) or written.get("format") != FORMAT:
            raise ValueError(f"{folder} holds no vectors of languages: its {VECTORS_FILE} is missing or another's")
        refuse_damage(folder, "Fetch or make it again.")
        try:
            tensors = load_file(folder / _TENSORS)
            languages, names = list(written.pop("languages")), list(written.pop("views"))
            views = {
                view: BlockSums(*(tensors[f"{view}.{part}"] for part in ("sums", "counts", "squares")))
                for view in names
            }
            centres = {view: tensors[f"{view}.centre"] for view in names}
            written.pop("format")
            return cls(languages, views, written, centres=centres)
        except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
            raise DamagedError(folder / _TENSORS, f"it cannot be read ({error})") from error

    def _view(self, view: str | None) -> str:
        if view is None and len(self._views) == 1:
            return next(iter(self._views))
        if view not in self._views:
            given = "no view was given" if view is None else f"there is no view {view!r}"
            raise ValueError(f"{given}; there are {', '.join(self._views)}")
        return view

    @staticmethod
    def _unit(matrix: np.ndarray) -> np.ndarray:
        # A language that stands exactly on the centre is like no other: its cosines are 0.
        norms = np.linalg.norm(matrix, axis=1, keepdims=True)
        unit: np.ndarray = np.divide(matrix, norms, out=np.zeros_like(matrix), where=norms > 0)
        return unit
