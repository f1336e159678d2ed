"""Owns models loaded by Keras 3: described from their layers, exported, and called by Keras itself."""

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.builder.convert import convert_function
from service.builder.inspect import input_facts, input_names, layers_of, output_facts, output_layers, output_names
from service.builder.program import Facts, Layered
from service.builder.tap import has_head, without_heads
from service.engine.base import Arrays

_SUMMARY_WIDTH = 88


class KerasProgram:
    """A Functional or Sequential model of Keras 3; see `Program`."""

    def __init__(self, model: Any, *, loaded_by: str, repairs: tuple[str, ...] = ()) -> None:
        self.loaded_by = loaded_by
        self.repairs = repairs
        self._model = model

    @property
    def is_callable(self) -> bool:
        """Return whether the model has fixed inputs and outputs; one saved before it was built has none."""
        return bool(getattr(self._model, "inputs", None) and getattr(self._model, "outputs", None))

    def facts(self, *, loss: str | None) -> Facts:
        """Read inputs, outputs and layers off the model."""
        inputs = input_facts(self._model)
        return Facts(
            inputs=inputs,
            outputs=output_facts(self._model, loss=loss),
            layers=layers_of(self._model, order=inputs[0].order),
            summary=self._summary(),
        )

    def export(self, path: Path) -> None:
        """Write the LiteRT graph; see `Program.export`."""
        # NOTE: not by Keras' own export, which gives the same graph in twice the time, and none for many a name.
        specs = [one.spec for one in input_facts(self._model)]
        inputs = [replace(one, shape=(None, *one.item_shape)) for one in specs]  # a batch the file fixes is freed
        convert_function(self._called, inputs, path, holder=self._model)

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Return what Keras answers, by output name; the model is called once, eagerly, not trained."""
        import keras

        fed = [arrays[name] for name in input_names(self._model)]
        flat = [np.asarray(keras.ops.convert_to_numpy(one)) for one in self._called(*fed)]
        return dict(zip(output_names(self._model), flat, strict=True))

    def without_heads(self) -> AbstractContextManager[None] | None:
        """Return the context in which `run` leaves the heads out; see `Program.without_heads`."""
        layers = output_layers(self._model)
        return without_heads(layers) if all(map(has_head, layers)) else None

    def layered(self) -> Layered:
        """Return the model with its layers; see `Program.layered`."""
        return Layered(self._model, self._called)

    def _called(self, *flat: Any) -> list[Any]:
        import keras

        return list(keras.tree.flatten(self._model(self._structured(list(flat)), training=False)))

    def _structured(self, flat: list[Any]) -> Any:
        import keras

        structure = getattr(self._model, "_inputs_struct", None)
        if structure is not None:
            return keras.tree.pack_sequence_as(structure, flat)
        return flat[0] if len(flat) == 1 else flat

    def _summary(self) -> str:
        lines: list[str] = []
        self._model.summary(print_fn=lines.append, expand_nested=True, line_length=_SUMMARY_WIDTH)
        return "\n".join(lines)
