"""The tables behind `hf_mplm.languages`: read on first use, once a process; their heads say where they come from."""

from __future__ import annotations

import functools
from importlib import resources
from typing import NamedTuple


__all__: list[str] = []

# What data sets write although ISO 639-3 does not, or no longer, hold it. Each names text that no other code names.
BEYOND_ISO_639_3 = {
    "ajp": "South Levantine Arabic",  # FLORES-200; withdrawn from ISO 639-3 in 2023
    "ber": "Berber languages",  # Tatoeba; an ISO 639-5 collection
    "bih": "Bihari languages",  # Glot500; an ISO 639-5 collection
    "eml": "Emiliano-Romagnolo",  # Wikipedia, Glot500; withdrawn in 2009
    "kzj": "Coastal Kadazan",  # Tatoeba; withdrawn in 2016
    "nah": "Nahuatl languages",  # AmericasNLI; an ISO 639-5 collection
    "oto": "Otomian languages",  # AmericasNLI; an ISO 639-5 collection
}

# ISO 15924 codes that say that text has no script of its own, or that nothing is known of it.
NOT_A_SCRIPT = frozenset(("Zinh", "Zmth", "Zsye", "Zsym", "Zxxx", "Zyyy", "Zzzz"))


class KnownCode(NamedTuple):
    """One row of language_codes.tsv."""

    flores200: bool
    xlm_r: tuple[str, ...]
    udhr: bool
    romanized: bool


class Family(NamedTuple):
    """A top-level family: Glottolog's identifier and English name."""

    id: str
    name: str


def rows(name: str) -> list[list[str]]:
    """The rows of one of the tables here, without comments and header."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    found = [line.split("\t") for line in text.split("\n") if line and not line.startswith("#")]
    return found[1:]


@functools.cache
def aliases() -> dict[str, str]:
    """What arrives -> what it is called here."""
    return {source: code for source, code, _ in rows("language_aliases.tsv")}


@functools.cache
def whole_aliases() -> dict[str, str]:
    """The same for codes of several parts alone, with what arrives folded to lower case and underscores."""
    folded = {source.lower().replace("-", "_"): code for source, code in aliases().items()}
    return {source: code for source, code in folded.items() if "_" in source}


@functools.cache
def known_codes() -> dict[str, KnownCode]:
    """The language-script codes of FLORES-200, XLM-R and the UDHR."""
    return {
        code: KnownCode(flores == "1", tuple(xlm_r.split()), udhr == "1", romanized == "1")
        for code, flores, xlm_r, udhr, romanized in rows("language_codes.tsv")
    }


@functools.cache
def known_scripts() -> dict[str, tuple[str, ...]]:
    """Language -> its scripts in FLORES-200 and XLM-R, or else in the UDHR; transliterations are left out."""
    benchmark: dict[str, list[str]] = {}
    declaration: dict[str, list[str]] = {}
    for code, row in known_codes().items():
        if not row.romanized:
            language, script = code.split("_")
            table = declaration if row.udhr and not (row.flores200 or row.xlm_r) else benchmark
            table.setdefault(language, []).append(script)
    return {language: tuple(scripts) for language, scripts in {**declaration, **benchmark}.items()}


@functools.cache
def all_known_scripts() -> frozenset[str]:
    """The scripts of the known codes."""
    return frozenset(code[4:] for code in known_codes())


@functools.cache
def families() -> dict[str, Family]:
    """ISO 639-3 code -> family."""
    return {language: Family(id, name) for id, name, members in rows("families.tsv") for language in members.split()}


@functools.cache
def iso_languages() -> dict[str, str]:
    """ISO 639-3 code -> English reference name; the special codes mis, mul, und and zxx name no language."""
    import pycountry

    names = {entry.alpha_3: entry.name for entry in pycountry.languages if entry.scope != "S"}
    return {**names, **BEYOND_ISO_639_3}


@functools.cache
def iso_short_languages() -> dict[str, str]:
    """ISO 639-1 (`de`) and ISO 639-2/B (`ger`) code -> ISO 639-3 code."""
    import pycountry

    short = {}
    for entry in pycountry.languages:
        for field in ("alpha_2", "bibliographic"):
            if hasattr(entry, field):
                short[getattr(entry, field)] = entry.alpha_3
    return short


@functools.cache
def macrolanguages() -> dict[str, str]:
    """Language -> the macrolanguage that it is counted to, of those with two letters in ISO 639-1."""
    return {language: macro for macro, members in rows("macrolanguages.tsv") for language in members.split()}


@functools.cache
def two_letters() -> dict[str, str]:
    """ISO 639-3 code -> ISO 639-1 code."""
    import pycountry

    return {entry.alpha_3: entry.alpha_2 for entry in pycountry.languages if hasattr(entry, "alpha_2")}


@functools.cache
def iso_scripts() -> dict[str, str]:
    """ISO 15924 code -> English name."""
    import pycountry

    return {entry.alpha_4: entry.name for entry in pycountry.scripts if entry.alpha_4 not in NOT_A_SCRIPT}
