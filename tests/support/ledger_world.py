"""A world of charging sessions behind the API, which changes while it is read."""

import dataclasses
import random
import zlib
from collections import Counter

from joulo_exporter.errors import ApiResponseError
from joulo_exporter.ledger import history
from joulo_exporter.models.charger import normal_tag
from joulo_exporter.models.session import UNKNOWN_CHARGER, Session, SessionPage
from joulo_exporter.models.wire import ApiResponse

TAGS = (None, "04A1", "04:b2", "FF")
VEHICLES = {"04A1": "tesla", "04B2": "zoe"}


@dataclasses.dataclass
class Truth:
    """A session as it really is."""

    id: str
    charger_id: str
    started: int
    ended: int | None
    kwh: int
    tag: str | None
    counts_for_ere: bool = True
    credits: int | None = None
    listed: bool = True
    readable: bool = True
    was_unreadable: bool = False
    has_left: bool = False
    """Whether it has left the API along with its charger: the ledger keeps it."""
    unusable: tuple[str, ...] = ()
    """Fields that the API gives in a form that cannot be used."""

    def shown(self) -> Session:
        return Session(
            self.id,
            UNKNOWN_CHARGER if "charger" in self.unusable else self.charger_id,
            None if "start" in self.unusable else float(self.started),
            ended_at_seconds=None if self.ended is None or "end" in self.unusable else float(self.ended),
            kwh_hundredths=None if "kwh" in self.unusable else self.kwh,
            credits_hundredths=self.credits,
            id_tag=self.tag,
            status="charging" if self.ended is None else "completed",
            counts_for_ere=self.counts_for_ere,
        )


class World:
    """Sessions as they are, what can happen to them, and what the API says of them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.sessions: list[Truth] = []  # newest first
        self.linked = ["c1", "c2", "c3"]
        self.nicknames = {"c1": "c1", "c2": "c2", "c3": "c3"}
        self.seconds = 1_781_000_000
        self.count = 0
        self.withdrawn_from: set[str] = set()  # chargers, since the last whole resync
        self.linked_anew: set[str] = set()  # the same
        self.page_limit = self.random.randint(2, history.PAGE_SIZE)
        self.start_many(self.random.choice((0, 1, 4, 5, 6, 13, 30)))

    def active(self, charger_id: str) -> Truth | None:
        return next((s for s in self.sessions if s.charger_id == charger_id and s.ended is None), None)

    def pick(self, candidates: list[Truth]) -> Truth | None:
        return self.random.choice(candidates) if candidates else None

    def new_session(self, charger_id: str, *, ended: bool, listed: bool) -> None:
        self.list_all()
        self.count += 1
        self.seconds += 1000
        end = self.seconds + 500 if ended else None
        kwh, tag, counts = self.random.randint(0, 900), self.random.choice(TAGS), self.random.random() < 0.7
        new = Truth(f"s{self.count}", charger_id, self.seconds, end, kwh, tag, counts, listed=listed)
        self.sessions.insert(0, new)

    def start_many(self, count: int) -> None:
        for _ in range(count):
            self.new_session(self.random.choice((*self.linked, "gone")), ended=True, listed=True)

    def start(self) -> None:
        idle = [charger_id for charger_id in self.linked if not self.active(charger_id)]
        if idle:
            self.new_session(self.random.choice(idle), ended=False, listed=self.random.random() < 0.5)

    def some_sessions(self) -> None:
        self.start_many(self.random.randint(1, 3))

    def absence(self) -> None:
        self.start_many(self.random.randint(4, 25))

    def other_pages(self) -> None:
        """Let the API give other numbers of sessions a page, whatever it is asked for."""
        self.page_limit = self.random.randint(2, history.PAGE_SIZE)

    def stop(self) -> None:
        if session := self.pick([s for s in self.sessions if s.ended is None]):
            session.ended = self.seconds
            session.tag = session.tag or self.random.choice(TAGS)

    def resume(self) -> None:
        charger_id = self.random.choice(self.linked)
        if charger_id in self.linked_anew:
            return
        latest = next((s for s in self.sessions if s.charger_id == charger_id), None)
        if latest and not latest.has_left and not self.active(charger_id):
            latest.ended = None

    def charge(self) -> None:
        for session in self.sessions:
            if session.ended is None:
                session.kwh += self.random.randint(0, 300)

    def correct(self) -> None:
        if session := self.pick([s for s in self.sessions if s.ended is not None and not s.has_left]):
            session.kwh = max(0, session.kwh + self.random.randint(-400, 400))
            session.credits = self.random.randint(0, 300)
            session.counts_for_ere = not session.counts_for_ere

    def withdraw(self) -> None:
        if sum(session.listed for session in self.sessions) < 2:
            return  # a history that is empty all at once proves nothing: no session counts as withdrawn then
        # A copy under a new id that the ledger has never seen tells nothing of the session that it has.
        there = set(self.linked) - self.linked_anew
        ended = [s for s in self.sessions if s.ended is not None and s.listed and s.charger_id in there]
        if session := self.pick(ended):
            self.sessions.remove(session)
            self.withdrawn_from.add(session.charger_id)

    def list_all(self) -> None:
        for session in self.sessions:
            session.listed = not session.has_left

    def unlink(self) -> None:
        # Of a charger that is not shown nothing is withdrawn: what was, but has not been noticed, would stay.
        if len(self.linked) > 1 and self.linked[-1] not in self.withdrawn_from:
            charger_id = self.linked.pop()
            if session := self.active(charger_id):
                session.ended = self.seconds

    def leave(self) -> None:
        """Take a charger and its history out of the API."""
        charger_id = self.random.choice((*self.linked[1:], "gone"))
        if charger_id in self.linked:
            self.linked.remove(charger_id)
        for session in self.sessions:
            if session.charger_id == charger_id:
                session.ended, session.listed, session.has_left = session.ended or self.seconds, False, True

    def relink(self) -> None:
        """Let a charger come back under another id, with its nickname and its sessions, or copies of them."""
        position = self.random.randrange(len(self.linked))
        former = self.linked[position]
        if former in self.withdrawn_from:
            return  # as in unlink
        self.count += 1
        suffix = self.random.choice(("", "", "+"))
        self.linked[position] = f"{self.nicknames[former]}-{self.count}"
        self.nicknames[self.linked[position]] = self.nicknames[former]
        self.linked_anew.add(self.linked[position])
        for session in self.sessions:
            if session.charger_id == former:
                session.charger_id = self.linked[position]
                session.id += suffix
                # A copy deep in the history is found by the next whole walk, as is one that could not be read.
                session.was_unreadable |= bool(suffix)

    def tag_late(self) -> None:
        untagged = [s for s in self.sessions if s.ended is not None and not s.tag and not s.has_left]
        if session := self.pick(untagged):
            session.tag = self.random.choice(TAGS)

    def garble(self) -> None:
        if session := self.pick([s for s in self.sessions if not s.has_left]):
            session.readable, session.was_unreadable = False, True

    def misread(self) -> None:
        """Let the API give some fields of a session in a form that cannot be used."""
        if session := self.pick([s for s in self.sessions if not s.has_left]):
            session.unusable = tuple(
                self.random.sample(("charger", "start", "end", "kwh"), self.random.randint(1, 4))
            )

    def mend(self) -> None:
        for session in self.sessions:
            session.readable, session.unusable = True, ()

    def answer(self, offset: int, sessions: list[Truth]) -> ApiResponse[SessionPage]:
        page = [s for s in sessions if s.listed][offset : offset + self.page_limit]
        readable = tuple(s.shown() for s in page if s.readable)
        lost = tuple(zlib.crc32(s.id.encode()) for s in page if not s.readable)
        malformed = ("malformed",) * len(lost)
        if malformed and not readable:
            raise ApiResponseError("every record of the answer is malformed")
        return ApiResponse(SessionPage(readable), malformed, lost=lost)

    def recount(self) -> tuple[Counter, Counter]:
        by_charger, by_vehicle = Counter(), Counter()
        for session in self.sessions:
            is_over = session.ended is not None
            figures = {
                "kwh_hundredths": session.kwh,
                "credits_hundredths": session.credits or 0,
                "sessions": int(is_over),
                "eligible_kwh_hundredths": session.kwh if session.counts_for_ere else 0,
                "duration_ms": max(0, session.ended - session.started) * 1000 if is_over else 0,
            }
            by_charger.update({(session.charger_id, name): value for name, value in figures.items()})
            if session.tag or is_over:
                vehicle = VEHICLES.get(normal_tag(session.tag or ""), "unknown")
                by_vehicle.update({(vehicle, name): value for name, value in figures.items()})
        return by_charger, by_vehicle
