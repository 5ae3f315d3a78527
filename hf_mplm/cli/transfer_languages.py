"""`hf-mplm transfer languages`: language adapters, once for a base."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .transfer_modules import make_module


if TYPE_CHECKING:
    from hf_mplm.transfer.interference import LanguageAdapterSettings
    from hf_mplm.transfer.tuning import Base


@dataclass
class LanguagesArguments:
    """Flags of `hf-mplm transfer languages`."""

    model: str = field(metadata={"help": "the base, a masked-LM checkpoint: a folder, or an id on the Hub"})
    store: str = field(metadata={"help": "token store of the text, as `hf-mplm prepare` writes it"})
    output: str = field(metadata={"help": "folder of the adapters; each language's is written to OUTPUT/CODE"})
    languages: list[str] | None = field(
        default=None, metadata={"help": "languages to train an adapter of; all of the store by default"}
    )
    backend: Literal["adapters", "peft"] = field(
        default="peft", metadata={"help": "adapters: bottlenecks behind each layer; peft: low-rank updates (LoRA)"}
    )
    reduction_factor: int = field(
        default=16, metadata={"help": "adapters: the base's width divided by the bottleneck's"}
    )
    rank: int = field(default=8, metadata={"help": "peft: rank of the updates"})
    language_epochs: int = field(default=3, metadata={"help": "passes over a language's text"})
    language_max_steps: int | None = field(
        default=None, metadata={"help": "at most so many steps of a language, however much text there is"}
    )
    language_batch_size: int = field(default=8, metadata={"help": "chunks of text of one step"})
    language_max_length: int = field(
        default=256, metadata={"help": "tokens of a chunk; longer chunks of the store are cut"}
    )
    language_learning_rate: float = field(default=5e-4, metadata={"help": "peak learning rate, which goes to 0"})
    mask_rate: float = field(default=0.15, metadata={"help": "share of the tokens that are masked"})
    seed: int = field(default=42, metadata={"help": "of adapters, rows, masks and dropout"})
    device: str | None = field(default=None, metadata={"help": "such as cuda:1; an accelerator if there is one"})
    revision: str | None = field(default=None, metadata={"help": "revision of a model on the Hub"})
    overwrite: bool = field(default=False, metadata={"help": "replace adapters that were made from something else"})


def run(arguments: LanguagesArguments) -> int:
    """Train what is not finished, and say where the adapters stand."""
    from hf_mplm.data.store.token_store import load_store
    from hf_mplm.languages import parse_code
    from hf_mplm.transfer.interference import LanguageAdapterSettings
    from hf_mplm.transfer.modules import adapt_encoder
    from hf_mplm.transfer.tuning import Base

    for name in ("language_epochs", "language_batch_size", "language_max_length", "language_learning_rate"):
        if getattr(arguments, name) <= 0:
            raise ValueError(f"{name} is {getattr(arguments, name)}; needed is more than 0")
    store = load_store(arguments.store)
    codes = store.languages
    if arguments.languages is not None:
        codes = list(dict.fromkeys(parse_code(code).code for code in arguments.languages))
    store.select(codes)
    base = Base.load(arguments.model, revision=arguments.revision, device=arguments.device)
    store.check_tokenizer(base.tokenizer)
    settings = LanguageAdapterSettings(
        epochs=arguments.language_epochs,
        batch_size=arguments.language_batch_size,
        max_length=arguments.language_max_length,
        learning_rate=arguments.language_learning_rate,
        mask_rate=arguments.mask_rate,
        seed=arguments.seed,
        max_steps=arguments.language_max_steps,
    )
    encoder = adapt_encoder(base.encoder, arguments.backend)
    for code in codes:
        _train(code, base, encoder, store, settings, arguments)
    print(f"\nAdapters of {len(codes)} languages are in {arguments.output}")
    return 0


def _train(
    code: str,
    base: Base,
    encoder: Any,
    store: Any,
    settings: LanguageAdapterSettings,
    arguments: LanguagesArguments,
) -> None:
    from hf_mplm.jobs.progress import progress_bar
    from hf_mplm.transfer.interference import train_language_adapter

    size = int(getattr(arguments, encoder.size_name))

    def train(folder: Path) -> None:
        with progress_bar(desc=code, unit="step", leave=False) as bar:

            def tell(loss: float) -> None:
                bar.set_postfix(loss=f"{loss:.2f}", refresh=False)
                bar.update()

            train_language_adapter(base, encoder, store, code, folder, settings, size=size, progress=tell)

    identity = {
        "base": base.digest,
        "language": code,
        "store": store.info["identity"],
        "backend": encoder.backend,
        encoder.size_name: size,
        "settings": asdict(settings),
    }
    made, record = make_module(
        Path(arguments.output) / code,
        identity,
        train,
        action="languages",
        product="language adapter",
        inputs="base, text and settings",
        overwrite=arguments.overwrite,
    )
    print(
        f"{code}: {'trained' if made else 'was finished already'}, {record.settings['steps']} steps on "
        f"{record.languages[code]:,} chunks, masked-LM loss {record.metrics['loss']:.2f} at the end"
    )
