"""Certificates are always verified: against this machine's authorities, or against ``api.ca_file`` alone."""

import asyncio

import pytest
from support.certificates import KEY_IDENTIFIERS, make_ca, make_self_signed, make_server, server_context
from support.loopback import answer, loopback, saying

from joulo_exporter import errors
from joulo_exporter.api.client import CHARGERS

BODY = b'{"chargers": [{"id": "a"}]}'


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    """A CA that has made certificates of servers."""
    certificate = make_ca(tmp_path_factory.mktemp("tls"))
    make_server(certificate)
    make_server(certificate, "elsewhere", names="DNS:elsewhere.example")
    make_server(certificate, "expired", days=-1)
    make_self_signed(certificate.parent)
    make_ca(certificate.parent, "other")
    make_server(certificate, "anonymous", extensions=("authorityKeyIdentifier=none",))
    make_server(certificate, "client-only", extensions=(*KEY_IDENTIFIERS, "extendedKeyUsage=clientAuth"))
    make_server(make_ca(certificate.parent, "plain", extensions=()), "of-plain")
    return certificate


def serving(ca, name, *, host="127.0.0.1"):
    return loopback(saying(answer(BODY)), context=server_context(ca.with_name(f"{name}.pem")), host=host)


@pytest.mark.parametrize(
    ("name", "ca_file", "says"),
    [
        ("alone", None,
         ("the certificate of 127.0.0.1 is not trusted (self-signed certificate); if a CA of your own has made "
          "it, name that CA's file in api.ca_file; else check api.url, and this machine's CA certificates")),
        ("server", None,
         ("the certificate of 127.0.0.1 is not trusted (unable to get local issuer certificate); if a CA of your "
          "own has made it, name that CA's file in api.ca_file; else check api.url, and this machine's CA "
          "certificates")),
        ("server", "other",
         ("the certificate of 127.0.0.1 is not trusted (unable to get local issuer certificate): no CA in "
          "api.ca_file has signed it, and only those are trusted; correct that file, or check api.url")),
        ("elsewhere", "ca",
         "the certificate of 127.0.0.1 is for another name; check api.url, and what stands in between"),
        ("expired", "ca",
         ("the certificate of 127.0.0.1, or that of its CA, is out of date (certificate has expired); "
          "have it renewed, or set this machine's clock")),
        ("client-only", "ca",
         ("the certificate of 127.0.0.1, or that of its CA, is refused (unsuitable certificate purpose); "
          "have it made anew without that fault, or check api.url")),
    ],
)  # fmt: skip
async def test_a_certificate_is_refused_before_the_token_is_sent(client_of, failure_of, ca, name, ca_file, says):
    async with serving(ca, name) as api:
        failure = await failure_of(client_of(api.url, ca_file=ca_file and ca.with_name(f"{ca_file}.pem")))
    assert type(failure) is errors.ApiConnectionError
    assert failure.code == "connection"
    assert str(failure) == says
    assert api.heads == []


@pytest.mark.parametrize(
    ("name", "ca_file"),
    [
        ("server", "ca"), ("alone", "alone"), ("server", "server"), ("server", "both"),
        ("of-plain", "plain"), ("anonymous", "ca"),
    ],
    ids=[
        "its CA", "itself, self-signed", "itself, from a CA", "one of several",
        "a CA without keyUsage", "its CA, without authority key identifier",
    ],
)  # fmt: skip
async def test_a_ca_of_the_operators_own_is_trusted(client_of, ca, name, ca_file):
    ca.with_name("both.pem").write_text(f"# two\n{ca.with_name('other.pem').read_text()}\n{ca.read_text()}")
    async with serving(ca, name) as api:
        answered = await client_of(api.url, ca_file=ca.with_name(f"{ca_file}.pem")).fetch(CHARGERS)
    assert answered.content[0].id == "a"


async def test_an_ipv6_address_in_the_url(client_of, ca):
    async with serving(ca, "server", host="::1") as api:
        answered = await client_of(f"https://[::1]:{api.port}/base", ca_file=ca).fetch(CHARGERS)
    assert answered.content[0].id == "a"
    assert api.heads[0].startswith(b"GET /base/chargers HTTP/1.1\r\n")
    assert api.headers()["host"] == f"[::1]:{api.port}"


async def test_https_to_a_server_without_tls(client_of, failure_of):
    server = await asyncio.start_server(_plain, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        failure = await failure_of(client_of(f"https://127.0.0.1:{port}"))
    assert type(failure) is errors.ApiConnectionError
    assert str(failure).startswith("no TLS with 127.0.0.1 (")
    assert "Error" not in str(failure)  # but OpenSSL's own reason, whose words differ between its versions


async def _plain(reader, writer):
    await reader.read(100)
    writer.write(answer(b"plain HTTP was expected", status="400 Bad Request"))
    writer.close()
