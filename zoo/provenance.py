"""Owns what is written down about a training run: the sidecar `model.toml` and the model's README."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from zoo.catalogue import ZooModel

TomlValue = str | bool | int | float | list[str]


@dataclass(frozen=True, slots=True)
class LayerLine:
    """One line of the architecture: `output_shape` without the batch axis, as 26x26x32."""

    name: str
    type: str
    output_shape: str
    parameters: int


@dataclass(frozen=True, slots=True)
class Run:
    """A finished training run; `accuracy` is the saved file's on the test set, `trained` an ISO date."""

    model: ZooModel
    accuracy: float
    seed: int
    epochs: int
    trained: str
    command: str
    train_images: int
    test_images: int
    data_sha256: str
    file_sha256: str
    file_bytes: int
    layers: tuple[LayerLine, ...]
    versions: Mapping[str, str]

    @property
    def parameters(self) -> int:
        """Return the number of weights in all layers."""
        return sum(layer.parameters for layer in self.layers)


def command_line(model: ZooModel, *, seed: int, epochs: int, data_file: str | None) -> str:
    """Return the shortest command that repeats a run; `data_file` only where the data is not the public set."""
    words = ["python -m zoo.train", model.name]
    if data_file is not None:
        words.append(f"--data {data_file}")
    if epochs != model.epochs:
        words.append(f"--epochs {epochs}")
    if seed != model.seed:
        words.append(f"--seed {seed}")
    return " ".join(words)


def sidecar(run: Run) -> str:
    """Return the text of the run's `model.toml`."""
    model = run.model
    provenance: dict[str, TomlValue] = {
        "dataset": f"{model.dataset.title}. {model.dataset.citation}, {model.dataset.url}",
        "license": f"{model.dataset.license} (the dataset)",
        "accuracy": run.accuracy,
        "seed": run.seed,
        "epochs": run.epochs,
        "trained": run.trained,
        "command": run.command,
    }
    head = _toml_lines({"description": model.description, "labels": list(model.labels)})
    tables = {"preprocessing": model.preprocessing, "output": model.output, "provenance": provenance}
    return "\n".join([*head, *(_toml_table(name, values) for name, values in tables.items())])


def readme(run: Run) -> str:
    """Return the text of the model's README: accuracy first, then all that is needed to check or repeat it."""
    return README.format(
        name=run.model.name,
        description=run.model.description,
        accuracy=f"{100 * run.accuracy:.2f} %",
        facts="\n".join(f"| {name} | {value} |" for name, value in _facts(run).items()),
        layers="\n".join(
            f"| `{layer.name}` | {layer.type} | {layer.output_shape} | {layer.parameters:,} |" for layer in run.layers
        ),
        parameters=f"{run.parameters:,}",
        command=run.command,
        train_images=f"{run.train_images:,}",
        test_images=f"{run.test_images:,}",
    )


def _facts(run: Run) -> dict[str, str]:
    model = run.model
    return {
        "dataset": f"{model.dataset.title}",
        "citation": f"{model.dataset.citation}, <{model.dataset.url}>",
        "dataset license": model.dataset.license,
        "SHA-256 of the dataset's arrays": f"`{run.data_sha256}`",
        "trained": run.trained,
        "seed": str(run.seed),
        "epochs": f"{run.epochs}, batches of {model.batch_size}",
        "optimizer": f"Adam, learning rate {model.learning_rate:g} falling to 0 along a cosine",
        "augmentation": f"{model.augmentation} (in the input pipeline, not in the model)",
        **run.versions,
        "`1/model.keras`": f"{run.file_bytes:,} bytes, without optimizer state",
        "SHA-256 of `1/model.keras`": f"`{run.file_sha256}`",
    }


def _toml_table(name: str, values: Mapping[str, TomlValue]) -> str:
    return "\n".join(["", f"[{name}]", *_toml_lines(values)]) + ("\n" if name == "provenance" else "")


def _toml_lines(values: Mapping[str, TomlValue]) -> list[str]:
    # JSON's strings, numbers, booleans and lists of strings are all TOML as well.
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]


README = """\
# {name}

{description}.

**Accuracy {accuracy}** on the {test_images} images of the test set, measured on the saved file after the last epoch.
Training never sees them: it runs a fixed number of epochs, and no stop or checkpoint is picked by them.

Made by `{command}`, which also writes this page and `1/model.toml`.
On the same machine the same seed gives the same weights; the file's SHA-256 still differs, because Keras saves the
date with them.

| what | value |
|---|---|
{facts}

## Architecture

| layer | type | output | parameters |
|---|---|---|---|
{layers}
| | | total | {parameters} |

Trained on {train_images} images. The input is float32 in 0..1; nothing inside the model scales it.
"""
