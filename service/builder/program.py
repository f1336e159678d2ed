"""Owns what a loaded saved model can do, whichever library loaded it: be described, exported and run as the oracle."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from service.engine.base import Arrays
from service.model.description import InputFacts, OutputFacts
from service.model.layers import Layer


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read off a loaded model.

    `layers` is None where the saved file does not hold them; `weights` is then how many numbers its weights are.
    """

    inputs: tuple[InputFacts, ...]
    outputs: tuple[OutputFacts, ...]
    layers: tuple[Layer, ...] | None
    summary: str
    weights: int = 0


@dataclass(frozen=True, slots=True)
class Layered:
    """A Keras model whose layers can be looked at while it runs.

    `called` takes one tensor for each input and returns the outputs in order; it may be traced.
    """

    model: Any
    called: Callable[..., list[Any]]


class Program(Protocol):
    """A loaded saved model.

    `loaded_by` is what loaded it, such as `Keras 3.15.1`; `repairs` what had to be changed in its configuration first,
    in words.
    """

    loaded_by: str
    repairs: tuple[str, ...]

    def facts(self, *, loss: str | None) -> Facts:
        """Read inputs, outputs and layers off the model; `loss` is the one of its training, where known."""
        ...

    def export(self, path: Path) -> None:
        """Write the model to `path` as a LiteRT graph, float32, every free axis left free.

        Raises UnsupportedModelError where the converter has no form for one of its operations.
        """
        ...

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Return what the model answers, by output name in its order; called once, not trained."""
        ...

    def without_heads(self) -> AbstractContextManager[None] | None:
        """Return a context in which `run` leaves out the final softmax or sigmoid of every output.

        None where an output has no such head that could be left out alone.
        """
        ...

    def layered(self) -> Layered | None:
        """Return the model with its layers; None where the saved file does not hold them."""
        ...
