from __future__ import annotations

import subprocess
import sys

import pytest

import hf_mplm.data


def test_every_public_name_is_there_and_is_listed():
    for name in hf_mplm.data.__all__:
        assert getattr(hf_mplm.data, name).__name__ == name
    assert set(hf_mplm.data.__all__) <= set(dir(hf_mplm.data))
    assert {name for names in hf_mplm.data._NAMES.values() for name in names} == set(hf_mplm.data.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="LanguageSampel"):
        hf_mplm.data.LanguageSampel  # noqa: B018


def test_importing_the_room_does_not_import_what_is_heavy():
    # The package itself needs transformers, to register its configurations.
    code = (
        "import sys, hf_mplm; before = set(sys.modules); import hf_mplm.data; "
        "print({'datasets', 'pyarrow', 'sentencepiece', 'uroman'} & (set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
