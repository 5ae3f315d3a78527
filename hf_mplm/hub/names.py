"""File names out of names that somebody else chose: of models, revisions, tasks and runs."""

from __future__ import annotations

import hashlib
import re
import unicodedata


__all__ = ["safe_name"]

# Bytes that every file system takes in one name, less what is put behind it.
_LONGEST = 200
# Names that Windows keeps for devices, with any ending.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def safe_name(text: str, fallback: str = "unnamed") -> str:
    """Make one part of a path out of a name, such that nothing is ever written outside the folder before it.

    A slash becomes two underscores, as the Hub's own tools write it; what not every file system takes becomes a
    hyphen. Dots and hyphens at the beginning go, and with them `..`.

    Args:
        text (`str`): The name, out of a table of results, a card or a repository.
        fallback (`str`, *optional*, defaults to `"unnamed"`): What stands for a name of which nothing is left.

    Returns:
        `str`: Letters, digits and `_ . - + = @`, at most 210 bytes.

    Example:

        >>> safe_name("org/model"), safe_name("../../etc/passwd"), safe_name("sha256:12")
        ('org__model', '__..__etc__passwd', 'sha256-12')
    """
    joined = re.sub(r"[/\\]", "__", unicodedata.normalize("NFC", str(text)))
    name = re.sub(r"[^\w.+=@-]+", "-", joined).lstrip(".-").rstrip(".-")
    if not name:
        return fallback
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    if len(encoded := name.encode("utf-8")) > _LONGEST:
        # Two long names that begin alike stay two.
        digest = hashlib.sha256(encoded).hexdigest()[:8]
        name = f"{encoded[:_LONGEST].decode('utf-8', errors='ignore')}-{digest}"
    return name
