"""An API for measurements: accounts with many chargers each, answered as cheaply as Python can.

``load_api.py CHARGERS SESSIONS`` runs in a process of its own, so that its work is not counted as the exporter's.
It prints its URL. A token is ``joulo_a<number>``. ``GET /stats`` gives the number of requests since the last look.
"""

import asyncio
import re
import sys
import time
from datetime import UTC, datetime

import msgspec

REQUEST = re.compile(rb"GET /api/(\w+)(?:\?\S*?offset=(\d+)\S*)? HTTP", re.ASCII)
TOKEN = re.compile(rb"joulo_a(\d+)")
NEWEST_S = 1_780_000_000
SESSION_EVERY_S = 7200
PAGE_SIZE = 100
TAG = "04A1B2C3D4E580"
CHARGING = 5
"""Every so manieth charger is charging: the power and energy of that one change with each answer."""
ENERGY = {
    "total_kwh": 1893.61, "total_ere_credits": 630.02, "total_sessions": 97, "total_kwh_all": 2210.9,
    "total_sessions_all": 118, "months": [
        {"month": "2026-06", "kwh": 143.25, "ere_credits": 47.66, "sessions": 7, "kwh_all": 161.65},
        {"month": "2026-05", "kwh": 301.4, "ere_credits": 100.29, "sessions": 15, "kwh_all": 350.1}],
}  # fmt: skip


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def charger_id(account: int, number: int) -> str:
    return f"{account:06x}{number:02x}-7b1e-4c55-9d0e-1a2b3c4d5e6f"


def charger(account: int, number: int) -> dict[str, object]:
    now, charging = time.time(), number % CHARGING == 0
    wh = int(now * 10) % 100_000 if charging else 0
    session = {
        "id": f"{account:06x}{number:02x}-1111-4a5b-8c6d-7e8f90a1b2c3", "started_at": "2026-06-18T17:42:10Z",
        "kwh_so_far": round(wh / 1000, 2), "id_tag": TAG,
    }  # fmt: skip
    return {
        "id": charger_id(account, number), "slug": f"laadpaal-{number}", "nickname": f"Laadpaal {number}",
        "connection_type": "easee", "status": "online", "mid_certified": True, "is_charging": charging,
        "current_session": session if charging else None, "latest_meter_wh": 8_123_450 + wh,
        "meter_updated_at": moment(now) if charging else "2026-06-18T18:45:00Z",
    }  # fmt: skip


def session(account: int, number: int, chargers: int) -> dict[str, object]:
    began = NEWEST_S + number * SESSION_EVERY_S
    return {
        "id": f"{account:06x}{number:06x}-4b6c-9d7e-8f90a1b2c3d4", "status": "completed", "id_tag": TAG,
        "charger_id": charger_id(account, number % chargers), "charger_nickname": "Laadpaal",
        "started_at": moment(began), "ended_at": moment(began + 3600), "kwh": number % 50 + 0.5,
        "counts_for_ere": True, "ere_credits": 13.67,
    }  # fmt: skip


class Connection(asyncio.Protocol):
    """One connection; requests come one at a time, each in one piece."""

    requests = 0

    def __init__(self, chargers: int, sessions: int) -> None:
        self._chargers, self._sessions = chargers, sessions

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET /stats"):
            content, Connection.requests = Connection.requests, 0
        else:
            Connection.requests += 1
            request = REQUEST.match(data)
            content = self._content(request[1], int(TOKEN.search(data)[1]), int(request[2] or 0))
        body = msgspec.json.encode(content)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)

    def _content(self, endpoint: bytes, account: int, offset: int) -> object:
        if endpoint == b"energy":
            return ENERGY
        if endpoint == b"chargers":
            return {"chargers": [charger(account, number) for number in range(self._chargers)]}
        newest = self._sessions - offset
        page = range(newest, max(newest - PAGE_SIZE, 0), -1)
        return {"sessions": [session(account, number, self._chargers) for number in page]}


async def main(chargers: int, sessions: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(chargers, sessions), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
