"""What a user can do about an operator that cannot be converted, by its name and the reason."""

from __future__ import annotations

#: Beginning of an operator's name -> advice; the first that fits.
BY_OPERATOR: tuple[tuple[str, str], ...] = (
    (
        "CUSTOM 'Flex",
        "an operator of TensorFlow, kept as it was: export with TFLITE_BUILTINS alone, and replace what that refuses",
    ),
    ("CUSTOM", "a custom operator needs the runtime it was made for: export the model without it"),
    ("RFFT2D", "take spectra before the model: the pipeline has a step `spectrum`"),
    ("COMPLEX_ABS", "take spectra before the model: the pipeline has a step `spectrum`"),
    ("HASHTABLE", "look texts up before the model; give it their numbers"),
)
#: Words of a reason -> advice; the first that fits.
BY_REASON: tuple[tuple[str, str], ...] = (
    ("every size must be known", "export the model with fixed input shapes: batch size 1, no unknown dimension"),
    ("float activations", "convert a float model, or quantise it fully: edge-sdk convert MODEL --quantize CAPTURE.npz"),
    ("sparse", "export the model without sparse weights"),
    ("that are not constant", "export the model so that this is a constant"),
    ("that is not constant", "export the model so that this is a constant"),
    ("no scale", "the model is quantised only in part: quantise it again"),
)
OTHERWISE = "replace the operator before training or export"


def advice(operator: str, reason: str) -> str:
    """Return one sentence."""
    for words, text in BY_REASON:
        if words in reason:
            return text
    for beginning, text in BY_OPERATOR:
        if operator.startswith(beginning):
            return text
    return OTHERWISE
