"""Owns the child's side of a build: limits first, then scan, load, inspect, export, verify, and one verdict.

Started by `service.builder.process`. Says each step and at last the verdict as JSON lines on standard output.
"""

import json
import logging
import os
import sys
import threading
from typing import IO, Any

from service.builder.exhaustion import is_out_of_disk, is_out_of_memory
from service.builder.manners import behave
from service.builder.order import BuildOrder
from service.errors import BuilderMissingError, BuildInterruptedError, ConvoyError, ModelError, TrustedCodeError
from service.repository.bundle_files import INSIGHT

log = logging.getLogger("service.builder")
_MISSING = (
    "This installation can serve bundles but not build them: install convoy-serve[build], "
    "or build the model elsewhere and bring its bundle."
)

_LIBRARIES = ("h5py", "keras", "tensorflow", "tf_keras")


def main(order: BuildOrder) -> int:
    """Carry out one build order; return the exit status."""
    voice = _own_stdout()
    behave(memory=order.memory)
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    try:
        _build(order, voice)
    except BaseException as error:  # noqa: BLE001 - the boundary of the process: every end is told
        _say(voice, **_verdict(error, order))
        return 1
    return 0


def _build(order: BuildOrder, voice: IO[str]) -> None:
    # TensorFlow is imported only under the limits set above
    from service.builder.build import build
    from service.builder.insight import look_inside

    def progress(step: str) -> None:
        _say(voice, step=step)

    built = build(order, progress=progress, found=lambda report: _say(voice, written_by=report.written_with))
    _say(voice, built=True)  # from here on the bundle is whole, whatever becomes of this process
    insight = look_inside(built.program, built.facts, order.staged / INSIGHT, progress=progress)
    _say(voice, insight=insight.to_json())


def _own_stdout() -> IO[str]:
    """Keep the real standard output for the verdict and send everything else that is printed to standard error."""
    voice = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return voice


def _say(voice: IO[str], **words: Any) -> None:
    print(json.dumps(words), file=voice, flush=True)


def _end_with_parent() -> None:
    os.read(0, 1)  # the parent never writes: this returns when its end of the pipe closes
    os._exit(3)


def _verdict(error: BaseException, order: BuildOrder) -> dict[str, str]:
    if is_out_of_disk(order.staged):
        return _interrupted("The disk of the cache folder is full.")
    if type(error).__name__ == "NextLoader":
        return {"next": "tf_keras", "tried": str(error)}
    if isinstance(error, ConvoyError):
        return {"error": type(error).__name__, "message": error.message} | _writer_known_to(error)
    if isinstance(error, ModuleNotFoundError) and error.name in _LIBRARIES:
        return {"error": BuilderMissingError.__name__, "message": _MISSING}
    if isinstance(error, ModuleNotFoundError):
        message = f"The build needs the Python module {error.name}, which is not installed here."
        return {"error": TrustedCodeError.__name__, "message": message}
    if isinstance(error, (ImportError, SystemError)):  # a library that is there and cannot be mapped
        return _interrupted("TensorFlow could not be loaded, probably for want of memory (CONVOY_BUILD_MEMORY).")
    if is_out_of_memory(error):
        return _interrupted("The build ran out of the memory it may use (CONVOY_BUILD_MEMORY).")
    if isinstance(error, OSError):
        return _interrupted(f"The build could not read or write a file: {error.strerror or type(error).__name__}.")
    logging.exception("unforeseen end of a build")
    message = f"The build failed in an unforeseen way ({type(error).__name__}); the log has the details."
    return {"error": "BrokenModelError", "message": message, "unforeseen": "yes"}


def _writer_known_to(error: ConvoyError) -> dict[str, str]:
    writer = error.written_by if isinstance(error, ModelError) else None
    return {"written_by": writer} if writer else {}


def _interrupted(message: str) -> dict[str, str]:
    return {"error": BuildInterruptedError.__name__, "message": message}


if __name__ == "__main__":
    status = main(BuildOrder.from_json(sys.argv[1]))
    sys.stderr.flush()
    os._exit(status)  # all is written and said: TensorFlow would take a second to end in order
