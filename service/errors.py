"""What can go wrong, in the domain's words. Owns no HTTP: the edge (`service.api`) picks the status.

Every message is shown to a user as it stands: it says what was wrong, what was expected and what to
send or do, and never holds a traceback or a path of the server.
"""


class ConvoyError(Exception):
    """Base of everything Convoy raises on purpose."""

    @property
    def message(self) -> str:
        """The one text given at construction."""
        return str(self.args[0]) if self.args else type(self).__name__


class SettingsError(ConvoyError):
    """A setting has a value that cannot be used; the process refuses to start."""


class RequestError(ConvoyError):
    """The caller sent something that cannot be answered as it is."""


class MalformedBodyError(RequestError):
    """The body cannot be parsed as what it claims, or appears, to be."""


class UndecodableImageError(RequestError):
    """The bytes look like an image, or should be one, and no image comes out of them."""


class UnsupportedBodyError(RequestError):
    """The body is of a kind that is not accepted here."""


class TooLargeError(RequestError):
    """The body, an image's bytes, its sides or its pixels go over a limit."""


class MisfitError(RequestError):
    """Decoded, but it does not fit the model's input without losing or guessing something."""


class UnknownModelError(RequestError):
    """No model, version or label of that name is known here."""


class UnknownLayerError(RequestError):
    """The model has no layer of that name, or its saved file does not hold its layers."""


class UnknownUnitError(RequestError):
    """The layer gives no number of that index, or is not called so often."""


class UnauthorizedError(RequestError):
    """The request needs a key, and carries none or another one."""


class ForbiddenError(RequestError):
    """The request asks for what this server is not set up to allow."""


class UnavailableError(ConvoyError):
    """Nothing is wrong with the request, but it cannot be answered now.

    `retry_after` is the number of seconds after which another try makes sense, or None where only an
    operator can help.
    """

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ModelNotReadyError(UnavailableError):
    """The model is known, and is being built or loaded."""


class ModelFailedError(UnavailableError):
    """The model is known, and could not be built; the message is its diagnosis."""


class BusyError(UnavailableError):
    """As many requests of this costly kind are being answered as are answered at a time."""


class DeadlineExceededError(ConvoyError):
    """The answer was not ready within the time a request may take."""


class ClientGoneError(ConvoyError):
    """Nobody waits for the answer any more: the client has closed its connection."""


class ModelError(ConvoyError):
    """A source cannot become a served model; the message is the diagnosis its owner reads.

    `written_by` is what wrote it, such as `Keras 2.2.4`, where that is known.
    """

    written_by: str | None = None


class UnsafeModelError(ModelError):
    """The source holds something that could run code, read files or exhaust the machine."""


class BrokenModelError(ModelError):
    """The source is damaged, incomplete or no saved Keras model at all."""


class UnsupportedModelError(ModelError):
    """The source is a sound model that Convoy cannot serve."""


class CustomCodeError(UnsupportedModelError):
    """The source needs a class or function that is not part of Keras; `name` is the one it names."""

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class TrustedCodeError(ModelError):
    """The Python file given with `--trust-code` does not run, or does not fit the model."""


class SavedModelNotAllowedError(UnsupportedModelError):
    """The source is a SavedModel, a program, and the settings do not allow to run one."""


class SidecarError(ModelError):
    """`model.toml`, or a file it names, says something that cannot be used."""


class DisagreementError(ModelError):
    """An exported graph, or a bundle on this CPU, does not give the numbers Keras gives."""


class ModelClashError(ModelError):
    """Two saved files claim the same model name and version."""


class LockError(ConvoyError):
    """`models.lock` cannot be read, or says something that cannot be used."""


class FolderError(ConvoyError):
    """A folder of pictures cannot be used for what was asked."""


class BuilderMissingError(ModelError):
    """This installation can serve bundles but not build them: TensorFlow and Keras are not installed."""


class BuildInterruptedError(ConvoyError):
    """A build ended for a reason that may pass: time-out, kill, full disk, a lock held elsewhere."""


class BuilderBusyError(BuildInterruptedError):
    """Another builder is at work on the same cache; nothing was tried."""
