"""An hour of an account's life, with a scrape every few seconds: memory comes back to where it was."""

import gc
import tracemalloc

from support.client_library import rendered
from support.poller_rig import Rig, charger, listed, live

SCRAPES = 1000
MOST_GROWTH_BYTES = 16 * 1024


async def lived(rig: Rig, duration_s: float, scrapes: int) -> None:
    for number in range(scrapes):
        await rig.clock.advance(duration_s / scrapes)
        rendered(rig.exposition, openmetrics=bool(number % 2), compressed=bool(number % 3))


def in_use_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def test_an_hour_of_refreshes_and_a_thousand_scrapes_leave_nothing_behind():
    async with Rig() as rig:
        kwh = iter(range(1, 10_000))
        rig.api.answers["chargers"] = lambda _params: {
            "chargers": [charger(live(kwh=float(next(kwh))), latest_meter_wh=1000 * next(kwh),
                                 meter_updated_at="2026-06-18T18:45:00Z")]
        }  # fmt: skip
        rig.api.answers["sessions"] = {
            "sessions": [listed(ended_at=None, status="charging"), *(listed(f"old{n}") for n in range(50))]
        }
        await rig.start()
        tracemalloc.start()
        try:
            # Twice the same hour: what grows once, has, and all that the second one replaces is counted.
            await lived(rig, 3600.0, SCRAPES)
            before = in_use_bytes()
            rig.api.requests.clear()
            await lived(rig, 3600.0, SCRAPES)
            rig.api.requests.clear()
            growth = in_use_bytes() - before
        finally:
            tracemalloc.stop()
    assert growth < MOST_GROWTH_BYTES
