"""Reads the loss off a training configuration, as data: nothing in it is ever built."""

from service.builder.scan.report import JsonValue


def loss_name(training: JsonValue) -> str | None:
    """Return the name of the loss a model was compiled with.

    Several outputs count as one loss where they agree. `training` is `compile_config` of an archive or
    `training_config` of an HDF5 file, of any age and any shape.
    """
    return _name_of(training.get("loss")) if isinstance(training, dict) else None


def _name_of(loss: JsonValue) -> str | None:
    if isinstance(loss, str):
        return loss
    if isinstance(loss, dict):
        return _name_of_object(loss) if "class_name" in loss else _common(list(loss.values()))
    return _common(loss) if isinstance(loss, list) else None


def _name_of_object(loss: dict[str, JsonValue]) -> str | None:
    name = loss.get("config") if loss.get("class_name") == "function" else loss.get("class_name")
    return name if isinstance(name, str) else None


def _common(losses: list[JsonValue]) -> str | None:
    names = {_name_of(loss) for loss in losses if isinstance(loss, str | dict)}
    return names.pop() if len(names) == 1 else None
