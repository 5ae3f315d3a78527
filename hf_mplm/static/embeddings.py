"""Word vectors of one or many languages, in memory and as a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_mplm.data.word_vectors import WordVectors
from hf_mplm.jobs.digests import refuse_damage, write_digests
from hf_mplm.jobs.files import DamagedError, atomic_write, read_json, write_json
from hf_mplm.languages import parse_code

from .word2vec import read_word2vec
from .word_table import WordTable


__all__ = ["MODEL_TYPE", "StaticEmbeddings"]

MODEL_TYPE = "hf-mplm-static"
_CONFIG, _VECTORS, _WORDS = "config.json", "vectors.safetensors", "words.parquet"


class StaticEmbeddings:
    """Word vectors of one or many languages.

    Args:
        tables (`Sequence[WordTable]`): one a language, of equal dimension.
        config (`Mapping[str, Any]`, *optional*): what is known of their making: encoder, revision, layer, settings,
            and the mapping of each language.

    Example:

    ```python
    from hf_mplm.static.embeddings import StaticEmbeddings

    static = StaticEmbeddings.from_word2vec("wiki.de.vec", "deu_Latn", limit=200_000)
    static.nearest("haus", "deu_Latn", k=3)
    ```
    """

    def __init__(self, tables: Sequence[WordTable], config: Mapping[str, Any] | None = None) -> None:
        if not tables:
            raise ValueError("there are no word vectors: give the table of at least one language")
        self.tables = {table.language: table for table in sorted(tables, key=lambda table: table.language)}
        if len(self.tables) < len(tables):
            raise ValueError("a language has two tables; put them together, or leave one out")
        widths = {table.language: table.vectors.shape[1] for table in tables}
        if len(set(widths.values())) > 1:
            shown = ", ".join(f"{language} {width}" for language, width in sorted(widths.items()))
            raise ValueError(f"the languages' vectors are of unequal dimension: {shown}")
        self.config: dict[str, Any] = dict(config or {})

    @classmethod
    def from_word2vec(
        cls, path: str | Path, language: str, *, limit: int | None = None, binary: bool | None = None
    ) -> StaticEmbeddings:
        """Read the vectors of one language from word2vec's text or binary format; see [`read_word2vec`]."""
        table, report = read_word2vec(path, language, limit=limit, binary=binary)
        return cls([table], {"source": Path(path).name, "left_out": report._asdict()})

    @property
    def languages(self) -> list[str]:
        """The codes, sorted."""
        return list(self.tables)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(next(iter(self.tables.values())).vectors.shape[1])

    def table(self, language: str) -> WordTable:
        """The words of one language.

        Raises:
            KeyError: if there are none, naming the languages that there are.
        """
        code = parse_code(language).code if language not in self.tables else language
        if code not in self.tables:
            raise KeyError(f"there are no word vectors of {code}; there are those of {', '.join(self.tables)}")
        return self.tables[code]

    def vector(self, word: str, language: str) -> np.ndarray:
        """The vector of a word. Shape: (dimensions,), float32.

        Raises:
            KeyError: if the language has no such word.
        """
        table = self.table(language)
        if word not in table.index:
            raise KeyError(f"{table.language} has no word {word!r} among its {len(table):,}")
        row: np.ndarray = table.vectors[table.index[word]]
        return row

    def nearest(
        self, word: str, language: str, *, in_language: str | None = None, k: int = 10
    ) -> list[tuple[str, float]]:
        """The words whose vectors have the largest cosine with a word's, the nearest first.

        Args:
            word (`str`): the word.
            language (`str`): its language.
            in_language (`str`, *optional*): where to look; the same language by default, without the word itself.
            k (`int`, *optional*, defaults to 10): how many.

        Returns:
            `list[tuple[str, float]]`: words and cosines.
        """
        query = self.vector(word, language)
        own = self.table(language)
        table = own if in_language is None else self.table(in_language)
        norms = np.linalg.norm(table.vectors, axis=1) * float(np.linalg.norm(query))
        cosines = table.vectors @ query / np.where(norms == 0, 1, norms)
        if table is own:
            cosines[own.index[word]] = -np.inf
        k = min(k, len(table) - (table is own))
        best = np.argsort(-cosines, kind="stable")[:k]
        return [(table.words[row], float(cosines[row])) for row in best]

    def centroid(self, language: str) -> np.ndarray:
        """The mean vector of a language. Shape: (dimensions,), float32."""
        mean: np.ndarray = self.table(language).vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean

    def word_vectors(self) -> WordVectors:
        """All words with their vectors, as [`~hf_mplm.StaticAlignmentTrainer`] takes them."""
        tables = {code: (table.words, table.vectors) for code, table in self.tables.items()}
        encoder = self.config.get("encoder")
        return WordVectors.from_languages(tables, encoder=None if encoder is None else str(encoder))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `vectors.safetensors`, `words.parquet`, `config.json` and their digests.

        Args:
            folder (`str` or `Path`): the folder, which is made where it is missing.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq
        from safetensors.numpy import save

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tables = list(self.tables.values())
        with atomic_write(folder / _VECTORS) as handle:
            handle.write(save({"vectors": np.concatenate([table.vectors for table in tables]).astype(np.float32)}))
        columns = {
            "word": [word for table in tables for word in table.words],
            "language": pa.array([table.language for table in tables for _ in table.words]).dictionary_encode(),
            "count": np.concatenate([table.counts for table in tables]).astype(np.int64),
        }
        with atomic_write(folder / _WORDS) as handle:
            pq.write_table(pa.table(columns), handle)
        sizes = {table.language: len(table) for table in tables}
        config = {"model_type": MODEL_TYPE, "dimension": self.dimension, "languages": sizes}
        write_json(folder / _CONFIG, {**self.config, **config})
        write_digests(folder, [_CONFIG, _VECTORS, _WORDS])

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> StaticEmbeddings:
        """Read what [`save_pretrained`] wrote.

        Raises:
            FileNotFoundError: if there is no such folder.
            ValueError: if it holds no static embeddings.
            DamagedError: if a file is not as it was written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        folder = Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(
                f"there is no folder {folder}; make one with: hf-mplm static map --output {folder}"
            )
        config = read_json(folder / _CONFIG)
        if not isinstance(config, dict) or config.get("model_type") != MODEL_TYPE:
            raise ValueError(f"{folder} holds no static embeddings: its {_CONFIG} is missing or of another model_type")
        refuse_damage(folder, "Fetch or make it again.")
        try:
            vectors = load_file(folder / _VECTORS)["vectors"]
            words = pq.read_table(folder / _WORDS)
        except (SafetensorError, KeyError, pa.ArrowException, OSError) as error:
            raise DamagedError(folder, f"{_VECTORS} or {_WORDS} cannot be read ({error})") from error
        if vectors.ndim != 2 or len(vectors) != words.num_rows:
            raise DamagedError(folder / _VECTORS, f"shape {vectors.shape}, for {words.num_rows:,} words")
        languages = np.asarray(words["language"].to_pylist(), dtype=object)
        spelled, counts = words["word"].to_pylist(), words["count"].to_numpy()
        tables = []
        for language in sorted(set(languages)):
            rows = np.flatnonzero(languages == language)
            tables.append(WordTable(language, [spelled[row] for row in rows], counts[rows], vectors[rows]))
        known = ("model_type", "dimension", "languages")
        return cls(tables, {key: value for key, value in config.items() if key not in known})
