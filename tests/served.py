"""Serves a Keras model to a test without a server: built in the test's process, loaded and asked as a worker does."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.builder.process import BuildLimits
from service.image.decode import ImageLimits
from service.model.head import Answer
from service.repository.bundles import BundleStore
from service.repository.sources import find_sources
from service.serving.examples import Example, Picture
from service.serving.live_model import LiveModel
from service.serving.local import open_model
from service.serving.predictor import Predictor
from tests.prebuilt import prebuild

_SECONDS = 120


def served(model: Any, folder: Path, *, sidecar: str = "", insight: bool = False) -> LiveModel:
    """Save a Keras model under `folder` with the text of a `model.toml`, build it and load the bundle."""
    models, cache = folder / "models", folder / "cache"
    (models / "net/1").mkdir(parents=True)
    model.save(models / "net/1/model.keras")
    (models / "net/model.toml").write_text(sidecar, "utf-8")
    prebuild(models, cache, insight=insight)
    (source,) = find_sources(models)
    limits = BuildLimits(seconds=_SECONDS, memory=0)
    return open_model(source, store=BundleStore(cache), limits=limits, progress=lambda step: None)


def probabilities(live: LiveModel, pictures: Sequence[bytes]) -> NDArray[np.float32]:
    """Return what a request of these encoded pictures is answered, (pictures, classes)."""
    predictor = Predictor(limits=ImageLimits(), max_examples=len(pictures))
    examples = [Example.of(Picture(data)) for data in pictures]
    result = predictor.predict(live, examples, top_k=1, deadline=time.monotonic() + _SECONDS)
    answers = []
    for prediction in result.predictions:
        assert prediction.error is None, prediction.error
        (answer,) = prediction.answers.values()
        assert isinstance(answer, Answer)
        answers.append(answer.values)
    return np.stack(answers)
