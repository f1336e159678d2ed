"""Owns who may do what: the key that administration asks for."""

import hmac

from flask import Request

from service.errors import ForbiddenError, UnauthorizedError

_SCHEME = "bearer "


def require_admin(request: Request, key: str | None) -> None:
    """Let a request pass that carries the admin key as `Authorization: Bearer KEY`.

    Raises ForbiddenError where the server has none, UnauthorizedError where the request has none or another one.
    """
    if key is None:
        raise ForbiddenError("Loading and unloading is switched off; start the server with CONVOY_ADMIN_KEY set.")
    given = request.headers.get("Authorization", "")
    token = given[len(_SCHEME) :] if given.lower().startswith(_SCHEME) else ""
    if not hmac.compare_digest(token.encode("utf-8", "replace"), key.encode()):
        raise UnauthorizedError("This needs the admin key; send it as the header Authorization: Bearer KEY.")
