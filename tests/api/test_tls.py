"""TLS and proxies: certificates are always verified, and a proxy never sees the token."""

import contextlib
import shutil
from types import SimpleNamespace

import pytest
from support.certificates import NO_AUTHORITY, SERVER, SERVER_NAMES, Certificates
from support.loopback import PROXY_PASSWORD, TOKEN, answer, loopback, relay, reset, saying, talking
from support.processes import free_port

from joulo_exporter import errors
from joulo_exporter.api.client import CHARGERS

BODY = b'{"chargers": [{"id": "a"}]}'
UNTRUSTED = (
    "the certificate of {} is not trusted (unable to get local issuer certificate); check {}, this machine's "
    "clock and CA certificates; if a CA of your own has signed it, name its file in api.ca_file"
)


@pytest.fixture(scope="module")
def made(certificates, tmp_path_factory):
    """Certificates of servers and of what has signed them."""
    made = Certificates(tmp_path_factory.mktemp("tls"))
    shutil.copytree(certificates.folder, made.folder, dirs_exist_ok=True)
    made.make("elsewhere", "subjectAltName=DNS:elsewhere.example", NO_AUTHORITY, signed_by="ca")
    made.make("expired", *SERVER, "authorityKeyIdentifier=none")
    made.expire("expired", signed_by="ca")
    made.make("alone", SERVER_NAMES)
    made.make("anonymous", *SERVER, "authorityKeyIdentifier=none", signed_by="ca")
    made.make("client-only", *SERVER, "extendedKeyUsage=clientAuth", signed_by="ca")
    made.make("plain")
    made.make("of-plain", *SERVER, signed_by="plain")
    (made.folder / "both.crt").write_text(f"# two\n{made.text('stranger-ca.crt')}\n{made.text('ca.crt')}")
    return made


@pytest.fixture
def ca_file(made):
    return made.folder / "ca.crt"


def serving(made, name, *, host="127.0.0.1"):
    return loopback(saying(answer(BODY)), context=made.context(name), host=host)


@pytest.mark.parametrize(
    ("name", "trusted", "reason"),
    [
        ("alone", None, "self-signed certificate"),
        ("server", None, "unable to get local issuer certificate"),
        ("server", "stranger-ca", "unable to get local issuer certificate"),
        ("elsewhere", "ca", "IP address mismatch, certificate is not valid for '127.0.0.1'."),
        ("expired", "ca", "certificate has expired"),
        ("client-only", "ca", "unsuitable certificate purpose"),
    ],
)
async def test_a_certificate_is_refused_before_the_token_is_sent(
    client_of, failure_of, made, name, trusted, reason
):
    ca_file = trusted and made.folder / f"{trusted}.crt"
    async with serving(made, name) as api:
        failure = await failure_of(client_of(api.url, ca_file=ca_file))
    assert type(failure) is errors.ApiConnectionError
    assert failure.code == "connection"
    says = UNTRUSTED.replace("unable to get local issuer certificate", reason).format("127.0.0.1", "api.url")
    assert str(failure) == says
    assert api.heads == []


@pytest.mark.parametrize(
    ("name", "trusted"),
    [
        ("server", "ca"), ("alone", "alone"), ("server", "server"), ("server", "both"),
        ("of-plain", "plain"), ("anonymous", "ca"),
    ],
    ids=[
        "its CA", "itself, self-signed", "itself, from a CA", "one of several",
        "a CA without keyUsage", "its CA, without authority key identifier",
    ],
)  # fmt: skip
async def test_a_ca_of_the_operators_own_is_trusted(client_of, made, name, trusted):
    async with serving(made, name) as api:
        answered = await client_of(api.url, ca_file=made.folder / f"{trusted}.crt").fetch(CHARGERS)
    assert answered.content[0].id == "a"


async def test_an_ipv6_address_in_the_url(client_of, made, ca_file):
    async with serving(made, "server", host="::1") as api:
        answered = await client_of(f"https://[::1]:{api.port}/base", ca_file=ca_file).fetch(CHARGERS)
    assert answered.content[0].id == "a"
    assert api.heads[0].startswith(b"GET /base/chargers HTTP/1.1\r\n")
    assert api.headers()["host"] == f"[::1]:{api.port}"


async def test_https_to_a_server_without_tls(client_of, failure_of):
    async def speak_plainly(reader, writer):
        await reader.read(100)
        writer.write(answer(b"plain HTTP was expected", status="400 Bad Request"))

    async with talking(speak_plainly) as port:
        failure = await failure_of(client_of(f"https://127.0.0.1:{port}"))
    assert type(failure) is errors.ApiConnectionError
    assert str(failure).startswith("no TLS with 127.0.0.1 (")
    assert "Error" not in str(failure)  # but OpenSSL's own reason, whose words differ between its versions


# Proxies --------------------------------------------------------------------------------------

USER = f"joulo:{PROXY_PASSWORD}"


def _proxy_url(port, scheme="http"):
    return f"{scheme}://{USER}@127.0.0.1:{port}"


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_token_goes_through_the_tunnel_unseen(client_of, made, ca_file, scheme):
    tls = made.context("server")
    async with (
        loopback(saying(answer(BODY)), context=tls) as api,
        relay(user=USER, context=tls if scheme == "https" else None) as proxy,
    ):
        answered = await client_of(api.url, proxy=_proxy_url(proxy.port, scheme), ca_file=ca_file).fetch(CHARGERS)
    assert answered.content[0].id == "a"
    assert [head.split(b"\r\n")[0] for head in proxy.heads] == [f"CONNECT 127.0.0.1:{api.port} HTTP/1.1".encode()]
    assert TOKEN.encode() not in b"".join(proxy.heads)
    assert api.headers()["authorization"] == f"Bearer {TOKEN}"
    assert "proxy-authorization" not in api.headers()


async def test_a_simulator_on_this_machine_is_asked_through_the_proxy_too_with_a_password_in_the_url(client_of):
    async with loopback(saying(answer(BODY))) as api, relay(user="joulo:a@b/c:d%") as proxy:
        url = f"http://joulo:a%40b%2Fc%3Ad%25@127.0.0.1:{proxy.port}"
        answered = await client_of(api.url, proxy=url).fetch(CHARGERS)
    assert answered.content[0].id == "a"
    assert proxy.heads[0].startswith(f"GET {api.url}/chargers HTTP/1.1\r\n".encode())


def _refusing(status, *headers):
    return lambda _made: loopback(saying(answer(b"", *headers, status=status)))


REFUSES = "the proxy refuses the connection ({}); check api.proxy_url, and the user and password in it"


@pytest.mark.parametrize(
    ("proxy_of", "scheme", "requests", "says"),
    [
        (_refusing("407 No"), "http", 1, REFUSES.format(407)),
        (_refusing("302 Found", "Location: https://terms.example/"), "http", 1, REFUSES.format(302)),
        (lambda _made: loopback(reset), "http", 1,
         ("api.invalid, or the proxy, broke the connection before it responded (…); if this stays, check "
          "api.proxy_url")),
        (lambda made: relay(context=made.context("server")), "https", 0,
         UNTRUSTED.format("the proxy", "api.proxy_url")),
        (lambda _made: contextlib.nullcontext(SimpleNamespace(port=free_port(), heads=[])), "http", 0,
         ("no connection to the proxy (Connection refused); check api.proxy_url, the network, its DNS and "
          "firewalls")),
    ],
    ids=["another password", "a page of terms", "it hangs up", "nobody trusts its certificate", "it is not there"],
)  # fmt: skip
async def test_a_proxy_that_lets_nobody_through(client_of, failure_of, made, proxy_of, scheme, requests, says):
    async with proxy_of(made) as proxy:
        failure = await failure_of(client_of("https://api.invalid", proxy=_proxy_url(proxy.port, scheme)))
    assert type(failure) is errors.ApiConnectionError
    assert (failure.code, failure.status) == ("connection", None)
    begin, _, end = says.partition("…")  # words of the operating system
    assert str(failure).startswith(begin)
    assert str(failure).endswith(end)
    assert len(proxy.heads) == requests  # none is sent again
    assert all(head.startswith(b"CONNECT api.invalid:443 ") and b"Bearer" not in head for head in proxy.heads)


async def test_an_api_behind_the_proxy_whose_certificate_nobody_trusts(client_of, failure_of, made):
    async with serving(made, "server") as api, relay() as proxy:
        failure = await failure_of(client_of(f"https://localhost:{api.port}", proxy=_proxy_url(proxy.port)))
    assert str(failure) == UNTRUSTED.format("localhost", "api.url")
    assert api.heads == []


@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"])
async def test_a_proxy_of_the_environment_does_not_count(client_of, monkeypatch, made, ca_file, variable):
    monkeypatch.setenv(variable, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    tls = made.context("server") if "https" in variable.lower() else None
    async with loopback(saying(answer(BODY)), context=tls) as api:
        assert (await client_of(api.url, ca_file=ca_file).fetch(CHARGERS)).content[0].id == "a"
