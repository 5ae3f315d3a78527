"""What a transfer study is asked for: every field is a flag of `hf-mplm transfer plan`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hf_mplm._lists import as_list


__all__ = ["BACKENDS", "FUSIONS", "StudySettings"]

BACKENDS = ("adapters", "peft")
"""The libraries that task modules and language adapters can be made with."""

FUSIONS = ("trained", "average", "untrained")
"""How several language adapters are joined."""

# One masked-LM run costs at most this many steps, so that a slip of the finger does not cost a week.
_MOST_STEPS = 100_000


@dataclass
class StudySettings:
    """What the numbers of a study depend on; the recipe `transfer-study` holds the paper's values (appendix E).

    Raises:
        ValueError: A value is outside its range, or something needed is not given.
    """

    _argument_group_name = "Study"

    model: str = field(metadata={"help": "the base, a masked-LM checkpoint: a folder, or an id on the Hub"})
    modules: str = field(metadata={"help": "folder with one folder a task, of `hf-mplm transfer train-task`"})
    data_dir: str = field(metadata={"help": "folder with one folder a benchmark, as for `hf-mplm evaluate`"})
    store: str | None = field(
        default=None, metadata={"help": "token store of the text to tune on, as `hf-mplm prepare` writes it"}
    )
    tasks: list[str] = field(
        default_factory=lambda: ["parsing", "pos", "ner"],
        metadata={"help": "tasks to score, each of which has its folder in --modules"},
    )
    transfer_languages: list[str] | None = field(
        default=None, metadata={"help": "languages to tune on; all of the store by default"}
    )
    targets: list[str] | None = field(
        default=None, metadata={"help": "languages to score; by default all that have test data of a task"}
    )
    repeats: int = field(default=10, metadata={"help": "tunings of each transfer language, each on other batches"})
    steps: list[int] = field(
        default_factory=lambda: [1, 10, 100, 1000], metadata={"help": "masked-LM steps after which targets are scored"}
    )
    schedule: Literal["constant", "paper"] = field(
        default="constant",
        metadata={
            "help": "constant: one run at a constant learning rate, scored after each of --steps; paper: a run of its "
            "own for each, its learning rate going to 0"
        },
    )
    optimizer: Literal["adamw", "sgd"] = field(
        default="adamw", metadata={"help": "adamw moves every weight by the learning rate in its first step"}
    )
    learning_rate: float = field(default=5e-5, metadata={"help": "peak learning rate of the tuning"})
    batch_size: int = field(default=8, metadata={"help": "chunks of text of one step"})
    max_length: int = field(default=512, metadata={"help": "tokens of a chunk; longer chunks of the store are cut"})
    mask_rate: float = field(default=0.15, metadata={"help": "share of the tokens that are masked"})
    seed: int = field(default=42, metadata={"help": "of rows, masks and dropout"})
    language_adapters: str | None = field(
        default=None,
        metadata={"help": "folder with a folder a language, as `hf-mplm transfer languages` writes them"},
    )
    combinations: list[int] = field(
        default_factory=list,
        metadata={"help": "sizes of the combinations of language adapters to score: 1 2 3; none by default"},
    )
    combination_languages: list[str] | None = field(
        default=None, metadata={"help": "languages to combine; all of --language_adapters by default"}
    )
    fusion: list[str] = field(
        default_factory=lambda: ["trained"],
        metadata={"help": "how several language adapters are joined: trained, average, untrained, or several of them"},
    )
    fusion_steps: int = field(default=100, metadata={"help": "masked-LM steps of a trained fusion"})
    fusion_learning_rate: float = field(default=5e-5, metadata={"help": "learning rate of a trained fusion"})
    backend: Literal["adapters", "peft"] | None = field(
        default=None, metadata={"help": "library of the modules; by default the one they were made with"}
    )
    max_test_examples: int | None = field(
        default=None,
        metadata={"help": "score at most this many examples of each test set, drawn by its name; all by default"},
    )
    tokens_per_batch: int | None = field(
        default=None, metadata={"help": "size of a batch of scoring, in tokens with padding"}
    )
    device: str | None = field(default=None, metadata={"help": "such as cuda:1; an accelerator if there is one"})
    revision: str | None = field(default=None, metadata={"help": "revision of a model on the Hub"})

    def __post_init__(self) -> None:
        for name in ("tasks", "transfer_languages", "targets", "combination_languages", "fusion"):
            if getattr(self, name) is not None:
                setattr(self, name, as_list(getattr(self, name)))
        self.steps = sorted(set(self.steps))
        self.combinations = sorted(set(self.combinations))
        self.fusion = list(dict.fromkeys(self.fusion))
        for name in ("repeats", "batch_size", "fusion_steps", "fusion_learning_rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; needed is more than 0")
        if self.learning_rate < 0:
            raise ValueError(f"learning_rate is {self.learning_rate}; needed is 0 or more")
        if not self.tasks:
            raise ValueError("tasks names none; give one or more: --tasks pos,ner")
        if self.steps and not 1 <= self.steps[0] <= self.steps[-1] <= _MOST_STEPS:
            raise ValueError(f"steps are {self.steps}; needed are numbers from 1 to {_MOST_STEPS}, such as 1 10 100")
        if not 0 < self.mask_rate < 1:
            raise ValueError(f"mask_rate is {self.mask_rate}; needed is a share between 0 and 1, such as 0.15")
        if self.max_length < 8:
            raise ValueError(f"max_length is {self.max_length}; needed are 8 tokens or more")
        if set(self.combinations) - {1, 2, 3}:
            raise ValueError(f"combinations are of {self.combinations} languages; needed are sizes of 1, 2 and 3")
        if unknown := [name for name in self.fusion if name not in FUSIONS]:
            raise ValueError(f"fusion {', '.join(unknown)} is not known; choose of {', '.join(FUSIONS)}")
        if self.combinations and self.language_adapters is None:
            raise ValueError(
                "combinations need language adapters: --language_adapters FOLDER, made by `hf-mplm transfer languages`"
            )
        if self.max_test_examples is not None and self.max_test_examples < 1:
            raise ValueError(f"max_test_examples is {self.max_test_examples}; needed is 1 or more")
