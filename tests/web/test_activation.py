import os
import socket
from pathlib import Path

import pytest

from joulo_exporter.web import ListenError, activated_sockets, activation

REMEDY = "start joulo-exporter by its socket unit, or leave --web.systemd-socket out"


@pytest.fixture
def passed(monkeypatch):
    """Pass sockets as systemd does, at the descriptors where they are in this process."""

    def arrange(*sockets):
        # Two descriptors in a row, wherever there is room for them.
        first = 200
        for position, each in enumerate(sockets):
            os.dup2(each.fileno(), first + position)
        monkeypatch.setattr(activation, "_FIRST", first)
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


def test_a_descriptor_that_is_no_socket(passed):
    with Path(os.devnull).open() as file, pytest.raises(ListenError) as caught:
        activated_sockets(passed(file))
    assert str(caught.value) == f"--web.systemd-socket: descriptor 200 is no socket; {REMEDY}"


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_that_takes_no_connections(passed, kind):
    with (
        socket.create_server(("127.0.0.1", 0)) as good,
        socket.socket(socket.AF_INET, kind) as bad,
        pytest.raises(ListenError) as caught,
    ):
        activated_sockets(passed(good, bad))
    assert str(caught.value) == (
        "--web.systemd-socket: descriptor 201 takes no connections; use ListenStream= and Accept=no in its unit"
    )
