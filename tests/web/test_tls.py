"""Handshakes of the server with certificates made by openssl."""

import asyncio
import gc
import logging
import socket
import ssl

import pytest
from support.certificates import client_tls, server_tls, takes_x25519
from support.web import connected, exchange, serving

GET = b"GET /metrics HTTP/1.0\r\n\r\n"
VERIFIED = "RequireAndVerifyClientCert"


async def connection(address, context):
    """Return TLS version and cipher of a connection that answers; ``None`` for one that does not come about."""
    try:
        async with connected(address, ssl=context) as (reader, writer):
            writer.write(GET)  # a client of TLS 1.3 learns of a refusal only when it reads
            if await reader.readline() != b"HTTP/1.0 200 OK\r\n":
                return None
            tls = writer.get_extra_info("ssl_object")
            return tls.version(), tls.cipher()[0]
    except (ssl.SSLError, ConnectionError):
        return None


async def gets_through(address, context):
    return await connection(address, context) is not None


@pytest.mark.parametrize(
    ("mode", "authority", "names", "accepted"),
    [
        ("NoClientCert", None, None, {None, "client", "nameless", "stranger"}),
        ("VerifyClientCertIfGiven", "ca", None, {None, "client", "nameless"}),
        (VERIFIED, "ca", None, {"client", "nameless"}),
        (VERIFIED, "client", None, {"client"}),  # it is no root, and trusted as in Go
        *((VERIFIED, "ca", [name], {"client"}) for name in ("prometheus.test", "192.0.2.7", "2001:db8::7")),
        *(
            (VERIFIED, "ca", ["other", name], {"client"})
            for name in ("ops@example.test", "spiffe://test/prometheus")
        ),
        # The common name is no subject alternative name.
        (VERIFIED, "ca", ["other", "client", "PROMETHEUS.test", "*.test"], set()),
    ],
)
@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
async def test_clients(certificates, mode, authority, names, accepted, version):
    keys = {"client_auth_type": mode, "client_ca": authority and certificates.text(f"{authority}.crt")}
    keys |= {"client_allowed_sans": names, "min_version": version, "max_version": version}
    async with serving(tls=server_tls(certificates, **keys)) as address:
        for pair in (None, "client", "nameless", "stranger"):
            assert await gets_through(address, client_tls(certificates, pair)) == (pair in accepted), pair


async def test_without_an_authority_those_of_the_machine_are_asked(certificates, monkeypatch):
    for trusted in (False, True):
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", certificates.path("ca.crt"))
        async with serving(tls=server_tls(certificates, client_auth_type=VERIFIED)) as address:
            assert await gets_through(address, client_tls(certificates, "client")) == trusted


def named(certificates, **keys):
    required = {"client_auth_type": VERIFIED, "client_ca": certificates.text("ca.crt")}
    return server_tls(certificates, **required, client_allowed_sans=["prometheus.test"], **keys)


async def test_a_session_that_is_resumed_shows_its_certificate_too(certificates):
    context = client_tls(certificates, "client")

    def connect(address, session=None):
        host, port = address.split(":")
        with (
            socket.create_connection((host, int(port)), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=host, session=session) as tls,
        ):
            tls.sendall(GET)
            assert tls.recv(8) == b"HTTP/1.0"
            return tls.session, tls.session_reused

    async with serving(tls=named(certificates, max_version="TLS12")) as address:
        session, _ = await asyncio.to_thread(connect, address)
        _, reused = await asyncio.to_thread(connect, address, session)
        assert reused


ECDSA = "ECDHE-ECDSA-"
OFFERED = f"{ECDSA}AES128-GCM-SHA256:{ECDSA}AES256-GCM-SHA384"
SUITES = ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]


@pytest.mark.parametrize(
    ("keys", "version", "offered", "spoken"),
    [
        ({}, "TLSv1_2", OFFERED, "TLSv1.2"),
        ({}, "TLSv1_3", OFFERED, "TLSv1.3"),
        ({"min_version": "TLS13"}, "TLSv1_2", OFFERED, None),
        ({"max_version": "TLS12"}, "TLSv1_3", OFFERED, None),
        # Ciphers of TLS 1.3 alone leave no TLS 1.2.
        ({"cipher_suites": ["TLS_AES_128_GCM_SHA256"]}, "TLSv1_3", OFFERED, "TLSv1.3"),
        ({"cipher_suites": ["TLS_AES_128_GCM_SHA256"]}, "TLSv1_2", OFFERED, None),
        # The server's order holds, unless it is the client's.
        ({"cipher_suites": SUITES}, "TLSv1_2", OFFERED, f"{ECDSA}AES256-GCM-SHA384"),
        ({"cipher_suites": SUITES, "prefer_server_cipher_suites": False}, "TLSv1_2", OFFERED,
         f"{ECDSA}AES128-GCM-SHA256"),
        ({"cipher_suites": SUITES}, "TLSv1_2", f"{ECDSA}CHACHA20-POLY1305", None),
    ],
)  # fmt: skip
async def test_versions_and_ciphers(certificates, keys, version, offered, spoken):
    context = client_tls(certificates)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    context.set_ciphers(offered)
    async with serving(tls=server_tls(certificates, **keys)) as address:
        found = await connection(address, context)
        assert spoken in found if spoken else found is None


@pytest.mark.parametrize(
    ("curve", "clients", "other"),
    [
        ("CurveP256", "prime256v1", "secp384r1"),
        ("CurveP384", "secp384r1", "secp521r1"),
        ("CurveP521", "secp521r1", "secp384r1"),
        *([("X25519", "X25519", "secp384r1")] if takes_x25519() else []),
    ],
)
async def test_a_curve(certificates, curve, clients, other):
    async with serving(tls=server_tls(certificates, curve_preferences=[curve])) as address:
        for offered, expected in ((clients, True), (other, False)):
            context = client_tls(certificates)
            context.set_ecdh_curve(offered)
            assert await gets_through(address, context) == expected


async def test_a_handshake_that_fails_is_logged_at_debug_level_only(certificates, caplog):
    caplog.set_level(logging.DEBUG, logger="joulo_exporter")
    async with serving(tls=named(certificates)) as address:
        assert await gets_through(address, client_tls(certificates, "client"))
        assert not await gets_through(address, client_tls(certificates))
        assert not await gets_through(address, client_tls(certificates, "nameless"))
        assert await exchange(address, GET) == b""  # plain HTTP
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "a connection did not come about: peer did not return a certificate"),
        ("DEBUG", "a connection did not come about: the client's certificate has none of the allowed names"),
        ("DEBUG", "a connection did not come about: http request"),
    ]


async def test_failed_handshakes_leave_nothing_behind(certificates):
    """Each takes a quarter of a mebibyte; Python itself collects garbage too seldom."""
    async with serving(tls=server_tls(certificates)) as address:
        gc.collect()
        gc.disable()
        try:
            for _ in range(50):
                assert await exchange(address, GET) == b""
            assert len([each for each in gc.get_objects() if isinstance(each, ssl.SSLObject)]) <= 2
        finally:
            gc.enable()
