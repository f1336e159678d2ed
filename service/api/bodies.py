"""Owns reading request bodies: raw image, `.npy`, multipart, JSON; whatever the Content-Type says, the bytes decide."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from flask import Request
from werkzeug.datastructures import FileStorage

from service.api.encoded import base64_image
from service.api.numbers import nested_array, parsed_json
from service.api.room import Room
from service.api.schemas import PredictBody
from service.errors import (
    MalformedBodyError,
    MisfitError,
    RequestError,
    UndecodableImageError,
    UnsupportedBodyError,
)
from service.image.decode import sniff
from service.image.npy import is_npy, read_npy
from service.serving.examples import Example, Numbers, Part, Picture, Unusable

_PREDICT_BODY = PredictBody()

ACCEPTED = (
    "Send an image (JPEG, PNG, WebP, BMP, GIF or TIFF) as the body, multipart/form-data with files, "
    'JSON {"image": …} or {"images": […]}, or a .npy array.'
)
_MOST_MEMBERS = 16
_IMAGE = "image/"


def read_examples(request: Request, *, inputs: Sequence[str], room: Room) -> list[Example]:
    """Return the examples a request carries, for a model with these `inputs`.

    Raises MalformedBodyError, UndecodableImageError, UnsupportedBodyError, MisfitError or TooLargeError.
    """
    _check_encoding(request)
    try:
        examples = _examples(request, inputs, room)
    except OSError as error:
        raise _broken_off(error) from error
    room.check_images(len(examples))
    return examples


def read_json(request: Request) -> Any:
    """Return the data of a body that is JSON, or None where it is something else; the body can be read again.

    Raises MalformedBodyError, UnsupportedBodyError or TooLargeError.
    """
    if request.mimetype == "multipart/form-data":
        return None
    _check_encoding(request)
    try:
        body = request.get_data()
    except OSError as error:
        raise _broken_off(error) from error
    if sniff(body) or is_npy(body):
        return None
    is_json = request.mimetype.endswith("json") or body.lstrip()[:1] in (b"{", b"[")
    return parsed_json(body) if is_json and body else None


def _check_encoding(request: Request) -> None:
    encoding = request.environ.get("HTTP_CONTENT_ENCODING", "")
    if encoding and encoding.lower() != "identity":
        raise UnsupportedBodyError(f"Content-Encoding {encoding} is not taken; send the body as it is.")


def _broken_off(error: OSError) -> Exception:
    """Return the error of a body that could not be read; one that did not come in time keeps its own."""
    if isinstance(error, BlockingIOError | TimeoutError):
        return error
    return MalformedBodyError("The body broke off or its chunks are malformed; send it whole.")


def _examples(request: Request, inputs: Sequence[str], room: Room) -> list[Example]:
    is_image = (request.environ.get("CONTENT_TYPE") or "").startswith(_IMAGE)  # which is not worth parsing
    is_form = not is_image and request.mimetype == "multipart/form-data" and "boundary" in request.mimetype_params
    return _multipart(request, inputs) if is_form else _single(request, inputs, room)


def _single(request: Request, inputs: Sequence[str], room: Room) -> list[Example]:
    body = _whole(request)
    if not body:
        raise MalformedBodyError(f"The body is empty. {ACCEPTED}")
    if sniff(body):
        return [Example.of(Picture(body))]
    if is_npy(body):
        return [Example.of(Numbers(read_npy(body)))]
    if request.mimetype.endswith("json") or body.lstrip()[:1] in (b"{", b"["):
        return _from_json(body, inputs, room)
    raise _refusal(request.mimetype)


def _whole(request: Request) -> bytes:
    """Return the body; where the server has it all already, without the streams that Werkzeug would put around it."""
    environ = request.environ
    stated, limit = environ.get("CONTENT_LENGTH") or "", request.max_content_length
    if "_cached_data" in request.__dict__:  # somebody has read it already, and kept it
        return request.get_data()
    if not environ.get("wsgi.input_terminated") or not stated.isdecimal() or limit is None or int(stated) > limit:
        return request.get_data(cache=False)
    body: bytes = environ["wsgi.input"].read(int(stated))
    if len(body) < int(stated):
        raise MalformedBodyError("The body broke off; send it whole.")
    return body


def _refusal(mimetype: str) -> RequestError:
    if mimetype.startswith("image/") or mimetype in ("", "application/octet-stream"):
        return UndecodableImageError(f"The body is no image of a kind that can be decoded. {ACCEPTED}")
    if mimetype.startswith("multipart/"):
        return MalformedBodyError(f"The form says no boundary; let the client set the Content-Type. {ACCEPTED}")
    if mimetype == "application/x-www-form-urlencoded":
        return UndecodableImageError(
            "The body came as a form and is no image; with curl, use --data-binary @file, not -d @file. " + ACCEPTED
        )
    return UnsupportedBodyError(f"A body of type {mimetype} is not taken. {ACCEPTED}")


def _multipart(request: Request, inputs: Sequence[str]) -> list[Example]:
    files = [(name, file) for name, several in request.files.lists() for file in several]
    if not files:
        fields = ", ".join(request.form) or "none"
        raise MalformedBodyError(f"There is no file in the form (text fields: {fields}). With curl: -F image=@cat.jpg")
    is_for_all = len(files) == 1 and files[0][0] not in inputs
    if len(inputs) < 2 or is_for_all:
        return [Example.of(_part(file)) for _, file in files]
    return _by_input(files, inputs)


def _by_input(files: list[tuple[str, FileStorage]], inputs: Sequence[str]) -> list[Example]:
    columns = {name: [_part(file) for given, file in files if given == name] for name in inputs}
    unknown = sorted({given for given, _ in files} - set(inputs))
    if unknown or len({len(column) for column in columns.values()}) > 1:
        raise MisfitError(
            f"Send one file per input, named {', '.join(inputs)}, equally many of each; or one file for all of them, "
            "named image."
        )
    rows = zip(*columns.values(), strict=True)
    return [Example(dict(zip(columns, row, strict=True))) for row in rows]


def _part(file: FileStorage) -> Part:
    data = file.read()
    if not is_npy(data):
        return Picture(data, file.filename or None)
    return _or_unusable(lambda: Numbers(read_npy(data)))


def _or_unusable(read: Callable[[], Part]) -> Part:
    """Return what `read` gives, or its error as a part: one bad image must not cost the others their answers."""
    try:
        return read()
    except RequestError as error:
        return Unusable(error)


def _from_json(body: bytes, inputs: Sequence[str], room: Room) -> list[Example]:
    data = parsed_json(body)
    if not isinstance(data, dict):
        raise MalformedBodyError('JSON must be an object: {"image": …} or {"images": […]}.')
    if isinstance(several := data.get("images"), list):
        room.check_images(len(several))
    if len(data) > _MOST_MEMBERS:
        raise MalformedBodyError('JSON must have one member alone: {"image": …} or {"images": […]}.')
    loaded = _PREDICT_BODY.load(data)
    return [_json_example(one, inputs) for one in loaded.get("images", [loaded.get("image")])]


def _json_example(value: Any, inputs: Sequence[str]) -> Example:
    if isinstance(value, dict):
        check_input_names(value, inputs)
        return Example({name: _or_unusable(partial(_json_part, one)) for name, one in value.items()})
    return Example.of(_or_unusable(partial(_json_part, value)))


def check_input_names(given: Mapping[str, Any], inputs: Sequence[str]) -> None:
    """Raise MisfitError where `given` names what is no input; to be asked before its values are read."""
    unknown = next((name for name in given if name not in inputs), None)
    if unknown is not None:
        raise MisfitError(f"There is no input {unknown[:64]!r}; this model has {', '.join(inputs)}.")


def _json_part(value: Any) -> Part:
    """Return what base64 text, a data URI or nested lists of numbers stand for; raises RequestError."""
    if isinstance(value, str):
        return Picture(base64_image(value))
    if isinstance(value, list):
        return Numbers(nested_array(value))
    raise MisfitError("An image in JSON is base64 text, a data URI, or nested lists of numbers.")
