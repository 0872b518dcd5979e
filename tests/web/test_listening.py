import asyncio
import errno
import socket
import ssl

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.errors import ConfigError, JouloExporterError
from joulo_exporter.web import listening
from joulo_exporter.web.listening import (
    ListenAddress,
    ListenError,
    parse_listen_address,
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
    ("text", "fault"),
    [
        ("", "is not an address with a port"),
        ("9973", "is not an address with a port"),
        ("localhost", "is not an address with a port"),
        ("[::1]", "is not an address with a port"),
        ("[::1]x:80", "is not an address with a port"),
        ("::1]:80", "is not an address with a port"),
        (":", "needs a port from 0 to 65535"),
        ("localhost:", "needs a port from 0 to 65535"),
        (":http", "needs a port from 0 to 65535"),
        (":65536", "needs a port from 0 to 65535"),
        (":099999", "needs a port from 0 to 65535"),
        (":-1", "needs a port from 0 to 65535"),
        (":+1", "needs a port from 0 to 65535"),
        (":९९", "needs a port from 0 to 65535"),
        (":" + "9" * 5000, "needs a port from 0 to 65535"),
        ("[]:80", "has no IPv6 address in its brackets"),
        ("[127.0.0.1]:80", "has no IPv6 address in its brackets"),
        ("[localhost]:80", "has no IPv6 address in its brackets"),
        ("::1:80", "has too many colons"),
        ("http://localhost:80", "has too many colons"),
        ("1.2.3.4.5:80", "has neither an IP address nor a host name before the port"),
        ("256.0.0.1:80", "has neither an IP address nor a host name before the port"),
        ("127.1:80", "has neither an IP address nor a host name before the port"),
        ("9973:80", "has neither an IP address nor a host name before the port"),
        ("a b:80", "has neither an IP address nor a host name before the port"),
        ("*:80", "has neither an IP address nor a host name before the port"),
        ("é:80", "has neither an IP address nor a host name before the port"),
    ],
)
def test_what_is_no_address_gets_one_line_with_the_remedy(text, fault):
    with pytest.raises(ConfigError) as caught:
        parse_listen_address(text)
    assert str(caught.value) == f"--web.listen-address: {text!r} {fault}; {EXAMPLES}"


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


async def test_a_free_port_is_told(runner):
    (bound,) = await start_listening(runner, addresses("127.0.0.1:0"))
    host, port = bound.split(":")
    assert host == "127.0.0.1"
    assert int(port) > 0
    assert await fetch(bound) == "hello"


async def test_with_tls_nothing_is_said_in_plain(runner):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (bound,) = await start_listening(runner, addresses("127.0.0.1:0"), ssl_context=context)
    reader, writer = await asyncio.open_connection(*bound.split(":"))
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert b"hello" not in await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_several_addresses(runner):
    bound = await start_listening(runner, addresses("127.0.0.1:0", "127.0.0.2:0"))
    assert [text.split(":")[0] for text in bound] == ["127.0.0.1", "127.0.0.2"]
    assert [await fetch(text) for text in bound] == ["hello", "hello"]


async def test_of_the_addresses_of_a_name_ipv4_is_taken(runner, monkeypatch):
    both = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    (bound,) = await start_listening(runner, addresses("both.example:0"))
    assert bound.startswith("127.0.0.1:")


async def test_a_name_is_resolved_to_one_address(runner):
    (bound,) = await start_listening(runner, addresses("localhost:0"))
    assert bound.startswith("127.0.0.1:")
    assert await fetch(bound) == "hello"


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
        with pytest.raises(ListenError, match=r"^cannot listen on \[::1\]:0: "):
            await start_listening(runner, addresses("[::1]:0"))


@pytest.mark.parametrize("code", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
async def test_all_addresses_where_ipv6_is_switched_off(runner, monkeypatch, code):
    create_server = socket.create_server

    def without_ipv6(address, **options):
        if options.get("family") == socket.AF_INET6:
            raise OSError(code, "no IPv6")
        return create_server(address, **options)

    monkeypatch.setattr(listening.socket, "has_dualstack_ipv6", lambda: True)
    monkeypatch.setattr(listening.socket, "create_server", without_ipv6)
    (bound,) = await start_listening(runner, addresses(":0"))
    assert bound.startswith("0.0.0.0:")
    assert await fetch(bound.replace("0.0.0.0", "127.0.0.1")) == "hello"  # noqa: S104


async def test_ipv4_alone_is_asked_for_by_its_own_wildcard(runner):
    (bound,) = await start_listening(runner, addresses("0.0.0.0:0"))
    assert bound.startswith("0.0.0.0:")


@pytest.mark.parametrize("host", ["127.0.0.1", "", "localhost"])
async def test_a_port_in_use(runner, taken_port, host):
    with pytest.raises(ListenError) as caught:
        await start_listening(runner, addresses(f"{host}:{taken_port}"))
    assert str(caught.value) == (
        f"cannot listen on {host}:{taken_port}: the port is in use; "
        "stop what uses it, or choose another with --web.listen-address"
    )


async def test_one_address_that_fails_leaves_none_open(runner, taken_port):
    with socket.create_server(("127.0.0.1", 0)) as server:
        free_port = server.getsockname()[1]
    with pytest.raises(ListenError):
        await start_listening(runner, addresses(f"127.0.0.1:{free_port}", f"127.0.0.1:{taken_port}"))
    assert runner.addresses == []
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
            f"this machine does not have that address; in --web.listen-address {EXAMPLES}",
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

    monkeypatch.setattr(listening.socket, "create_server", refuse)
    with pytest.raises(ListenError) as caught:
        await start_listening(runner, addresses("127.0.0.1:80"))
    assert str(caught.value) == f"cannot listen on 127.0.0.1:80: {explanation}"


async def test_an_address_of_another_machine(runner):
    with pytest.raises(ListenError, match="this machine does not have that address"):
        await start_listening(runner, addresses("192.0.2.1:0"))


async def test_a_name_that_nobody_knows(runner, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "x")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ListenError) as caught:
        await start_listening(runner, addresses("nowhere:80"))
    assert str(caught.value) == (
        f"cannot listen on nowhere:80: the host name is not known here; in --web.listen-address {EXAMPLES}"
    )


def test_listen_error_is_one_of_ours():
    assert issubclass(ListenError, JouloExporterError)
    assert ListenError.reason == "listen"
