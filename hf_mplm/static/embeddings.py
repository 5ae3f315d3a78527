"""Word vectors of one or many languages, in memory and as a folder."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import xxhash

from hf_mplm._lists import as_list
from hf_mplm.data.word_vectors import WordVectors
from hf_mplm.evaluation.vocabulary import STATIC_MODEL_TYPE as MODEL_TYPE
from hf_mplm.jobs.digests import DIGESTS_FILE, refuse_damage, write_digests
from hf_mplm.jobs.files import DamagedError, atomic_write, read_json, write_json
from hf_mplm.languages import parse_code

from .vector_file import write_vectors
from .word2vec import read_word2vec
from .word_table import WordTable
from .words import lower_case, segment_words


__all__ = ["MODEL_TYPE", "StaticEmbeddings", "WordCoverage"]

_CONFIG, _VECTORS, _WORDS, _CARD = "config.json", "vectors.safetensors", "words.parquet", "README.md"


class WordCoverage(NamedTuple):
    """What of the sentences that were encoded has a vector.

    Args:
        words (`int`): words met, repeated ones included.
        unknown (`int`): those without a vector, which do not enter the mean.
        sentences (`int`): sentences met.
        blank (`int`): those without any word that has a vector, whose own is zero.
    """

    words: int = 0
    unknown: int = 0
    sentences: int = 0
    blank: int = 0


class StaticEmbeddings:
    """Word vectors of one or many languages.

    They are an `Encoder` of sentences too, by the mean of the vectors of a sentence's words, and a `Vocabulary`, so
    that `hf-mplm evaluate` measures them.

    Args:
        tables (`Sequence[WordTable]`): one a language, of equal dimension.
        config (`Mapping[str, Any]`, *optional*): what is known of their making: encoder, revision, layer, settings,
            and the mapping of each language.
        name (`str`, *optional*, defaults to `"static"`): what results call them.

    Attributes:
        coverage (`dict[str, WordCoverage]`): by language, what of the sentences encoded so far has a vector.

    Example:

    ```python
    from hf_mplm.static.embeddings import StaticEmbeddings

    static = StaticEmbeddings.from_word2vec("wiki.de.vec", "deu_Latn", limit=200_000)
    static.nearest("haus", "deu_Latn", k=3)
    ```
    """

    #: Of an `Encoder`: it is given the sentences of one language a call.
    needs_language = True
    #: Of an `Encoder`: no layer applies.
    layer = -1

    def __init__(
        self, tables: Sequence[WordTable], config: Mapping[str, Any] | None = None, *, name: str = "static"
    ) -> None:
        if not tables:
            raise ValueError("there are no word vectors: give the table of at least one language")
        self.tables = {table.language: table for table in sorted(tables, key=lambda table: table.language)}
        if len(self.tables) < len(tables):
            raise ValueError("a language has two tables; put them together, or leave one out")
        widths = {table.language: table.vectors.shape[1] for table in tables}
        if len(set(widths.values())) > 1:
            shown = ", ".join(f"{language} {width}" for language, width in sorted(widths.items()))
            raise ValueError(f"the languages' vectors are of unequal dimension: {shown}; give files of one dimension")
        self.config: dict[str, Any] = dict(config or {})
        self.name = name
        self.coverage: dict[str, WordCoverage] = {}
        self._folder: Path | None = None
        self._revision = ""

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
    def revision(self) -> str:
        """Fingerprint of the folder that they were read from, or of the vectors, words and counts in memory."""
        if not self._revision and self._folder is not None:
            from hf_mplm.evaluation.loading import model_revision

            self._revision = model_revision(self._folder)
        if not self._revision:
            digest = xxhash.xxh3_128()
            for table in self.tables.values():
                for part in (table.language, "\n".join(table.words)):
                    digest.update(part.encode("utf-8", "surrogatepass"))
                digest.update(np.ascontiguousarray(table.vectors).data)
            self._revision = f"xxh3:{digest.hexdigest()[:12]}"
        return self._revision

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

    def select(self, languages: Sequence[str]) -> StaticEmbeddings:
        """These languages alone.

        Args:
            languages (`Sequence[str]`): their codes.

        Raises:
            ValueError: if there are no vectors of one, naming the languages that there are.
        """
        try:
            chosen = {table.language: table for table in map(self.table, as_list(languages))}
        except KeyError as error:
            raise ValueError(error.args[0]) from error
        return StaticEmbeddings(list(chosen.values()), self.config, name=self.name)

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

    def words(self, language: str) -> Sequence[str]:
        """The words of a language, the most frequent first."""
        return self.table(language).words

    def matrix(self, language: str) -> np.ndarray:
        """The vectors of these words. Shape: (words, dimensions), float32."""
        return self.table(language).vectors

    def normalise_word(self, word: str, language: str) -> str:
        """Write a word as the vocabulary does: in NFC, and in lower case where its own words are.

        Args:
            word (`str`): the word.
            language (`str`): its language's code.
        """
        table = self.table(language)
        word = unicodedata.normalize("NFC", word)
        return lower_case(word, table.language) if table.lowered else word

    def seed_pairs(self, language: str, other: str) -> Collection[str]:
        """Digests of the dictionary's pairs by which a language was mapped onto the hub; none of any other two."""
        mapping = self.config.get("mapping") or {}
        pairs = mapping.get("seed_pairs") or {}
        return frozenset(pairs.get(language, "").split()) if other == mapping.get("hub") else frozenset()

    def encode(self, texts: Sequence[str], *, progress: bool = False, language: str | None = None) -> np.ndarray:
        """The mean of the vectors of each sentence's words; a word without a vector is left out and counted.

        Args:
            texts (`Sequence[str]`): sentences of one language.
            progress (`bool`, *optional*, defaults to `False`): not used: it takes no time that would show.
            language (`str`, *optional*): its code; needed where there are several.

        Returns:
            `np.ndarray`: a sentence without any known word has zeros. Shape: (texts, dimensions), float32.

        Raises:
            ValueError: if one string is given instead of a list, or the language is not said.
            KeyError: if there are no vectors of the language.
        """
        if isinstance(texts, str):
            raise ValueError("one string was given as texts, whose letters are no sentences; type: encode([text])")
        if language is None and len(self.tables) > 1:
            raise ValueError(f"say the sentences' language, one of {', '.join(self.tables)}: encode(texts, language=)")
        table = self.table(language or next(iter(self.tables)))
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        words = unknown = blank = 0
        for number, text in enumerate(texts):
            found = segment_words(text, table.language, lower=table.lowered)
            rows = [table.index[word] for word in found if word in table.index]
            words, unknown, blank = words + len(found), unknown + len(found) - len(rows), blank + (not rows)
            if rows:
                vectors[number] = table.vectors[rows].mean(axis=0, dtype=np.float64)
        before = self.coverage.get(table.language, WordCoverage())
        met = (words, unknown, len(texts), blank)
        self.coverage[table.language] = WordCoverage(*(one + other for one, other in zip(before, met)))
        return vectors

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `vectors.safetensors`, `words.parquet`, `config.json`, their digests, and a card.

        Vectors are written in blocks, so that no second copy of them is in memory. A card that somebody has written or
        edited stays as it is.

        Args:
            folder (`str` or `Path`): the folder, which is made where it is missing.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tables = list(self.tables.values())
        with atomic_write(folder / _VECTORS) as handle:
            write_vectors(handle, [table.vectors for table in tables])
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
        from hf_mplm.hub.cards.static import write_static_card

        write_static_card(folder)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        commit_message: str = "Upload static embeddings",
    ) -> str:
        """Publish them on the Hub, as `hf-mplm push` does, from where `from_pretrained` reads them again.

        Args:
            repo_id (`str`): such as `"user/name"`; it is made where it is missing.
            private (`bool`, *optional*): whether a new one is private; the account's default otherwise.
            token (`str`, *optional*): of the Hub; the one that is logged in by default.
            commit_message (`str`, *optional*): of the commit.

        Returns:
            `str`: address of the commit.
        """
        from hf_mplm.hub.publishing import publish

        with TemporaryDirectory(prefix="hf-mplm-") as folder:
            self.save_pretrained(folder)
            return publish(folder, repo_id, private=private, token=token, message=commit_message).url

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, hub_revision: str | None = None) -> StaticEmbeddings:
        """Read what [`save_pretrained`] wrote, or what [`push_to_hub`] uploaded.

        Args:
            folder (`str` or `Path`): the folder, or an id on the Hub such as `"user/name"`.
            hub_revision (`str`, *optional*): commit, tag or branch on the Hub.

        Raises:
            FileNotFoundError: if there is no such folder.
            ValueError: if it holds no static embeddings.
            DamagedError: if a file is not as it was written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        name, folder = str(folder), _local_folder(folder, hub_revision)
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
            # A slice, as save_pretrained leaves them, is a view: the vectors do not stand in memory twice.
            together = rows[-1] - rows[0] + 1 == len(rows)
            of_language = vectors[rows[0] : rows[-1] + 1] if together else vectors[rows]
            tables.append(WordTable(language, [spelled[row] for row in rows], counts[rows], of_language))
        known = ("model_type", "dimension", "languages")
        static = cls(tables, {key: value for key, value in config.items() if key not in known}, name=name)
        static._folder = folder
        return static


def _local_folder(folder: str | Path, hub_revision: str | None) -> Path:
    if Path(folder).is_dir():
        return Path(folder)
    missing = f"there is no folder {folder}; make one with: hf-mplm static map --output {folder}"
    if isinstance(folder, Path) or folder.count("/") != 1 or folder.startswith((".", "/", "~")):
        raise FileNotFoundError(missing)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    files = [_CONFIG, _VECTORS, _WORDS, DIGESTS_FILE, _CARD]
    try:
        return Path(snapshot_download(folder, revision=hub_revision, allow_patterns=files))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise FileNotFoundError(f"{missing}. Nor can it be had from the Hub ({error})") from error
