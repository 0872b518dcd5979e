"""Bounds what all clients together may take: connections, time, and memory for what they do not read."""

from __future__ import annotations

import asyncio
import heapq
import operator
from typing import TYPE_CHECKING

from joulo_exporter.web.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from joulo_exporter.web.connection import GuardedConnection


_AT_ONCE = 1 / 16
"""Of all places. Ranking the connections costs as much as serving one; a storm shall not pay for it each time."""
_FEW = 1 / 8
"""Of all places: as long as no more are taken, who has ended its side is waited for; it may have left for good."""

# How little a connection is missed, the least first.
_LEAVING, _SILENT, _IDLE, _STALLED, _NEW = range(5)


class ConnectionGuard:
    """Knows all connections of a server, on whatever address, and looks at them once a second.

    Args:
        limits: the bounds.
        clock: seconds from any start; the event loop's if ``None``.
    """

    def __init__(self, limits: Limits | None = None, clock: Callable[[], float] | None = None) -> None:
        self.limits = limits or Limits()
        self.now = clock or asyncio.get_running_loop().time
        self._connections: set[GuardedConnection] = set()
        self._next_sweep: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return the number of connections."""
        return len(self._connections)

    @property
    def at_ease(self) -> bool:
        """Tell whether there are so few connections that one may be served whose client may have left."""
        return len(self) <= self.limits.connections * _FEW

    def admit(self, newcomer: GuardedConnection) -> bool:
        """Take a connection in, if need be in the place of another; return whether there was a place."""
        if len(self._connections) >= self.limits.connections and not self._make_room():
            return False
        self._connections.add(newcomer)
        if self._next_sweep is None:
            self._plan_sweep()
        return True

    def leave(self, connection: GuardedConnection) -> None:
        """Forget a connection; nothing is planned any more once there is none."""
        self._connections.discard(connection)
        if not self._connections and self._next_sweep is not None:
            self._next_sweep.cancel()
            self._next_sweep = None

    def relieve(self, writer: GuardedConnection) -> None:
        """Drop those that have not read for longest until what is unread fits, but never the writer itself."""
        unread = {connection: connection.unread for connection in self._connections if connection.unread}
        excess = sum(unread.values()) - self.limits.buffered
        for connection in sorted(unread, key=lambda other: other.stalled_since or self.now()):
            if excess <= 0:
                return
            if connection is not writer:
                excess -= unread[connection]
                connection.drop()

    def sweep(self) -> None:
        """Close what has used up its time."""
        now = self.now()
        for connection in list(self._connections):
            self._look_at(connection, now)

    def _look_at(self, connection: GuardedConnection, now: float) -> None:
        if not connection.unread:
            connection.stalled_since = None
        elif connection.stalled_since is None:
            connection.stalled_since = now
        elif _spent(connection.stalled_since, now, self.limits.write_s):
            connection.drop()
            return
        if _spent(connection.leaving_since, now, self.limits.linger_s):
            connection.drop()
        elif _spent(connection.reading_since, now, self.limits.head_s) or _spent(
            connection.idle_since, now, self.limits.idle_s
        ):
            connection.time_out()

    def _make_room(self) -> bool:
        """Drop the connection that is missed least; return whether there was one.

        Of those that have never sent a good request several go at once, so that a storm of them is cheap.
        """
        now = self.now()
        ranked = [
            (rank, connection)
            for connection in self._connections
            if (rank := self._rank(connection, now)) is not None
        ]
        if not ranked:
            return False
        least = min(rank for rank, _ in ranked)[0]
        count = 1 if least in (_IDLE, _STALLED) else max(int(self.limits.connections * _AT_ONCE), 1)
        alike = [pair for pair in ranked if pair[0][0] == least]
        victims = heapq.nsmallest(count, alike, key=operator.itemgetter(0))
        for _, victim in victims:
            self.leave(victim)  # its end comes in a moment; its place is free at once
            victim.drop()
        return True

    def _rank(self, connection: GuardedConnection, now: float) -> tuple[int, float] | None:
        """Return how little it is missed, the least first; ``None`` if it is at work."""
        if connection.unread:
            stalled = connection.stalled_since
            late = stalled is not None and _spent(stalled, now, self.limits.grace_s)
            return (_STALLED, stalled) if stalled is not None and late else None
        if connection.leaving_since is not None:
            return _LEAVING, connection.leaving_since
        waiting = (connection.reading_since, connection.body_since, connection.idle_since)
        since = next((moment for moment in waiting if moment is not None), None)
        if since is None or connection.proven:
            return None if since is None else (_IDLE, since)
        return (_SILENT if _spent(since, now, self.limits.grace_s) else _NEW), since

    def _plan_sweep(self) -> None:
        self._next_sweep = asyncio.get_running_loop().call_later(self.limits.sweep_s, self._sweep_again)

    def _sweep_again(self) -> None:
        self._plan_sweep()
        self.sweep()


def _spent(since: float | None, now: float, allowed_s: float) -> bool:
    return since is not None and now - since > allowed_s
