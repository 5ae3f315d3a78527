"""What an adaptation is told."""

from __future__ import annotations

from dataclasses import dataclass

from hf_mplm._lists import as_codes, as_list


__all__ = ["AUTO", "AdaptSettings"]

AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class AdaptSettings:
    """Everything that the adaptation of an encoder to languages depends on.

    Args:
        model (`str`): the encoder, a folder or a Hub id.
        corpus (`tuple[str, ...]`): text in the new languages, as `hf-mplm prepare` reads it.
        languages (`tuple[str, ...]`, *optional*): the new languages; all of the corpus by default.
        text_column (`str`): of this and the next, see [`~hf_mplm.data.corpus.options.ReadOptions`].
        language_column (`str`): likewise of both corpora.
        fold_han (`bool`): likewise.
        split (`str`): likewise.
        corpus_revision (`str`, *optional*): likewise, `revision` there.
        replay_corpus (`tuple[str, ...]`, *optional*): text in languages that the encoder knows.
        replay_languages (`tuple[str, ...]`, *optional*): which of its languages; all by default.
        replay_share (`float`): share of the draws that they have together.
        data_dir (`str`, *optional*): folder with one folder a benchmark, to look for overlap and to measure on.
        tasks (`tuple[str, ...]`): what is measured, of those that have data.
        new_pieces (`str`): subwords to add, or `"auto"` for what the diagnosis recommends; 0 leaves the vocabulary.
        initialization (`str`): of their rows, see [`~hf_mplm.modeling.vocabulary.extend_vocabulary`].
        method (`str`): `"langsamp"` or `"mlm"`.
        max_steps (`str`): most steps, or `"auto"`.
        stop_gain (`float`): of [`~hf_mplm.trainers.base.predicted_stop.PredictedStopCallback`], in nats.
        evaluations (`int`): how often in the run the held-out loss is taken, and a checkpoint written.
        batch_size (`int`): chunks a step.
        chunk_length (`int`): tokens of a chunk.
        learning_rate (`float`): the peak.
        mask_rate (`float`): share of the tokens that are predicted.
        distill_weight (`float`): of the divergence from the start, where nothing is replayed and its LM head is not
            made anew.
        align_scripts (`bool`): align scripts after pretraining.
        align_steps (`int`): steps of that.
        new_lm_head (`bool`): make the LM head of an encoder saved without one.
        head_warmup_steps (`int`): steps that train it alone.
        holdout (`int`): sentences of each language that are held out.
        seed (`int`): of everything that is drawn.
        use_cpu (`bool`): leave accelerators alone.
        num_proc (`int`): processes that tokenize.
        trust_remote_code (`bool`): whether code that comes with the model may run.
    """

    model: str
    corpus: tuple[str, ...]
    languages: tuple[str, ...] | None = None
    text_column: str = "text"
    language_column: str = "language"
    fold_han: bool = False
    split: str = "train"
    corpus_revision: str | None = None
    replay_corpus: tuple[str, ...] | None = None
    replay_languages: tuple[str, ...] | None = None
    replay_share: float = 0.3
    data_dir: str | None = None
    tasks: tuple[str, ...] = ("flores", "sib200")
    new_pieces: str = AUTO
    initialization: str = "subwords"
    method: str = "langsamp"
    max_steps: str = AUTO
    stop_gain: float = 0.01
    evaluations: int = 20
    batch_size: int = 32
    chunk_length: int = 128
    learning_rate: float = 1e-4
    mask_rate: float = 0.15
    distill_weight: float = 1.0
    align_scripts: bool = False
    align_steps: int = 200
    new_lm_head: bool = False
    head_warmup_steps: int = 0
    holdout: int = 100
    seed: int = 0
    use_cpu: bool = False
    num_proc: int = 1
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        for name in ("languages", "replay_languages", "tasks"):
            object.__setattr__(self, name, as_codes(getattr(self, name)))
        for name in ("corpus", "replay_corpus"):
            given = getattr(self, name)
            paths = None if given is None else tuple(map(str, as_list(given, keep_spaces=True)))
            object.__setattr__(self, name, paths)
        for name, allowed in (("new_pieces", 0), ("max_steps", 1)):
            value = getattr(self, name)
            if value != AUTO and (not value.isdigit() or int(value) < allowed):
                raise ValueError(f"--{name} is {value}; give auto, or a whole number from {allowed} on")
        if self.method not in ("langsamp", "mlm"):
            raise ValueError(f"--method is {self.method}; give langsamp or mlm")
        if self.replay_languages is not None and self.replay_corpus is None:
            raise ValueError("--replay_languages are languages of --replay_corpus, which is not given")
        if not 0 < self.replay_share < 1:
            raise ValueError(f"--replay_share is {self.replay_share}; give a share between 0 and 1, such as 0.3")
        if min(self.batch_size, self.align_steps, self.num_proc, self.holdout, self.evaluations) < 1:
            raise ValueError("--batch_size, --align_steps, --num_proc, --holdout and --evaluations must be 1 or more")
        if min(self.distill_weight, self.stop_gain, self.head_warmup_steps) < 0:
            raise ValueError("--distill_weight, --stop_gain and --head_warmup_steps must not be negative")
