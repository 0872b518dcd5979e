"""An API for measurements: accounts with many chargers each, whose tokens are ``joulo_a<number>``.

``load_api.py CHARGERS SESSIONS`` prints its URL; in a process of its own, not to count as the exporter.
``GET /stats`` gives the number of requests since the last look.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

NEWEST_S = 1_780_000_000
SESSION_EVERY_S = 7200
PAGE_SIZE = 100
TAG = "04A1B2C3D4E580"
CHARGING = 5
"""Every so manieth charger is charging: the power and energy of that one change with each answer."""
FIGURES = {"kwh": 143.25, "ere_credits": 47.66, "sessions": 7, "kwh_all": 161.65}
ENERGY = {
    "total_kwh": 1893.61, "total_ere_credits": 630.02, "total_sessions": 97, "total_kwh_all": 2210.9,
    "total_sessions_all": 118, "months": [FIGURES | {"month": "2026-06"}, FIGURES | {"month": "2026-05"}],
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


async def main(chargers: int, sessions: int) -> None:
    requests = 0

    def content(request: web.Request) -> object:
        account = int(request.headers["Authorization"].rpartition("joulo_a")[2])
        newest = sessions - int(request.query.get("offset", 0))
        page = range(newest, max(newest - PAGE_SIZE, 0), -1)
        match request.match_info["endpoint"]:
            case "energy":
                return ENERGY
            case "chargers":
                return {"chargers": [charger(account, number) for number in range(chargers)]}
            case "sessions":
                return {"sessions": [session(account, number, chargers) for number in page]}

    async def respond(request: web.Request) -> web.Response:
        nonlocal requests
        requests += 1
        return web.Response(body=msgspec.json.encode(content(request)), content_type="application/json")

    async def stats(_: web.Request) -> web.Response:
        nonlocal requests
        seen, requests = requests, 0
        return web.json_response(seen)

    application = web.Application()
    application.add_routes([web.get("/api/{endpoint}", respond), web.get("/stats", stats)])
    async with TestServer(application) as server:
        print(f"http://127.0.0.1:{server.port}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
