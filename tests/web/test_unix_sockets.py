import os
import socket
import stat
from pathlib import Path

import aiohttp
import pytest

from joulo_exporter.errors import ConfigError
from joulo_exporter.web import ListenError, UnixAddress, parse_listen_address, start_listening

EXAMPLE = "write a whole path, such as unix:/run/joulo-exporter/web.sock"


def test_an_address():
    assert parse_listen_address(" unix:/run/web.sock\n") == UnixAddress("/run/web.sock")
    assert str(UnixAddress("/run/web.sock")) == "unix:/run/web.sock"


@pytest.mark.parametrize("text", ["unix:", "unix:web.sock", "unix:/run/", "unix:/a\0b", "unix:@abstract"])
def test_what_is_no_address(text):
    with pytest.raises(ConfigError) as caught:
        parse_listen_address(text)
    assert str(caught.value) == f"--web.listen-address: {text!r} has no path of a socket; {EXAMPLE}"


def test_a_path_must_fit_into_a_socket_address():
    assert parse_listen_address("unix:/" + "x" * 106) == UnixAddress("/" + "x" * 106)
    with pytest.raises(ConfigError, match="longer than the 107 bytes of a socket"):
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


async def fetch(path):
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
    assert await fetch(path) == "hello"
    await runner.cleanup()
    assert not present(path)


async def test_what_a_dead_process_has_left_is_replaced(runner, path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    await start_listening(runner, [UnixAddress(path)])
    assert await fetch(path) == "hello"


async def test_a_living_process_is_left_alone(runner, path):
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(path)
        living.listen()
        with pytest.raises(ListenError) as caught:
            await start_listening(runner, [UnixAddress(path)])
        assert present(path)
    assert str(caught.value) == (
        f"cannot listen on unix:{path}: another process listens there; stop it, "
        "or choose another path with --web.listen-address"
    )


async def test_a_file_is_left_alone(runner, path):
    Path(path).write_text("precious")  # noqa: ASYNC240
    with pytest.raises(ListenError, match="there is a file that is not a socket"):
        await start_listening(runner, [UnixAddress(path)])
    assert Path(path).read_text() == "precious"  # noqa: ASYNC240


async def test_a_folder_that_is_missing(runner):
    with pytest.raises(ListenError) as caught:
        await start_listening(runner, [UnixAddress("/nowhere/web.sock")])
    assert str(caught.value) == (
        "cannot listen on unix:/nowhere/web.sock: the folder /nowhere does not exist; make it, "
        "or choose another path with --web.listen-address"
    )


async def test_the_socket_of_a_successor_stays(runner, path):
    await start_listening(runner, [UnixAddress(path)])
    Path(path).rename(path + ".old")  # noqa: ASYNC240
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(path)
        await runner.cleanup()
        assert present(path)


async def test_an_address_that_fails_leaves_no_socket_behind(runner, path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError):
            await start_listening(runner, [UnixAddress(path), parse_listen_address(f"127.0.0.1:{port}")])
    assert not present(path)


async def test_the_same_path_twice(runner, path):
    with pytest.raises(ListenError) as caught:
        await start_listening(runner, [UnixAddress(path), UnixAddress(path)])
    assert str(caught.value) == f"cannot listen on unix:{path}: it is given twice; leave one of the two out"
    assert not present(path)
