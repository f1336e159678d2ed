"""Owns `convoy preview`: what a model is given for a picture, without a server."""

from pathlib import Path

import click
import orjson

from service.app import image_limits
from service.cli.options import as_json, progress, read_settings, settings, store_and_limits
from service.cli.predict import read_part
from service.errors import MisfitError, SettingsError
from service.model.card import ModelCard
from service.serving.examples import Example
from service.serving.local import open_model, source_of
from service.serving.polarity_watch import PolarityWatch
from service.serving.preview import Previewer, SeenInput

_SUFFIXES = (".png", ".npy")


@click.command()
@click.argument("target", metavar="FILE|NAME")
@click.argument("image", metavar="IMAGE")
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Write it as .png or .npy.")
@click.option("--input", "input_name", metavar="NAME", help="The input to write, where a model has several.")
@settings("models_dir", "cache_dir", "bundles_dir", "build_timeout", "build_memory", "allow_saved_model")
@as_json()
def preview(
    target: str, image: str, output: Path | None, input_name: str | None, as_json: bool, **given: str | None
) -> None:
    """Show what a model sees of a picture: every conversion, and each channel's least, largest and mean value.

    With --output it writes the input itself: as a picture, a pixel for each of the input's, or as the very numbers.
    """
    _check_output(output)
    read = read_settings(**given)
    store, limits = store_and_limits(read)
    model = open_model(source_of(target, read.models_dir), store=store, limits=limits, progress=progress)
    _check_is_one(model.card, input_name, is_needed=output is not None)
    previewer = Previewer(limits=image_limits(read), polarity=PolarityWatch())
    found = previewer.preview(Example.of(read_part(image)), model)
    chosen = found.input(input_name)
    if as_json:
        from service.api.preview import entry

        body = entry(0, found, model.card)
        click.echo(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2))
    else:
        click.echo("\n\n".join(_text(name, seen) for name, seen in found.inputs.items()))
    if output is not None:
        output.write_bytes(_written(chosen, output))


def _check_output(output: Path | None) -> None:
    if output is None:
        return
    if output.suffix not in _SUFFIXES:
        raise SettingsError(f"{output.name} ends in neither .png nor .npy; name the output so that it does.")
    if not output.absolute().parent.is_dir():
        raise SettingsError(f"There is no folder {output.parent} to write {output.name} into.")


def _check_is_one(card: ModelCard, name: str | None, *, is_needed: bool) -> None:
    if name is None and is_needed and len(card.inputs) > 1:
        known = ", ".join(one.spec.name for one in card.inputs)
        raise MisfitError(f"This model has several inputs; say which with --input: {known}.")


def _written(seen: SeenInput, output: Path) -> bytes:
    data = seen.npy() if output.suffix == ".npy" else seen.png()
    if data is None:
        raise MisfitError("This input takes no pictures, so there is none to write; name a .npy file.")
    return data


def _text(name: str, seen: SeenInput) -> str:
    shape = "x".join(map(str, seen.array.shape))
    found = seen.statistics()
    lines = [f"{name}: {shape} {seen.array.dtype}"]
    lines += [f"  {step}" for step in seen.conversions]
    lines += ["  channel       min       max      mean"]
    rows = zip(found["min"], found["max"], found["mean"], strict=True)
    lines += [f"  {number:7d} {low:9.4g} {high:9.4g} {mean:9.4g}" for number, (low, high, mean) in enumerate(rows)]
    lines += [f"  note: {note}" for note in seen.warnings]
    return "\n".join(lines)
