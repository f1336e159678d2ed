"""Owns the headers that keep browsers from doing more with an answer than showing it."""

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


def register(app: Flask, *, is_shared: bool) -> None:
    """Give every answer these headers, where it has none of that name; `is_shared` lets other origins embed it."""
    headers = list((HEADERS if is_shared else HEADERS | _SAME_ORIGIN).items())

    @app.after_request
    def add(response: Response) -> Response:
        given = {name for name, _ in response.headers}
        response.headers.extend([one for one in headers if one[0] not in given])
        return response
