"""The ladder of loaders: files of many ages, written here by tf_keras and Keras 3, answer as their writer does."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from service.builder.join import joined
from service.builder.keras_program import KerasProgram
from service.builder.load import NextLoader, load_scanned
from service.builder.order import BuildOrder, Loader
from service.builder.process import BuildLimits, build_bundle
from service.builder.program import Program
from service.builder.scan import scan_source
from service.errors import BrokenModelError, UnsafeModelError, UnsupportedModelError
from service.model.description import Description
from service.repository.bundles import BundleStore, fingerprint_of
from service.repository.saved import saved_at, sha256_of
from service.repository.sources import find_sources

keras = pytest.importorskip("keras")
tf_keras = pytest.importorskip("tf_keras")

# Both libraries call their own HDF5 files legacy, which is the point here.
pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")
Change = Callable[[dict[str, Any]], None]


def load(path: Path, *, loader: Loader = "keras") -> Program:
    """Load a file as the builder's child does at one step of the ladder."""
    source = joined(saved_at(path))
    order = BuildOrder(
        saved=saved_at(path), staged=path.parent, name="old", version=1, fingerprint="", memory=0, loader=loader
    )
    return load_scanned(source, scan_source(source), order=order, custom={}, progress=lambda _: None)


def built(path: Path, cache: Path) -> Description:
    """Build a file in the real child process."""
    (source,) = find_sources(path)
    limits = BuildLimits(seconds=180, memory=8 * 2**30)
    return build_bundle(source, fingerprint_of(sha256_of(source.saved)), store=BundleStore(cache), limits=limits).facts


def randomised(model: Any) -> Any:
    random = np.random.default_rng(5)
    model.set_weights([np.abs(random.normal(0, 0.4, weight.shape)) + 0.01 for weight in model.get_weights()])
    return model


def small_cnn(library: Any, **convolution: Any) -> Any:
    layers = library.layers
    return randomised(
        library.Sequential(
            [
                library.Input((8, 8, 3), name="photo"),
                layers.Conv2D(4, (3, 2), activation="relu", **convolution),
                layers.DepthwiseConv2D(3),
                layers.BatchNormalization(),
                layers.Flatten(),
                layers.Dense(3, activation="softmax"),
            ]
        )
    )


def with_config(path: Path, change: Change) -> Path:
    """Change the configuration of an HDF5 file in place, to what an older Keras wrote."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)
    return path


def aged(path: Path, version: str, **attributes: str) -> Path:
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = version
        for name, value in attributes.items():
            file.attrs[name] = value
    return path


def photos(*shape: int) -> Any:
    return np.random.default_rng(9).random(shape or (2, 8, 8, 3)).astype("float32")


def assert_same(program: Program, arrays: dict[str, Any], expected: Any) -> None:
    answers = list(program.run(arrays).values())
    for found, want in zip(answers, expected if isinstance(expected, list) else [expected], strict=True):
        np.testing.assert_allclose(found, np.asarray(want), rtol=1e-5, atol=1e-6)


def test_groups_that_keras_2_wrote_are_dropped(tmp_path: Path) -> None:
    model = small_cnn(tf_keras)
    model.save(tmp_path / "old.h5")
    program = load(tmp_path / "old.h5")

    assert program.loaded_by == f"Keras {keras.__version__}"
    assert program.repairs == ("groups = 1 was dropped from layers that have no groups",)
    assert_same(program, {"photo": photos()}, model(photos()))


def test_groups_that_mean_something_are_not_dropped(tmp_path: Path) -> None:
    small_cnn(tf_keras).save(tmp_path / "old.h5")

    def two_groups(config: dict[str, Any]) -> None:
        config["config"]["layers"][2]["config"]["groups"] = 2

    with pytest.raises(NextLoader):
        load(with_config(tmp_path / "old.h5", two_groups))


def test_the_bare_list_of_an_early_sequential_is_wrapped(tmp_path: Path) -> None:
    model = small_cnn(tf_keras)
    model.save(tmp_path / "old.h5")

    def bare(config: dict[str, Any]) -> None:
        layers = config["config"]["layers"][1:]
        layers[0]["config"]["batch_input_shape"] = [None, 8, 8, 3]
        config["config"] = layers

    program = load(aged(with_config(tmp_path / "old.h5", bare), "2.1.3"))

    assert "the layers of a Sequential were a bare list" in program.repairs
    assert_same(program, {f"{model.layers[0].name}_input": photos()}, model(photos()))


def test_operations_in_an_hdf5_file_of_keras_3_are_found_again(tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 3), name="photo")
    scaled = keras.applications.resnet50.preprocess_input(inputs)
    sums = keras.layers.Add()([scaled, scaled])
    outputs = keras.layers.Dense(4)(keras.layers.Flatten()(sums + 1.0))
    model = randomised(keras.Model(inputs, outputs))
    model.save(tmp_path / "new.h5")
    program = load(tmp_path / "new.h5")

    assert program.repairs == ("operations were given their modules", "the ... of an index was written out")
    assert_same(program, {"photo": photos()}, model(photos()))


@pytest.mark.parametrize("mode", ["mobilenet_v2", "resnet50", "resnet_v2", "densenet"])
def test_inline_preprocessing_of_keras_2_loads_and_tells_the_scale(tmp_path: Path, mode: str) -> None:
    inputs = tf_keras.Input((8, 8, 3), name="photo")
    scaled = getattr(tf_keras.applications, mode).preprocess_input(inputs)
    outputs = tf_keras.layers.Dense(4, activation="softmax")(tf_keras.layers.Flatten()(scaled))
    model = randomised(tf_keras.Model(inputs, outputs))
    model.save(tmp_path / "old.h5")
    with pytest.raises(NextLoader):
        load(tmp_path / "old.h5")
    program = load(tmp_path / "old.h5", loader="tf_keras")
    facts = program.facts(loss=None)

    assert program.loaded_by == f"tf_keras {tf_keras.__version__}"
    assert facts.inputs[0].scale == "0..255"
    assert facts.outputs[0].activation == "softmax"
    assert_same(program, {"photo": photos() * 255}, model(photos() * 255))


def test_both_libraries_describe_the_same_model_alike(tmp_path: Path) -> None:
    plain = [small_cnn(library) for library in (keras, tf_keras)]
    for number, model in enumerate(plain):
        model.save(tmp_path / f"{number}.keras")
    new = load(tmp_path / "0.keras").facts(loss=None)
    old = load(tmp_path / "1.keras", loader="tf_keras").facts(loss=None)

    assert [one.spec for one in old.inputs] == [one.spec for one in new.inputs]
    assert old.outputs[0].activation == new.outputs[0].activation
    assert old.layers is not None
    assert new.layers is not None
    assert [layer.type for layer in old.layers] == [layer.type for layer in new.layers]
    for field in ("output_shape", "parameters", "trainable_parameters", "macs", "receptive_field", "kernel_size"):
        assert [getattr(one, field) for one in old.layers] == [getattr(one, field) for one in new.layers], field


def test_nested_and_shared_layers_of_keras_2_have_their_paths(tmp_path: Path) -> None:
    layers = tf_keras.layers
    inner = tf_keras.Sequential(
        [tf_keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv"), layers.ReLU(name="relu")], name="inner"
    )
    one, two = tf_keras.Input((8, 8, 3), name="left"), tf_keras.Input((8, 8, 3), name="right")
    both = layers.Concatenate()([layers.Flatten(name="flat")(inner(one)), layers.Flatten()(inner(two))])
    model = randomised(tf_keras.Model([one, two], layers.Dense(2, name="out")(both)))
    model.save(tmp_path / "old.keras")
    found = load(tmp_path / "old.keras", loader="tf_keras").facts(loss=None).layers
    assert found is not None
    by_name = {layer.name: layer for layer in found}

    assert by_name["inner/conv"].parameters == 3 * 3 * 3 * 4 + 4
    assert by_name["inner/relu"].inbound == ("inner/conv",)
    assert by_name["flat"].output_shape == (None, 6 * 6 * 4)
    assert by_name["flat"].order == "row, column, channel"
    assert by_name["out"].inbound == (next(layer.name for layer in found if layer.type == "Concatenate"),)


def test_an_archive_of_keras_2_is_loaded_by_tf_keras(tmp_path: Path) -> None:
    model = small_cnn(tf_keras)
    model.save(tmp_path / "old.keras")
    with pytest.raises(NextLoader):
        load(tmp_path / "old.keras")

    assert_same(load(tmp_path / "old.keras", loader="tf_keras"), {"photo": photos()}, model(photos()))


def test_hard_sigmoid_keeps_the_formula_it_was_trained_with(tmp_path: Path) -> None:
    stack = [
        tf_keras.Input((8, 8, 3), name="photo"),
        tf_keras.layers.Flatten(),
        tf_keras.layers.Dense(4, activation="hard_sigmoid"),
    ]
    model = tf_keras.Sequential(stack)
    model.save(tmp_path / "old.h5")
    with pytest.raises(NextLoader, match="hard_sigmoid"):
        load(tmp_path / "old.h5")

    assert_same(load(tmp_path / "old.h5", loader="tf_keras"), {"photo": photos()}, model(photos()))


def test_kernels_of_theano_are_turned(tmp_path: Path) -> None:
    model = small_cnn(tf_keras)
    model.save(tmp_path / "old.h5")
    turned = load(aged(tmp_path / "old.h5", "2.1.3", backend="theano"))
    kernel, bias = model.layers[0].get_weights()
    model.layers[0].set_weights([kernel[::-1, ::-1], bias])

    assert "the kernels of Theano's convolutions were turned" in turned.repairs
    assert_same(turned, {"photo": photos()}, model(photos()))


@pytest.mark.parametrize(
    ("library", "weights"),
    [(tf_keras, "model.h5"), (tf_keras, "model.weights.h5"), (keras, "model.weights.h5")],
    ids=["legacy h5", "Keras 2 by path", "Keras 3 by path"],
)
def test_an_architecture_and_its_weights_are_one_model(tmp_path: Path, library: Any, weights: str) -> None:
    model = small_cnn(library)
    (tmp_path / "model.json").write_text(model.to_json())
    model.save_weights(tmp_path / weights)
    path = tmp_path / weights
    try:
        program = load(path)
    except NextLoader:
        program = load(path, loader="tf_keras")

    assert_same(program, {"photo": photos()}, model(photos()))


def test_a_new_axis_beside_an_ellipsis_stays_where_it_was(tmp_path: Path) -> None:
    inputs = keras.Input((8, 6), name="photo")
    model = keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs[..., None]))
    model.save(tmp_path / "new.h5")
    program = load(tmp_path / "new.h5")

    assert_same(program, {"photo": photos(2, 8, 6)}, model(photos(2, 8, 6)))


@pytest.mark.parametrize("operation", ["cast", "stop_gradient", "relu6", "norm"])
def test_operations_of_every_module_are_found_again(tmp_path: Path, operation: str) -> None:
    inputs = keras.Input((8, 8, 3), name="photo")
    arguments = {"cast": ["float32"]}.get(operation, [])
    given = getattr(keras.ops, operation)(inputs, *arguments, **({"axis": -1} if operation == "norm" else {}))
    model = keras.Model(inputs, keras.layers.Flatten()(given))
    model.save(tmp_path / "new.h5")

    assert_same(load(tmp_path / "new.h5"), {"photo": photos()}, model(photos()))


def test_kernels_of_theano_are_turned_wherever_they_are(tmp_path: Path) -> None:
    stack = [
        tf_keras.Input((2, 8, 8, 3), name="film"),
        tf_keras.layers.TimeDistributed(tf_keras.layers.Conv2D(4, (3, 2))),
        tf_keras.layers.ConvLSTM2D(2, 3, recurrent_activation="sigmoid"),
        tf_keras.layers.Flatten(),
    ]
    model = randomised(tf_keras.Sequential(stack))
    model.save(tmp_path / "old.h5")
    kernels = (0, 2, 3)  # of the convolution, its bias passed over, and both of the recurrent one
    weights = [one[::-1, ::-1] if place in kernels else one for place, one in enumerate(model.get_weights())]
    model.set_weights(weights)
    film = photos(2, 2, 8, 8, 3)

    old = aged(tmp_path / "old.h5", "2.1.3", backend="theano")

    assert_same(load(old, loader="tf_keras"), {"film": film}, model(film))


def test_the_weights_say_which_backend_they_are_of(tmp_path: Path) -> None:
    model = small_cnn(tf_keras)
    model.save_weights(tmp_path / "model.h5")
    config = json.loads(model.to_json())
    (tmp_path / "model.json").write_text(json.dumps({key: config[key] for key in ("class_name", "config")}))
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        file.attrs["backend"] = "theano"
    kernel, bias = model.layers[0].get_weights()
    model.layers[0].set_weights([kernel[::-1, ::-1], bias])

    assert_same(load(tmp_path / "model.h5", loader="tf_keras"), {"photo": photos()}, model(photos()))


def test_ways_that_part_and_meet_again_are_read_in_no_time() -> None:
    inputs = between = keras.Input((4, 4, 1))
    for _ in range(40):
        between = keras.layers.Average()([keras.layers.Identity()(between), keras.layers.Identity()(between)])
    program = KerasProgram(keras.Model(inputs, keras.layers.Flatten()(between)), loaded_by="Keras")

    assert program.facts(loss=None).outputs[0].activation is None


@pytest.mark.parametrize(("name", "shown"), [("a b.h5", "NAME"), ("$(touch x).h5", "NAME"), ("old.h5", "old.h5")])
def test_a_name_that_a_shell_would_run_is_not_in_the_command(tmp_path: Path, name: str, shown: str) -> None:
    small_cnn(tf_keras).save(tmp_path / name)
    with pytest.raises(UnsupportedModelError) as told:
        load(aged(tmp_path / name, "1.2.2"))
    assert f"/m/{shown}'" in told.value.message


def test_a_whole_file_ignores_an_architecture_beside_it(tmp_path: Path) -> None:
    model = small_cnn(keras)
    model.save(tmp_path / "model.h5")
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    (tmp_path / "model.json").write_text(other.to_json())

    assert_same(load(tmp_path / "model.h5"), {"photo": photos()}, model(photos()))


@pytest.mark.parametrize(("text", "error"), [("{", BrokenModelError), ("[1]", BrokenModelError)])
def test_an_architecture_that_is_none_is_diagnosed(tmp_path: Path, text: str, error: type[Exception]) -> None:
    small_cnn(keras).save_weights(tmp_path / "model.weights.h5")
    saved = saved_at(tmp_path / "model.weights.h5")
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(error, match=r"model\.json"):
        joined(type(saved)(saved.path, tmp_path / "model.json"))


def test_a_lambda_in_the_architecture_beside_the_weights_is_found(tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Lambda(lambda x: x, name="sneaky"), keras.layers.Dense(1)]
    )
    model.save_weights(tmp_path / "model.weights.h5")
    (tmp_path / "model.json").write_text(model.to_json())
    with pytest.raises(UnsafeModelError, match="sneaky"):
        load(tmp_path / "model.weights.h5")


def test_keras_1_is_told_how_to_convert(tmp_path: Path) -> None:
    small_cnn(tf_keras).save(tmp_path / "ancient.h5")
    with pytest.raises(UnsupportedModelError, match=r"Keras 1\.2\.2.*keras==2\.2.*/m/ancient\.h5"):
        load(aged(tmp_path / "ancient.h5", "1.2.2"))


def test_what_no_loader_knows_is_told_with_both_reasons(tmp_path: Path) -> None:
    model = small_cnn(tf_keras)
    model.save(tmp_path / "old.h5")

    def renamed(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["config"]["kernel_size"] = "three"

    (tmp_path / "models").mkdir()
    shutil.move(with_config(tmp_path / "old.h5", renamed), tmp_path / "models/old.h5")
    with pytest.raises(
        UnsupportedModelError, match=r"Keras 3.* cannot load it: .*tf_keras 2.* cannot either: "
    ) as told:
        built(tmp_path / "models/old.h5", tmp_path / "cache")
    assert told.value.written_by == f"Keras {tf_keras.__version__}"


def test_a_model_that_needs_tf_keras_is_built_in_a_second_child(tmp_path: Path) -> None:
    inputs = tf_keras.Input((10, 10, 3), name="photo")
    local = tf_keras.layers.LocallyConnected2D(4, 3)(inputs)
    outputs = tf_keras.layers.Dense(2)(tf_keras.layers.GlobalAveragePooling2D()(local))
    tf_keras.Model(inputs, outputs).save(tmp_path / "old.h5")
    facts = built(tmp_path / "old.h5", tmp_path / "cache")

    assert facts.source.loaded_by == f"tf_keras {tf_keras.__version__}"
    assert facts.source.written_by == f"Keras {tf_keras.__version__}"
    assert [one.max_relative <= 1 for one in facts.verification] == [True]


def test_models_of_several_inputs_and_outputs_keep_their_names_in_tf_keras(tmp_path: Path) -> None:
    one, two = tf_keras.Input((4, 4, 1), name="zebra"), tf_keras.Input((2, 2, 3), name="ape")
    both = tf_keras.layers.Concatenate()([tf_keras.layers.Flatten()(one), tf_keras.layers.Flatten()(two)])
    heads = [
        tf_keras.layers.Dense(3, activation="softmax", name="what")(both),
        tf_keras.layers.Dense(1, name="how")(both),
    ]
    model = randomised(tf_keras.Model([one, two], heads))
    model.save(tmp_path / "old.keras")
    facts = built(tmp_path / "old.keras", tmp_path / "cache")
    program = load(tmp_path / "old.keras", loader="tf_keras")
    arrays = {"zebra": photos(2, 4, 4, 1), "ape": photos(2, 2, 2, 3)}

    assert [spec.spec.name for spec in facts.inputs] == ["zebra", "ape"]
    assert list(program.run(arrays)) == ["what", "how"] == [spec.spec.name for spec in facts.outputs]
    assert_same(program, arrays, model([arrays["zebra"], arrays["ape"]]))
