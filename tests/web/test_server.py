"""Listen addresses of every kind, and the sockets behind them."""

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path
from unittest.mock import Mock

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.web import serving

from joulo_exporter.errors import ConfigError, JouloExporterError
from joulo_exporter.web import server
from joulo_exporter.web.server import activated_sockets, parse_listen_address

EXAMPLES = "write :9973 for all addresses, 127.0.0.1:9973 or [::1]:9973 for one, or unix: and the path of a socket"
NO_ADDRESS = f"is no address with a port from 0 to 65535; {EXAMPLES}"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":9973", ("", 9973)),
        ("127.0.0.1:65535", ("127.0.0.1", 65535)),
        ("[fe80::1%eth0]:9973", ("fe80::1%eth0", 9973)),
        ("my_host-1.example.org.:80", ("my_host-1.example.org.", 80)),
        (" unix:/run/web.sock\n", "/run/web.sock"),
        ("unix:/" + "x" * 106, "/" + "x" * 106),
    ],
)
def test_addresses(text, address):
    assert parse_listen_address(text) == address


@pytest.mark.parametrize(
    ("fault", "texts"),
    [
        (NO_ADDRESS, ["", "9973", "[::1]", "localhost:", ":http", ":65536", ":099999", ":-1", ":९९"]),
        (NO_ADDRESS, ["[::1]x:80", "::1]:80", "[]:80", "[127.0.0.1]:80", "[localhost]:80", "::1:80", "a b:80",
                   "*:80", "http://localhost:80", "256.0.0.1:80", "127.1:80", "9973:80", "é:80",
                   "exporter..lan:80", "a" * 64 + ".lan:80"]),
        (NO_ADDRESS, ["unix:", "unix:web.sock", "unix:/a\0b"]),
    ],
)  # fmt: skip
def test_no_addresses(fault, texts):
    for text in texts:
        with pytest.raises(ConfigError) as caught:
            parse_listen_address(text)
        assert str(caught.value) == f"--web.listen-address: {text!r} {fault}"


@given(st.text() | st.text("[]:.0123456789abcdef%", max_size=24))
def test_any_text_is_an_address_or_a_configuration_error(text):
    try:
        parse_listen_address(text)
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017


async def status(url, connector=None):
    async with aiohttp.ClientSession(connector=connector) as session, session.get(f"{url}/metrics") as response:
        return response.status


async def refusal(*addresses):
    """Return why these addresses cannot be listened on."""
    with pytest.raises(JouloExporterError) as caught:
        async with serving(*addresses):
            pass
    return str(caught.value)


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return socket.has_dualstack_ipv6()


async def test_of_the_addresses_of_a_name_ipv4_is_taken(monkeypatch):
    both = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    async with serving("both.example:0") as bound:
        assert bound.startswith("127.0.0.1:")
        assert not bound.endswith(":0")


@pytest.mark.parametrize("text", [":0", "[::]:0"])
async def test_all_addresses(text):
    async with serving(text) as bound:
        host, _, port = bound.rpartition(":")
        assert host == ("[::]" if has_ipv6() else "0.0.0.0")  # noqa: S104
        assert await status(f"http://127.0.0.1:{port}") == 200
        if has_ipv6():
            assert await status(f"http://[::1]:{port}") == 200


async def test_one_ipv6_address_or_the_reason_why_not():
    if has_ipv6():
        async with serving("[::1]:0") as bound:
            assert bound.startswith("[::1]:")
            assert await status(f"http://{bound}") == 200
    else:
        assert (await refusal("[::1]:0")).startswith("cannot listen on [::1]:0: ")


@pytest.mark.parametrize("code", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
async def test_all_addresses_where_ipv6_is_switched_off(monkeypatch, code):
    create_server = socket.create_server

    def without_ipv6(address, **options):
        if options.get("family") == socket.AF_INET6:
            raise OSError(code, "no IPv6")
        return create_server(address, **options)

    monkeypatch.setattr(server.socket, "has_dualstack_ipv6", lambda: True)
    monkeypatch.setattr(server.socket, "create_server", without_ipv6)
    async with serving(":0") as bound:
        assert bound.startswith("0.0.0.0:")
        assert await status(f"http://{bound.replace('0.0.0.0', '127.0.0.1')}") == 200  # noqa: S104


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
async def test_a_port_in_use(taken_port, host):
    fault = "Address already in use; change that, or choose another with --web.listen-address"
    assert await refusal(f"{host}:{taken_port}") == f"cannot listen on {host}:{taken_port}: {fault}"


async def test_one_address_that_fails_leaves_none_open(taken_port, path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        free_port = free.getsockname()[1]
    await refusal(f"127.0.0.1:{free_port}", f"unix:{path}", f"127.0.0.1:{taken_port}")
    assert not present(path)
    async with serving(f"127.0.0.1:{free_port}") as bound:
        assert bound == f"127.0.0.1:{free_port}"


@pytest.mark.parametrize(
    ("function", "error", "why"),
    [
        ("create_server", PermissionError(errno.EACCES, "x"), "Permission denied"),
        (
            "getaddrinfo",
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "Name or service not known",
        ),
    ],
)
async def test_why_an_address_cannot_be_listened_on(monkeypatch, function, error, why):
    monkeypatch.setattr(socket, function, Mock(side_effect=error))
    remedy = "change that, or choose another with --web.listen-address"
    assert await refusal("localhost:80") == f"cannot listen on localhost:80: {why}; {remedy}"


async def test_a_link_local_address_is_bound_with_its_interface():
    """Without it the kernel refuses any such address as an invalid argument."""
    fault = "Cannot assign requested address; change that, or choose another with --web.listen-address"
    assert await refusal("[fe80::1%lo]:0") == f"cannot listen on [fe80::1%lo]:0: {fault}"


# Unix sockets.


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A path that is short enough wherever the tests run."""
    monkeypatch.chdir(tmp_path)
    return str(tmp_path / "web.sock")


def present(path):
    return os.path.lexists(path)


async def test_owner_and_group_may_use_a_unix_socket_and_it_goes_at_the_end(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)  # and leave it there
    old = os.umask(0)
    try:
        async with serving(f"unix:{path}", "127.0.0.1:0") as bound:
            assert bound[0] == f"unix:{path}"
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o660  # noqa: PTH116
            assert await status("http://localhost", aiohttp.UnixConnector(path)) == 200
            assert await status(f"http://{bound[1]}") == 200
    finally:
        os.umask(old)
    assert not present(path)


async def test_what_is_at_the_path_is_left_alone(path):
    remedy = "change that, or choose another with --web.listen-address"
    fault = f"cannot listen on unix:{path}: Address already in use; {remedy}"
    assert await refusal(f"unix:{path}", f"unix:{path}") == fault
    assert not present(path)
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(path)
        living.listen()
        assert await refusal(f"unix:{path}") == fault
        assert present(path)
    os.unlink(path)  # noqa: PTH108
    Path(path).write_text("precious")  # noqa: ASYNC240
    assert await refusal(f"unix:{path}") == fault
    assert Path(path).read_text() == "precious"  # noqa: ASYNC240
    long = "/" + "x" * 108
    for other, why in (("/nowhere/x", "No such file or directory"), (long, "AF_UNIX path too long")):
        assert await refusal(f"unix:{other}") == f"cannot listen on unix:{other}: {why}; {remedy}"


# Sockets that systemd passes.


@pytest.fixture
def passed(monkeypatch):
    """Pass sockets as systemd does, at the descriptors 200 and 201."""

    def arrange(*sockets):
        for position, each in enumerate(sockets):
            os.dup2(each.fileno(), 200 + position)
        monkeypatch.setattr(server, "FIRST_PASSED_DESCRIPTOR", 200)
        names = {"LISTEN_FDNAMES": "a:b", "HOME": "/"}
        return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets))} | names

    yield arrange
    for descriptor in (200, 201):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def test_the_sockets_are_those_that_systemd_names(passed):
    """That they are served is in ``e2e/test_systemd``."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        environment = passed(one, two)
        taken = activated_sockets(environment)
        assert [each.getsockname() for each in taken] == [one.getsockname(), two.getsockname()]
        for each in taken:
            each.close()


@pytest.mark.parametrize("kind", [None, socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_descriptor_that_takes_no_connections(passed, kind):
    with (
        socket.create_server(("127.0.0.1", 0)) as good,
        Path(os.devnull).open() if kind is None else socket.socket(socket.AF_INET, kind) as bad,
        pytest.raises(JouloExporterError) as caught,
    ):
        activated_sockets(passed(good, bad))
    assert str(caught.value).startswith(
        "--web.systemd-socket: systemd has passed no socket, or one that takes no "
    )
