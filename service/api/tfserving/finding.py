"""Owns finding the model an address means, and which of its outputs answers `:classify` and `:regress`."""

from collections.abc import Mapping

from service.api.tfserving.paths import Address
from service.errors import MalformedBodyError, MisfitError, UnknownModelError
from service.model.card import ModelCard, OutputCard
from service.model.tensors import units_of
from service.serving.live import VersionState
from service.serving.live_model import LiveModel
from service.serving.registry import Registry


def live_model(registry: Registry, address: Address) -> LiveModel:
    """Return the live model at an address.

    Raises UnknownModelError, or MalformedBodyError for an unknown label, in TensorFlow Serving's words; and what the
    registry raises where the model is not live.
    """
    try:
        return registry.get(address.name, address.wanted)
    except UnknownModelError as error:
        raise _unknown(registry, address) from error


def _unknown(registry: Registry, address: Address) -> UnknownModelError | MalformedBodyError:
    number = registry.number_of(address.name, address.wanted)
    if number is not None:
        return UnknownModelError(f"Servable not found for request: Specific({address.name}, {number})")
    if address.label is not None and address.label != "latest":
        return MalformedBodyError(f"Unrecognized servable version label: {address.label}")
    return UnknownModelError(f"Servable not found for request: Latest({address.name})")


def versions_at(registry: Registry, address: Address) -> Mapping[int, VersionState]:
    """Return the versions an address asks the state of: all of a model, or the one it names.

    Raises UnknownModelError, or MalformedBodyError for an unknown label.
    """
    registry.refresh(wait=False)
    versions = registry.view.models.get(address.name, {})
    if address.version is None and address.label is None:
        if not versions:
            raise UnknownModelError(f"Could not find any versions of model {address.name}")
        return versions
    number = _number(registry, address)
    if number not in versions:
        raise UnknownModelError(f"Could not find version {number} of model {address.name}")
    return {number: versions[number]}


def _number(registry: Registry, address: Address) -> int:
    number = registry.number_of(address.name, address.wanted)
    if number is None and address.label == "latest":
        return live_model(registry, address).card.version
    if number is None:
        raise MalformedBodyError(f"Unrecognized servable version label: {address.label}")
    return number


def output_of_classes(card: ModelCard) -> OutputCard:
    """Return the one output that has classes; raises MisfitError where none has, or several have."""
    found = [one for one in card.outputs if one.classes]
    if len(found) == 1:
        return found[0]
    has = f"several ({', '.join(one.spec.name for one in found)})" if found else "none"
    raise MisfitError(f"Only a model with one output of classes can classify; {card.name} has {has}. Use :predict.")


def output_of_one_value(card: ModelCard) -> OutputCard:
    """Return the only output of a model that answers each example with one value; raises MisfitError for another."""
    if len(card.outputs) == 1 and units_of(card.outputs[0].spec) == 1:
        return card.outputs[0]
    raise MisfitError(
        "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/predict. "
        "Only a model that answers with one value has a regression; use :predict or :classify."
    )
