"""`hf-mplm push`: publish a folder on the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hf_mplm.report.table import text_table

from .parser import MplmArgumentParser


@dataclass
class PushArguments:
    """Flags of `hf-mplm push`."""

    folder_and_repository: list[str] = field(
        metadata={"help": "What to publish, and where: FOLDER OWNER/NAME.", "metavar": "FOLDER OWNER/NAME"}
    )
    kind: str | None = field(
        default=None,
        metadata={"help": "What the folder must be; needed for token-store and romanised-corpus, which hold text."},
    )
    private: bool = field(default=False, metadata={"help": "Make a new repository private; a public one is refused."})
    revision: str = field(default="main", metadata={"help": "The branch, which is made where it is missing."})
    create_pr: bool = field(default=False, metadata={"help": "Propose the commit as a pull request."})
    tag: str | None = field(default=None, metadata={"help": "A name for the commit, such as v1."})
    without_encoder: bool = field(
        default=False, metadata={"help": "Of a LangSAMP checkpoint, leave out the plain encoder in encoder/."}
    )
    license: str | None = field(default=None, metadata={"help": "The licence, as the Hub writes it: apache-2.0."})
    base: str | None = field(
        default=None,
        metadata={"help": "Of low-rank weights and modules over a folder of yours, the OWNER/NAME of that base."},
    )
    message: str | None = field(default=None, metadata={"help": "The message of the commit."})
    dry_run: bool = field(default=False, metadata={"help": "Print files, sizes and the card, and send nothing."})


def make_parser() -> MplmArgumentParser:
    """The parser of `hf-mplm push`."""
    return MplmArgumentParser(
        PushArguments,
        positional="folder_and_repository",
        prog="hf-mplm push",
        description="Publish a checkpoint, an encoder, static embeddings, a collection, an export or results on the "
        "Hugging Face Hub: the files that belong to it, its card and a record of its making, in one commit. Other "
        "files stay. Interrupted, the same command goes on.",
    )


def run(argv: Sequence[str]) -> int:
    """Publish, or say what would be published.

    Args:
        argv (`Sequence[str]`): the command line without program and verb.
    """
    (arguments,) = make_parser().parse(argv)
    if len(arguments.folder_and_repository) != 2:
        raise ValueError("needed are a folder and a repository: hf-mplm push FOLDER OWNER/NAME")
    folder, repo_id = arguments.folder_and_repository
    from huggingface_hub import HfApi

    from hf_mplm.hub.publish_commit import Target, commit_files
    from hf_mplm.hub.publishing import plan_publication

    settings: dict[str, Any] = {"kind": arguments.kind, "license": arguments.license, "base": arguments.base}
    with plan_publication(folder, repo_id, with_encoder=not arguments.without_encoder, **settings) as publication:
        kind = publication.kind
        rows = [("file", "bytes"), *((name, f"{size:,}") for name, size in publication.sizes().items())]
        print("\n".join(text_table([*rows, ("together", f"{sum(publication.sizes().values()):,}")])))
        if publication.left:
            print(f"{len(publication.left)} that are not published stay: {', '.join(publication.left)}")
        if arguments.dry_run:
            print(
                f"\n{publication.card}\n\nNothing was sent. This would go to {kind.repo_type} {repo_id} as {kind.what}"
            )
            return 0
        target = Target(
            repo_id,
            kind.repo_type,
            arguments.revision,
            arguments.create_pr,
            arguments.private or None,
            arguments.tag,
        )
        message = arguments.message or f"Upload {kind.what}"
        pushed = commit_files(HfApi(), target, publication.files, message)
    for name in pushed.deleted:
        print(f"deleted {name}, which an earlier push wrote and this folder lacks")
    if not pushed.changed:
        print(f"Everything was there already: {pushed.url}")
    else:
        print(f"{'Proposed' if arguments.create_pr else 'Published'} {kind.what}: {pushed.url}")
    return 0
