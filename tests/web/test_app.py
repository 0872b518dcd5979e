import dataclasses
import functools
import gzip
import logging
import re

import pytest
from support.web import SERVICES, Body, exchange, serving

from joulo_exporter import __version__
from joulo_exporter.errors import ConfigError
from joulo_exporter.snapshot import Snapshot
from joulo_exporter.web.app import WebPaths, make_application, web_paths

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"


async def metrics(format_, gzipped, names):
    body = f"{format_.name} {sorted(names)}\n".encode()
    return Body(gzip.compress(body) if gzipped else body)


@pytest.fixture
def connect(connect):
    return functools.partial(connect, metrics=metrics)


async def answer(client, method, path, **headers):
    async with client.request(method, path, headers=headers) as response:
        return response.status, response.headers.get("Content-Type"), await response.read()


@pytest.mark.parametrize(
    ("accept", "content_type", "body"),
    [
        ("*/*", TEXT_TYPE, b"TEXT []\n"),
        ("application/openmetrics-text;version=1.0.0,*/*;q=0.1", OPENMETRICS_TYPE, b"OPENMETRICS []\n"),
        ("application/openmetrics-text;version=2.0.0", TEXT_TYPE, b"TEXT []\n"),
    ],
)
async def test_metrics_come_in_the_format_asked_for(connect, accept, content_type, body):
    client = await connect()
    assert await answer(client, "GET", "/metrics", Accept=accept) == (200, content_type, body)


@pytest.mark.parametrize("coding", [None, "gzip"])
async def test_headers_of_metrics(connect, coding):
    async with (await connect()).get("/metrics", headers={"Accept-Encoding": coding or "identity"}) as response:
        body = await response.read()
        assert response.headers["Vary"] == "Accept, Accept-Encoding"
        assert response.headers["Content-Length"] == str(len(body))
        assert response.headers.get("Content-Encoding") == coding
        assert (gzip.decompress(body) if coding else body) == b"TEXT []\n"


async def test_a_header_on_several_lines_is_one_list(connect):
    client = await connect()
    headers = [("Accept", "text/plain;q=0.5"), ("Accept", "application/openmetrics-text")]
    async with client.get("/metrics", headers=headers) as response:
        assert response.headers["Content-Type"] == OPENMETRICS_TYPE


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", []),
        ("name[]=joulo_up", ["joulo_up"]),
        ("name[]=b&name[]=a&name[]=b", ["a", "b"]),
        ("name%5B%5D=a", ["a"]),
        ("name[]=", []),
        ("name[]=&name[]=a", ["a"]),
        ("name=a&other[]=b", []),
        ("name[]=%F0%9F%94%8C%00", ["🔌\0"]),
    ],
)
async def test_filter_by_name(connect, query, names):
    client = await connect()
    assert (await answer(client, "GET", f"/metrics?{query}"))[2] == f"TEXT {names}\n".encode()


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/-/ready"])
async def test_head_has_the_headers_of_get_and_no_body(path):
    async with serving() as address:
        got, head = [
            await exchange(address, f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            for method in ("GET", "HEAD")
        ]
    headers, _, body = got.partition(b"\r\n\r\n")
    assert headers.startswith(b"HTTP/1.1 200 ")
    assert f"Content-Length: {len(body)}".encode() in headers
    undated = [re.sub(rb"Date: [^\r]*", b"", each) for each in (headers + b"\r\n\r\n", head)]
    assert undated[0] == undated[1]


async def test_metrics_on_the_root_leave_no_page(connect):
    client = await connect(telemetry_path="/")
    assert await answer(client, "GET", "/") == (200, TEXT_TYPE, b"TEXT []\n")
    assert (await answer(client, "GET", "/metrics"))[0] == 404
    assert (await answer(client, "GET", "/-/healthy"))[0] == 200


@pytest.mark.parametrize("path", ["/a/b.prom", "/metrics/", "/..."])
async def test_another_telemetry_path(connect, path):
    client = await connect(telemetry_path=path)
    assert (await answer(client, "GET", path))[2] == b"TEXT []\n"
    assert f'href=".{path}"'.encode() in (await answer(client, "GET", "/"))[2]


NO_PATH = "is not a plain path; write one such as"
PLAIN_TEXT = "of letters, digits and -._~"
FAULTS = {
    f"telemetry-path: {{}} {NO_PATH} /metrics, {PLAIN_TEXT}": [
        "", "metrics", "//evil.example", "/a//b", "/{name}", "/a/../b", "/.", "/a b", '/"', "/?x", "/é", "/a\n",
    ],
    "telemetry-path: {} is taken by health and reload; choose another than /-/…": ["/-/ready", "/-/new", "/-"],
    f"route-prefix: {{}} {NO_PATH} /joulo, {PLAIN_TEXT}": ["/a b", "/..", "/a//b", "/{x}", "/%41", "/a?b"],
    "external-url: {} is not a URL to link to; write one such as https://example.org/joulo, with a path "
    + PLAIN_TEXT: [
        '"https://example.org/"', "'/joulo'", "ftp://example.org/", "https://", "//example.org/joulo",
        "https://example.org/a?b", "https://example.org/a#b", "https://example.org/a b", "https://example.org/../a",
        "https://[::1/", "javascript:alert(1)", "https://example.org/%2e%2e",
    ],
}  # fmt: skip
MAKERS = {
    "telemetry-path": lambda path: make_application(dataclasses.replace(SERVICES, telemetry_path=path)),
    "route-prefix": lambda prefix: web_paths(None, prefix),
    "external-url": lambda url: web_paths(url, None),
}


@pytest.mark.parametrize(("fault", "text"), [(fault, text) for fault in FAULTS for text in FAULTS[fault]])
def test_a_path_that_is_none(fault, text):
    with pytest.raises(ConfigError) as caught:
        MAKERS[fault.partition(":")[0]](text)
    assert str(caught.value) == "--web." + fault.replace("{}", repr(text))


async def test_page(connect):
    client = await connect()
    async with client.get("/") as response:
        body = await response.text()
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert f"<small>{__version__}</small>" in body


@pytest.mark.parametrize(
    ("accept_language", "language", "words"),
    [(None, "en", "Stop refreshing"), ("nl-NL,nl;q=0.9,en;q=0.8", "nl", "Niet meer verversen")],
)
async def test_the_page_is_in_the_language_of_its_reader_and_no_cache_mixes_them(
    connect, accept_language, language, words
):
    client = await connect()
    headers = {"Accept-Language": accept_language} if accept_language else {}
    async with client.get("/", headers=headers) as response:
        assert response.headers["Content-Language"] == language
        assert (response.headers["Vary"], response.headers["Cache-Control"]) == ("Accept-Language", "no-store")
        body = await response.text()
    assert f'<html lang="{language}">' in body
    assert words in body


async def test_the_url_says_which_accounts_are_unfolded_and_whether_the_page_refreshes(connect):
    accounts = [Snapshot(name, ()) for name in ("a", "b&c", "d", "e")]
    client = await connect(snapshots=lambda: accounts)
    async with client.get("/?open=b%26c&open=nobody&refresh=off&open=e") as response:
        body = await response.text()
    assert re.findall('" aria-expanded="(true|false)"', body) == ["false", "true", "false", "true"]
    assert "http-equiv" not in body


async def test_page_with_text_that_no_encoding_has(connect):
    client = await connect(snapshots=lambda: [Snapshot("\ud800", ())])
    assert (await answer(client, "GET", "/"))[0] == 200


@pytest.mark.parametrize(
    ("ready", "status", "body"),
    [
        (True, 200, b"joulo-exporter is ready\n"),
        (False, 503, b"not ready: not every endpoint of every account has been tried yet\n"),
    ],
)
async def test_ready(connect, ready, status, body):
    client = await connect(ready=lambda: ready)
    assert await answer(client, "GET", "/-/ready") == (status, PLAIN, body)


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("failure", "status", "body"),
    [
        (None, 200, b"configuration reloaded\n"),
        (
            "c.yaml: intervals.chargers: write 60s",
            500,
            b"failed to reload: c.yaml: intervals.chargers: write 60s\n",
        ),
        ("two\r\nlines", 500, b"failed to reload: two lines\n"),
        ("", 500, b"failed to reload:\n"),
    ],
)
async def test_reload(connect, method, failure, status, body):
    calls = []

    async def reload_once():
        calls.append(1)
        return failure

    client = await connect(reload=reload_once)
    assert await answer(client, method, "/-/reload") == (status, PLAIN, body)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://proxied.example"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Host": "pi.local:9973", "Origin": "http://pi.local:9973"}, 200),
        ({"Host": "pi.local:9973", "Origin": "http://evil.example"}, 403),
        ({"Host": "pi.local:9973", "Origin": "null"}, 403),
    ],
)
async def test_no_web_page_of_another_site_reloads(connect, headers, status):
    calls = []

    async def reload_once():
        calls.append(1)

    client = await connect(reload=reload_once)
    async with client.post("/-/reload", headers=headers) as response:
        assert (response.status, len(calls)) == (status, status == 200)


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_reload_while_not_enabled(connect, method):
    async def reload_never():
        raise AssertionError

    client = await connect(reload=reload_never, lifecycle_enabled=False)
    assert await answer(client, method, "/-/reload") == (
        403,
        PLAIN,
        b"Lifecycle API is not enabled: start joulo-exporter with --web.enable-lifecycle\n",
    )


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "/-/quit", "/favicon.ico", "/%2e%2e/etc/passwd", "/-/"])
async def test_unknown_path(connect, path):
    client = await connect()
    assert await answer(client, "GET", path) == (404, PLAIN, b"nothing is here; the metrics are at /metrics\n")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/metrics", "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
        ("OPTIONS", "/-/ready", "GET, HEAD"),
        ("PUT", "/-/healthy", "GET, HEAD"),
        ("GET", "/-/reload", "POST, PUT"),
        ("PATCH", "/-/reload", "POST, PUT"),
    ],
)
async def test_wrong_method(connect, method, path, allow):
    client = await connect()
    async with client.request(method, path) as response:
        assert response.status == 405
        assert response.headers["Allow"] == allow
        assert response.headers["Content-Type"] == PLAIN
        assert await response.text() == f"{method} is not allowed here; use {allow}\n"


class Secret(Exception):  # noqa: N818
    pass


def fail(*_):
    raise Secret("joulo_token")


async def fail_later():
    fail()


@pytest.mark.parametrize(
    ("request_line", "broken"),
    [
        ("GET /metrics", {"metrics": fail}),
        ("GET /", {"snapshots": fail}),
        ("GET /-/ready", {"ready": fail}),
        ("POST /-/reload", {"reload": fail_later}),
    ],
)
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_a_fault_of_ours_tells_the_client_nothing(connect, caplog, request_line, broken, accept):
    client = await connect(**broken)
    assert await answer(client, *request_line.split(), Accept=accept) == (
        500,
        PLAIN,
        b"internal server error; the exporter's log tells more\n",
    )
    assert [record.getMessage() for record in caplog.records] == [f"answering {request_line} failed"]
    assert (await answer(client, "GET", "/-/healthy"))[0] == 200


async def test_no_access_log_and_no_tracebacks_of_other_peoples_nonsense(caplog):
    caplog.set_level(logging.INFO)
    async with serving() as address:
        for request in (b"GET /metrics HTTP/1.0", b"\x16\x03\x01\0", b"GET / HTTP/9.9.9"):
            assert await exchange(address, request + b"\r\n\r\n")
    assert caplog.records == []


# The prefix, and the links of the page.


@pytest.mark.parametrize(
    ("external_url", "route_prefix", "prefix", "links"),
    [
        (None, None, "", "."),
        ("", "", "", "."),
        ("https://example.org", None, "", ""),
        ("https://example.org/", None, "", ""),
        ("https://example.org/joulo", None, "/joulo", "/joulo"),
        ("https://example.org:8443/a/b//", None, "/a/b", "/a/b"),
        ("/joulo/", None, "/joulo", "/joulo"),
        ("joulo", None, "/joulo", "/joulo"),
        ("https://example.org/joulo", "/", "", "/joulo"),  # a proxy that strips the path
        ("https://example.org/joulo", "/x/", "/x", "/joulo"),
        (None, "x", "/x", "."),
        (None, "/x/y/", "/x/y", "."),
        (None, "/", "", "."),
    ],
)
def test_the_prefix_is_the_path_of_the_external_url_unless_it_is_given(external_url, route_prefix, prefix, links):
    assert web_paths(external_url, route_prefix) == WebPaths(prefix, links)


def test_a_password_in_the_external_url_is_not_repeated():
    with pytest.raises(ConfigError) as caught:
        web_paths("https://user:secret@example.org/", None)
    assert "secret" not in str(caught.value)
    assert str(caught.value).startswith("--web.external-url: the value is not a URL to link to; ")


async def status(client, path, method="GET"):
    async with client.request(method, path, allow_redirects=False) as response:
        return response.status, response.headers.get("Location")


async def test_everything_is_under_the_prefix(connect):
    client = await connect(paths=web_paths("https://example.org/joulo/", None))
    for path in ("/joulo/metrics", "/joulo/", "/joulo/-/healthy", "/joulo/-/ready"):
        assert await status(client, path) == (200, None), path
    assert await status(client, "/joulo/-/reload", "POST") == (200, None)
    for path in ("/metrics", "/-/healthy", "/-/ready", "/joulo/joulo/metrics"):
        assert await status(client, path) == (404, None), path
    for path in ("/", "/joulo"):
        assert await status(client, path) == (302, "/joulo/"), path


async def test_what_is_not_found_names_the_whole_path(connect):
    client = await connect(paths=WebPaths("/joulo"))
    assert (await answer(client, "GET", "/metrics"))[2] == b"nothing is here; the metrics are at /joulo/metrics\n"


async def test_links_and_redirects_are_for_people_behind_a_proxy(connect):
    client = await connect(paths=web_paths("https://example.org/joulo", "/"))
    page = (await answer(client, "GET", "/"))[2].decode()
    links = [piece.split('"')[0] for piece in page.split('<a href="')[1:]]
    assert links == ["/joulo/metrics", "/joulo/-/healthy", "/joulo/-/ready", "?refresh=off"]
    assert await status(client, "/metrics") == (200, None)
    client = await connect(paths=web_paths("https://example.org/joulo", "/x"))
    assert await status(client, "/") == (302, "/joulo/")
