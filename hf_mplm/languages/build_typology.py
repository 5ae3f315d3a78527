"""Writes typology.tsv and typology_features.tsv: `python -m hf_mplm.languages.build_typology WHEEL [FOLDER]`.

WHEEL is what `pip download --no-deps urielplus==1.3.2` leaves. Nothing of it is executed or unpickled.
"""

from __future__ import annotations

import csv
import io
import sys
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import tables
from .codes import family_name
from .typology import DOMAINS, SEPARATOR, UNKNOWN, pack


__all__: list[str] = []

_FEATURES = "urielplus/database/original_uriel/features.npz"
_GLOTTOCODES = "urielplus/database/urielplus_csvs/uriel_glottocode_map.csv"
_GLOTTOLOG = "urielplus/database/urielplus_csvs/lang_fam_geo.csv"

# What stands for a code that URIEL+ gives no place in Glottolog: the row of the language or group itself, or members
# of the group, whose common lineage and mean place it takes.
_GLOTTOCODE_OF = {"ajp": "sout3123", "bih": "biha1245", "cnr": "mont1282", "eml": "emil1243", "srd": "sard1257"}
_MEMBERS = {
    "bal": ("bcc", "bgn", "bgp"),
    "ber": ("kab", "rif", "shi", "taq", "tzm"),
    "bik": ("bcl", "bln", "bto", "rbl"),
    "gba": ("bdt", "gbp", "gbq", "gmm", "gso", "gya"),
    "hmn": ("hea", "hmd", "hmj", "hnj", "mmr", "muq", "mww"),
    "iku": ("ike", "ikt"),
    "jrb": ("aju", "yhd", "yud"),
    "kok": ("gom", "knn"),
    "kon": ("kng", "kwy", "ldi"),
    "kpe": ("gkp", "xpe"),
    "lah": ("hnd", "hno", "jat", "phr", "pnb", "skr"),
    "luy": ("bxk", "ida", "lko", "lri", "lsm", "rag"),
    "man": ("emk", "mku", "mlq", "mnk", "mwk"),
    "mwr": ("dhd", "mtr", "mve", "rwr", "swv", "wry"),
    "nah": ("azz", "nch", "ngu", "nhe", "nhg"),
    "oji": ("ciw", "ojb", "ojg", "ojs", "otw"),
    "oto": ("ote", "otm", "otq", "ots"),
    "que": ("qub", "qug", "quy", "quz"),
    "raj": ("bgq", "gda", "gju", "hoj", "mup"),
    "syr": ("aii", "cld"),
}

_HEAD = """\
# Where languages stand in Glottolog and what URIEL knows of them, one language a row. Licence: CC BY-SA 4.0.
# Glottocodes, coordinates (degrees, to a hundredth), lineages: Hammarstrom, Forkel, Haspelmath & Bank, Glottolog
# (https://glottolog.org), CC BY 4.0, as URIEL+ 1.3.2 redistributes them.
# Features: URIEL (Littell et al. 2017) as URIEL+ 1.3.2 redistributes it. Its third-party notices name as URIEL's
# sources WALS, SSWL, Ethnologue, PHOIBLE (AA, GM, PH, RA, SPA, UPSID) and SAPhon.
# URIEL+: https://github.com/LeeLanguageLab/URIELPlus, CC BY-SA 4.0. Made by hf_mplm/languages/build_typology.py.
# Changes: only languages that families.tsv knows; an isolate's lineage is its name; what is known of a macrolanguage
# alone fills in for the member that FLORES-200 writes it by; groups without a row (que, kon, ber ...) have what
# their members share; features are 1, 0 or ?: the mean over sources above 0.5, below it, or at it or unknown.
# lineage: how many names it shares with the row above, then the others, from the top down. The features stand in
# the order of typology_features.tsv, four a character: the character 40 + a + 3b + 9c + 27d, where ? is 2.
"""
_FEATURES_HEAD = """\
# URIEL's names of the features in typology.tsv, in its order. CC BY-SA 4.0; sources and changes: see typology.tsv.
"""


class _Place(NamedTuple):
    glottocode: str
    latitude: str
    longitude: str
    lineage: tuple[str, ...]


def build(wheel: Path, folder: Path) -> None:
    """Read the wheel and write the two tables.

    Args:
        wheel (`Path`): URIEL+'s wheel.
        folder (`Path`): where to write.
    """
    with zipfile.ZipFile(wheel) as archive:
        glottocodes = {row["iso_code"]: row["glottocode"] for row in _table(archive, _GLOTTOCODES)}
        glottolog = {row["language_id"]: row for row in _table(archive, _GLOTTOLOG)}
        names, languages, values = _features(archive)
    placed: dict[str, _Place] = {}
    sources: dict[str, list[str]] = {}
    for source, code in tables.aliases().items():
        if len(source) == len(code) == 3:
            sources.setdefault(code, []).append(source)
    wanted = [
        code for code in tables.iso_languages() if code not in tables.aliases() and family_name(code) != "unknown"
    ]
    for code in wanted:
        found = [_GLOTTOCODE_OF.get(code), *(glottocodes.get(one) for one in (code, *sources.get(code, ())))]
        row = next((glottolog[one] for one in found if one in glottolog), None)
        if row is not None:
            lineage = tuple(row["lineage"].split(", ")) if row["lineage"] else (family_name(code),)
            if lineage[0] != family_name(code):
                raise SystemExit(f"{code}: the family is {lineage[0]} here, {family_name(code)} in families.tsv")
            point = (_degrees(row["latitude"]), _degrees(row["longitude"]))
            placed[code] = _Place(row["language_id"], *point, lineage)
    for code, members in _MEMBERS.items():
        rows = [placed[member] for member in members]
        latitude, longitude = _mean(row.latitude for row in rows), _mean(row.longitude for row in rows)
        placed[code] = _Place("", latitude, longitude, _common([row.lineage for row in rows]))
    missing = [code for code in wanted if code not in placed]
    if missing:
        raise SystemExit(f"no place in Glottolog for {' '.join(missing)}")

    index = {language: number for number, language in enumerate(languages)}
    above: tuple[str, ...] = ()
    lines = []
    for code in sorted(placed, key=lambda one: (placed[one].lineage, one)):
        glottocode, latitude, longitude, lineage = placed[code]
        shared = len(_common([above, lineage]))
        above = lineage
        states = np.full(len(names), UNKNOWN)
        for one in (code, *sources.get(code, ())):
            if one in index:
                states = np.where(states == UNKNOWN, values[index[one]], states)
        packed = [pack(states[[name.startswith(prefix) for name in names]]) for prefix in DOMAINS.values()]
        shown = SEPARATOR.join([str(shared), *lineage[shared:]])
        lines.append("\t".join([code, glottocode, latitude, longitude, shown, *packed]))
    header = "\t".join(["language", "glottocode", "latitude", "longitude", "lineage", *DOMAINS])
    _write(folder / "typology.tsv", [_HEAD + header, *lines])
    ordered = [name for prefix in DOMAINS.values() for name in names if name.startswith(prefix)]
    _write(folder / "typology_features.tsv", [_FEATURES_HEAD + "feature", *ordered])


def _table(archive: zipfile.ZipFile, name: str) -> Iterator[dict[str, str]]:
    yield from csv.DictReader(io.StringIO(archive.read(name).decode("utf-8")))


def _features(archive: zipfile.ZipFile) -> tuple[list[str], list[str], np.ndarray]:
    """Names, languages, and the states 0, 1 and `UNKNOWN` of each language."""
    loaded = np.load(io.BytesIO(archive.read(_FEATURES)), allow_pickle=False)
    values = np.where(loaded["data"] < 0, np.nan, loaded["data"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of features that no source knows
        means = np.nanmean(values, axis=2)
    states = np.full(means.shape, UNKNOWN)
    states[means > 0.5] = 1
    states[means < 0.5] = 0
    return [str(name) for name in loaded["feats"]], [str(language) for language in loaded["langs"]], states


def _degrees(value: str) -> str:
    if value == "":
        return ""
    # Some longitudes of the Americas are written as degrees east of Greenwich, up to 360.
    degrees = float(value)
    return f"{degrees - 360 if degrees > 180 else degrees:.2f}"


def _mean(degrees: Iterable[str]) -> str:
    return _degrees(str(np.mean([float(one) for one in degrees])))


def _common(lineages: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    shared: list[str] = []
    for level in zip(*lineages):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return tuple(shared)


def _write(path: Path, lines: Sequence[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent)
