"""Loop of each account: ask the endpoints that are due, write the ledger, publish a snapshot, sleep."""

from joulo_exporter.poller.endpoint import EndpointState
from joulo_exporter.poller.poller import Poller, RequestSlots
from joulo_exporter.poller.tasks import PollSettings, account_tasks, spread_settings

__all__ = [
    "EndpointState",
    "PollSettings",
    "Poller",
    "RequestSlots",
    "account_tasks",
    "spread_settings",
]
