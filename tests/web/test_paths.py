import dataclasses

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from web_rig import SERVICES

from joulo_exporter.errors import ConfigError
from joulo_exporter.web import WebPaths, make_application, web_paths


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


@pytest.mark.parametrize(
    "url",
    [
        '"https://example.org/"', "'/joulo'", "ftp://example.org/", "https://", "//example.org/joulo",
        "https://example.org/a?b", "https://example.org/a#b", "https://example.org/a b", "https://example.org/../a",
        "https://[::1/", "javascript:alert(1)", "https://example.org/%2e%2e",
    ],
)  # fmt: skip
def test_an_external_url_that_is_none(url):
    with pytest.raises(ConfigError) as caught:
        web_paths(url, None)
    assert str(caught.value) == (
        f"--web.external-url: {url!r} is not a URL to link to; write one such as https://example.org/joulo, "
        "with a path of letters, digits and -._~"
    )


def test_a_password_in_the_external_url_is_not_repeated():
    with pytest.raises(ConfigError) as caught:
        web_paths("https://user:secret@example.org/", None)
    assert "secret" not in str(caught.value)
    assert str(caught.value).startswith("--web.external-url: the value is not a URL to link to; ")


@pytest.mark.parametrize("prefix", ["/a b", "/..", "/a//b", "/{x}", "/%41", "/a?b"])
def test_a_route_prefix_that_is_none(prefix):
    with pytest.raises(ConfigError) as caught:
        web_paths(None, prefix)
    assert str(caught.value) == (
        f"--web.route-prefix: {prefix!r} is not a plain path; write one such as /joulo, of "
        "letters, digits and -._~"
    )


@pytest.fixture
async def connect():
    clients = []

    async def start(paths, telemetry_path="/metrics"):
        services = dataclasses.replace(SERVICES, paths=paths, telemetry_path=telemetry_path)
        clients.append(TestClient(TestServer(make_application(services))))
        await clients[-1].start_server()
        return clients[-1]

    yield start
    for client in clients:
        await client.close()


async def status(client: aiohttp.ClientSession, path: str, method: str = "GET") -> tuple[int, str | None]:
    async with client.request(method, path, allow_redirects=False) as response:
        return response.status, response.headers.get("Location")


async def test_everything_is_under_the_prefix(connect):
    client = await connect(web_paths("https://example.org/joulo/", None))
    for path in ("/joulo/metrics", "/joulo/", "/joulo/-/healthy", "/joulo/-/ready"):
        assert await status(client, path) == (200, None), path
    assert await status(client, "/joulo/-/reload", "POST") == (200, None)
    for path in ("/metrics", "/-/healthy", "/-/ready", "/joulo/joulo/metrics"):
        assert await status(client, path) == (404, None), path
    for path in ("/", "/joulo"):
        assert await status(client, path) == (302, "/joulo/"), path


async def test_what_is_not_found_names_the_whole_path(connect):
    client = await connect(WebPaths("/joulo"))
    async with client.get("/metrics") as response:
        assert await response.text() == "nothing is here; the metrics are at /joulo/metrics\n"


async def links(client: aiohttp.ClientSession, path: str) -> list[str]:
    async with client.get(path) as response:
        page = await response.text()
    return [piece.split('"')[0] for piece in page.split('<a href="')[1:]]


async def test_links_without_an_external_url_fit_wherever_the_page_is(connect):
    client = await connect(web_paths(None, "/x"))
    assert await links(client, "/x/") == ["./metrics", "./-/healthy", "./-/ready"]


async def test_links_are_those_that_people_see_behind_a_proxy_that_strips_its_path(connect):
    client = await connect(web_paths("https://example.org/joulo", "/"))
    assert await links(client, "/") == ["/joulo/metrics", "/joulo/-/healthy", "/joulo/-/ready"]
    assert await status(client, "/metrics") == (200, None)


async def test_the_redirect_goes_where_people_see_the_page(connect):
    client = await connect(web_paths("https://example.org/joulo", "/x"))
    assert await status(client, "/") == (302, "/joulo/")


async def test_metrics_in_place_of_the_page_under_a_prefix(connect):
    client = await connect(WebPaths("/x"), telemetry_path="/")
    async with client.get("/x/", headers={"Accept-Encoding": "identity"}) as response:
        assert await response.text() == "joulo_up 1\n"
