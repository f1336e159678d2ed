"""Owns the page at `/`: what is shown to browsers there, its policy, and the files that it is made of."""

import hashlib
from importlib.resources import files
from pathlib import PurePath

from flask import Blueprint, Request, Response, abort, render_template, url_for

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""No script and no style in the page itself, nothing from elsewhere; `blob:` is a picture that its user picked."""
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_EVER, _ASK_AGAIN = "public, max-age=31536000, immutable", "no-cache"


class Page:
    """The page with its files, which are small and held in memory.

    The address of a file has the digest of all of them, so that browsers may keep it for ever; as modules import each
    other by relative addresses, a page and its modules are always of one release.
    """

    def __init__(self) -> None:
        folder = files(__package__).joinpath("static")
        self._files = {one.name: one.read_bytes() for one in folder.iterdir() if PurePath(one.name).suffix in _KINDS}
        self._digest = _digest_of(self._files)

    def blueprint(self) -> Blueprint:
        """Return the route of the page's files."""
        web = Blueprint("web", __name__, template_folder="templates")
        web.add_url_rule("/page/<digest>/<asset>", "asset", self._asset)
        return web

    def shown_to(self, sent: Request) -> Response | None:
        """Return the page to who would rather have it than JSON, as browsers say; None to who takes anything."""
        kinds = sent.accept_mimetypes
        return self._page() if kinds["text/html"] > kinds["application/json"] else None

    def _page(self) -> Response:
        names = sorted(self._files)
        text = render_template(
            "page.html",
            asset=self._address,
            styles=[one for one in names if one.endswith(".css")],
            modules=[one for one in names if one.endswith(".js")],
        )
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": _ASK_AGAIN}
        return Response(text, mimetype="text/html", headers=headers)

    def _address(self, name: str) -> str:
        return url_for("web.asset", digest=self._digest, asset=name)

    def _asset(self, digest: str, asset: str) -> Response:
        if asset not in self._files:
            abort(404)
        # Of another digest asks who has the page of another release; a cache must not keep this one in its place.
        caching = _FOR_EVER if digest == self._digest else _ASK_AGAIN
        kind = _KINDS[PurePath(asset).suffix]
        return Response(self._files[asset], mimetype=kind, headers={"Cache-Control": caching})


def _digest_of(contents: dict[str, bytes]) -> str:
    """Return 12 hexadecimal digits that change when a file does."""
    digest = hashlib.sha256()
    for name in sorted(contents):
        digest.update(f"{name} {len(contents[name])} ".encode() + contents[name])
    return digest.hexdigest()[:12]
