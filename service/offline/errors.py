"""Owns what can go wrong with a folder of pictures, in the words its owner reads."""

from service.errors import ConvoyError


class UnsuitableModelError(ConvoyError):
    """The model does not answer with one class per picture, so there is nothing to compare a label with."""


class ThinEvidenceError(ConvoyError):
    """The pictures do not settle what was to be written."""
