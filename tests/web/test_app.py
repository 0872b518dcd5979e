import asyncio
import contextlib
import functools
import gzip
import logging
import random
import re
from unittest.mock import AsyncMock, Mock

import pytest
from support.web import LAST_REQUEST, REQUEST, body_of, connected, exchange, serving, to_the_end

from joulo_exporter import __version__
from joulo_exporter.errors import ConfigError
from joulo_exporter.exposition import Body
from joulo_exporter.snapshot import Snapshot
from joulo_exporter.web.app import WebPaths, web_paths

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"


async def metrics(*, openmetrics, compressed, names):
    body = f"{'OPENMETRICS' if openmetrics else 'TEXT'} {sorted(names)}\n".encode()
    return body_of(gzip.compress(body) if compressed else body)


@pytest.fixture
def connect(connect):
    return functools.partial(connect, metrics=metrics)


async def answer(client, method, path, **headers):
    async with client.request(method, path, headers=headers) as response:
        return response.status, response.headers.get("Content-Type"), await response.read()


@pytest.mark.parametrize(
    ("accept", "content_type", "body"),
    [
        (["*/*"], TEXT_TYPE, b"TEXT []\n"),
        (["text/plain;q=0.5", "application/openmetrics-text"], OPENMETRICS_TYPE, b"OPENMETRICS []\n"),
    ],
)
@pytest.mark.parametrize("coding", [None, "gzip"])
async def test_metrics_come_in_the_format_and_coding_asked_for(connect, accept, content_type, body, coding):
    headers = [("Accept-Encoding", coding or "identity"), *(("Accept", each) for each in accept)]
    async with (await connect()).get("/metrics", headers=headers) as response:
        sent = await response.read()
        assert (gzip.decompress(sent) if coding else sent) == body
        assert response.headers["Content-Type"] == content_type
        assert response.headers["Vary"] == "Accept, Accept-Encoding"
        assert response.headers["Content-Length"] == str(len(sent))
        assert response.headers.get("Content-Encoding") == coding


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name[]=b&name%5B%5D=a&name[]=b", ["a", "b"]),
        ("name[]=&name[]=a", ["a"]),
        ("name=a&other[]=b&name[]=", []),
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


@pytest.mark.parametrize("path", ["/", "/a/b.prom"])
async def test_another_telemetry_path_and_on_the_root_no_page(connect, path):
    client = await connect(paths=WebPaths(telemetry=path))
    assert await answer(client, "GET", path) == (200, TEXT_TYPE, b"TEXT []\n")
    nothing = f"nothing is here; the metrics are at {path}\n".encode()
    assert await answer(client, "GET", "/metrics") == (404, PLAIN, nothing)
    if path != "/":
        assert f'href=".{path}"'.encode() in (await answer(client, "GET", "/"))[2]


LETTERS = "of letters, digits and -._~"
NO_URL = f"is not a URL to link to; write one such as https://example.org/joulo, with a path {LETTERS}"
FAULTS = {
    f"telemetry-path: {{}} is not a plain path; write one such as /metrics, {LETTERS}": [
        "", "metrics", "//evil.example", "/{name}", "/a/../b", "/.", "/a b", "/é", "/a\n",
    ],
    "telemetry-path: {} is taken by health and reload; choose another than /-/…": ["/-/ready", "/-/new", "/-"],
    f"route-prefix: {{}} is not a plain path; write one such as /joulo, {LETTERS}": ["/..", "/%41", "/a?b"],
    f"external-url: {{}} {NO_URL}": [
        '"https://example.org/"', "'/joulo'", "ftp://example.org/", "https://", "//example.org/joulo",
        "https://example.org/a?b", "https://example.org/a#b", "https://example.org/../a", "https://[::1/",
    ],
    # A password may stand before the @.
    f"external-url: the value {NO_URL}": ["https://user:secret@example.org/"],
}  # fmt: skip


@pytest.mark.parametrize(("fault", "text"), [(fault, text) for fault in FAULTS for text in FAULTS[fault]])
def test_a_path_that_is_none(fault, text):
    options = {"external-url": None, "route-prefix": None, "telemetry-path": "/metrics"}
    with pytest.raises(ConfigError) as caught:
        web_paths(*(options | {fault.partition(":")[0]: text}).values())
    assert str(caught.value) == "--web." + fault.replace("{}", repr(text))


@pytest.mark.parametrize(
    ("accept_language", "language", "words"),
    [("", "en", "Stop refreshing"), ("nl-NL,nl;q=0.9,en;q=0.8", "nl", "Niet meer verversen")],
)
async def test_the_page_is_in_the_language_of_its_reader(connect, accept_language, language, words):
    client = await connect()
    async with client.get("/", headers={"Accept-Language": accept_language}) as response:
        body, headers = await response.text(), dict(response.headers)
    assert (response.status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Content-Language"] == language
    assert (headers["Vary"], headers["Cache-Control"]) == ("Accept-Language", "no-store")  # no cache mixes them
    assert (headers["Referrer-Policy"], headers["X-Frame-Options"]) == ("no-referrer", "DENY")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in headers["Content-Security-Policy"]
    for text in (f'<html lang="{language}">', words, f"<small>{__version__}</small>"):
        assert text in body


async def test_the_url_says_which_account_is_shown_and_whether_the_page_refreshes(connect):
    accounts = [Snapshot(name, ()) for name in ("a", "b&c", "d\ud800", "e")]  # one that no encoding has
    client = await connect(snapshots=lambda: accounts)
    for path, names in (("/", ["a", "b&amp;c", "d?", "e"]), ("/?refresh=off&account=b%26c", ["b&amp;c"])):
        async with client.get(path) as response:
            body = await response.text()
        assert re.findall("<bdi>(.*?)</bdi>", body) == names
        assert ("http-equiv" in body) == (path == "/")


FAIL = Mock(side_effect=ZeroDivisionError("joulo_token"))
FAULTY = AsyncMock(return_value="c.yaml: write\r\n60s")
NOTHING = "nothing is here; the metrics are at /metrics"
NOT_READY = "not ready: not every endpoint of every account has been tried yet"
INTERNAL = "internal server error; the exporter's log tells more"
RELOADED = "configuration reloaded"
NOT_ENABLED = "Lifecycle API is not enabled: start joulo-exporter with --web.enable-lifecycle"
A_PAGE = "a web page may not reload the configuration"


@pytest.mark.parametrize(
    ("request_line", "headers", "services", "status", "line"),
    [
        ("GET /-/healthy", {}, {}, 200, "joulo-exporter is healthy"),
        ("GET /-/ready", {}, {}, 200, "joulo-exporter is ready"),
        ("GET /-/ready", {}, {"ready": lambda: False}, 503, NOT_READY),
        *((f"GET {path}", {}, {}, 404, NOTHING) for path in ("/nothing", "/metrics/", "/-/")),
        ("POST /metrics", {}, {}, 405, "POST is not allowed here; use GET, HEAD"),
        ("GET /-/reload", {}, {}, 405, "GET is not allowed here; use POST, PUT"),
        ("PUT /-/reload", {}, {}, 200, RELOADED),
        ("POST /-/reload", {}, {}, 200, RELOADED),
        ("POST /-/reload", {"Origin": "http://evil.example"}, {"reload": FAIL}, 403, A_PAGE),
        ("POST /-/reload", {"Origin": "null"}, {"reload": FAIL}, 403, A_PAGE),
        ("POST /-/reload", {}, {"reload": FAULTY}, 500, "failed to reload: c.yaml: write 60s"),
        ("POST /-/reload", {}, {"reload": None}, 403, NOT_ENABLED),
        ("GET /metrics", {"Accept": "text/html"}, {"metrics": FAIL}, 500, INTERNAL),
        ("GET /", {}, {"snapshots": FAIL}, 500, INTERNAL),
    ],
)
async def test_lines(connect, caplog, request_line, headers, services, status, line):
    client = await connect(**services)
    async with client.request(*request_line.split(), headers=headers) as response:
        assert (response.status, await response.text()) == (status, f"{line}\n")
        assert response.headers["Content-Type"] == PLAIN
        assert response.headers.get("Allow") == (line.partition("; use ")[2] if status == 405 else None)
    logged = [f"answering {request_line} failed"] if line == INTERNAL else []
    assert [record.getMessage() for record in caplog.records] == logged
    assert (await answer(client, "GET", "/-/healthy"))[0] == 200


async def test_no_access_log_and_no_tracebacks_of_other_peoples_nonsense(caplog):
    caplog.set_level(logging.INFO)
    async with serving() as address:
        for request in (b"GET /metrics HTTP/1.0", b"\x16\x03\x01\0", b"GET / HTTP/9.9.9"):
            assert await exchange(address, request + b"\r\n\r\n")
    assert caplog.records == []


# The prefix, and the links of the page.


@pytest.mark.parametrize(
    ("external_url", "route_prefix", "prefix"),
    [
        (None, None, ""),
        ("", "", ""),
        ("https://example.org/", None, ""),
        ("https://example.org:8443/a/b//", None, "/a/b"),
        ("joulo", None, "/joulo"),
        ("https://example.org/joulo", "/", ""),  # a proxy that strips the path
        ("https://example.org/joulo", "/x/", "/x"),
        (None, "x/y/", "/x/y"),
    ],
)
def test_the_prefix_is_the_path_of_the_external_url_unless_it_is_given(external_url, route_prefix, prefix):
    assert web_paths(external_url, route_prefix, "/metrics") == WebPaths(prefix)


@pytest.mark.parametrize(("prefix", "missing", "redirected"), [("/x", "", ["/", "/x"]), ("", "/x", [])])
async def test_everything_is_under_the_prefix_and_links_fit_any_proxy(connect, prefix, missing, redirected):
    client = await connect(paths=WebPaths(prefix))
    for path in ("/metrics", "/", "/-/healthy", "/-/ready"):
        assert (await answer(client, "GET", prefix + path))[0] == 200, path
    assert (await answer(client, "POST", f"{prefix}/-/reload"))[0] == 200
    nothing = f"nothing is here; the metrics are at {prefix}/metrics\n".encode()
    for path in ("/metrics", "/-/healthy", "/-/ready"):
        assert (await answer(client, "GET", missing + path))[::2] == (404, nothing), path
    for path in redirected:
        async with client.get(path, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (302, "/x/"), path
    page = (await answer(client, "GET", f"{prefix}/"))[2].decode()
    assert re.findall('<a href="(.*?)"', page) == ["./metrics", "./-/healthy", "./-/ready", "?refresh=off"]


# Long responses: whole for slow readers, nothing for HEAD, no noise when the client leaves.

CONTENT = random.Random(1).randbytes(5_000_000)


@contextlib.asynccontextmanager
async def asked(*bodies, method=b"GET"):
    """Serve these bodies, one after the other; yield a connection on which the first one has been asked for."""
    metrics = AsyncMock(side_effect=bodies)
    async with serving(metrics=metrics) as address, connected(address, limit=1 << 16) as (reader, writer):
        writer.write(REQUEST.replace(b"GET", method))
        yield reader, writer


@pytest.mark.parametrize(
    "parts",
    [[b"", CONTENT[:70_000], b"", CONTENT[70_000:], b""], [bytes([n % 256]) for n in range(70_000)]],
    ids=["large and empty parts", "tiny parts"],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
async def test_a_long_body_arrives_whole_and_the_connection_stays(parts, method):
    wanted = b"".join(parts)
    async with asked(body_of(*parts), body_of(b"short\n"), method=method) as (reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"Content-Length: {len(wanted)}\r\n".encode() in head
        if method == b"GET":
            assert await reader.readexactly(len(wanted)) == wanted
        writer.write(LAST_REQUEST)
        last = await to_the_end(reader)
        assert last.startswith(b"HTTP/1.1 200 OK")
        assert last.endswith(b"\r\n\r\nshort\n")


async def test_a_client_that_reads_slowly_costs_little_memory():
    made = 0

    def parts():
        nonlocal made
        for number in range(1_000):
            made += 1
            yield bytes([number % 256]) * 100_000

    async with asked(Body(100_000_000, parts())) as (reader, _):
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(200):
            await asyncio.sleep(0)
        assert made < 500  # the rest is made when there is room for it
        for number in range(1_000):
            assert await reader.readexactly(100_000) == bytes([number % 256]) * 100_000


async def test_the_event_loop_goes_on_while_a_fast_client_is_served():
    iterations, seen = 0, []

    def parts():
        for _ in range(400):
            seen.append(iterations)
            yield b"." * 200  # so little that the client never makes the server wait

    async with asked(Body(400 * 200, parts())):
        while len(seen) < 400:
            iterations += 1
            await asyncio.sleep(0)
    assert len(set(seen)) >= 40  # one for each 8 of 400, with some room


@pytest.mark.parametrize("before_the_head", [False, True])
async def test_a_client_that_leaves_is_no_event(caplog, before_the_head):
    begun, gone, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def parts():
        try:
            yield from [CONTENT] * 10
        finally:
            ended.set()

    async def metrics(**_):
        begun.set()
        if before_the_head:
            await gone.wait()
        body = parts()
        next(body)
        return Body(len(CONTENT) * 9, body)

    async with serving(metrics=metrics) as address:
        async with connected(address) as (reader, writer):
            writer.write(REQUEST)
            await begun.wait()
            if not before_the_head:
                await reader.readuntil(b"\r\n\r\n")
        for _ in range(50):
            await asyncio.sleep(0)
        gone.set()
        await ended.wait()
    assert caplog.records == []


async def test_a_fault_in_the_middle_closes_the_connection(caplog):
    def parts():
        yield CONTENT
        raise ZeroDivisionError

    async with asked(Body(len(CONTENT) * 2, parts())) as (reader, _):
        received = await to_the_end(reader)
    assert b"HTTP/1.1 500" not in received
    assert len(received) < len(CONTENT) * 2
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]
