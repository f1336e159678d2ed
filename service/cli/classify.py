"""Owns `convoy classify`: a folder of any size, answered on this machine or on a Ray cluster."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import click
import orjson

from service.cli.classify_text import summary_text
from service.cli.options import as_json, progress, read_settings, settings, store_and_limits
from service.cli.rate import Meter, meter_for
from service.errors import FolderError
from service.model.card import compose_card
from service.offline.archive.answers import answering_outputs
from service.offline.archive.crew import answered_here
from service.offline.archive.form import form_of
from service.offline.archive.inputs import picture_inputs
from service.offline.archive.job import Asking, Job
from service.offline.archive.place import Place
from service.offline.archive.ray_crew import answered_by_ray, check_ray
from service.offline.archive.run import Answering, Summary, check_out, job_in, out_at, run
from service.offline.archive.walk import asked_for
from service.repository.bundles import Bundle
from service.repository.sidecar import parse_sidecar, read_sidecar
from service.serving.local import bundle_of, source_of
from service.settings import Settings

_WITHOUT_EFFECT = ("description", "provenance", "versions")
"""Keys of a sidecar that change no answer."""
_INTERRUPTED = 130
_SOME_BAD = 1


@click.command()
@click.argument("pictures", metavar="FOLDER|PATTERN", nargs=-1, required=True)
@click.option("--model", "target", metavar="FILE|NAME", required=True, help="A saved file, or a model's name.")
@click.option("--out", metavar="PATH", required=True, help="Ends in .parquet, .csv or .jsonl.")
@click.option("--top-k", type=click.IntRange(0), default=3, show_default=True, help="Classes to list per picture.")
@click.option("--probabilities/--no-probabilities", default=False, help="A number for every class, too.")
@click.option("--join/--no-join", "is_joined", default=True, help="One file, or a folder of parts.  [default: join]")
@click.option("--ray", metavar="auto|ADDRESS", help="Work on the Ray cluster there instead of on this machine.")
@settings(
    *("models_dir", "cache_dir", "bundles_dir", "build_timeout", "build_memory", "allow_saved_model"),
    *("workers", "max_image_bytes", "max_image_pixels", "max_image_side"),
)
@as_json()
def classify(
    pictures: tuple[str, ...],
    target: str,
    out: str,
    top_k: int,
    probabilities: bool,
    is_joined: bool,
    ray: str | None,
    as_json: bool,
    **given: str | None,
) -> None:
    """Classify every picture of a folder, or those that fit a pattern, into one file of answers.

    A file that cannot be answered has a row with its error. What was broken off goes on where it was when the same
    command is run again. Exit status 1 where a file could not be answered.
    """
    read = read_settings(**given)
    asked = asked_for(_only(pictures))  # before a build that may take minutes
    place = Place(out_at(out))
    form_of(place.out)
    check_out(place)
    if ray is not None:
        check_ray()
    bundle, asking = _asking(read, target, folder=str(asked.root), pattern=asked.pattern, top_k=top_k,
        probabilities=probabilities, output=place.out.suffix, is_joined=is_joined)  # fmt: skip
    answering: Answering = partial(answered_here, processes=read.workers)
    if ray is not None:
        answering = partial(answered_by_ray, address=ray)
    with place.locked():
        job = job_in(place, asked, asking, bundle, listed=_told_of_listing)
        summary = _run(place, job, answering, as_json=as_json)
    click.echo(orjson.dumps(summary.to_json()) if as_json else summary_text(summary))
    if summary.bad:
        sys.exit(_SOME_BAD)


def _only(pictures: tuple[str, ...]) -> str:
    if len(pictures) > 1:
        raise FolderError(
            f"One folder or pattern is taken, and {len(pictures)} were given. Where the shell made them of a pattern, "
            "put it in quotes: 'photos/*.jpg'."
        )
    return pictures[0]


def _asking(read: Settings, target: str, **asked: object) -> tuple[Bundle, Asking]:
    """Return the model's bundle, built now where there is none, and what is asked of it; raises as a server would."""
    store, limits = store_and_limits(read)
    source = source_of(target, read.models_dir)
    bundle, fingerprint = bundle_of(source, store, limits, progress)
    sidecar = {key: value for key, value in read_sidecar(source).items() if key not in _WITHOUT_EFFECT}
    # NOTE: its card alone; a process that is to be forked loads no model.
    card = compose_card(
        bundle.facts, parse_sidecar(sidecar), version=source.version, fingerprint=fingerprint, engine=""
    )
    picture_inputs(card)
    answering_outputs(card)
    return bundle, Asking(
        model=source.name,
        version=source.version,
        fingerprint=fingerprint,
        sidecar=sidecar,
        limits={
            "max_bytes": read.max_image_bytes,
            "max_pixels": read.max_image_pixels,
            "max_side": read.max_image_side,
        },
        **asked,  # type: ignore[arg-type]
    )


def _run(place: Place, job: Job, answering: Answering, *, as_json: bool) -> Summary:
    with meter_for(job.listed.files, as_json=as_json) as meter, _going_on_explained(place, meter):
        return run(place, job, answering, done=meter.moved)


@contextmanager
def _going_on_explained(place: Place, meter: Meter) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as ending:
        click.echo(
            f"\nstopped: {meter.done:,} of {meter.total:,} are answered and kept in {place.folder.name}; run the same "
            "command again to go on",
            err=True,
        )
        sys.exit(ending.code if isinstance(ending, SystemExit) else _INTERRUPTED)


def _told_of_listing(count: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\rlisting {count:,} …", err=True, nl=False)
