"""`hf-mplm export onnx`: an ONNX graph, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field

from .export_sentences import ExportedModelArguments


__all__ = ["OnnxExportArguments", "run"]

# Of the sample: the language that asks, and languages of several scripts that are looked up.
_SOURCE = "eng_Latn"
_MOST_LANGUAGES = 8


@dataclass(kw_only=True)
class OnnxExportArguments(ExportedModelArguments):
    """Flags of `hf-mplm export onnx`."""

    with_pooling: bool = field(
        default=False, metadata={"help": "let the graph give sentence_embedding too, the mean of the states"}
    )
    int8: bool = field(
        default=False, metadata={"help": "write onnx/model_quantized.onnx too, whose weights are bytes"}
    )
    sentences: int = field(
        default=100, metadata={"help": "sentences of a language of the package's sample that are compared with torch"}
    )


def run(arguments: OnnxExportArguments) -> int:
    """Write the folder, and say how its vectors differ from torch's."""
    from hf_mplm.hub.exporting.onnx_export import export_onnx
    from hf_mplm.sample import iter_sample, sample_languages

    if arguments.sentences < 2:
        raise ValueError(f"--sentences is {arguments.sentences}; needed is 2 or more")
    languages = [code for code in sample_languages() if code != _SOURCE]
    chosen = [_SOURCE, *languages[:: max(1, len(languages) // _MOST_LANGUAGES)][:_MOST_LANGUAGES]]
    by_id = {code: {row.index_id: row.text for row in iter_sample([code], split="test")} for code in chosen}
    shared = [key for key in by_id[_SOURCE] if all(key in texts for texts in by_id.values())][: arguments.sentences]
    measured = export_onnx(
        arguments.model,
        arguments.output,
        {code: [texts[key] for key in shared] for code, texts in by_id.items()},
        layer=arguments.layer,
        with_pooling=arguments.with_pooling,
        int8=arguments.int8,
        name=arguments.name,
        license=arguments.license,
        revision=arguments.revision,
        trust_remote_code=arguments.trust_remote_code,
        overwrite=arguments.overwrite,
    )
    for one in measured:
        print(one.describe())
    print(f"written: {arguments.output}")
    return 0
