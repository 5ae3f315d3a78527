"""Run by test_remote_code.py in a process in which hf_mplm cannot be imported. Prints one JSON object."""

from __future__ import annotations

import gc
import json
import sys


# Imports are a third faster.
gc.disable()
# An entry of None makes `import hf_mplm` fail as if it were not installed.
sys.modules["hf_mplm"] = None  # type: ignore[assignment]

import torch  # noqa: E402
import transformers  # noqa: E402


HEADS = [
    "AutoModel",
    "AutoModelForMaskedLM",
    "AutoModelForSequenceClassification",
    "AutoModelForTokenClassification",
    "AutoModelForQuestionAnswering",
]


def main(folders: list[str]) -> None:
    found: dict[str, dict] = {}
    ids = torch.arange(4, 14).view(2, 5)
    for folder in folders:
        try:
            transformers.AutoModel.from_pretrained(folder, trust_remote_code=False)
            refused = False
        except ValueError:
            refused = True
        heads = {}
        for head in HEADS:
            model, report = getattr(transformers, head).from_pretrained(
                folder, trust_remote_code=True, output_loading_info=True
            )
            heads[head] = [
                type(model).__name__,
                type(model).__module__.partition(".")[0],
                sorted(report["missing_keys"]),
            ]
            if head == "AutoModelForMaskedLM":
                language = {"language_ids": torch.tensor([0, 1]), "script_ids": torch.tensor([1, 0])}
                loss = model(input_ids=ids, labels=ids, **language).loss.item()
                model.save_pretrained(folder + "-again")
        again = transformers.AutoModelForTokenClassification.from_pretrained(folder + "-again", trust_remote_code=True)
        found[folder] = {"heads": heads, "loss": loss, "refused": refused, "again": type(again).__name__}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
