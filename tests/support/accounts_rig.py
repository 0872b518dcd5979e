"""Accounts on an API that responds well, with the token and the moment of each request, and a clock by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import ClientError
from aioresponses import CallbackResult
from prometheus_client import CollectorRegistry
from support.exposition import samples_of
from support.fake_clock import FakeClock
from support.poller_rig import inline

from joulo_exporter.accounts import Accounts, plans
from joulo_exporter.config.schema import load_config
from joulo_exporter.exposition import Exposition
from joulo_exporter.ledger import Database

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

URL = "http://127.0.0.1:9/api"
BODIES = {
    "chargers": b'{"chargers": [{"id": "c1", "slug": "oprit", "is_charging": false}]}',
    "sessions?limit=100&offset=0": b'{"sessions": []}',
    "energy": b'{"total_kwh": 5}',
}


class AccountsRig:
    """Accounts whose tokens are ``joulo_`` and a word; ``broken`` gets no connection."""

    def __init__(self, answers, session, folder: Path) -> None:
        self.clock = FakeClock()
        self.folder = folder
        self.valid: str | None = None
        """The one token that is not refused; ``None`` for all."""
        self.headers: dict[str, str] = {}
        """Of a refusal."""
        self.asked: list[tuple[str, str, float]] = []
        """(token, endpoint, monotonic time) of each request."""
        self.gate: asyncio.Event | None = None
        """Responses of ``/chargers`` wait for it."""
        self.exposition = Exposition(CollectorRegistry())
        self.database = Database(None)
        self.accounts = Accounts(
            session, self.database, self.exposition, offload=inline, clock=self.clock, in_thread=inline
        )
        for path, body in BODIES.items():
            answers.get(f"{URL}/{path}", repeat=True, callback=self._responding(path.partition("?")[0], body))

    def _responding(self, path, body):
        async def respond(_url, **options):
            token = options["headers"]["Authorization"].removeprefix("Bearer joulo_")
            self.asked.append((token, path, self.clock.monotonic()))
            if self.gate is not None and path == "chargers":
                await self.gate.wait()
            if token == "broken":
                raise ClientError
            if self.valid not in (None, token):
                return CallbackResult(status=401, body=b"{}", headers=self.headers)
            return CallbackResult(status=200, body=body)

        return respond

    def plans(self, *accounts: str):
        """Return the plans of accounts as YAML, such as ``{name: a, token: joulo_a}``."""
        file = self.folder / "config.yml"
        file.write_text(f"api: {{url: '{URL}'}}\naccounts: [{', '.join(accounts)}]\n")
        return plans(load_config(file, {}))

    async def follow(self, wanted) -> None:
        await self.accounts.follow(wanted)
        await self.clock.settle()

    def moments(self, token: str, path: str = "chargers") -> list[float]:
        """Return when an endpoint was asked with a token, on the monotonic clock."""
        return [moment for who, what, moment in self.asked if (who, what) == (token, path)]

    def values(self, name: str, endpoint: str | None = None) -> dict[str, float]:
        """Return the samples of a metric by account."""
        text = self.exposition.render(openmetrics=False, compressed=False, names=frozenset()).decode()
        found = [(dict(labels), value) for (sample, labels), value in samples_of(text).items() if sample == name]
        return {labels["account"]: value for labels, value in found if labels.get("endpoint") == endpoint}

    async def close(self) -> None:
        await self.accounts.close()
        self.database.close()
