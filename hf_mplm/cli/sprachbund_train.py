"""`hf-mplm sprachbund train`: one model a cluster of languages, and controls."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal


if TYPE_CHECKING:
    from hf_mplm.sprachbund.collection.collection import Collection
    from hf_mplm.sprachbund.collection.members import Member

logger = logging.getLogger(__name__)

SETTINGS_FILE = "pretrain.yaml"


@dataclass
class TrainArguments:
    """Flags of `hf-mplm sprachbund train` beside those of `hf-mplm pretrain`, which every model is trained by."""

    clusters: str = field(metadata={"help": "Folder of `hf-mplm sprachbund cluster`."})
    store: str = field(metadata={"help": "One token store for all, which `hf-mplm prepare` writes."})
    model: str = field(metadata={"help": "Masked-LM checkpoint that every model starts from: folder or Hub id."})
    vectors: str | None = field(
        default=None,
        metadata={"help": "Folder of `hf-mplm sprachbund vectors`, to route text by and for pivots of other arms."},
    )
    arm: Literal["clusters", "all", "random"] = field(
        default="clusters",
        metadata={"help": "clusters as they are; all: one model of all; random: languages drawn, the same sizes."},
    )
    random_seed: int = field(default=42, metadata={"help": "Seed of the arm random."})
    budget: Literal["per_model", "total"] = field(
        default="per_model",
        metadata={
            "help": "--max_steps is for each model (the paper's, which favours many models), or for all together, "
            "divided such that every language is seen as often as in one model of all."
        },
    )
    method: Literal["mlm", "langsamp"] = field(default="mlm", metadata={"help": "As for `hf-mplm pretrain`."})
    delta: bool = field(
        default=False,
        metadata={
            "help": "Train low-rank weights over --model, of which the collection holds one copy, instead of a copy "
            "for each cluster. With --method mlm."
        },
    )
    delta_rank: int = field(default=8, metadata={"help": "Rank of what --delta trains."})
    devices: list[str] | None = field(
        default=None, metadata={"help": "Accelerators, by number, each of which trains one model at a time."}
    )
    print_commands: bool = field(
        default=False, metadata={"help": "Print one command a model, for a scheduler, instead of training."}
    )
    trust_remote_code: bool = field(default=False, metadata={"help": "Run code that comes with the model."})


def run(arguments: TrainArguments, args: Any) -> int:
    """Train what is not finished, and say where the collection stands."""
    from hf_mplm.jobs.files import explain_full_disk
    from hf_mplm.jobs.lock import hold_folder

    from .training import check_delta, check_folders

    if arguments.delta:
        check_delta(arguments.method)
    check_folders(args.output_dir, clusters=arguments.clusters, store=arguments.store, model=arguments.model)
    output = Path(args.output_dir)
    with explain_full_disk(output.parent, "Free some space and repeat the same command."):
        with hold_folder(output, "hf-mplm sprachbund train"):
            return _train(arguments, args, output)


def _train(arguments: TrainArguments, args: Any, output: Path) -> int:
    from hf_mplm.sprachbund.collection.files import BASE_FOLDER, VECTORS_FOLDER, copy_base, finished_digest
    from hf_mplm.sprachbund.collection.processes import Outcome, train_members

    collection, vectors = _plan(arguments, args)
    _take_up(collection, output, args)
    if vectors is not None:
        vectors.save(output / VECTORS_FOLDER)
    start = arguments.model
    if arguments.delta:
        copy_base(arguments.model, output / BASE_FOLDER)
        start = str(output / BASE_FOLDER)
    settings = output / SETTINGS_FILE
    _write_settings(settings, args)

    def command(member: Member) -> list[str]:
        own = {"store": arguments.store, "model": start, "method": arguments.method}
        words = ["pretrain", "--config", str(settings), "--output", str(output / member.folder)]
        words += [word for name, value in own.items() for word in (f"--{name}", value)]
        words += ["--max_steps", str(member.steps), "--languages", ",".join(member.trained_on)]
        if arguments.delta:
            words += ["--delta", "--delta_rank", str(arguments.delta_rank)]
        return [*words, "--trust_remote_code"] if arguments.trust_remote_code else words

    todo = collection.unfinished(output)
    if arguments.print_commands:
        for member in todo:
            print(shlex.join(["hf-mplm", *command(member)]))
        print(
            f"{len(todo)} of {len(collection.members)} models are to be trained; when the commands above have ended, "
            "repeat this one without --print_commands",
            file=sys.stderr,
        )
        return 0

    for member in todo:
        member.digest = None
    collection.save(output)

    def finish(outcome: Outcome) -> None:
        if outcome.status == 0:
            outcome.member.digest = finished_digest(output / outcome.member.folder)
            collection.save(output)

    outcomes = train_members(todo, command, devices=arguments.devices or (), logs=output, finished=finish)
    return _tell(collection, outcomes, output)


def _plan(arguments: TrainArguments, args: Any) -> tuple[Collection, Any]:
    from hf_mplm.data.store.token_store import load_store
    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
    from hf_mplm.evaluation.loading import model_revision
    from hf_mplm.sprachbund.clusters.sprachbunds import Sprachbunds
    from hf_mplm.sprachbund.collection.arms import choose_arm
    from hf_mplm.sprachbund.collection.collection import Collection
    from hf_mplm.sprachbund.collection.members import plan_members
    from hf_mplm.sprachbund.vectors.language_vectors import LanguageVectors
    from hf_mplm.trainers.base.run_record import changed_settings

    from .sprachbund_matching import check_clusters, check_vectors, label_without_place

    vectors = None if arguments.vectors is None else LanguageVectors.load(arguments.vectors)
    clusters = Sprachbunds.load(arguments.clusters)
    if vectors is not None:
        check_clusters(clusters, vectors, arguments)
    sprachbunds = choose_arm(clusters, arguments.arm, vectors=vectors, seed=arguments.random_seed)
    if vectors is not None:
        vectors = vectors.select(views=[sprachbunds.settings.get("view") or vectors.views[0]])
    store = load_store(arguments.store)
    tokenizer = load_tokenizer(arguments.model, trust_remote_code=arguments.trust_remote_code)
    store.check_tokenizer(tokenizer)
    if args.max_steps < 1:
        raise ValueError("needed is --max_steps, the optimizer steps of each model or, with --budget total, of all")
    members = plan_members(sprachbunds, store, max_steps=args.max_steps, budget=arguments.budget, alpha=args.alpha)
    clustered = {code for member in members for code in member.languages}
    if others := sorted(set(store.languages) - clustered):
        logger.warning("%d languages of the store are in no cluster: %s", len(others), ", ".join(others[:10]))
    if silent := sorted(clustered - set(store.languages)):
        logger.warning("%d languages of the clusters have no text: %s", len(silent), ", ".join(silent[:10]))
    revision = model_revision(arguments.model, trust_remote_code=arguments.trust_remote_code)
    place = Path(arguments.model)
    base = {
        "source": "folder" if place.is_dir() else "hub",
        "name": place.resolve().name if place.is_dir() else arguments.model,
        "revision": revision,
        "tokenizer": store.info["tokenizer"]["fingerprint"],
    }
    if vectors is not None:
        check_vectors(vectors, base, arguments)
        vectors.config.update(label_without_place(vectors, base))
    training = {
        "budget": arguments.budget,
        "method": arguments.method,
        "store": store.info["identity"],
        "settings": {name: now for name, (_, now) in changed_settings(*_plain_and_own(args)).items()},
    }
    if arguments.delta:
        training["delta"] = arguments.delta_rank
    return Collection(sprachbunds, members, base, training), vectors


def _plain_and_own(args: Any) -> list[dict[str, Any]]:
    """The trainer's settings that are the defaults, and those that were told, as JSON has them."""
    from hf_mplm.trainers import MaskedLMTrainingArguments

    both = (MaskedLMTrainingArguments(output_dir=args.output_dir), args)
    return [json.loads(one.to_json_string()) for one in both]


def _take_up(collection: Collection, output: Path, args: Any) -> None:
    """Go on with a collection of the same clusters and settings, refuse one of others, or begin."""
    from hf_mplm.jobs.plan import plan_differences
    from hf_mplm.sprachbund.clusters.sprachbunds import SPRACHBUNDS_FILE
    from hf_mplm.trainers.base.run_record import changed_settings

    if (output / SPRACHBUNDS_FILE).is_file():
        before = type(collection).load(output)
        lines = plan_differences({"identity": before.identity()}, {"identity": collection.identity()})
        plain, _ = _plain_and_own(args)
        if "settings" in before.training:  # older ones do not say
            then, now = (plain | one.training["settings"] for one in (before, collection))
            lines += [f"{name}: {old!r} then, {new!r} now" for name, (old, new) in changed_settings(then, now).items()]
        if lines:
            raise ValueError(
                f"{output} holds a collection that was begun with something else: {'; '.join(lines)[:600]}. Give "
                "another --output, or the same settings"
            )
        for member, known in zip(collection.members, before.members):
            # A model that was trained by a printed command is finished, too.
            member.digest = known.digest or _digest_of_finished(output / member.folder, member.steps)
    collection.save(output)


def _digest_of_finished(folder: Path, steps: int) -> str | None:
    from hf_mplm.jobs.files import DamagedError, read_json
    from hf_mplm.sprachbund.collection.files import finished_digest

    try:
        state = read_json(folder / "trainer_state.json")
        done = isinstance(state, dict) and state.get("global_step") == steps
        return finished_digest(folder) if done else None
    except DamagedError:
        return None


def _write_settings(path: Path, args: Any) -> None:
    """Write what was told of training as a recipe, by which every model is trained."""
    import yaml

    from hf_mplm.jobs.files import atomic_write

    plain, own = _plain_and_own(args)
    told = {
        name: value
        for name, value in own.items()
        if value != plain[name] and name not in ("output_dir", "max_steps", "logging_dir")
    }
    with atomic_write(path) as handle:
        handle.write(yaml.safe_dump(told, allow_unicode=True).encode())


def _tell(collection: Collection, outcomes: Sequence[Any], output: Path) -> int:
    failed = [outcome for outcome in outcomes if outcome.status]
    for outcome in failed:
        where = f"; it printed into {outcome.log}" if outcome.log is not None else ""
        print(f"{outcome.member.folder} ended with status {outcome.status}{where}", file=sys.stderr)
    unfinished = [member for member in collection.members if member.digest is None]
    finished = len(collection.members) - len(unfinished)
    if unfinished:
        names = ", ".join(member.folder for member in unfinished)
        print(f"{finished} of {len(collection.members)} models are finished; the same command goes on with {names}")
        return max((abs(outcome.status) for outcome in failed), default=1) or 1
    from hf_mplm.hub.cards.collection import write_collection_card

    write_collection_card(output)
    steps = sum(member.steps for member in collection.members)
    print(f"{finished} models, {steps:,} steps together, and how languages find theirs are in {output}")
    return 0
