"""Owns the other side of the comparison: the Flask application people write by hand around a saved Keras model.

Two kinds. `predict` is what tutorials show: `model.predict` on one picture a request. `function` is what someone who
knows TensorFlow writes: a `tf.function` with a fixed signature, traced and run once before the first request. Both
load the saved file in each gunicorn worker, decode with Pillow, and answer JSON of label and probabilities, less than
Convoy answers.
"""

import io
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from flask import Flask, Response, jsonify, request
from numpy.typing import NDArray
from PIL import Image

SIDE = 28
LABELS = tuple("0123456789")
Pixels = NDArray[np.float32]
Predict = Callable[[Pixels], NDArray[Any]]


def create_app(kind: str, saved: str) -> Flask:
    """Return the application; `kind` is `predict` or `function`, `saved` the path of a `.keras` file."""
    predict = PREDICTS[kind](keras.saving.load_model(saved, compile=False))
    app = Flask(__name__)

    @app.post("/predict")
    def answer() -> Response:
        probabilities = predict(pixels_of(request.get_data()))[0]
        label = LABELS[int(probabilities.argmax())]
        return jsonify({"label": label, "probabilities": [float(one) for one in probabilities]})

    return app


def pixels_of(picture: bytes) -> Pixels:
    """Decode a picture to (1, 28, 28, 1) float32 in 0..1."""
    image = Image.open(io.BytesIO(picture)).convert("L").resize((SIDE, SIDE))
    return (np.asarray(image, np.float32) / 255.0)[np.newaxis, :, :, np.newaxis]


def by_predict(model: Any) -> Predict:
    """Return `model.predict` without its progress bar."""
    return lambda pixels: model.predict(pixels, verbose=0)


def by_call(model: Any) -> Predict:
    """Return the model called as a function, eagerly."""
    return lambda pixels: model(pixels, training=False).numpy()


def by_function(model: Any, *, batch: int = 1) -> Predict:
    """Return a graph function of one fixed signature, traced and run once."""
    signature = [tf.TensorSpec((batch, SIDE, SIDE, 1), tf.float32)]
    function = tf.function(lambda pixels: model(pixels, training=False), input_signature=signature)
    function(tf.zeros((batch, SIDE, SIDE, 1)))
    return lambda pixels: function(tf.constant(pixels)).numpy()


PREDICTS: dict[str, Callable[[Any], Predict]] = {"predict": by_predict, "function": by_function}
