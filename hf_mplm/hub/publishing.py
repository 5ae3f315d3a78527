"""Publishing a folder on the Hugging Face Hub: what goes is a list, and it goes in one commit."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash
from huggingface_hub import HfApi
from huggingface_hub.utils import validate_repo_id
from safetensors import SafetensorError, safe_open

from hf_mplm._compat import LOCAL_SETTINGS
from hf_mplm.jobs.digests import DIGESTS_FILE, digest_file, refuse_damage
from hf_mplm.jobs.files import DamagedError, explain_full_disk, read_json
from hf_mplm.modeling.stock import load_masked_lm

from .cards.folder import make_card
from .cards.rendering import is_own_card
from .cards.sections import name_repository, title_of, used_names
from .publish_base import name_base
from .publish_commit import Pushed, Target, commit_files
from .publish_kinds import CARD_FILE, RECORD_FILE, Kind, chosen_files, find_kind, other_files
from .publish_metadata import check_metadata
from .publish_privacy import refuse_private, without_places, without_run_settings
from .publish_record import record_of


__all__ = ["Publication", "plan_publication", "publish"]

logger = logging.getLogger(__name__)

_TEXTS = (".json", ".md", ".py", ".yaml", ".svg")
_TOO_LONG = 4 << 20  # a vocabulary, which holds no paths
_ADVICE = "Make or fetch it again; what was changed on purpose is taken once digests.json is deleted."


@dataclass
class Publication:
    """What would go to the Hub.

    Attributes:
        folder (`Path`): where it comes from.
        kind (`Kind`): what it is.
        files (`dict[str, Path | bytes]`): path in the repository to a file, or to what is written anew for the Hub.
        left (`list[str]`): what stays.
    """

    folder: Path
    kind: Kind
    files: dict[str, Path | bytes]
    left: list[str]

    def sizes(self) -> dict[str, int]:
        """Bytes of each file."""
        return {
            name: len(content) if isinstance(content, bytes) else content.stat().st_size
            for name, content in sorted(self.files.items())
        }

    @property
    def card(self) -> str:
        """The card, as it will stand there."""
        content = self.files[CARD_FILE]
        assert isinstance(content, bytes)
        return content.decode("utf-8")


def publish(
    folder: str | Path,
    repo_id: str,
    *,
    kind: str | None = None,
    private: bool | None = None,
    revision: str = "main",
    create_pr: bool = False,
    tag: str | None = None,
    with_encoder: bool = True,
    license: str | None = None,
    base: str | None = None,
    token: str | None = None,
    message: str | None = None,
) -> Pushed:
    """Publish a folder: the files of its kind, its card and its record, in one commit.

    A second push of the same content makes no commit. Files that an earlier push wrote and this one lacks are deleted
    in the same commit; anybody else's stay.

    Args:
        folder (`str` or `Path`): a checkpoint, an encoder, static embeddings, a collection, an export, results, ...
        repo_id (`str`): `OWNER/NAME`; it is made where it is missing.
        kind (`str`, *optional*): what the folder must be; needed for stores and romanised corpora.
        private (`bool`, *optional*): whether a new repository is private, so that one that is public is refused; the
            account's default otherwise.
        revision (`str`, *optional*, defaults to `"main"`): the branch; made, from `main`, where it is missing.
        create_pr (`bool`, *optional*, defaults to `False`): propose the commit instead of making it.
        tag (`str`, *optional*): a name for the commit.
        with_encoder (`bool`, *optional*, defaults to `True`): of a LangSAMP checkpoint, put its plain encoder into
            `encoder/`.
        license (`str`, *optional*): the Hub's identifier of the licence.
        base (`str`, *optional*): of low-rank weights and modules over a folder of this machine, the repository where
            others find that base.
        token (`str`, *optional*): of the Hub; the one that is logged in by default.
        message (`str`, *optional*): of the commit.

    Returns:
        [`Pushed`]: the commit, its address, and whether anything changed.

    Raises:
        ValueError: if something in the folder must not be published, or one may not write there.
        DamagedError: if a file is not as it was written, or the Hub would refuse the card.
        ConnectionError: if the Hub cannot be reached.
    """
    settings: dict[str, Any] = {"kind": kind, "with_encoder": with_encoder, "license": license, "base": base}
    with plan_publication(folder, repo_id, **settings) as publication:
        target = Target(repo_id, publication.kind.repo_type, revision, create_pr, private, tag)
        text = message or f"Upload {publication.kind.what}"
        return commit_files(HfApi(token=token), target, publication.files, text)


@contextmanager
def plan_publication(
    folder: str | Path,
    repo_id: str,
    *,
    kind: str | None = None,
    with_encoder: bool = True,
    license: str | None = None,
    base: str | None = None,
) -> Iterator[Publication]:
    """Put together what [`publish`] sends; nothing is sent. Arguments and errors are those of [`publish`].

    Yields:
        [`Publication`]: its files stand on disk as long as the context is open.
    """
    folder = Path(folder)
    _check_name(repo_id)
    found = find_kind(folder, kind)
    chosen = chosen_files(folder, found)
    refuse_damage(folder, _ADVICE, chosen)
    for name in chosen:
        _check_file(folder, name)
    with tempfile.TemporaryDirectory(prefix="hf-mplm-push-") as scratch:
        files: dict[str, Path | bytes] = {name: _for_the_hub(folder, name, base) for name in chosen}
        if found.name == "langsamp" and with_encoder and not any(name.startswith("encoder/") for name in chosen):
            with explain_full_disk(Path(scratch), "Make room there, set TMPDIR, or push --without_encoder."):
                files |= _plain_encoder(folder, Path(scratch))
        if found.name == "langsamp" and not with_encoder:
            files = {name: content for name, content in files.items() if not name.startswith("encoder/")}
        files |= _card(folder, found, repo_id, license, files)
        members = sorted({name.split("/")[0] for name in files if name.endswith(f"/{DIGESTS_FILE}")})
        _digest_members(folder, files, members)
        names = [*files, RECORD_FILE, DIGESTS_FILE]
        files[RECORD_FILE] = _json(record_of(folder, found.name, names, license))
        files[DIGESTS_FILE] = _digests(files)
        refuse_private(_texts(files), folder)
        yield Publication(folder, found, files, other_files(folder, chosen))


def _check_name(repo_id: str) -> None:
    if repo_id.count("/") != 1:
        raise ValueError(f"{repo_id!r} is no repository; it is written OWNER/NAME")
    validate_repo_id(repo_id)


def _check_file(folder: Path, name: str) -> None:
    """Refuse a file that nobody could load."""
    path = folder / name
    if not path.stat().st_size:
        raise DamagedError(path, "it is empty", "Make it again.")
    if name.endswith(".safetensors"):
        try:
            with safe_open(path, "np") as weights:
                if not weights.keys():
                    raise DamagedError(path, "it holds no weights", "Make it again.")
        except (SafetensorError, OSError) as error:
            if isinstance(error, DamagedError):
                raise
            raise DamagedError(path, f"it is no whole safetensors file ({error})", "Make it again.") from error


def _for_the_hub(folder: Path, name: str, base: str | None = None) -> Path | bytes:
    """A file as it is, or without what is nobody's business."""
    path = folder / name
    if not name.endswith(".json") or path.stat().st_size > _TOO_LONG or name.endswith("tokenizer.json"):
        return path
    value = read_json(path)
    told = without_run_settings(value) if path.name == "training_args.json" and isinstance(value, dict) else value
    named = name_base(folder, name, told, base) if isinstance(told, dict) else told
    told = _local_settings(path.name, without_places(named))
    if isinstance(named, dict) and "base_model_name_or_path" in named:
        told["base_model_name_or_path"] = named["base_model_name_or_path"]  # a folder beside it, or a repository
    return path if told == value else _json(told)


def _local_settings(name: str, value: Any) -> Any:
    """Settings of a tokenizer that only tell how it was read here."""
    if name != "tokenizer_config.json" or not isinstance(value, dict):
        return value
    return {key: one for key, one in value.items() if key not in (*LOCAL_SETTINGS, "name_or_path")}


def _plain_encoder(folder: Path, scratch: Path) -> dict[str, Path | bytes]:
    """The encoder alone, which transformers loads without this package."""
    encoder = scratch / "encoder"
    model: Any = load_masked_lm(folder)
    model.export_encoder(encoder)
    names = sorted(path.name for path in encoder.iterdir() if path.is_file() and path.name != CARD_FILE)
    return {f"encoder/{name}": _for_the_hub(encoder, name) for name in names}


def _card(
    folder: Path, kind: Kind, repo_id: str, license: str | None, files: Mapping[str, Path | bytes]
) -> dict[str, Path | bytes]:
    """The card, as the repository is called, and what it shows."""
    path = folder / CARD_FILE
    if path.is_file():
        check_metadata(_text_of(path), path)
    drawn = make_card(folder, kind, repo_id, license, files)
    text = drawn[CARD_FILE].decode("utf-8") if drawn is not None else _text_of(path)
    if drawn is not None or is_own_card(folder):
        title = title_of(text)
        text = name_repository(text, repo_id, {folder.resolve().name, *used_names(text), *([title] if title else [])})
    data = check_metadata(text, path)
    if license is not None and data.get("license") != license:
        text = _with_license(text, license)
        check_metadata(text, path)
    return {**(drawn or {}), CARD_FILE: text.encode("utf-8")}


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DamagedError(path, f"it is not UTF-8 (byte {error.start})", "Save it as UTF-8.") from error


def _with_license(text: str, license: str) -> str:
    from huggingface_hub import ModelCard

    card = ModelCard(text, ignore_metadata_errors=True)
    data: Any = card.data
    data.license = license
    return str(card)


def _digests(files: Mapping[str, Path | bytes]) -> bytes:
    """Digests of what goes, in place of the folder's own, whose files may have been written anew."""
    entries = {}
    for name, content in sorted(files.items()):
        if name in (CARD_FILE, RECORD_FILE):  # which people edit on the Hub, and nothing reads
            continue
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        digest = xxhash.xxh3_128_hexdigest(content) if isinstance(content, bytes) else digest_file(content)
        entries[name] = {"size": size, "digest": digest}
    return _json({"algorithm": "xxh3_128", "files": entries})


def _digest_members(folder: Path, files: dict[str, Path | bytes], members: list[str]) -> None:
    """Write the digests of a collection's members anew where their files were, and the collection's note of them."""
    noted: dict[str, str] = {}
    for member in members:
        own = {
            name.removeprefix(f"{member}/"): content
            for name, content in files.items()
            if name.startswith(f"{member}/") and not name.endswith(f"/{DIGESTS_FILE}")
        }
        content = _digests(own)
        files[f"{member}/{DIGESTS_FILE}"] = content
        noted[member] = xxhash.xxh3_128_hexdigest(content)
    if "sprachbunds.json" not in files:
        return
    described = without_places(read_json(folder / "sprachbunds.json"))
    for member in described.get("clusters", []):
        if isinstance(member, dict) and member.get("folder") in noted and member.get("digest") is not None:
            member["digest"] = noted[member["folder"]]
    files["sprachbunds.json"] = _json(described)


def _texts(files: Mapping[str, Path | bytes]) -> Iterator[tuple[str, str]]:
    for name, content in files.items():
        if not name.endswith(_TEXTS) or name.endswith("tokenizer.json"):
            continue
        if isinstance(content, Path):
            if os.path.getsize(content) > _TOO_LONG:
                continue
            content = content.read_bytes()
        yield name, content.decode("utf-8", errors="replace")


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
