"""A real proxy: it never sees the token, and its faults are named as its own."""

import pytest
from support.certificates import make_ca, make_server, server_context
from support.loopback import PROXY_PASSWORD, TOKEN, answer, loopback, reset, saying
from support.processes import free_port
from support.relay import relay

from joulo_exporter import errors
from joulo_exporter.api.client import CHARGERS

BODY = b'{"chargers": [{"id": "a"}]}'
USER = f"joulo:{PROXY_PASSWORD}"


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    certificate = make_ca(tmp_path_factory.mktemp("tls"))
    make_server(certificate)
    return certificate


def _proxy_url(port, scheme="http"):
    return f"{scheme}://{USER}@127.0.0.1:{port}"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_token_goes_through_the_tunnel_unseen(client_of, ca, scheme):
    tls = server_context(ca.with_name("server.pem"))
    async with (
        loopback(saying(answer(BODY)), context=tls) as api,
        relay(user=USER, context=tls if scheme == "https" else None) as proxy,
    ):
        answered = await client_of(api.url, proxy=_proxy_url(proxy.port, scheme), ca_file=ca).fetch(CHARGERS)
    assert answered.content[0].id == "a"
    assert [head.split(b"\r\n")[0] for head in proxy.heads] == [f"CONNECT 127.0.0.1:{api.port} HTTP/1.1".encode()]
    assert TOKEN.encode() not in b"".join(proxy.heads)
    assert api.headers()["authorization"] == f"Bearer {TOKEN}"
    assert "proxy-authorization" not in api.headers()


async def test_a_simulator_on_this_machine_is_asked_through_the_proxy_too(client_of):
    async with loopback(saying(answer(BODY))) as api, relay(user=USER) as proxy:
        answered = await client_of(api.url, proxy=_proxy_url(proxy.port)).fetch(CHARGERS)
    assert answered.content[0].id == "a"
    assert proxy.heads[0].startswith(f"GET {api.url}/chargers HTTP/1.1\r\n".encode())


async def test_a_password_is_percent_encoded_in_the_url(client_of):
    async with loopback(saying(answer(BODY))) as api, relay(user="joulo:a@b/c:d%") as proxy:
        url = f"http://joulo:a%40b%2Fc%3Ad%25@127.0.0.1:{proxy.port}"
        assert (await client_of(api.url, proxy=url).fetch(CHARGERS)).content[0].id == "a"


@pytest.mark.parametrize(
    ("status", "headers"), [("407 No", ()), ("302 Found", ("Location: https://terms.example/",))],
    ids=["another password", "a page of terms"],
)  # fmt: skip
async def test_a_proxy_that_lets_nobody_through(client_of, failure_of, status, headers):
    async with loopback(saying(answer(b"", *headers, status=status))) as proxy:
        failure = await failure_of(client_of("https://api.invalid", proxy=_proxy_url(proxy.port)))
    assert type(failure) is errors.ApiConnectionError
    assert (failure.code, failure.status) == ("connection", None)
    assert str(failure) == (
        f"the proxy refuses the connection ({status[:3]}); check api.proxy_url, and the user and password in it"
    )
    assert proxy.heads[0].startswith(b"CONNECT api.invalid:443 ")
    assert b"Bearer" not in b"".join(proxy.heads)
    assert len(proxy.heads) == 1


async def test_a_proxy_that_is_not_there(client_of, failure_of):
    failure = await failure_of(client_of("https://api.invalid", proxy=_proxy_url(free_port())))
    assert type(failure) is errors.ApiConnectionError
    assert str(failure) == "no connection to the proxy (Connection refused); check api.proxy_url"


async def test_a_proxy_that_hangs_up_is_asked_once(client_of, failure_of):
    async with loopback(reset) as proxy:
        failure = await failure_of(client_of("https://api.invalid", proxy=_proxy_url(proxy.port)))
    assert failure.code == "connection"
    assert str(failure).startswith("api.invalid, or the proxy, broke the connection before it responded (")
    assert str(failure).endswith("; if this stays, check api.proxy_url")
    assert len(proxy.heads) == 1


async def test_a_proxy_whose_certificate_nobody_trusts(client_of, failure_of, ca):
    async with relay(context=server_context(ca.with_name("server.pem"))) as proxy:
        failure = await failure_of(client_of("https://api.invalid", proxy=_proxy_url(proxy.port, "https")))
    assert str(failure).startswith("the certificate of the proxy is not trusted (unable to get local issuer")
    assert str(failure).endswith("else check api.proxy_url, and this machine's CA certificates")
    assert proxy.heads == []


async def test_an_api_behind_the_proxy_whose_certificate_nobody_trusts(client_of, failure_of, ca):
    async with (
        loopback(saying(answer(BODY)), context=server_context(ca.with_name("server.pem"))) as api,
        relay() as proxy,
    ):
        failure = await failure_of(
            client_of(api.url.replace("127.0.0.1", "localhost"), proxy=_proxy_url(proxy.port))
        )
    assert str(failure).startswith("the certificate of localhost is not trusted (unable to get local issuer")
    assert api.heads == []


@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"])
async def test_a_proxy_of_the_environment_does_not_count(client_of, monkeypatch, ca, variable):
    monkeypatch.setenv(variable, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    tls = server_context(ca.with_name("server.pem")) if "https" in variable.lower() else None
    async with loopback(saying(answer(BODY)), context=tls) as api:
        assert (await client_of(api.url, ca_file=ca).fetch(CHARGERS)).content[0].id == "a"
