"""What a poller tells the log: the begin of a failure, seldom that it goes on, and its end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from joulo_exporter.errors import LedgerError
from joulo_exporter.logs import FailureLog, event

if TYPE_CHECKING:
    from joulo_exporter.logs import Notice
    from joulo_exporter.poller.endpoint_state import EndpointState

_logger = logging.getLogger(__name__)

_MOST_KINDS = 100
"""Kinds of malformed records that are remembered; there are fewer, as no value of an answer is in them."""


class Notices:
    """Writes the log of one account."""

    def __init__(self, account: str | None) -> None:
        self._named: dict[str, object] = {} if account is None else {"account": account}
        self._ledger_log = FailureLog()

    def failed(self, state: EndpointState, reason: str, mono_s: float) -> None:
        """Tell that a refresh failed, unless it was told."""
        notice = state.failure_log.failed(reason, mono_s)
        if notice is None:
            return
        if not state.switched_off:
            event(_logger, "warn", "refresh failed", **self._run_of(state, notice), err=state.error)
        elif notice.kind != "continues":
            event(_logger, "warn", "the API refuses a collector; it is tried once a day from now on",
                  **self._run_of(state, notice), err=state.error)  # fmt: skip

    def succeeded(self, state: EndpointState, mono_s: float) -> None:
        """Tell that a refresh succeeded, if the one before had failed."""
        notice = state.failure_log.succeeded(mono_s)
        if notice is not None:
            event(_logger, "info", "refresh works again", **self._run_of(state, notice))

    def out_of_order(self, state: EndpointState, error: Exception, mono_s: float) -> None:
        """Tell of a failure on our side of the wire."""
        if isinstance(error, LedgerError):
            self.failed(state, error.reason, mono_s)
            return
        notice = state.failure_log.failed("internal", mono_s)
        if notice is not None:
            event(_logger, "error", "internal error", **self._run_of(state, notice), err=error)

    def malformed(self, state: EndpointState, lines: tuple[str, ...]) -> None:
        """Tell each kind of malformed record once: not at every refresh, nor at every place in the answer."""
        kinds = {line.partition(": ")[2] or line: line for line in lines}
        news = [line for kind, line in kinds.items() if kind not in state.malformed_logged]
        if not news:
            return
        if len(state.malformed_logged) > _MOST_KINDS:
            state.malformed_logged.clear()
        state.malformed_logged |= kinds.keys()
        event(_logger, "warn", "records left out that cannot be read", **self._named,
              endpoint=state.task.name, records=len(lines), err=news[0])  # fmt: skip

    def ledger_failed(self, error: Exception, mono_s: float) -> None:
        """Tell that the ledger cannot be read or written, unless it was told."""
        reason = error.reason if isinstance(error, LedgerError) else "internal"
        if self._ledger_log.failed(reason, mono_s) is not None:
            event(_logger, "error", "cannot use the ledger", **self._named, err=error)

    def ledger_works(self, mono_s: float) -> None:
        """Tell that the ledger can be used, if it could not be before."""
        if self._ledger_log.succeeded(mono_s) is not None:
            event(_logger, "info", "the ledger works again", **self._named)

    def not_shown(self, error: Exception) -> None:
        """Tell that a picture could not be published, which no answer of the API may ever cause."""
        event(_logger, "error", "internal error; the former values are served", **self._named, err=error)

    def _run_of(self, state: EndpointState, notice: Notice) -> dict[str, object]:
        return {
            **self._named,
            "endpoint": state.task.name,
            "reason": notice.reason,
            "failures": notice.failures,
            "lasted_s": round(notice.lasted_s),
        }
