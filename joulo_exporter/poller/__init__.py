"""The only loop: client, ledger, new snapshot, rest."""

from joulo_exporter.poller.endpoint_state import Handover
from joulo_exporter.poller.optional import account_tasks
from joulo_exporter.poller.poller import Poller
from joulo_exporter.poller.settings import Clock, Offload, PollSettings, spread_settings
from joulo_exporter.poller.tasks import Task
from joulo_exporter.poller.turns import Turns

__all__ = [
    "Clock",
    "Handover",
    "Offload",
    "PollSettings",
    "Poller",
    "Task",
    "Turns",
    "account_tasks",
    "spread_settings",
]
