"""What the Hub's refusals mean for the one who pushes, each in a line that says what to do."""

from __future__ import annotations

import re
from http import HTTPStatus

from huggingface_hub.errors import HfHubHTTPError


__all__ = ["check_ref", "explain", "is_connection", "one_line", "refusal"]

# Of exceptions by which the two clients' HTTP libraries tell of a connection that failed.
_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3")
# What git takes as a name: https://git-scm.com/docs/git-check-ref-format
_REF = re.compile(r"(?![-./])(?!.*(?:\.\.|//|/\.|@\{|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\]+(?<![./])")


def check_ref(name: str, flag: str) -> None:
    """Refuse a branch or a tag that git has no name for, which the Hub would say after everything was sent.

    Args:
        name (`str`): of the branch or the tag.
        flag (`str`): that gave it.

    Raises:
        ValueError: naming it.
    """
    if not _REF.fullmatch(name):
        raise ValueError(
            f"{flag} {name!r} is no name that git takes; write letters, digits, and . - _ / within, as v1.0"
        )


def explain(error: HfHubHTTPError, repo_id: str, *, is_missing: bool = False, is_proposal: bool = False) -> str:
    """Say what a refusal means, and what to do.

    Args:
        error (`HfHubHTTPError`): the Hub's answer, before any commit was made.
        repo_id (`str`): where to.
        is_missing (`bool`, *optional*, defaults to `False`): whether there is no such repository, as far as one sees.
        is_proposal (`bool`, *optional*, defaults to `False`): whether the commit is proposed alone.
    """
    status = error.response.status_code if error.response is not None else 0
    if status == 401:
        return (
            f"the Hub does not know you (401), so that nothing was written to {repo_id}; log in by `hf auth login`, "
            "or set HF_TOKEN to a token that may write and has not expired"
        )
    if status == 403 and is_missing:
        return (
            f"there is no {repo_id} that your token may see, and it may not make it ({refusal(error)}), so that "
            "nothing was written; take another OWNER, or a token with the right to write there"
        )
    if status == 403:
        other = "or another OWNER" if is_proposal else "another OWNER, or propose the change: --create_pr"
        return (
            f"your token may not write to {repo_id} ({refusal(error)}), so that nothing was written; take a token "
            f"with the right to write there, {other}"
        )
    # What is wrong with what was sent stays wrong.
    again = "; the same command tries again" if status >= 500 or status in (408, 409, 412, 429) else ""
    return f"the Hub refused ({refusal(error)}). {repo_id} is as it was{again}"


def refusal(error: HfHubHTTPError) -> str:
    """Status and words of the Hub's answer, without the addresses that its client adds."""
    status = error.response.status_code if error.response is not None else 0
    try:
        told = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        told = str(status)
    return f"{told}: {one_line(error.server_message)}" if error.server_message else told


def is_connection(error: BaseException) -> bool:
    """Whether an exception tells of a connection that failed."""
    return type(error).__module__.partition(".")[0] in _LIBRARIES or isinstance(error, ConnectionError | TimeoutError)


def one_line(text: object) -> str:
    """What an error says, in one line of bounded length."""
    return " ".join(str(text).split())[:200]
