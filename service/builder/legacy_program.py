"""Owns models loaded by tf_keras, the Keras 2 that lives on: what differs from Keras 3 in running."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.builder.inspect import input_names, output_names
from service.builder.keras_program import KerasProgram
from service.engine.base import Arrays


class LegacyProgram(KerasProgram):
    """A Functional or Sequential model of tf_keras; see `Program`."""

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Return what tf_keras answers, by output name; the model is called once, eagerly, not trained."""
        import tensorflow as tf

        fed = [tf.convert_to_tensor(arrays[name]) for name in input_names(self._model)]
        flat = [np.asarray(tensor) for tensor in self._called(*fed)]
        return dict(zip(output_names(self._model), flat, strict=True))

    def _called(self, *flat: Any) -> list[Any]:
        import tensorflow as tf

        fed = tf.nest.pack_sequence_as(self._model._nested_inputs, list(flat))
        return list(tf.nest.flatten(self._model(fed, training=False)))
