"""Owns writing what calibration found into a `model.toml`, and the proof that it is in force afterwards."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.errors import SidecarError
from service.files import PUBLIC, replace_file
from service.model.card import ModelCard
from service.offline.candidates import FINISHING, FITTING, is_coloured, picture_inputs
from service.offline.errors import ThinEvidenceError
from service.offline.finding import NO_BETTER_THAN_CHANCE, Calibration, toml_value
from service.offline.sidecar_edit import Table, edited, snippet
from service.repository.sidecar import parse_sidecar, read_sidecar
from service.repository.sources import Source
from service.serving.live_model import LiveModel, relabelled

_ALWAYS_SAID = ("recipe", "resize", "fit", "exif")


def check_evidence(found: Calibration) -> None:
    """Raise ThinEvidenceError where the pictures leave open what would be written."""
    if not found.is_better_than_chance:
        raise ThinEvidenceError(f"Nothing is written. {NO_BETTER_THAN_CHANCE}")
    if found.too_thin:
        raise ThinEvidenceError(
            f"Nothing is written: the evidence of {found.pictures} pictures is too thin to choose "
            f"{' and '.join(found.too_thin)}. Give more pictures, or write the recommended recipe with --force."
        )


def values_to_write(found: Calibration) -> dict[str, Any]:
    """Return what a `model.toml` has to say for the recommended recipe.

    Scale, colour order and polarity always, unless the pictures cannot test them; of decoder, resize and fit what
    changes, and all of it where the decoder does, since naming one implies the others.
    """
    recommended, standing = found.recommended, found.standing
    names = [name for name in FINISHING if standing.get(name, "untested") != "untested"]
    changed = [name for name in FITTING if getattr(recommended, name) != getattr(found.in_force, name)]
    names += dict.fromkeys([*_ALWAYS_SAID, *changed]) if "recipe" in changed else changed
    values = {name: toml_value(getattr(recommended, name)) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def tables_to_write(values: Mapping[str, Any], source: Source, card: ModelCard) -> dict[Table, dict[str, Any]]:
    """Return the values by table: [preprocessing] for a model of one input, unless its input has a table of its own."""
    inputs = picture_inputs(card)
    said = read_sidecar(source).get("preprocessing", {})
    if len(card.inputs) == 1 and not isinstance(said.get(inputs[0].spec.name), dict):
        return {("preprocessing",): dict(values)}
    return {
        ("preprocessing", one.spec.name): {
            key: value for key, value in values.items() if key != "color" or is_coloured(one)
        }
        for one in inputs
    }


def write_recipe(found: Calibration, source: Source, model: LiveModel, path: Path) -> Mapping[Table, Mapping[str, Any]]:
    """Write the recommended recipe into the `model.toml` at `path`, and return what was written.

    The file is put back, and SidecarError raised, where the values would not be in force: another file may say
    otherwise.
    """
    tables = tables_to_write(values_to_write(found), source, model.card)
    old = _text(path)
    _replace(path, edited(old or "", tables))
    try:
        _check(tables, relabelled(model, parse_sidecar(read_sidecar(source))).card)
    except SidecarError as error:
        _put_back(path, old)
        raise SidecarError(f"{path.name} is left as it was: {error.message}") from error
    return tables


def _text(path: Path) -> str | None:
    try:
        # NOTE: newline="" keeps Windows' ends of lines, which Python would turn into others.
        return path.open(encoding="utf-8-sig", newline="").read() if path.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        raise SidecarError(f"{path.name} cannot be read as UTF-8; it is left as it is.") from error


def _replace(path: Path, text: str) -> None:
    """Write a file in one step: a running server reads the folder at the same time."""
    target = path.resolve()
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else PUBLIC
        replace_file(target, text.encode(), mode=mode)
    except OSError as error:
        raise SidecarError(f"{path} cannot be written: {error.strerror}.") from error


def _put_back(path: Path, old: str | None) -> None:
    if old is None:
        path.unlink()
    else:
        _replace(path, old)


def _check(tables: Mapping[Table, Mapping[str, Any]], card: ModelCard) -> None:
    for one in picture_inputs(card):
        values = tables.get(("preprocessing", one.spec.name), tables.get(("preprocessing",), {}))
        wrong = [key for key, value in values.items() if toml_value(getattr(one.recipe, key)) != value]
        if wrong:
            raise SidecarError(
                f"{', '.join(wrong)} would not be as written; another model.toml or label file of this model says "
                f"otherwise. Write there: {snippet(tables)}"
            )
