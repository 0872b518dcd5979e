"""The ledger against a naive recount of an API world that changes while it is read."""

import copy
import dataclasses
import random
import zlib
from collections import Counter, defaultdict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ledger_rig import RESYNC_S, LedgerRig, held

from joulo_exporter.clock import local_month
from joulo_exporter.config.schema import Tariffs
from joulo_exporter.errors import ApiResponseError
from joulo_exporter.ledger import history
from joulo_exporter.ledger.book import by_charger, read_book, totals_by_tag
from joulo_exporter.ledger.database import AccountTables
from joulo_exporter.ledger.reader import LedgerReader
from joulo_exporter.ledger.sessions import Totals
from joulo_exporter.models.charger import Charger, LiveSession, Tags, normal_tag
from joulo_exporter.models.session import UNKNOWN_CHARGER, Session, SessionPage
from joulo_exporter.models.wire import ApiResponse
from joulo_exporter.reports.sessions import GROUPS, Selection, session_rows

FIGURES = Totals.__struct_fields__
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
    """Sessions behind the API, what can happen to them, and an exporter that asks in the order of the contract."""

    def __init__(self, seed: int, folder) -> None:
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
        self.rig = LedgerRig(folder, vehicles=VEHICLES)
        self.rig.now_seconds = float(self.seconds)  # so that ends are news
        self.highest: dict[tuple[str, str, str], int] = {}
        self.known_at_head: set[str] = set()
        self.former_sessions: list[Truth] = []
        self.former_chargers: list[Charger] = []
        self.shown_chargers: set[str] = set()
        self.chargers_answered = False
        self.latest_now_seconds = 0.0
        self.clock_went_back = False

    # What happens to the sessions, and the API says of them

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
        self.settle()  # what the ledger has not seen of a session, it cannot keep
        if not any(session.listed and session.charger_id == self.linked[0] for session in self.sessions):
            return
        for session in self.sessions:
            session.ended = session.ended or self.seconds
        self.settle()
        charger_id = self.random.choice((*self.linked[1:], "gone"))
        if charger_id in self.linked:
            self.linked.remove(charger_id)
        for session in self.sessions:
            if session.charger_id == charger_id:
                session.listed, session.has_left = False, True
        self.poll()

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

    # What the exporter does

    def pass_time(self) -> None:
        self.seconds += self.random.randint(1, 900)
        self.rig.now_seconds += self.random.randint(1, 900)

    def days_pass(self) -> None:
        self.rig.now_seconds += RESYNC_S + 100_000
        self.seconds += 700_000

    def clock_jumps(self) -> None:
        self.latest_now_seconds = max(self.latest_now_seconds, self.rig.now_seconds)
        step_s = self.random.choice((-1e7, -3600.0, 3600.0, 1e6))
        self.rig.now_seconds += step_s
        self.clock_went_back |= step_s < 0

    def poll(self) -> None:
        chargers = []
        for charger_id in self.linked:
            session = self.active(charger_id)
            tag = session and self.random.choice((None, session.tag))  # /sessions may tell it, and /chargers not
            shown = session and LiveSession(session.id, float(session.started), session.kwh, tag)
            wh = self.random.choice((None, 100.0, 900.0))
            read_at_seconds = self.random.choice((None, float(self.seconds)))
            chargers.append(Charger(charger_id, nickname=self.nicknames[charger_id], session=shown, meter_wh=wh,
                                    meter_at_seconds=read_at_seconds))  # fmt: skip
        self.show(chargers)
        self.former_chargers = chargers

    def show(self, chargers: list[Charger]) -> None:
        self.rig.chargers(*chargers)
        self.chargers_answered = True
        self.shown_chargers = {charger.id for charger in chargers}

    def lagging_poll(self) -> None:
        if self.chargers_answered:
            self.show(self.former_chargers)

    def glitch(self) -> None:
        """Poll a response in which one thing is wrong, and then the right one."""
        self.poll()
        chargers = list(self.former_chargers)
        position = self.random.randrange(len(chargers))
        wrong = chargers.pop(position)
        kinds = [{}, {"id": "garbled"}, {"session": None}]
        if self.sessions:  # an empty history proves nothing, so that a session that never was would stay
            kinds.append({"session": LiveSession("garbled", kwh_hundredths=5)})
        changes = self.random.choice(kinds)
        if changes:
            chargers.insert(position, msgspec.structs.replace(wrong, **changes))
        self.show(chargers)
        self.check()
        self.poll()

    def request(self, offset: int, sessions: list[Truth]) -> None:
        try:
            answer = self.answer(offset, sessions)
        except ApiResponseError as error:
            self.rig.ledger.record_failure("sessions", error, self.rig.pause)
            return
        if offset == 0:
            self.known_at_head = {s.id for s in sessions if s.listed and not s.was_unreadable}
        self.rig.page(answer, offset=offset)

    def refresh(self) -> None:
        self.request(0, self.sessions)
        self.former_sessions = copy.deepcopy(self.sessions)

    def lagging_refresh(self) -> None:
        """Refresh from an earlier list; within a walk, one that is a whole page behind would lead it astray."""
        if self.rig.walk.offset is None:
            self.request(0, self.former_sessions)

    def page(self) -> None:
        offset = self.rig.walk.offset
        if offset is not None:
            self.request(offset, self.sessions)

    def pages(self) -> None:
        for _ in range(self.random.randint(1, 4)):
            self.page()

    def restart(self) -> None:
        self.rig.reopen()

    def settle(self) -> None:
        """Let a whole resync go over a world that holds still."""
        self.list_all()
        self.mend()
        # A session seen live before the clock went back is given the benefit of the doubt until then.
        self.rig.now_seconds = max(self.rig.now_seconds, self.latest_now_seconds)
        for _ in range(3):
            self.days_pass()
            self.refresh()
            for _ in range(4 * len(self.sessions) + 20):
                self.page()
            assert self.rig.walk.offset is None, "a walk over a world that holds still must end"
        self.poll()
        for session in self.sessions:
            session.was_unreadable = False
        self.withdrawn_from.clear()
        self.linked_anew.clear()

    # What must hold

    def check(self) -> None:
        book = self.rig.book(name_unlinked=self.chargers_answered)
        self.check_never_falls(book)
        self.check_has_series_of_what_is_there(book)
        self.check_each_session_counts_once(book)
        self.check_equals_a_new_reading(book)
        if book.history.complete:
            self.check_months_are_those_of_the_report(book)
            self.check_nothing_is_missing()
        else:
            assert (book.chargers, book.vehicles, book.months) == ({}, {}, {})

    def check_never_falls(self, book) -> None:
        by_label = {book.labels[charger_id]: shown for charger_id, shown in held(book.chargers).items()}
        for kind, figures in (("charger", by_label), ("vehicle", held(book.vehicles))):
            for key, shown in figures.items():
                for name in FIGURES:
                    value = getattr(shown, name)
                    assert value >= self.highest.get((kind, key, name), 0), (kind, key, name)
                    self.highest[kind, key, name] = value

    def check_has_series_of_what_is_there(self, book) -> None:
        """A charger that is neither linked nor has a session left has none."""
        there = self.shown_chargers | set(by_charger(self.ledger_truth()))
        assert not book.history.complete or set(book.chargers) == set(book.labels)
        assert set(book.labels) <= there
        assert not self.chargers_answered or set(book.labels) == there

    def stored(self, columns: str) -> list[tuple]:
        with self.rig.database.transaction() as connection:
            return connection.execute(f"SELECT {columns} FROM sessions").fetchall()  # noqa: S608

    def ledger_truth(self) -> list[tuple[str, str, Totals]]:
        with self.rig.database.transaction() as connection:
            return totals_by_tag(AccountTables(connection, 1))

    def check_each_session_counts_once(self, book) -> None:
        counted = [row for row in self.stored("kwh_hundredths, ended_at, withdrawn") if not row[2]]
        assert book.history.sessions == len(counted)
        parts = [part for _, _, part in self.ledger_truth()]
        assert sum(part.kwh_hundredths for part in parts) == sum(row[0] or 0 for row in counted)
        assert sum(part.sessions for part in parts) == sum(row[1] is not None for row in counted)

    def check_equals_a_new_reading(self, book) -> None:
        """What was brought up to date is what is in the file: nothing that has changed was taken from before."""
        database, now_seconds = self.rig.database, self.rig.now_seconds
        with database.transaction() as connection:
            tables = AccountTables(connection, 1)
            anew = read_book(tables, VEHICLES, now_seconds, persistent=database.persistent)
        if self.clock_went_back:  # old news would be news again
            anew = msgspec.structs.replace(anew, ended=book.ended)
        assert book == anew

    def check_months_are_those_of_the_report(self, book) -> None:
        """Sums that are kept while no ended session changes equal those of ``sessions --by=month``."""
        now = local_month(self.rig.now_seconds)
        first = f"{int(now[:4]) - 1}{now[4:]}"
        with self.rig.database.transaction() as connection:
            rows = list(session_rows(LedgerReader(connection), Tags({}, "show"), Tariffs(), Selection()))
        expected = defaultdict(Totals)
        for row in rows:
            sums = Totals(row.session.kwh_hundredths or 0, row.session.credits_hundredths or 0)
            expected[row.session.charger_id, GROUPS["month"](row)] += sums
        assert book.months == {key: sums for key, sums in expected.items() if first <= key[1] <= now}

    def check_nothing_is_missing(self) -> None:
        counted = {session_id for session_id, withdrawn in self.stored("id, withdrawn") if not withdrawn}
        still_there = {s.id for s in self.sessions if s.listed and not s.was_unreadable}
        assert self.known_at_head & still_there <= counted

    def check_equals_recount(self) -> None:
        self.settle()
        highest = dict(self.highest)
        self.check()
        assert self.rig.walk.complete
        charger_recount, vehicle_recount = self.recount()
        book = self.rig.book()
        assert (book.history.sessions, book.history.unreadable) == (len(self.sessions), 0)
        for kind, totals, recount in (
            ("charger", book.chargers, charger_recount),
            ("vehicle", book.vehicles, vehicle_recount),
        ):
            labels = book.labels if kind == "charger" else {}
            figures = [(key, name) for key in totals for name in FIGURES]
            marks = Counter({key: highest.get((kind, labels.get(key[0], key[0]), key[1]), 0) for key in figures})
            assert flat(held(totals)) == marks | recount
            assert flat({key: each.excess for key, each in totals.items()}) == marks - recount

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


def flat(sums: dict[str, Totals]) -> Counter:
    return +Counter({(key, name): getattr(part, name) for key, part in sums.items() for name in FIGURES})


LIFE = (
    "start", "some_sessions", "absence", "other_pages", "stop", "resume", "charge", "correct", "withdraw",
    "list_all", "unlink", "leave", "relink", "tag_late", "garble", "glitch", "mend", "days_pass", "clock_jumps",
    "restart", "check_equals_recount",
)  # fmt: skip
WORK = ("poll", "refresh", "page", "pages", "lagging_poll", "lagging_refresh", "glitch")
STEPS = st.one_of(st.sampled_from(WORK), st.sampled_from((*LIFE, "misread")))


def live_through(seed: int, steps: list[str], folder) -> None:
    world = World(seed, folder)
    try:
        for step in steps:
            world.pass_time()
            getattr(world, step)()
            world.check()
        world.check_equals_recount()
    finally:
        world.rig.close()


@pytest.fixture(params=[3, 6])
def page_size(request, monkeypatch) -> int:
    monkeypatch.setattr(history, "PAGE_SIZE", request.param)
    return request.param


@pytest.mark.usefixtures("page_size")
def test_the_ledger_agrees_with_a_recount_of_any_world(tmp_path_factory):
    @settings(max_examples=60)
    @given(seed=st.integers(0, 2**32), steps=st.lists(STEPS, max_size=40))
    def any_world(seed, steps):
        live_through(seed, steps, tmp_path_factory.mktemp("world"))

    any_world()


# In 12, 13 and 19 a session that is listed under another id was once counted twice.
@pytest.mark.parametrize("seed", [*range(6), 12, 13, 19])
@pytest.mark.usefixtures("page_size")
def test_the_ledger_agrees_with_a_recount_after_a_long_life(tmp_path, seed):
    dice = random.Random(seed)
    steps = [dice.choice(dice.choice((WORK, LIFE))) for _ in range(150)]
    live_through(seed, steps, tmp_path)
