"""Messages for systemd, on a real datagram socket."""

import asyncio
import os
import re
import socket
import time

import pytest

from joulo_exporter.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path, monkeypatch):
    """The socket of a service manager, and its address as ``NOTIFY_SOCKET`` has it."""
    monkeypatch.chdir(tmp_path)
    address = "notify" if request.param == "path" else f"@joulo-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address.replace("@", "\0"))
        receiver.settimeout(0)
        yield receiver, address


def received(receiver):
    messages = []
    while True:
        try:
            messages.append(receiver.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_states(manager):
    receiver, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    before = time.monotonic_ns() // 1000
    notifier.ready("serving\n2 accounts ")
    notifier.reloading()
    notifier.stopping()
    notifier.alive()
    ready, reloading, stopping, alive = received(receiver)
    assert ready == "READY=1\nSTATUS=serving 2 accounts"
    assert stopping == "STOPPING=1\nSTATUS=stopping"
    assert alive == "WATCHDOG=1"
    at = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", reloading)
    assert before <= int(at[1]) <= time.monotonic_ns() // 1000


def test_a_manager_that_does_not_read_holds_nothing_up(manager):
    _, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    for _ in range(1000):
        notifier.alive()


@pytest.mark.parametrize(
    ("environment", "period_s"),
    [
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, 0.0),
        ({}, 0.0),
        ({"WATCHDOG_USEC": "often"}, 0.0),
    ],
)
def test_the_period_of_the_watchdog(environment, period_s):
    assert Notifier(environment).watchdog_s == period_s


async def test_the_watchdog_gets_a_message_while_all_is_well(manager, monkeypatch):
    receiver, address = manager
    slept, states = [], [True, False, True]

    async def sleep(seconds):
        slept.append(seconds)
        if not states:
            raise asyncio.CancelledError

    monkeypatch.setattr("joulo_exporter.systemd.asyncio.sleep", sleep)
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000"})
    with pytest.raises(asyncio.CancelledError):
        await notifier.watch(lambda: states.pop(0))
    assert received(receiver) == ["WATCHDOG=1", "WATCHDOG=1"]
    assert slept == [30.0] * 3


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@nobody", "vsock:2:1"])
async def test_without_a_manager_or_a_watchdog_nothing_is_sent_and_nothing_fails(address):
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready("serving")
    await notifier.watch(lambda: True)
