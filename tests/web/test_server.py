"""Listen addresses of every kind, and the sockets behind them."""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import socket
import ssl
import stat
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tls import client
from support.tls import server as tls_server

from joulo_exporter.errors import ConfigError
from joulo_exporter.web import (
    ListenAddress,
    ListenError,
    UnixAddress,
    activated_sockets,
    guard,
    parse_listen_address,
    server,
    start_listening,
)

EXAMPLES = "write :9973 for all addresses, 127.0.0.1:9973 or [::1]:9973 for one"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":9973", None, 9973),
        ("127.0.0.1:9973", "127.0.0.1", 9973),
        ("0.0.0.0:1", "0.0.0.0", 1),  # noqa: S104
        ("[::1]:9973", "::1", 9973),
        ("[::]:9973", "::", 9973),
        ("[fe80::1%eth0]:9973", "fe80::1%eth0", 9973),
        ("localhost:9973", "localhost", 9973),
        ("my_host-1.example.org.:80", "my_host-1.example.org.", 80),
        ("127.0.0.1:0", "127.0.0.1", 0),
        (":65535", None, 65535),
        (" :9973\n", None, 9973),
    ],
)
def test_addresses(text, host, port):
    address = parse_listen_address(text)
    assert address == ListenAddress(host, port)
    assert str(address) == text.strip()


@pytest.mark.parametrize(
    "text",
    ["", "9973", "localhost", "[::1]", ":", "localhost:", ":http", ":65536", ":099999", ":-1", ":+1", ":९९",
     ":" + "9" * 5000],
)  # fmt: skip
def test_a_port_that_is_none(text):
    assert fault_of(text) == f"{text!r} needs a port from 0 to 65535 after a colon; {EXAMPLES}"


@pytest.mark.parametrize(
    "text",
    ["[::1]x:80", "::1]:80", "[]:80", "[127.0.0.1]:80", "[localhost]:80", "::1:80", "http://localhost:80",
     "1.2.3.4.5:80", "256.0.0.1:80", "127.1:80", "9973:80", "a b:80", "*:80", "é:80"],
)  # fmt: skip
def test_a_host_that_is_none(text):
    assert fault_of(text) == f"{text!r} has neither an IP address nor a host name before the port; {EXAMPLES}"


def fault_of(text):
    with pytest.raises(ConfigError) as caught:
        parse_listen_address(text)
    return str(caught.value).removeprefix("--web.listen-address: ")


@given(st.text() | st.text("[]:.0123456789abcdef%", max_size=24))
def test_any_text_is_an_address_or_a_configuration_error(text):
    try:
        address = parse_listen_address(text)
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017
    else:
        assert parse_listen_address(str(address)) == address


def addresses(*texts):
    return [parse_listen_address(text) for text in texts]


async def refusal(runner, *texts):
    """Return why these addresses cannot be listened on."""
    with pytest.raises(ListenError) as caught:
        await start_listening(runner, addresses(*texts))
    return str(caught.value)


async def fetch(address):
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}/") as response:
        return await response.text()


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return socket.has_dualstack_ipv6()


async def test_a_free_port_is_returned(runner):
    (bound,) = await start_listening(runner, addresses("127.0.0.1:0"))
    host, port = bound.split(":")
    assert host == "127.0.0.1"
    assert int(port) > 0
    assert await fetch(bound) == "hello"


async def test_of_the_addresses_of_a_name_ipv4_is_taken(runner, monkeypatch):
    both = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    (bound,) = await start_listening(runner, addresses("both.example:0"))
    assert bound.startswith("127.0.0.1:")


@pytest.mark.parametrize("text", [":0", "[::]:0"])
async def test_all_addresses(runner, text):
    (bound,) = await start_listening(runner, addresses(text))
    host, _, port = bound.rpartition(":")
    assert host == ("[::]" if has_ipv6() else "0.0.0.0")  # noqa: S104
    assert await fetch(f"127.0.0.1:{port}") == "hello"
    if has_ipv6():
        assert await fetch(f"[::1]:{port}") == "hello"


async def test_one_ipv6_address_or_the_reason_why_not(runner):
    if has_ipv6():
        (bound,) = await start_listening(runner, addresses("[::1]:0"))
        assert bound.startswith("[::1]:")
        assert await fetch(bound) == "hello"
    else:
        assert (await refusal(runner, "[::1]:0")).startswith("cannot listen on [::1]:0: ")


@pytest.mark.parametrize("code", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
async def test_all_addresses_where_ipv6_is_switched_off(runner, monkeypatch, code):
    create_server = socket.create_server

    def without_ipv6(address, **options):
        if options.get("family") == socket.AF_INET6:
            raise OSError(code, "no IPv6")
        return create_server(address, **options)

    monkeypatch.setattr(server.socket, "has_dualstack_ipv6", lambda: True)
    monkeypatch.setattr(server.socket, "create_server", without_ipv6)
    (bound,) = await start_listening(runner, addresses(":0"))
    assert bound.startswith("0.0.0.0:")
    assert await fetch(bound.replace("0.0.0.0", "127.0.0.1")) == "hello"  # noqa: S104


@pytest.mark.parametrize("host", ["127.0.0.1", "", "localhost"])
async def test_a_port_in_use(runner, taken_port, host):
    assert await refusal(runner, f"{host}:{taken_port}") == (
        f"cannot listen on {host}:{taken_port}: the port is in use; "
        "stop what uses it, or choose another with --web.listen-address"
    )


async def test_one_address_that_fails_leaves_none_open(runner, taken_port, path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        free_port = server.getsockname()[1]
    await refusal(runner, f"127.0.0.1:{free_port}", f"unix:{path}", f"127.0.0.1:{taken_port}")
    assert runner.addresses == []
    assert not present(path)
    assert await start_listening(runner, addresses(f"127.0.0.1:{free_port}")) == [f"127.0.0.1:{free_port}"]


@pytest.mark.parametrize(
    ("error", "explanation"),
    [
        (
            PermissionError(errno.EACCES, "x"),
            "the port is not permitted for this user; choose one from 1024 on with --web.listen-address",
        ),
        (
            OSError(errno.EADDRNOTAVAIL, "x"),
            "this machine does not have that address; choose another with --web.listen-address",
        ),
        (
            OSError(errno.EMFILE, "x"),
            "Too many open files; check --web.listen-address",
        ),
    ],
)
async def test_why_an_address_cannot_be_listened_on(runner, monkeypatch, error, explanation):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(server.socket, "create_server", refuse)
    assert await refusal(runner, "127.0.0.1:80") == f"cannot listen on 127.0.0.1:80: {explanation}"


async def test_a_name_that_nobody_knows(runner, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "x")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert await refusal(runner, "nowhere:80") == (
        f"cannot listen on nowhere:80: the host name is not known here; {EXAMPLES} with --web.listen-address"
    )


# Unix sockets.

UNIX_FAULT = (
    "has no path of a socket, of 107 bytes at most; write a whole path, such as unix:/run/joulo-exporter/web.sock"
)


def test_a_unix_address():
    assert parse_listen_address(" unix:/run/web.sock\n") == UnixAddress("/run/web.sock")
    assert str(UnixAddress("/run/web.sock")) == "unix:/run/web.sock"


@pytest.mark.parametrize("text", ["unix:", "unix:web.sock", "unix:/run/", "unix:/a\0b", "unix:@abstract"])
def test_a_unix_path_that_is_none(text):
    assert fault_of(text) == f"{text!r} {UNIX_FAULT}"


def test_a_path_must_fit_into_a_socket_address():
    assert parse_listen_address("unix:/" + "x" * 106) == UnixAddress("/" + "x" * 106)
    with pytest.raises(ConfigError, match="of 107 bytes at most"):
        parse_listen_address("unix:/" + "x" * 105 + "é")


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A path that is short enough wherever the tests run."""
    monkeypatch.chdir(tmp_path)
    return str(tmp_path / "web.sock")


def mode(path):
    return stat.S_IMODE(Path(path).stat().st_mode)


def present(path):
    return os.path.lexists(path)


async def fetch_unix(path):
    connector = aiohttp.UnixConnector(path)
    async with aiohttp.ClientSession(connector=connector) as session, session.get("http://localhost/") as response:
        return await response.text()


async def test_owner_and_group_may_use_it_and_it_goes_at_the_end(runner, path):
    old = os.umask(0)
    try:
        bound = await start_listening(runner, [UnixAddress(path), parse_listen_address("127.0.0.1:0")])
    finally:
        os.umask(old)
    assert bound[0] == f"unix:{path}"
    assert bound[1].startswith("127.0.0.1:")
    assert mode(path) == 0o660
    assert await fetch_unix(path) == "hello"
    await runner.cleanup()
    assert not present(path)


async def test_what_a_dead_process_has_left_is_replaced(runner, path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    await start_listening(runner, [UnixAddress(path)])
    assert await fetch_unix(path) == "hello"


async def test_a_living_process_is_left_alone(runner, path):
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(path)
        living.listen()
        fault = await refusal(runner, f"unix:{path}")
        assert present(path)
    assert fault == (
        f"cannot listen on unix:{path}: another process listens there; stop it, "
        "or choose another path with --web.listen-address"
    )


async def test_a_file_is_left_alone(runner, path):
    Path(path).write_text("precious")  # noqa: ASYNC240
    assert "there is a file that is not a socket" in await refusal(runner, f"unix:{path}")
    assert Path(path).read_text() == "precious"  # noqa: ASYNC240


async def test_a_folder_that_is_missing(runner):
    assert await refusal(runner, "unix:/nowhere/web.sock") == (
        "cannot listen on unix:/nowhere/web.sock: the folder /nowhere does not exist; make it, "
        "or choose another path with --web.listen-address"
    )


async def test_the_same_path_twice(runner, path):
    assert await refusal(runner, f"unix:{path}", f"unix:{path}") == (
        f"cannot listen on unix:{path}: another process listens there; stop it, "
        "or choose another path with --web.listen-address"
    )
    assert not present(path)


# Sockets that systemd passes.

REMEDY = "start joulo-exporter by its socket unit, or leave --web.systemd-socket out"


@pytest.fixture
def passed(monkeypatch):
    """Pass sockets as systemd does, at the descriptors where they are in this process."""

    def arrange(*sockets):
        # Two descriptors in a row, wherever there is room for them.
        first = 200
        for position, each in enumerate(sockets):
            os.dup2(each.fileno(), first + position)
        monkeypatch.setattr(server, "FIRST_PASSED_DESCRIPTOR", first)
        return {
            "LISTEN_PID": str(os.getpid()),
            "LISTEN_FDS": str(len(sockets)),
            "LISTEN_FDNAMES": "a:b",
            "HOME": "/",
        }

    yield arrange
    for descriptor in (200, 201):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_sockets_are_taken_over_and_the_environment_forgets_them(passed):
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        environment = passed(one, two)
        taken = activated_sockets(environment)
        assert [each.getsockname() for each in taken] == [one.getsockname(), two.getsockname()]
        assert not any(os.get_inheritable(each.fileno()) for each in taken)
        assert environment == {"HOME": "/"}
        for each in taken:
            each.close()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid())},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"},
    ],
)
def test_no_socket_is_a_fault_with_its_remedy(environment):
    with pytest.raises(ListenError) as caught:
        activated_sockets(environment)
    assert str(caught.value) == f"--web.systemd-socket: systemd has passed no socket; {REMEDY}"


@pytest.mark.parametrize("kind", [None, socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_descriptor_that_takes_no_connections(passed, kind):
    with (
        socket.create_server(("127.0.0.1", 0)) as good,
        Path(os.devnull).open() if kind is None else socket.socket(socket.AF_INET, kind) as bad,
        pytest.raises(ListenError) as caught,
    ):
        activated_sockets(passed(good, bad))
    assert str(caught.value) == (
        "--web.systemd-socket: descriptor 201 takes no connections; use ListenStream= and Accept=no in its unit"
    )


# TLS handshakes that fail.


def verified(certificates):
    required = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca": certificates.text("ca.crt")}
    return tls_server(certificates, **required)


async def first_line(address, context):
    """Return the first line of a response; a client of TLS 1.3 learns of a refusal only when it reads."""
    reader, writer = await asyncio.open_connection(*address.split(":"), ssl=context)
    try:
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        return await reader.readline()
    finally:
        writer.transport.abort()


async def test_a_handshake_that_fails_is_logged_at_debug_level_only(runner, certificates, caplog):
    caplog.set_level(logging.DEBUG, logger="joulo_exporter")
    context = verified(certificates)
    (bound,) = await start_listening(runner, addresses("127.0.0.1:0"), tls=lambda: context)
    assert await first_line(bound, client(certificates, "client")) == b"HTTP/1.0 200 OK\r\n"
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        assert await first_line(bound, client(certificates)) == b""
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "a connection did not come about: peer did not return a certificate")
    ]


async def test_plain_http_to_a_tls_port_is_closed(runner, certificates):
    context = verified(certificates)
    (bound,) = await start_listening(runner, addresses("127.0.0.1:0"), tls=lambda: context)
    reader, writer = await asyncio.open_connection(*bound.split(":"))
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert await reader.read() == b""
    writer.close()


async def test_failed_handshakes_leave_a_bounded_amount_of_memory_behind(runner, certificates, monkeypatch):
    """Each takes a quarter of a mebibyte until the garbage is collected, which Python itself does too seldom."""
    monkeypatch.setattr(guard, "FAILED_BEFORE_COLLECTION", 10)
    context = verified(certificates)
    (bound,) = await start_listening(runner, addresses("127.0.0.1:0"), tls=lambda: context)
    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            reader, writer = await asyncio.open_connection(*bound.split(":"))
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            assert await reader.read() == b""
            writer.close()
        assert len([each for each in gc.get_objects() if isinstance(each, ssl.SSLObject)]) <= 12
    finally:
        gc.enable()
