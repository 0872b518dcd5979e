"""An API for measurements: many accounts with many chargers each, answered as cheaply as Python can.

It runs in a process of its own, so that its work is not counted as the exporter's. A token is ``joulo_a<number>``.
``GET /stats`` gives the number of requests since the last look.
"""

import argparse
import asyncio
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime

_REQUEST = re.compile(rb"GET /api/(\w+)(?:\?\S*?offset=(\d+)\S*)? HTTP", re.ASCII)
_TOKEN = re.compile(rb"joulo_a(\d+)")
_NEWEST_S = 1_780_000_000
_SESSION_EVERY_S = 7200
_PAGE_SIZE = 100
_CHARGING = 5
"""Every so manieth charger is charging: the power and energy of that one change with each answer."""


@dataclass
class Load:
    """Size of the accounts, and the number of requests that came."""

    chargers: int
    sessions: int = 0
    hanging: int = 0
    """Every so manieth account gets no answer; 0 for none."""
    requests: int = 0

    def body(self, endpoint: str, account: int, offset: int) -> bytes:
        """Return the answer."""
        if endpoint == "chargers":
            return self._chargers(account)
        return self._sessions(account, offset) if endpoint == "sessions" else _ENERGY

    def _chargers(self, account: int) -> bytes:
        now = time.time()
        moment = _iso(now)
        return b'{"chargers": [' + b",".join(
            _charger(account, number, moment, int(now * 10) % 100_000) for number in range(self.chargers)
        ) + b"]}"  # fmt: skip

    def _sessions(self, account: int, offset: int) -> bytes:
        numbers = range(self.sessions - offset, max(self.sessions - offset - _PAGE_SIZE, 0), -1)
        records = b",".join(_session(account, number, number % self.chargers) for number in numbers)
        return b'{"sessions": [' + records + b"]}"


_ENERGY = (
    b'{"total_kwh": 1893.61, "total_ere_credits": 630.02, "total_sessions": 97, "total_kwh_all": 2210.9, '
    b'"total_sessions_all": 118, "months": ['
    b'{"month": "2026-06", "kwh": 143.25, "ere_credits": 47.66, "sessions": 7, "kwh_all": 161.65}, '
    b'{"month": "2026-05", "kwh": 301.4, "ere_credits": 100.29, "sessions": 15, "kwh_all": 350.1}'
    b"]}"
)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _charger_id(account: int, number: int) -> str:
    return f"{account:06x}{number:02x}-7b1e-4c55-9d0e-1a2b3c4d5e6f"


def _charger(account: int, number: int, moment: str, wh: int) -> bytes:
    charging = number % _CHARGING == 0
    session = (
        f'"current_session": {{"id": "{account:06x}{number:02x}-1111-4a5b-8c6d-7e8f90a1b2c3", "started_at": '
        f'"2026-06-18T17:42:10Z", "kwh_so_far": {wh / 1000:.2f}, "id_tag": "04A1B2C3D4E580"}}, '
        if charging
        else ""
    )
    if not charging:
        moment, wh = "2026-06-18T18:45:00Z", 0
    return (
        f'{{"id": "{_charger_id(account, number)}", "slug": "laadpaal-{number}", "nickname": "Laadpaal {number}", '
        f'"connection_type": "easee", "status": "online", "mid_certified": true, '
        f'"is_charging": {"true" if charging else "false"}, {session}'
        f'"latest_meter_wh": {8_123_450 + wh}, "meter_updated_at": "{moment}"}}'
    ).encode()


def _session(account: int, number: int, charger: int) -> bytes:
    began = _NEWEST_S + number * _SESSION_EVERY_S
    return (
        f'{{"id": "{account:06x}{number:06x}-4b6c-9d7e-8f90a1b2c3d4", "charger_id": '
        f'"{_charger_id(account, charger)}", "charger_nickname": "Laadpaal", "started_at": "{_iso(began)}", '
        f'"ended_at": "{_iso(began + 3600)}", "kwh": {number % 50}.5, "status": "completed", '
        f'"id_tag": "04A1B2C3D4E580", "counts_for_ere": true, "ere_credits": 13.67}}'
    ).encode()


class _Connection(asyncio.Protocol):
    """One connection; requests come one at a time, each in one piece."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET /stats"):
            self._answer(str(self._load.requests).encode())
            self._load.requests = 0
            return
        request, token = _REQUEST.match(data), _TOKEN.search(data)
        endpoint, account = request[1].decode(), int(token[1])
        self._load.requests += 1
        if self._load.hanging and account % self._load.hanging == 0:
            return
        self._answer(self._load.body(endpoint, account, int(request[2] or 0)))

    def _answer(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def main() -> None:
    """Serve until the process is ended; the first line of the output is the port."""
    parser = argparse.ArgumentParser()
    for name, default in (("chargers", 10), ("sessions", 0), ("hanging", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    load = Load(**vars(parser.parse_args()))
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(load), "127.0.0.1", 0, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
