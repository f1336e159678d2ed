"""Owns which pages of other origins may ask from a browser (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol).

Never with credentials: what a browser sends by itself is nothing to us, and a key is a header that a page sets.
"""

from collections.abc import Collection

from flask import Flask, Response, request

EXPOSED = "X-Request-ID, Server-Timing, Retry-After, Inference-Header-Content-Length"
"""Headers of an answer that a page may read; what browsers always let it read is not listed."""
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST",
    "Access-Control-Allow-Headers": "Authorization, *",  # NOTE: the asterisk covers all headers but that one
    "Access-Control-Max-Age": "600",
}
_ALL = "*"


def register(app: Flask, origins: Collection[str]) -> None:
    """Let pages of these origins ask; none at all by default, `*` is every one.

    Call it before the check of keys: browsers send none with a preflight.
    """
    if not origins:
        return

    def allowed() -> str | None:
        if _ALL in origins:
            return _ALL
        origin = request.headers.get("Origin")
        return origin if origin in origins else None

    @app.before_request
    def preflight() -> Response | None:
        is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        return Response(status=204, headers=_PREFLIGHT) if is_preflight and allowed() else None

    @app.after_request
    def share(response: Response) -> Response:
        if _ALL not in origins:
            response.vary.add("Origin")  # also where there is none: a cache must not hand that answer to a page
        if origin := allowed():
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
        return response
