"""A picture of word vectors of several languages before and after mapping: do translations lie together, or languages?

    hf-mplm static map --static extracted --dictionary lexicons/eng_Latn-*.tsv --output mapped
    python examples/static_space.py --static extracted mapped --dictionary lexicons/eng_Latn-*.tsv --output space.svg

Words of the hub that every dictionary translates, each with its first translation of which there is a vector.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from hf_mplm.report import word_space
from hf_mplm.static import StaticEmbeddings, read_dictionaries


def translations(static: StaticEmbeddings, hub: str, paths: list[str]) -> dict[str, dict[str, str]]:
    """Language to a word of the hub to its first translation that has a vector."""
    found: dict[str, dict[str, str]] = {hub: {word: word for word in static.words(hub)}}
    for language, pairs in read_dictionaries(paths, static.languages, hub).items():
        known = set(static.words(language))
        chosen: dict[str, str] = {}
        for word, translation in pairs:
            if word in known:
                chosen.setdefault(translation, word)
        found[language] = chosen
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--static", nargs="+", required=True, help="folders with static embeddings, a panel each")
    parser.add_argument("--dictionary", nargs="+", required=True, help="dictionaries named by their languages")
    parser.add_argument("--hub_language", default="eng_Latn")
    parser.add_argument("--words", nargs="+", help="up to eight words of the hub; the most frequent by default")
    parser.add_argument("--output", type=Path, default=Path("space.svg"), help="an .svg or .png file")
    args = parser.parse_args()

    spaces = {Path(folder).name: StaticEmbeddings.from_pretrained(folder) for folder in args.static}
    first, hub = next(iter(spaces.values())), args.hub_language
    known = translations(first, hub, args.dictionary)
    shared = [word for word in first.words(hub) if all(word in words for words in known.values())]
    if missing := sorted(set(args.words or []) - set(shared)):
        parser.error(f"not every dictionary translates {', '.join(missing)}; choose of {', '.join(shared[:50])}")
    points = [(word, code) for code in known for word in args.words or shared[:8]]
    panels = {
        name: np.stack([static.vector(known[code][word], code) for word, code in points])
        for name, static in spaces.items()
    }
    words, codes = zip(*points)
    args.output.write_bytes(word_space(panels, words, codes, file_format=args.output.suffix.lstrip(".")))
    print(f"{len(points)} words of {len(known)} languages are in {args.output}")


if __name__ == "__main__":
    main()
