"""Run the attacks and print what was found; exit status 1 if anything was."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .corpora import check_prepare, make_corpus
from .damage import damage_once
from .kills import kill_and_go_on, victims
from .running import run
from .workshop import Workshop


def fuzz_corpora(workshop: Workshop, seeds: Iterable[int]) -> list[str]:
    """Prepare a store of each corpus."""
    faults = []
    for seed in seeds:
        corpus = make_corpus(workshop.folder / f"corpus-{seed}", seed)
        store = workshop.folder / f"store-{seed}"
        command = ["prepare", "--corpus", corpus.folder, "--tokenizer", workshop.tokenizer, "--output", store]
        done = run(command)
        found = [done.fault] if done.fault else check_prepare(corpus, done.status, done.output, store)
        faults += [f"seed {seed}: {fault} [{'; '.join(corpus.made_of)}]" for fault in found]
        for folder in workshop.folder.glob(f"*-{seed}*"):
            shutil.rmtree(folder, ignore_errors=True)
    return faults


def fuzz_damage(workshop: Workshop, seeds: Iterable[int]) -> list[str]:
    """Damage a folder for each seed."""
    return [fault for seed in seeds for fault in damage_once(workshop, seed)]


def fuzz_kills(workshop: Workshop, seeds: Iterable[int]) -> list[str]:
    """Kill a command for each seed, the verbs in turn."""
    commands = victims(workshop)
    whole = {}
    faults = []
    for number, seed in enumerate(seeds):
        victim = commands[number % len(commands)]
        if victim.name not in whole:
            output = workshop.folder / f"whole-{victim.name}"
            done = run(victim.command(output))
            if done.status != 0:
                faults.append(f"{victim.name} fails undisturbed: {done.output[-300:]}")
                continue
            whole[victim.name] = (output, done.seconds)
        faults += kill_and_go_on(workshop, victim, seed, *whole[victim.name])
    return faults


def main() -> int:
    """Parse the numbers, run, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--corpora", type=int, default=200)
    parser.add_argument("--damage", type=int, default=200)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    attacks = ((fuzz_corpora, args.corpora), (fuzz_damage, args.damage), (fuzz_kills, args.kills))
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        for attack, number in attacks:
            faults = attack(workshop, range(args.seed, args.seed + number))
            print(f"{attack.__name__}: {number} tried, {len(faults)} faults", flush=True)
            for fault in faults:
                print(f"  {fault}", flush=True)
            total += len(faults)
    return int(total > 0)


if __name__ == "__main__":
    sys.exit(main())
