"""`convoy check` of models that other people trained, of Keras 1.1 to 2.4: which can be served, and why others not."""

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from service.errors import ModelError
from service.repository.bundles import BundleStore
from service.repository.discovery import find_saved
from service.repository.sources import find_sources, name_problem
from tests.commands import Convoy
from tests.prebuilt import prebuild_source

pytest.importorskip("keras")

WILD_SERVED = {
    "best_weights.h5": ("can be served", "Keras 2.0.4", "multi-label", 2),
    "weights.h5": ("can be served", "Keras 2.0.4", "multi-label", 2),
    "fer2013_mini_XCEPTION.102-0.66.hdf5": ("can be served", "Keras 2.0.5", "softmax", 7),
    "some_loss.h5": ("can be served", "Keras 2.4.0", "logits", 10),
    "vww_96.h5": ("can be served", "Keras 2.4.0", "softmax", 2),
    "pretrainedResnet.h5": ("can be served", "Keras 2.4.0", "softmax", 10),
    "keras_model.h5": ("can be served", "Keras 2.4.0", "softmax", 4),
    "keras231_channels_first_1x28x28_softmax22_functional.hdf5": ("can be served", "Keras 2.3.1", "softmax", 22),
    "keras231_channels_first_1x28x28_softmax22_sequential.hdf5": ("can be served", "Keras 2.3.1", "softmax", 22),
    "tfkeras224_locallyconnected_channels_first_3x10x10.h5": ("can be served", "Keras 2.2.4-tf", "scores", 6),
    "12net.h5": ("numbers only", "Keras 2.2.0", "scores", None),
    "wgan_discriminator.h5": ("can be served", "Keras 2.1.3", "scores", 2048),
    "keras213_conv2d_theano.h5": ("numbers only", "Keras 2.1.3 on Theano", "scores", None),
    "keras213_batchnorm_conv2d_theano.h5": ("numbers only", "Keras 2.1.3 on Theano", "scores", None),
}
WILD_REFUSED = {
    "pre_pr22362_nested_container.keras": "NestedDenseModel",
    "model_lambda.h5": "`lambda_3` is a Lambda layer",
    "sequential_lambda.h5": "`lambda_1` is a Lambda layer",
    "keras112_cnn_8x8x3_softmax3.h5": "keras==2.2",
    "keras122_batchnorm_conv2d_tf.h5": "keras==2.2",
    "keras122_conv2d_reshape_theano.h5": "keras==2.2",
    "keras122_conv2d_tf.h5": "keras==2.2",
    "keras122_conv2d_theano.h5": "keras==2.2",
    "keras122_mlp70_softmax.h5": "keras==2.2",
}


def build_what_can_be(folder: Path, cache: Path) -> None:
    """Build every saved file below a folder in this process, by the names that `convoy check` would give it."""
    served = {one.path: one for one in find_sources(folder) if not one.problem}
    for path in find_saved(folder, unreadable=lambda error: None):
        source = served.get(path) or find_sources(path)[0]
        if not source.saved.is_program:
            with suppress(ModelError):
                name = "model" if name_problem(source.name) else source.name
                prebuild_source(replace(source, name=name), BundleStore(cache))


def test_models_that_other_people_trained(cache: Path, shared: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(shared / "wild", tmp_path / "wild")
    build_what_can_be(folder, cache)  # here: each child would import TensorFlow first
    checked = Convoy(cache, tmp_path)("check", folder, "--json")
    found = {Path(one["file"]).name: one for one in json.loads(checked.stdout)["findings"]}
    served = {
        name: (one["verdict"], one["written_by"], *(one["card"]["outputs"][0][key] for key in ("head", "classes")))
        for name, one in found.items()
        if one["card"] is not None
    }
    served = {name: (*one[:2], one[2]["value"], one[3]) for name, one in served.items()}
    refused = {
        name: one["diagnosis"] for name, one in found.items() if one["card"] is None and "saved_model" not in name
    }

    assert served == WILD_SERVED
    for name, said in WILD_REFUSED.items():
        assert said in refused[name], name
    assert set(refused) - set(WILD_REFUSED) == {"00000123", "00000124"}
