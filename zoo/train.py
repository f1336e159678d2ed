"""Owns the training of a bundled model, from the command line to `models/<name>/`.

python -m zoo.train mnist [--data FILE.npz] [--models-dir models] [--epochs N] [--seed N]
python -m zoo.train cats-dogs --data FOLDER [--validate]
"""

import argparse
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

import keras
import tensorflow as tf

from zoo.architectures import ARCHITECTURES
from zoo.catalogue import CATALOGUE, ZooModel
from zoo.datasets import Labelled, Split
from zoo.pipeline import batches, fed, resized, stream
from zoo.provenance import LayerLine, Run, command_line, readme, sidecar

VERSION = "1"


def main(argv: Sequence[str] | None = None) -> int:
    """Train the model that the command line names, write its folder, and print its accuracy."""
    parser = _parser()
    options = parser.parse_args(argv)
    model = CATALOGUE[options.model]
    if options.data is None and model.dataset.argument:
        parser.error(f"{model.name} needs --data {model.dataset.argument}: {model.dataset.notes}")
    tf.config.experimental.enable_op_determinism()
    epochs = options.epochs or model.epochs
    seed = model.seed if options.seed is None else options.seed
    if options.validate:
        print(f"{model.name}: {validated(model, data=options.data, epochs=epochs, seed=seed)}")
        return 0
    run = train_into(options.models_dir / model.name, model, data=options.data, epochs=epochs, seed=seed)
    print(f"{model.name}: accuracy {run.accuracy:.4f} on {run.test_images} test images, {run.file_bytes} bytes")
    return 0


def train_into(folder: Path, model: ZooModel, *, data: Path | None, epochs: int, seed: int) -> Run:
    """Train `model` and write `folder`: the saved file, its sidecar and the README; return what was written.

    `data` is a local `.npz`, or a folder of pictures; None downloads the dataset. Raises ValueError where the data
    does not fit.
    """
    split = model.dataset.load(data, tuple(model.views.values()))
    trained = trained_net(model, split.train, epochs=epochs, seed=seed)
    file = folder / VERSION / "model.keras"
    file.parent.mkdir(parents=True, exist_ok=True)
    trained.save(file)
    is_public = data is None or split.sha256 == model.dataset.sha256
    argument = model.dataset.argument if is_public or data is None else data.name
    command = command_line(model, seed=seed, epochs=epochs, data=argument)
    run = _run(file, model, split, epochs=epochs, seed=seed, command=command)
    file.with_name("model.toml").write_text(sidecar(run), encoding="utf-8")
    (folder / "README.md").write_text(readme(run), encoding="utf-8")
    return run


def validated(model: ZooModel, *, data: Path | None, epochs: int, seed: int) -> str:
    """Train on four fifths of the training part, write nothing, and say how well the last fifth is told."""
    split = model.dataset.load(data, tuple(model.views.values())).for_validation()
    net = trained_net(model, split.train, epochs=epochs, seed=seed)
    return (
        f"accuracy {accuracy(net, split.test):.4f} on {len(split.test)} images held out of the training part, "
        f"{accuracy(net, split.train):.4f} on the {len(split.train)} trained on"
    )


def trained_net(
    model: ZooModel, data: Labelled, *, epochs: int, seed: int, build: Callable[[], keras.Model] | None = None
) -> keras.Model:
    """Return the model's net trained on `data`, without optimizer state; compiled only where its head needs it.

    `build` gives another net than the model's own, to be trained as that is.
    """
    keras.utils.clear_session()  # NOTE: before the seed; layer names count from the start again
    keras.utils.set_random_seed(seed)
    net = (build or ARCHITECTURES[model.name])()
    batch_size = min(model.batch_size, len(data))
    steps = len(data) // batch_size
    net.compile(optimizer=_optimizer(model, steps * epochs), loss=_loss(net), metrics=["accuracy"])
    made = batches(data, model.variation, batch_size=batch_size, seed=seed)
    net.fit(stream(net, made), steps_per_epoch=steps, epochs=epochs, shuffle=False, verbose=2)
    plain = _uncompiled(net)
    if model.head is None:
        plain.compile(optimizer="sgd", loss=_loss(net))  # plain SGD keeps no number per weight
    return plain


def accuracy(net: keras.Model, data: Labelled) -> float:
    """Return the fraction of `data` whose most probable class is the right one."""
    outputs = net.predict(fed(net, data.inputs), batch_size=500, verbose=0)
    predicted = outputs[:, 0] >= 0.5 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
    return float((predicted == data.classes).mean())


def _optimizer(model: ZooModel, steps: int) -> keras.Optimizer:
    rise = round(model.warm_up * steps)
    return keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(
            model.learning_rate if not rise else 0.0,
            steps - rise,
            warmup_target=model.learning_rate if rise else None,
            warmup_steps=rise,
        ),
        weight_decay=model.weight_decay or None,
        use_ema=bool(model.averaging),
        ema_momentum=model.averaging or 0.99,
    )


def _loss(net: keras.Model) -> str:
    return "binary_crossentropy" if net.outputs[0].shape[-1] == 1 else "sparse_categorical_crossentropy"


def _uncompiled(net: keras.Model) -> keras.Model:
    plain = type(net).from_config(net.get_config())  # NOTE: clone_model would compile it again
    plain.set_weights(net.get_weights())
    return plain


def _run(file: Path, model: ZooModel, split: Split, *, epochs: int, seed: int, command: str) -> Run:
    net = keras.models.load_model(file, safe_mode=True)
    return Run(
        model=model,
        accuracy=accuracy(net, split.test),
        accuracy_at=_accuracy_at(net, split.test, model.variation.sizes),
        seed=seed,
        epochs=epochs,
        trained=date.today().isoformat(),
        command=command,
        train_images=len(split.train),
        test_images=len(split.test),
        data_sha256=split.sha256,
        file_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        file_bytes=file.stat().st_size,
        layers=tuple(_layer_line(layer) for layer in net.layers),
        versions={"Keras": keras.__version__, "TensorFlow": tf.__version__},
    )


def _accuracy_at(net: keras.Model, data: Labelled, sizes: Sequence[int]) -> Mapping[int, float]:
    return {
        size: accuracy(net, Labelled(tuple(resized(images, size) for images in data.inputs), data.classes))
        for size in sizes
    }


def _layer_line(layer: keras.Layer) -> LayerLine:
    shape = "x".join("?" if size is None else str(size) for size in layer.output.shape[1:])
    return LayerLine(layer.name, type(layer).__name__, shape, layer.count_params())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m zoo.train", description="Train a bundled model.")
    parser.add_argument("model", choices=sorted(CATALOGUE))
    parser.add_argument(
        "--data", type=Path, help=".npz with x_train, y_train, x_test, y_test (else: download); for photos a folder"
    )
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--epochs", type=_positive, help="default: the model's own")
    parser.add_argument("--seed", type=int, help="default: the model's own")
    parser.add_argument(
        "--validate",
        action="store_true",
        help="write nothing: hold a fifth of the training part out and say how it does",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    raise SystemExit(main())
