"""Owns which model answers at an address that names none."""

from service.errors import ConvoyError, UnknownModelError
from service.serving.live_model import LiveModel
from service.serving.registry import Registry


class DefaultModel:
    """The model of the setting `default_model`; where that is not set, the only one there is."""

    def __init__(self, registry: Registry, name: str | None) -> None:
        self._registry = registry
        self._name = name

    def get(self) -> LiveModel:
        """Return the model; raises UnknownModelError where it is not clear which, and what the registry raises."""
        try:
            return self._registry.get(self._chosen())
        except UnknownModelError:  # by what was known a moment ago; a prediction does not look at the disk for each
            self._registry.refresh(wait=False)
            return self._registry.get(self._chosen())

    def why_not_live(self) -> ConvoyError | None:
        """Return why the model cannot answer now, or None where it can; never waits for one to load."""
        self._registry.refresh(wait=False)
        try:
            name = self._chosen()
            return None if self._registry.loaded(name) else self._registry.why_not(name)
        except ConvoyError as error:
            return error

    def _chosen(self) -> str:
        if self._name is not None:
            return self._name
        names = sorted(self._registry.view.models)
        if len(names) != 1:
            raise UnknownModelError(_unclear(names))
        return names[0]


def _unclear(names: list[str]) -> str:
    if not names:
        return "There is no model yet; drop one into the models folder."
    return (
        f"This address names no model and there are several ({', '.join(names)}); set CONVOY_DEFAULT_MODEL to one of "
        "them, or ask POST /api/models/{name}/predict."
    )
