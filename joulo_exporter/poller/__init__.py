"""Loop of each account: ask the endpoints that are due, write the ledger, publish a snapshot, sleep."""

from joulo_exporter.poller.endpoint import Plan, account_endpoints
from joulo_exporter.poller.poller import Poller

__all__ = ["Plan", "Poller", "account_endpoints"]
