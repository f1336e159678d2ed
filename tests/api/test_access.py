"""Who may ask what: every address asks for its scope, refusals have the dialect's form, browsers are held back."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from service.access.keys import SCOPES, Key, Scope, digest_of
from service.app import create_app
from service.settings import Settings

TEXTS: dict[Scope, str] = {scope: f"convoy_key-with-{scope}" for scope in SCOPES}
ALL = "convoy_key-with-all"
KEYS = ";".join(
    Key(name, frozenset(scopes), digest_of(text)).line()
    for name, scopes, text in [*((f"may-{one}", {one}, text) for one, text in TEXTS.items()), ("all", set(SCOPES), ALL)]
)
ROUTES = {"AIP_HEALTH_ROUTE": "/vertex/health", "AIP_PREDICT_ROUTE": "/vertex/predict"}

# NOTE: a new route must be given its line here: None asks for no key, every other one names the scope it asks for.
WANTED: dict[str, Scope | None] = {
    "health.healthz": None,
    "health.readyz": None,
    "health.signpost": None,
    "openinference.live": None,
    "openinference.ready": None,
    "cloud.ping": None,
    "cloud.vertex_health": None,
    "openapi.document": None,
    "openapi.docs": None,
    "openapi.asset": None,
    "web.asset": None,
    "metrics.metrics": "metrics",
    "openinference.load": "admin",
    "openinference.unload": "admin",
    **dict.fromkeys(
        (
            *("native.models", "native.card", "native.layers", "native.summary", "native.predict", "native.preview"),
            *("openinference.server", "openinference.models", "openinference.statistics", "openinference.index"),
            *("openinference.metadata", "openinference.model_ready", "openinference.configuration"),
            *("openinference.infer", "huggingface.classify", "cloud.invocations", "cloud.vertex_predict"),
            *("tfserving.models", "tfserving.status", "tfserving.metadata", "tfserving.predict"),
            *("tfserving.classify", "tfserving.regress", "tfserving.explain", "tfserving.other"),
            *("activations.activations", "explain.explain", "units.unit", "graph.drawing"),
        ),
        "predict",
    ),
}

Make = Callable[..., FlaskClient]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Make an application with these settings; each one of the module is made once."""
    made: dict[str, Flask] = {}

    def client(**environ: str) -> FlaskClient:
        name = json.dumps(environ)
        if name not in made:
            folders = {one: tmp_path_factory.mktemp(one) for one in ("models_dir", "cache_dir", "runtime_dir")}
            given = {f"CONVOY_{key.upper()}": value for key, value in environ.items()}
            made[name] = create_app(Settings.read({**folders, "poll_seconds": 0.1, "tune": 0}, environ=ROUTES | given))
        return made[name].test_client()

    yield client
    for app in made.values():
        app.extensions["convoy"].stop()


@pytest.fixture
def client(make: Make) -> FlaskClient:
    return make(keys=KEYS)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def rules(app: Flask) -> list[tuple[Rule, str]]:
    return [(rule, method) for rule in app.url_map.iter_rules() for method in sorted(rule.methods or ())]


def ask(client: FlaskClient, rule: Rule, method: str, headers: dict[str, str] | None = None) -> TestResponse:
    values = {name: "v1" if name == "prefix" else "1" for name in rule.arguments}
    with client.application.test_request_context():
        address = client.application.url_map.bind("localhost").build(rule.endpoint, values, method)
    return client.open(address, method=method, headers=headers)


# ------------------------------------------------------------------------------------------------------- every address


def test_every_address_has_its_scope_here(client: FlaskClient) -> None:
    there = {rule.endpoint for rule, _ in rules(client.application)}

    assert there - WANTED.keys() == set(), "say in WANTED, and in service/api/access.py, which scope they ask for"
    assert WANTED.keys() - there == set()


def test_every_address_asks_for_its_scope_and_for_no_other(client: FlaskClient) -> None:
    for rule, method in rules(client.application):
        wanted, place = WANTED[rule.endpoint], f"{method} {rule.rule}"
        stranger = ask(client, rule, method)
        if wanted is None:
            assert stranger.status_code not in (401, 403), place
            continue
        assert (stranger.status_code, stranger.headers["WWW-Authenticate"]) == (401, "Bearer"), place
        assert ask(client, rule, method, bearer("convoy_nobody-has-this")).status_code == 401, place
        for scope, text in TEXTS.items():
            status = ask(client, rule, method, bearer(text)).status_code
            assert (status in (401, 403)) == (scope != wanted), (place, scope)
        assert ask(client, rule, method, bearer(ALL)).status_code not in (401, 403), place


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/api/models/none/predict", "/api", "/v1", "/v1/models/a:b", "/v2/none", "/v2/health/x", "/docs/x/y"],
)
def test_an_address_that_is_not_there_tells_a_stranger_nothing(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 401
    assert client.delete(path).status_code == 401
    assert client.get(path, headers=bearer(TEXTS["predict"])).status_code in (400, 404, 405)


def test_without_keys_all_is_open_but_administration(make: Make) -> None:
    client = make()
    for rule, method in rules(client.application):
        answer = ask(client, rule, method)
        is_shut = WANTED[rule.endpoint] == "admin"
        assert (answer.status_code == 403) == is_shut, rule.rule
        assert answer.status_code != 401
    assert "CONVOY_ADMIN_KEY" in client.post("/v2/repository/models/a/load").get_json()["error"]


def test_the_admin_key_alone_guards_administration_alone(make: Make) -> None:
    client = make(admin_key="let-me-in-please")
    for rule, method in rules(client.application):
        is_admin = WANTED[rule.endpoint] == "admin"
        assert (ask(client, rule, method).status_code == 401) == is_admin, rule.rule
    path = "/v2/repository/models/a/unload"
    assert client.post(path, headers=bearer("let-me-in-please")).status_code == 404
    assert client.post(path, headers={"X-API-Key": "let-me-in-please"}).status_code == 404


def test_beside_other_keys_the_admin_key_stays_an_admin_key(make: Make) -> None:
    client = make(admin_key="let-me-in-please", keys=KEYS)

    assert client.get("/api/models", headers=bearer("let-me-in-please")).status_code == 403
    assert client.get("/api/models", headers=bearer(TEXTS["predict"])).status_code == 200
    assert client.post("/v2/repository/models/a/load", headers=bearer("let-me-in-please")).status_code == 404


@pytest.mark.parametrize("route", ["/v1/models/mine", "/api/models/mine"])
def test_a_health_route_of_another_dialect_is_open_and_nothing_beside_it(make: Make, route: str) -> None:
    client = make(keys=KEYS, health_route=route)

    assert client.get(route).status_code in (404, 503)
    for path in (f"{route}2", f"{route}/metadata", f"{route}/layers", route.replace("mine", "yours")):
        assert client.get(path).status_code == 401
    assert client.post(route).status_code == 401
    assert client.post(f"{route}:predict").status_code == 401


# ------------------------------------------------------------------------------------------------------- how it is sent


@pytest.mark.parametrize("name", ["Bearer {}", "bearer {}", "BEARER  {} "])
def test_a_key_is_taken_as_a_bearer_in_any_case(client: FlaskClient, name: str) -> None:
    assert client.get("/api/models", headers={"Authorization": name.format(ALL)}).status_code == 200


def test_a_key_is_taken_in_its_own_header_beside_what_a_proxy_asks_for(client: FlaskClient) -> None:
    assert client.get("/api/models", headers={"X-API-Key": ALL}).status_code == 200
    assert client.get("/api/models", headers={"X-API-Key": ALL, "Authorization": "Basic YTpi"}).status_code == 200
    assert client.get("/api/models", headers={"X-API-Key": ALL, **bearer(ALL)}).status_code == 200


REFUSED: dict[str, dict[str, str]] = {
    "none": {},
    "empty": {"Authorization": "", "X-API-Key": ""},
    "a scheme without a key": {"Authorization": "Bearer"},
    "a scheme and blanks": {"Authorization": "Bearer   "},
    "another scheme": {"Authorization": f"Basic {ALL}"},
    "no scheme": {"Authorization": ALL},
    "wrong": bearer("convoy_wrong-wrong-wrong"),
    "the hash": bearer(digest_of(ALL).hex()),
    "one letter more": bearer(ALL + "x"),
    "one letter less": bearer(ALL[:-1]),
    "in other case": bearer(ALL.upper()),
    "short": bearer("a"),
    "oversize": bearer("a" * 201),
    "huge": bearer("a" * 1_000_000),
    "not ascii": bearer("schlüssel-schlüssel"),
    "latin-1 bytes": bearer("\xff" * 20),
    "with a control character": bearer(f"{ALL}\x01"),
    "with a NUL": bearer(f"{ALL}\x00"),
    "with a blank inside": bearer(f"{ALL} {ALL}"),
    "twice, as a server joins them": {"X-API-Key": f"{ALL},{ALL}"},
    "two different ones": {"X-API-Key": TEXTS["predict"], **bearer(ALL)},
    "a right and a wrong one": {"X-API-Key": "convoy_wrong", **bearer(ALL)},
    "in a cookie": {"Cookie": f"key={ALL}"},
}
DIALECTS = {
    "native": "/api/models/a/predict",
    "v1": "/v1/models/a:predict",
    "v2": "/v2/models/a/infer",
    "hugging face": "/hf/models/a",
    "sagemaker": "/invocations",
    "vertex": "/vertex/predict",
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED)
def test_what_is_no_key_in_force_is_refused_in_the_dialects_form(
    client: FlaskClient, dialect: str, headers: dict[str, str]
) -> None:
    answer = client.post(DIALECTS[dialect], data=b"x", headers=headers)

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    detail = detail_of(answer, is_native=dialect == "native")
    assert detail.startswith("This needs a key")
    assert ALL not in answer.text


def detail_of(answer: TestResponse, *, is_native: bool) -> str:
    body: dict[str, Any] = answer.get_json(force=True)
    if is_native:
        assert answer.mimetype == "application/problem+json"
        assert (body["status"], body["title"]) == (answer.status_code, _TITLES[answer.status_code])
        return str(body["detail"])
    assert answer.mimetype == "application/json"
    assert body.keys() == {"error"}
    return str(body["error"])


_TITLES = {401: "Key needed", 403: "Not allowed"}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_key_of_another_scope_is_told_what_it_lacks(client: FlaskClient, dialect: str) -> None:
    answer = client.post(DIALECTS[dialect], data=b"x", headers=bearer(TEXTS["metrics"]))

    assert answer.status_code == 403
    detail = detail_of(answer, is_native=dialect == "native")
    assert detail == "This needs a key with the scope predict; may-metrics has metrics."


def test_a_key_in_the_address_is_no_key(client: FlaskClient) -> None:
    for name in ("key", "api_key", "token", "access_token"):
        assert client.get(f"/api/models?{name}={ALL}").status_code == 401


def test_a_body_is_not_read_before_the_check(client: FlaskClient) -> None:
    class Unread:
        def read(self, *_: int) -> bytes:
            raise AssertionError("the body was read")

        readline = readlines = read

    environ = {"wsgi.input": Unread(), "CONTENT_LENGTH": "1000", "wsgi.input_terminated": True}
    for path in DIALECTS.values():
        assert client.post(path, environ_overrides=environ).status_code == 401


@pytest.mark.parametrize(("text", "name"), [(ALL, "all"), (TEXTS["metrics"], "may-metrics"), ("convoy_wrong", None)])
def test_the_name_of_the_key_is_there_for_the_log_and_the_key_is_not(
    client: FlaskClient, text: str, name: str | None
) -> None:
    with client.application.test_request_context("/api/models", headers=bearer(text)):
        client.application.full_dispatch_request()
        assert g.get("key_name") == name
        assert not any(text in str(value) for value in vars(g).values())


# ------------------------------------------------------------------------------------------------------------ described


def test_the_document_says_which_operation_asks_for_which_scope(client: FlaskClient, make: Make) -> None:
    document = client.get("/openapi.json").get_json()
    assert {one["type"] for one in document["components"]["securitySchemes"].values()} == {"http", "apiKey"}

    for operations in document["paths"].values():
        for operation in operations.values():
            scope = next(scope for name, scope in WANTED.items() if _is_of(operation, name))
            asked = [{"bearer": [scope]}, {"header": [scope]}] if scope else None
            assert operation.get("security") == asked
            assert ("401" in operation["responses"]) == bool(scope)
    open_one = make().get("/openapi.json").get_json()["paths"]["/api/models/{name}/predict"]["post"]
    assert "security" not in open_one


def _is_of(operation: dict[str, Any], endpoint: str) -> bool:
    start = endpoint.replace(".", "_")
    rest = operation["operationId"].removeprefix(start)
    return operation["operationId"].startswith(start) and rest in (
        *("", "_version", "_label", "_of_any"),
        *("_index_layer", "_index_layer_version"),
    )


# -------------------------------------------------------------------------------------------------------------- headers

FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def test_every_answer_keeps_browsers_from_doing_more_with_it(make: Make) -> None:
    client = make()
    for rule, method in rules(client.application):
        check_headers(ask(client, rule, method))
    for path in ("/nothing", "/v1/nothing", "/v2/nothing", "/docs/none"):
        check_headers(client.get(path))
    check_headers(client.put("/api/models"))
    check_headers(make(keys=KEYS).get("/api/models"))


def check_headers(answer: TestResponse) -> None:
    assert {name: answer.headers.get(name) for name in FIXED} == FIXED, answer.request.path
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    is_page = (answer.request.path, answer.status_code) == ("/docs", 200) and answer.request.method != "OPTIONS"
    assert ("script-src" in policy) == is_page
    answer.close()


def test_an_error_of_ours_has_them_too(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make()
    monkeypatch.setitem(client.application.view_functions, "native.models", lambda: 1 / 0)

    answer = client.get("/api/models")

    assert answer.status_code == 500
    check_headers(answer)


# ----------------------------------------------------------------------------------------------------------------- CORS

APP, OTHER = "https://app.example.org", "https://evil.example.org"
ORIGINS = f"{APP}, http://localhost:5173/"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
ADDRESSES = ["/api/models/a/predict", "/v1/models/a:predict", "/v2/models/a/infer", "/hf", "/invocations", "/nothing"]


def cors(answer: TestResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers if name.startswith("Access-Control-")}


def test_it_is_off_unless_set(make: Make) -> None:
    client = make()
    for path in ADDRESSES:
        for answer in (
            client.post(path, headers={"Origin": APP}),
            client.options(path, headers={"Origin": APP, **PREFLIGHT}),
        ):
            assert cors(answer) == {}
            assert "Origin" not in answer.headers.get("Vary", "")


@pytest.mark.parametrize("path", ADDRESSES)
@pytest.mark.parametrize("origin", [APP, "http://localhost:5173"])
def test_a_preflight_of_a_listed_origin_needs_no_key(make: Make, path: str, origin: str) -> None:
    answer = make(keys=KEYS, cors_origins=ORIGINS).options(path, headers={"Origin": origin, **PREFLIGHT})

    assert (answer.status_code, answer.data) == (204, b"")
    assert cors(answer) == {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, HEAD, POST",
        "Access-Control-Allow-Headers": "Authorization, *",
        "Access-Control-Max-Age": "600",
        "Access-Control-Expose-Headers": "X-Request-ID, Server-Timing, Retry-After, Inference-Header-Content-Length",
    }
    assert "Origin" in answer.headers["Vary"]


NOT_LISTED = [
    OTHER,
    "null",
    APP + ".evil.org",
    "http://app.example.org",
    APP + ":8443",
    APP.upper(),
    f"{APP}, {OTHER}",
    "",
]


@pytest.mark.parametrize("origin", NOT_LISTED)
def test_no_other_origin_is_let_in(make: Make, origin: str) -> None:
    client = make(keys=KEYS, cors_origins=ORIGINS)
    for answer in (
        client.options("/api/models", headers={"Origin": origin, **PREFLIGHT}),
        client.get("/api/models", headers={"Origin": origin, **bearer(ALL)}),
    ):
        assert cors(answer) == {}
        assert "Origin" in answer.headers["Vary"]


def test_an_answer_and_a_refusal_can_be_read_by_the_page_that_asked(make: Make) -> None:
    client = make(keys=KEYS, cors_origins=ORIGINS)
    for headers, status in ((bearer(ALL), 200), ({}, 401), (bearer(TEXTS["admin"]), 403)):
        answer = client.get("/api/models", headers={"Origin": APP, **headers})
        assert answer.status_code == status
        assert cors(answer)["Access-Control-Allow-Origin"] == APP
        assert "Retry-After" in cors(answer)["Access-Control-Expose-Headers"]
        assert "Cross-Origin-Resource-Policy" not in answer.headers


def test_a_cache_does_not_hand_an_answer_to_the_wrong_page(make: Make) -> None:
    answer = make(keys=KEYS, cors_origins=ORIGINS).get("/api/models", headers=bearer(ALL))

    assert cors(answer) == {}
    assert "Origin" in answer.headers["Vary"]


def test_every_origin_is_let_in_without_credentials(make: Make) -> None:
    client = make(cors_origins="*")
    for origin in ({}, {"Origin": OTHER}):
        answer = client.get("/api/models", headers=origin)
        assert cors(answer)["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "text",
    ["null", "app.example.org", "https://*.example.org", "*, https://a.org", "https://a.org/x", "ftp://a.org", ","],
)
def test_what_is_no_origin_is_refused_at_start(text: str) -> None:
    from service.errors import SettingsError

    with pytest.raises(SettingsError, match="CONVOY_CORS_ORIGINS"):
        Settings.read(environ={"CONVOY_CORS_ORIGINS": text})
