"""Owns Flask as it runs here: its routing, hooks, contexts and errors, less what it does for what there is none of.

There are no sessions, signals, hosts to tell apart, async views, or hooks of one blueprint. For each request Flask asks
after all of them, and matches an address that it has matched a thousand times: together that is most of what a small
prediction costs. What is overridden are Flask's own places for it; the release is pinned, and tests compare.
"""

from collections.abc import Callable, Iterable
from contextvars import Token
from typing import Any

from flask import Flask, Request, Response
from flask.ctx import AppContext, RequestContext
from flask.globals import _cv_app, _cv_request
from flask.sessions import NullSession
from werkzeug.routing import MapAdapter, Rule

_MOST_ADDRESSES = 1_024
"""Addresses whose match is remembered; they begin anew where there are more."""
_LONGEST_ADDRESS = 512
_OTHERS = frozenset((*range(100, 200), 204, *range(300, 400)))
"""Statuses of responses without a body, or with an address in a header: Werkzeug has more to do for them."""
_NO_SESSION = NullSession()


class Application(Flask):
    """A Flask application without sessions, signals, hosts, async views, and hooks of blueprints.

    Bodies of over `max_body` bytes are refused.
    """

    def __init__(self, name: str, *, max_body: int) -> None:
        super().__init__(name, static_folder=None)
        self.config["MAX_CONTENT_LENGTH"] = max_body
        # NOTE: where a request has its own, Flask does not ask the configuration for each body.
        self.request_class = type("Request", (Request,), {"_max_content_length": max_body})
        self.matched: dict[tuple[str, str], tuple[Rule, dict[str, Any]]] = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function: none is async."""
        return func

    def request_context(self, environ: dict[str, Any]) -> RequestContext:
        """Return the context of a request."""
        return _Context(self, environ)

    def create_url_adapter(self, request: Any) -> MapAdapter | None:
        """Return what matches the address of a request, whatever host it names."""
        if request is None:
            return None
        root = request.environ.get("SCRIPT_NAME") or ""
        return MapAdapter(self.url_map, request.host, root, "", request.scheme, request.path, request.method)

    def full_dispatch_request(self) -> Response:
        """Answer the request at hand: the hooks before it, its view, the hooks after it; errors by their handlers."""
        self._got_first_request = True
        try:
            answer = self.preprocess_request()
            if answer is None:
                answer = self.dispatch_request()
        except Exception as error:  # noqa: BLE001 - Flask's: whatever it is, its handler answers or raises it again
            answer = self.handle_user_exception(error)
        return self.finalize_request(answer)

    def preprocess_request(self) -> Any:
        """Call the application's hooks before a request; return the first answer that one gives."""
        for before in self.before_request_funcs.get(None, ()):
            answer = before()
            if answer is not None:
                return answer
        return None

    def finalize_request(self, rv: Any, from_error_handler: bool = False) -> Response:  # noqa: FBT001, FBT002 - Flask's
        """Return the response for what a view returned, after the application's hooks."""
        response = rv if isinstance(rv, Response) else self.make_response(rv)
        try:
            return self.process_response(response)
        except Exception:
            if not from_error_handler:
                raise
            self.logger.exception("a response to an error could not be finished")
        return response

    def process_response(self, response: Response) -> Response:
        """Call the application's hooks after a request, the last registered first."""
        for after in reversed(self.after_request_funcs.get(None, ())):
            response = after(response)
        return response

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """Call the application's hooks at the end of a request, the last registered first."""
        for end in reversed(self.teardown_request_funcs.get(None, ())):
            end(exc)


class ReadyResponse(Response):
    """A response whose body is there already, handed to the server as it is."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Begin the response; return its body."""
        if environ["REQUEST_METHOD"] == "HEAD" or self._status_code in _OTHERS:
            return super().__call__(environ, start_response)
        start_response(self._status, self.headers.to_wsgi_list())
        return self.response  # type: ignore[return-value] # bytes in a list, as they were given


class _Context(RequestContext):
    """The context of a request, with an application context of its own; remembers what addresses lead to."""

    app: Application

    def __init__(self, app: Application, environ: dict[str, Any], request: Any = None, session: Any = None) -> None:
        self.app = app
        self.request = request or app.request_class(environ)
        self.flashes = None
        self._session = session or _NO_SESSION
        self._after_request_functions = []
        self._pushed: list[tuple[Token[AppContext], Token[RequestContext]]] = []

    @property
    def url_adapter(self) -> MapAdapter | None:  # type: ignore[override] # made when it is asked for
        """Return what matches and builds addresses."""
        return self.app.create_url_adapter(self.request)

    def push(self) -> None:
        """Make this the request at hand."""
        self._pushed.append((_cv_app.set(AppContext(self.app)), _cv_request.set(self)))
        self.match_request()

    def pop(self, exc: BaseException | None = None) -> None:  # Flask has a sentinel
        """End it: the hooks at its end are called, and what it held is let go."""
        is_last = len(self._pushed) == 1
        try:
            if is_last:
                self.app.do_teardown_request(exc)
                self.request.close()
        finally:
            application, request = self._pushed.pop()
            _cv_request.reset(request)
            _cv_app.reset(application)
            if is_last:
                self.request.environ["werkzeug.request"] = None  # or it would live until the next collection

    def match_request(self) -> None:
        """Find what the address of the request leads to."""
        request = self.request
        key = (request.method, request.path)
        found = self.app.matched.get(key)
        if found is not None:
            request.url_rule, arguments = found
            request.view_args = dict(arguments)
            return
        super().match_request()
        if request.url_rule is not None and len(request.path) <= _LONGEST_ADDRESS:
            self._remember(key, request.url_rule, request.view_args or {})

    def _remember(self, key: tuple[str, str], rule: Rule, arguments: dict[str, Any]) -> None:
        if len(self.app.matched) >= _MOST_ADDRESSES:
            self.app.matched.clear()
        self.app.matched[key] = (rule, dict(arguments))
