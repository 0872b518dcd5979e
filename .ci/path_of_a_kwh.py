"""Print the files whose code runs on the path of a kWh: from the JSON of /chargers to the bytes of a scrape.

A real poller asks an API on loopback once; a profile function notes the file of each call, in every thread.
"""

import asyncio
import sys
import threading
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

import joulo_exporter
from joulo_exporter.accounts import plans
from joulo_exporter.api.client import JouloClient, open_session
from joulo_exporter.clock import SystemClock
from joulo_exporter.config.schema import load_config
from joulo_exporter.exposition import Exposition
from joulo_exporter.ledger.database import Batches, Database
from joulo_exporter.metrics import ConfigReloads, process_registry
from joulo_exporter.poller.poller import Poller

PACKAGE = Path(joulo_exporter.__file__).parent
JSON = Path(__file__).parents[1] / "tests/fixtures/chargers.json"
MOST = 20
SAMPLE = b'joulo_session_kwh{charger="oprit"} 7.31\n'


class Trace:
    """Files of the package whose functions were called while it was on."""

    def __init__(self) -> None:
        self.on = False
        self.files: set[str] = set()

    def note(self, frame, event, _):
        """Note a call, as sys.setprofile reports it; the body of a module runs because of an import."""
        if self.on and event == "call" and frame.f_code.co_name != "<module>":
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(PACKAGE):
                self.files.add(str(path.relative_to(PACKAGE)))


async def walk(trace: Trace) -> bytes:
    """Return a scrape after one refresh of /chargers; trace from the API response to its bytes."""
    published = asyncio.get_running_loop().create_future()

    async def chargers(_):
        trace.on = True
        return web.Response(body=JSON.read_bytes(), content_type="application/json")

    def publish(snapshot):
        exposition.publish("", snapshot)
        if snapshot.chargers:
            published.set_result(None)
            polling.cancel()  # the other endpoints are another path

    application = web.Application()
    application.router.add_get("/chargers", chargers)
    database = Database(None)
    batches = Batches(database)
    exposition = Exposition(process_registry("0", ConfigReloads(successful=True, succeeded_at_seconds=0)))
    async with TestServer(application) as api, open_session() as session:
        url = str(api.make_url("")).rstrip("/")
        config = load_config(None, {"JOULO_TOKEN": "joulo_of_a_test", "JOULO_API_URL": url})
        (plan,), clock, slots = plans(config), SystemClock(), asyncio.Semaphore(1)
        client = JouloClient(session, config.api, token=plan.token)
        poller = Poller(
            client, plan.ledger(database), plan, publish, offload=batches, clock=clock, request_slots=slots
        )
        polling = asyncio.create_task(poller.run())
        await asyncio.wait_for(published, 30)
        body = await exposition.scrape(openmetrics=False, compressed=False, names=frozenset())
        text = b"".join(body.parts)
        trace.on = False
        await asyncio.wait([polling])
    await batches.close()
    database.close()
    return text


def main() -> None:
    """Print the files, and how many they are."""
    trace = Trace()
    threading.setprofile(trace.note)
    sys.setprofile(trace.note)
    body = asyncio.run(walk(trace))
    sys.setprofile(None)
    assert SAMPLE in body
    print(f"{len(trace.files):7}  files on the path of a kWh; the goal is at most {MOST}")
    print(*(f"         {name}" for name in sorted(trace.files)), sep="\n")


if __name__ == "__main__":
    main()
