"""Which model of a collection a language or a text belongs to."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from os.path import commonprefix
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm._lists import as_list
from hf_mplm.evaluation.encoder import TransformerEncoder
from hf_mplm.evaluation.loading import load_model, load_tokenizer, model_revision
from hf_mplm.jobs.files import DamagedError
from hf_mplm.languages import detect_script, lineage, parse_code
from hf_mplm.languages.edit_distance import edit_distance
from hf_mplm.languages.script_detection import detected_as

from ..vectors.language_vectors import LanguageVectors
from ..vectors.sources import EncoderSource, parse_view
from ..vectors.space import describe_space, named_space
from .collection import Collection
from .files import BASE_FOLDER, VECTORS_FOLDER, download_collection, finished_digest, listed_digest
from .members import Member


__all__ = ["Route", "SprachbundRouter"]

# A Hub id of a user's or an organisation's: a folder that is not there is named as one otherwise.
_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")


class Route(NamedTuple):
    """Where a language or a text goes.

    Args:
        member (`Member`): the model of the cluster.
        language (`str`): the language of the collection by which it was found.
        reason (`str`): `listed`, `another script`, `lineage` or `vector`.
    """

    member: Member
    language: str
    reason: str


class SprachbundRouter:
    """The models of a collection behind one face: each language is read by the model of its cluster.

    Args:
        folder (`str` or `Path`): what `hf-mplm sprachbund train` wrote.
        max_loaded (`int`, *optional*, defaults to 2): models in memory at most, the base by which text is routed among
            them; the one used longest ago goes.
        base (`str` or `Path`, *optional*): the model that all started from, by which text is routed, where it is not
            on the Hub and no part of the collection.

    Raises:
        FileNotFoundError: if there is no collection.
        ValueError: if the folder holds clusters without models, `max_loaded` is below 1, or the base is another one.

    Example:

    ```python
    from hf_mplm.sprachbund import SprachbundRouter

    router = SprachbundRouter.from_pretrained("collection")
    router.route("swh_Latn").reason
    vectors = router.encode(["Habari ya asubuhi"], "swh_Latn")
    ```
    """

    def __init__(self, folder: str | Path, *, max_loaded: int = 2, base: str | Path | None = None) -> None:
        if max_loaded < 1:
            raise ValueError(f"max_loaded is {max_loaded}; at least one model must be in memory to be used")
        self.folder = Path(folder)
        self.collection = Collection.load(self.folder)
        self.max_loaded = max_loaded
        self._loaded: OrderedDict[tuple[str, Any], Any] = OrderedDict()
        self._whole: set[str] = set()
        self._base = base if base is None else self._checked(Path(base))

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        revision: str | None = None,
        max_loaded: int = 2,
        base: str | Path | None = None,
    ) -> SprachbundRouter:
        """Open a collection.

        Args:
            folder (`str` or `Path`): a folder, or a repository on the Hub, such as `"me/collection"`. Of that the
                files of the collection are fetched, which are safetensors and JSON, and no code.
            revision (`str`, *optional*): of the repository: commit, tag or branch.
            max_loaded (`int`, *optional*, defaults to 2): as for the class.
            base (`str` or `Path`, *optional*): as for the class.
        """
        if not Path(folder).is_dir() and _REPOSITORY.fullmatch(str(folder)):
            folder = download_collection(str(folder), revision)
        return cls(folder, max_loaded=max_loaded, base=base)

    @property
    def languages(self) -> list[str]:
        """The languages of the clusters, sorted."""
        return sorted(self.collection.member_of)

    def route(self, code: str) -> Route:
        """Find the model of a language.

        A listed language has that of its cluster; else the same language in another script decides; else the listed
        language with which it shares most of its lineage.

        Args:
            code (`str`): such as `swh_Latn`.

        Raises:
            ValueError: if nothing is known of the language, naming codes of the collection that are spelt like it.
        """
        member_of = self.collection.member_of
        known = parse_code(code)
        if known.code in member_of:
            return Route(member_of[known.code], known.code, "listed")
        if same := [other for other in self.languages if parse_code(other).language == known.language]:
            return Route(member_of[same[0]], same[0], "another script")
        own = lineage(known.code)
        shared = {other: _common(own, lineage(other)) for other in self.languages}
        best = max(self.languages, key=lambda other: (shared[other], parse_code(other).script == known.script))
        if not shared[best]:
            alike = sorted(self.languages, key=lambda other: edit_distance(known.code, other))[:5]
            raise ValueError(
                f"no cluster has {known.code} or a language of its family; give one of the {len(self.languages)} "
                f"codes that there are (by spelling: {', '.join(alike)}), or let its text decide: "
                "router.route_text([...])"
            )
        return Route(member_of[best], best, "lineage")

    def route_text(self, texts: str | Sequence[str]) -> Route:
        """Find the model of text whose language is not known, by its vector under the base encoder.

        Args:
            texts (`str` or `Sequence[str]`): sentences of one language, the more the better.

        Returns:
            `Route`: that of the listed language with the largest cosine, in the script of the text where one is.

        Raises:
            ValueError: if there is no text, the collection has no vectors or vectors of something else than the base,
                or the base has to be given.
        """
        sentences = as_list(texts, keep_spaces=True) if not isinstance(texts, str) else [texts]
        if not sentences:
            raise ValueError("there is no text to route by; give some sentences")
        vectors = self._vectors()
        script = detect_script("\n".join(sentences))
        listed = [code for code in vectors.languages if code in self.collection.member_of]
        same_script = [code for code in listed if detected_as(parse_code(code).script) in _scripts_like(script)]
        chosen = vectors.select(same_script or listed)
        if len(chosen.languages) == 1:
            best = chosen.languages[0]
        else:
            center = bool(self.collection.sprachbunds.settings.get("center", True))
            ((best, _),) = chosen.nearest(self._mean_vector(sentences, chosen), 1, center=center)
        return Route(self.collection.member_of[best], best, "vector")

    def model_for(self, code: str, auto_class: Any = AutoModel) -> PreTrainedModel:
        """The model of a language, loaded when it is first asked for.

        Args:
            code (`str`): such as `swh_Latn`.
            auto_class (*optional*, defaults to `AutoModel`): the auto class to load with.

        Raises:
            DamagedError: if the member is missing, unfinished or not as it was written.
        """
        return self._load(self.route(code).member, auto_class)

    def tokenizer_for(self, code: str) -> PreTrainedTokenizerBase:
        """The tokenizer of a language's model, which is that of all."""
        return load_tokenizer(self.folder_of(self.route(code).member))

    def encode(self, texts: str | Sequence[str], language: str, **settings: Any) -> np.ndarray:
        """Encode sentences by the model of their language. Vectors of two models are not comparable.

        Args:
            texts (`str` or `Sequence[str]`): the sentences.
            language (`str`): their language.
            **settings: for [`TransformerEncoder`], such as `layer`.

        Returns:
            `np.ndarray`: Shape: (texts, dimension), float32.
        """
        sentences = [texts] if isinstance(texts, str) else list(texts)
        encoder = TransformerEncoder(self.model_for(language), self.tokenizer_for(language), **settings)
        return encoder.encode(sentences)

    def folder_of(self, member: Member) -> Path:
        """The folder of a member's model, which is there as it was finished.

        Args:
            member (`Member`): of the collection.

        Raises:
            DamagedError: if it is missing, unfinished or not as it was finished.
        """
        folder = self.folder / member.folder
        # All bytes are read once; later, the list of their digests tells whether they have been written again.
        if member.folder in self._whole and listed_digest(folder) == member.digest:
            return folder
        if member.digest is None or finished_digest(folder) != member.digest:
            state = "is not trained yet" if member.digest is None else "is missing, or not as it was finished"
            raise DamagedError(
                folder, f"the model of {', '.join(member.languages[:5])} {state}", "Repeat the command that trains it."
            )
        self._whole.add(member.folder)
        return folder

    def _load(self, member: Member, auto_class: Any) -> PreTrainedModel:
        key = (member.folder, auto_class)
        folder = self.folder / member.folder if key in self._loaded else self.folder_of(member)
        model: PreTrainedModel = self._held(key, lambda: load_model(folder, auto_class))
        return model

    def _held(self, key: tuple[str, Any], load: Callable[[], Any]) -> Any:
        if key not in self._loaded:
            # Room is made first, so that there are never more models than allowed, not even while one is read.
            while len(self._loaded) >= self.max_loaded:
                self._loaded.popitem(last=False)
            self._loaded[key] = load()
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def _vectors(self) -> LanguageVectors:
        folder = self.folder / VECTORS_FOLDER
        if not folder.is_dir():
            raise ValueError(
                f"{self.folder} has no vectors, by which text is routed; train the collection with --vectors VECTORS"
            )
        vectors = LanguageVectors.load(folder)
        space, begun_with = describe_space(vectors.config, vectors.views), self.collection.base.get("revision")
        of_base = space["revision"] in (None, begun_with)
        if space["source"] not in (None, "encoder") or not of_base:
            raise ValueError(
                f"text is routed by its vector under {self.collection.base.get('name')}, and the vectors of "
                f"{self.folder} are of something else, {named_space(space)}: route by the language, "
                "router.route(CODE), or train a collection with --vectors of its --model"
            )
        return vectors

    def _base_model(self) -> tuple[str, str | None]:
        """What the vectors are of: a folder or Hub id, and its commit."""
        base = self.collection.base
        if self._base is not None:
            return str(self._base), None
        if (self.folder / BASE_FOLDER).is_dir():
            return str(self.folder / BASE_FOLDER), None
        if base.get("source") == "folder":
            raise ValueError(
                f"text is routed by its vector under {base['name']}, the model that the collection began with, which "
                "is no part of it. Give its folder: "
                f"SprachbundRouter.from_pretrained({str(self.folder)!r}, base=FOLDER)"
            )
        return str(base["name"]), base["revision"] if base.get("source") == "hub" else None

    def _checked(self, base: Path) -> Path:
        known = self.collection.base.get("revision")
        if base.is_dir() and str(known).startswith("xxh3:") and (own := model_revision(base)) != known:
            raise ValueError(
                f"{base} is not what the collection began with, {self.collection.base['name']}: its fingerprint is "
                f"{own} and not {known}"
            )
        return base

    def _mean_vector(self, sentences: Sequence[str], vectors: LanguageVectors) -> np.ndarray:
        (name,) = vectors.views
        model, revision = self._base_model()
        view = parse_view(name)
        base: TransformerEncoder = self._held((BASE_FOLDER, None), EncoderSource(model, (view,), revision).load)
        kept, rows = base.encode_views(sentences, [view])
        if not kept.any():
            raise ValueError("the text has no token of its own under the base's tokenizer; give other sentences")
        mean: np.ndarray = rows[view].mean(axis=0, dtype=np.float64)
        return mean


def _scripts_like(script: str) -> set[str]:
    """The scripts in which text may be that was found to be in one; a heading in Japanese may have no kana."""
    found = detected_as(script)
    return {found, "Jpan"} if found == "Hani" else {found}


def _common(one: Sequence[str], two: Sequence[str]) -> int:
    """How many groups of the tree of languages two lineages share, from its root."""
    return len(commonprefix([list(one), list(two)]))
