"""Owns who may ask what: the scope each endpoint asks for, and the key a request carries."""

from flask import Flask, Request, g, request
from werkzeug.exceptions import HTTPException

from service.access.keyring import Keyring
from service.access.keys import KEY_TEXT, Key, Scope, in_words
from service.errors import ForbiddenError, UnauthorizedError

OPEN = frozenset(
    {
        *("health.healthz", "health.readyz", "health.signpost", "openinference.live", "openinference.ready"),
        *("cloud.ping", "cloud.vertex_health", "openapi.document", "openapi.docs", "openapi.asset"),
        "web.asset",
    }
)
"""Endpoints that ask for no key: what orchestrators probe, and what the API says of itself."""
SCOPES: dict[str, Scope] = {
    "openinference.load": "admin",
    "openinference.unload": "admin",
    "metrics.metrics": "metrics",
}
"""Endpoints that ask for another scope than `predict`."""
_SCHEME = "bearer "
_HOW = "send it as the header Authorization: Bearer KEY or X-API-Key: KEY"
_KINDS: dict[Scope, str] = {"predict": "a key", "admin": "an admin key", "metrics": "a metrics key"}
_GUARD = "convoy.guard"


class Guard:
    """Says of each endpoint which scope it asks for on this server, and lets requests pass or not."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def scope_of(self, endpoint: str | None) -> Scope | None:
        """Return the scope that is needed, None where none is. An address that is not there has no endpoint."""
        if endpoint in OPEN:
            return None
        scope = SCOPES.get(endpoint or "", "predict")
        return scope if scope == "admin" or self._keyring.guards_all else None

    def key_of(self, sent: Request, scope: Scope) -> Key:
        """Return the key that a request carries to do what asks for `scope`.

        Raises UnauthorizedError where it carries none in force, ForbiddenError where the server has none at all.
        """
        if not self._keyring.guards_administration:
            raise ForbiddenError(
                "Loading and unloading is switched off; start the server with CONVOY_ADMIN_KEY set, or with a key that "
                "has the scope admin."
            )
        key = self._keyring.find(_sent_key(sent, _KINDS[scope]))
        if key is None:
            raise UnauthorizedError(f"This needs {_KINDS[scope]}, and the one sent is not known here; {_HOW}.")
        return key


def register(app: Flask, keyring: Keyring, *, health_route: str | None = None) -> None:
    """Have every request checked before its body is read, those to unknown addresses too.

    Call it when all routes are there. `health_route` is an address that is open to GET wherever it leads. The name of
    the key is `g.key_name` from then on.
    """
    guard = Guard(keyring)
    app.extensions[_GUARD] = guard
    probed = _place_of(app, health_route)

    @app.before_request
    def check() -> None:
        scope = guard.scope_of(request.endpoint)
        if scope is None or (scope == "predict" and _is_probe(probed)):
            return
        key = guard.key_of(request, scope)
        g.key_name = key.name
        _check_scope(key, scope)


def guard_of(app: Flask) -> Guard:
    """Return the guard that `register` gave an application."""
    guard: Guard = app.extensions[_GUARD]
    return guard


def _place_of(app: Flask, route: str | None) -> tuple[str, object] | None:
    """Return the endpoint and the variables that a route leads to with GET, None where it leads nowhere."""
    try:
        return app.url_map.bind("").match(route, "GET") if route else None
    except HTTPException:
        return None


def _is_probe(probed: tuple[str, object] | None) -> bool:
    return request.method in ("GET", "HEAD") and probed == (request.endpoint, request.view_args)


def _check_scope(key: Key, scope: Scope) -> None:
    if scope not in key.scopes:
        raise ForbiddenError(f"This needs a key with the scope {scope}; {key.name} has {in_words(key.scopes)}.")


def _sent_key(sent: Request, kind: str) -> str:
    """Return the one key that a request carries; raises UnauthorizedError for none, several or what can be none."""
    given = sent.headers.get("Authorization", "")
    bearer = given[len(_SCHEME) :] if given.lower().startswith(_SCHEME) else ""
    found = {text.strip() for text in (bearer, sent.headers.get("X-API-Key", ""))} - {""}
    if not found:
        raise UnauthorizedError(f"This needs {kind}; {_HOW}.")
    if len(found) > 1:
        raise UnauthorizedError(f"This needs {kind}, and two different ones were sent; send one.")
    text = found.pop()
    if not KEY_TEXT.fullmatch(text):
        raise UnauthorizedError(f"This needs {kind}: 8 to 200 letters, digits and signs without spaces; {_HOW}.")
    return text
