"""Owns what can go wrong with the classification of a folder, in the words of whoever asked for it."""

from service.errors import ConvoyError


class ArchiveError(ConvoyError):
    """The classification cannot be begun, resumed or finished as it was asked for."""


class MissingPackageError(ArchiveError):
    """What was asked for needs a package that this installation lacks."""


class WorkerLostError(ArchiveError):
    """Processes ended again and again without an answer."""
