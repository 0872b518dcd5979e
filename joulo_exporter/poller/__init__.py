"""The only loop, one an account: client, ledger, new snapshot, sleep."""

from joulo_exporter.poller.endpoint import EndpointState, Handover, PollSettings, spread_settings
from joulo_exporter.poller.poller import Clock, Poller, RequestSlots
from joulo_exporter.poller.tasks import Offload, Task, account_tasks

__all__ = [
    "Clock",
    "EndpointState",
    "Handover",
    "Offload",
    "PollSettings",
    "Poller",
    "RequestSlots",
    "Task",
    "account_tasks",
    "spread_settings",
]
