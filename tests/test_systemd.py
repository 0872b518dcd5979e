"""The watchdog of systemd, at an abstract address; ``e2e/test_systemd`` has the other states, at a path."""

import asyncio
import contextlib
import os
import socket

import pytest

from joulo_exporter import systemd

NAME = f"joulo-test-{os.getpid()}"


@pytest.fixture
def received(monkeypatch):
    """Be the service manager; return a function that returns the messages since."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{NAME}")
        receiver.setblocking(False)  # noqa: FBT003  takes no keyword

        def read():
            messages = []
            with contextlib.suppress(BlockingIOError):
                while True:
                    messages.append(receiver.recv(4096).decode())
            return messages

        monkeypatch.setenv("NOTIFY_SOCKET", f"@{NAME}")
        yield read


@pytest.mark.usefixtures("received")
async def test_a_manager_that_does_not_read_holds_nothing_up(monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "1")
    states = [True] * 1000
    with pytest.raises(IndexError):
        await systemd.watch(states.pop)


@pytest.mark.parametrize(
    ("environment", "messages", "sleeps_s"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 2, [30.0] * 3),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 2, [0.25] * 3),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, 0, []),
        ({"WATCHDOG_USEC": "often"}, 0, []),
        ({"WATCHDOG_USEC": "0"}, 0, []),
        ({}, 0, []),
    ],
)
async def test_the_watchdog_gets_a_message_while_all_is_well(
    received, monkeypatch, environment, messages, sleeps_s
):
    slept, states = [], [True, False, True]

    async def sleep(seconds):
        slept.append(seconds)
        if not states:
            raise asyncio.CancelledError

    monkeypatch.setattr("joulo_exporter.systemd.asyncio.sleep", sleep)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with contextlib.suppress(asyncio.CancelledError):
        await systemd.watch(lambda: states.pop(0))
    assert received() == ["WATCHDOG=1"] * messages
    assert slept == sleeps_s


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@nobody", "vsock:2:1"])
def test_without_a_manager_nothing_fails(monkeypatch, address):
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    systemd.notify("READY=1", "STATUS=serving")
