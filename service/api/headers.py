"""Owns the headers that keep browsers from doing more with an answer than showing it."""

from collections.abc import Collection, Iterable

from flask import Flask, Response

POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Nothing in an answer may load or run anything, and no page may frame it; a page of ours sets its own policy."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_SAME_ORIGIN = {"Cross-Origin-Resource-Policy": "same-origin"}


def put(response: Response, pairs: Iterable[tuple[str, str]]) -> None:
    """Add headers of ours, whose names and values are known to be sound and new.

    NOTE: Werkzeug would look at every character of each; what comes from a client goes by `response.headers`.
    """
    response.headers._list.extend(pairs)


def register(app: Flask, *, is_shared: bool) -> None:
    """Give every answer these headers, where it has none of that name; `is_shared` lets other origins embed it."""
    headers = tuple((HEADERS if is_shared else HEADERS | _SAME_ORIGIN).items())
    names = frozenset(name for name, _ in headers)

    @app.after_request
    def add(response: Response) -> Response:
        put(response, _missing(response, names, headers))
        return response


def _missing(
    response: Response, names: Collection[str], headers: tuple[tuple[str, str], ...]
) -> Iterable[tuple[str, str]]:
    given = {name for name, _ in response.headers if name in names}
    return [one for one in headers if one[0] not in given] if given else headers
