"""Handshakes with certificates made by openssl."""

import asyncio
import contextlib
import socket
import ssl

import pytest
from support.tls import client, server, takes_x25519


@contextlib.asynccontextmanager
async def serving(context: ssl.SSLContext):
    """Serve a byte to whoever gets through the handshake; yield the port."""

    async def answer(reader, writer):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await reader.readexactly(1)
            writer.write(b"!")
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def connection(port: int, context: ssl.SSLContext) -> dict[str, object] | None:
    """Return what a client finds about a connection that answers; ``None`` for one that does not come about."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    except (ssl.SSLError, ConnectionError):
        return None
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        writer.write(b"?")
        answered = await reader.read(1) == b"!"
        tls = writer.get_extra_info("ssl_object")
        found = {"version": tls.version(), "cipher": tls.cipher()[0], "serial": tls.getpeercert()["serialNumber"]}
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        return found if answered else None
    writer.close()
    return None


VERIFIED = "RequireAndVerifyClientCert"


@pytest.mark.parametrize(
    ("mode", "pair", "gets_through"),
    [
        ("NoClientCert", None, True),
        ("NoClientCert", "stranger", True),
        ("VerifyClientCertIfGiven", None, True),
        ("VerifyClientCertIfGiven", "client", True),
        ("VerifyClientCertIfGiven", "stranger", False),
        (VERIFIED, None, False),
        (VERIFIED, "client", True),
        (VERIFIED, "stranger", False),
    ],
)
@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
async def test_certificates_of_clients(certificates, mode, pair, gets_through, version):
    authority = {} if mode == "NoClientCert" else {"client_ca": certificates.text("ca.crt")}
    made = server(certificates, client_auth_type=mode, min_version=version, max_version=version, **authority)
    async with serving(made) as port:
        assert (await connection(port, client(certificates, pair)) is not None) == gets_through


async def test_an_authority_that_is_no_root_is_trusted_as_in_go(certificates):
    made = server(certificates, client_auth_type=VERIFIED, client_ca=certificates.text("client.crt"))
    async with serving(made) as port:
        assert await connection(port, client(certificates, "client")) is not None
        assert await connection(port, client(certificates, "nameless")) is None


async def test_without_an_authority_those_of_the_machine_are_asked(certificates):
    async with serving(server(certificates, client_auth_type=VERIFIED)) as port:
        assert await connection(port, client(certificates, "client")) is None


@pytest.mark.parametrize(
    ("allowed", "gets_through"),
    [
        (["prometheus.test"], True),
        (["192.0.2.7"], True),
        (["2001:db8::7"], True),
        (["ops@example.test"], True),
        (["spiffe://test/prometheus"], True),
        (["other", "prometheus.test"], True),
        (["other"], False),
        (["client"], False),  # the common name is no subject alternative name
        (["PROMETHEUS.test"], False),
        (["*.test"], False),
    ],
)
@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
async def test_names_of_clients(certificates, allowed, gets_through, version):
    made = server(
        certificates, client_auth_type=VERIFIED, client_ca=certificates.text("ca.crt"),
        client_allowed_sans=allowed, min_version=version, max_version=version,
    )  # fmt: skip
    async with serving(made) as port:
        assert (await connection(port, client(certificates, "client")) is not None) == gets_through
        assert await connection(port, client(certificates, "nameless")) is None


async def test_a_session_that_is_resumed_shows_its_certificate_too(certificates):
    made = server(
        certificates, client_auth_type=VERIFIED, client_ca=certificates.text("ca.crt"),
        client_allowed_sans=["prometheus.test"], max_version="TLS12",
    )  # fmt: skip
    context = client(certificates, "client")
    async with serving(made) as port:

        def connect(session=None):
            with (
                socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as connected,
            ):
                connected.sendall(b"?")
                assert connected.recv(1) == b"!"
                return connected.session, connected.session_reused

        session, _ = await asyncio.to_thread(connect)
        _, reused = await asyncio.to_thread(connect, session)
        assert reused


@pytest.mark.parametrize(
    ("keys", "clients", "spoken"),
    [
        ({}, "TLSv1_2", "TLSv1.2"),
        ({}, "TLSv1_3", "TLSv1.3"),
        ({"min_version": "TLS13"}, "TLSv1_2", None),
        ({"min_version": "TLS13"}, "TLSv1_3", "TLSv1.3"),
        ({"max_version": "TLS12"}, "TLSv1_3", None),
    ],
)
async def test_versions(certificates, keys, clients, spoken):
    context = client(certificates)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[clients]
    async with serving(server(certificates, **keys)) as port:
        found = await connection(port, context)
        assert (found and found["version"]) == spoken


async def test_ciphers_of_tls_1_2_in_the_servers_order_or_the_clients(certificates):
    go = ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]
    names = ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256")
    context = client(certificates)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(reversed(names)))
    for keys, spoken in (({}, names[0]), ({"prefer_server_cipher_suites": False}, names[1])):
        async with serving(server(certificates, cipher_suites=go, **keys)) as port:
            assert (await connection(port, context))["cipher"] == spoken
    context.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
    async with serving(server(certificates, cipher_suites=go)) as port:
        assert await connection(port, context) is None


async def test_ciphers_of_tls_1_3_alone_leave_no_tls_1_2(certificates):
    context = client(certificates)
    async with serving(server(certificates, cipher_suites=["TLS_AES_128_GCM_SHA256"])) as port:
        assert (await connection(port, context))["version"] == "TLSv1.3"
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        assert await connection(port, context) is None


@pytest.mark.parametrize(
    ("curve", "clients"),
    [
        ("CurveP256", "prime256v1"),
        ("CurveP384", "secp384r1"),
        ("CurveP521", "secp521r1"),
        *([("X25519", "X25519")] if takes_x25519() else []),
    ],
)
async def test_a_curve(certificates, curve, clients):
    other = "secp384r1" if clients != "secp384r1" else "secp521r1"
    async with serving(server(certificates, curve_preferences=[curve])) as port:
        for offered, gets_through in ((clients, True), (other, False)):
            context = client(certificates)
            context.set_ecdh_curve(offered)
            assert (await connection(port, context) is not None) == gets_through
