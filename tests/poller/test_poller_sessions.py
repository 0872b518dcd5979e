"""The beginning and the end of sessions, and the walk through the history."""

import pytest
from support.poller_rig import PAGE_S, SESSIONS_S, Rig, at_work, charger, chargers, listed, live, sessions

from joulo_exporter.config.schema import HistoryConfig
from joulo_exporter.errors import ApiError

OFTEN = HistoryConfig(resync_interval_s=4 * 3600.0)

OUTAGE = ApiError("502", status=502)


def offsets(rig: Rig) -> list[int | None]:
    return [request.offset for request in rig.api.requests if request.endpoint == "sessions"]


@pytest.mark.parametrize(
    "answer",
    [OUTAGE, {}, chargers(), chargers(charger() | {"id": "other", "slug": "other"}),
     chargers(charger() | {"current_session": {"kwh_so_far": 1}}),
     chargers(charger() | {"current_session": "5"}, charger() | {"id": "other", "slug": "other"}), b"<html>"],
    ids=["outage", "no list", "empty list", "charger missing", "no session id", "no session object", "web page"],
)  # fmt: skip
async def test_what_does_not_show_the_charger_ends_no_session(answer):
    async with at_work(chargers=chargers(charger(live()))) as rig:
        rig.api.answers["chargers"] = answer
        await rig.clock.advance(300)
        assert rig.value("joulo_last_session_kwh") is None
        assert rig.value("joulo_sessions_total", charger="oprit") == 0
        assert rig.value("joulo_total_kwh", charger="oprit") == 5.0
        rig.api.answers["chargers"] = chargers(charger(live(kwh=6.0)))
        await rig.clock.advance(1000)
        assert rig.value("joulo_last_session_kwh") is None
        assert rig.value("joulo_session_kwh", charger="oprit") == 6.0
        assert rig.value("joulo_total_kwh", charger="oprit") == 6.0


async def test_an_end_is_served_within_the_refresh_that_shows_it_and_made_final_by_sessions():
    async with Rig() as rig:
        rig.fraction = 0.9  # the regular refresh of /sessions would come 27 s late
        rig.api.answers["chargers"] = chargers(charger(live(kwh=5.0, id_tag="04A1")))
        await rig.start()
        rig.api.answers["chargers"] = chargers(charger(live(kwh=7.5, id_tag="04A1")))
        await rig.clock.advance(63)
        seen_at_seconds = rig.value("joulo_last_refresh_timestamp_seconds", endpoint="chargers")
        rig.api.answers["chargers"] = chargers(charger())
        rig.api.answers["sessions"] = sessions(listed(kwh=7.9, ended_at="2026-06-18T19:14:30Z", id_tag="04A1"))
        await rig.clock.advance(63)
        assert rig.value("joulo_session_kwh", charger="oprit") == 0.0
        assert rig.value("joulo_last_session_kwh", charger="oprit") == 7.5
        assert rig.value("joulo_last_session_end_timestamp_seconds", charger="oprit") == seen_at_seconds
        assert rig.value("joulo_last_session_start_timestamp_seconds", charger="oprit") == 1_781_805_600.0
        assert rig.value("joulo_last_session_info", session_id="s1", id_tag="04A1", vehicle="unknown") == 1.0
        assert rig.value("joulo_sessions_total", charger="oprit") == 1.0
        assert rig.value("joulo_session_seconds_total", charger="oprit") == 0  # the end is not final
        await rig.clock.advance(1000 + SESSIONS_S - rig.clock.monotonic() - 1)
        assert len(rig.api.moments("sessions")) == 1
        await rig.clock.advance(1)
        assert rig.api.moments("sessions") == [1000.0, 1000.0 + SESSIONS_S]
        assert rig.value("joulo_last_session_kwh", charger="oprit") == 7.9
        assert rig.value("joulo_last_session_end_timestamp_seconds", charger="oprit") == 1_781_810_070.0
        assert rig.value("joulo_sessions_total", charger="oprit") == 1.0
        assert rig.value("joulo_session_seconds_total", charger="oprit") == 4470
        assert rig.value("joulo_total_kwh", charger="oprit") == 7.9


async def test_an_end_does_not_bring_a_request_in_back_off_forward():
    async with Rig() as rig:
        rig.api.answers |= {"chargers": chargers(charger(live())), "sessions": OUTAGE}
        await rig.start()
        await rig.clock.advance(SESSIONS_S)  # the second failure: 900 s
        rig.api.answers["chargers"] = chargers(charger())
        await rig.clock.advance(890)
        assert len(rig.api.moments("sessions")) == 2
        await rig.clock.advance(10)
        assert len(rig.api.moments("sessions")) == 3


async def test_a_session_that_ended_while_the_exporter_was_down_is_found(tmp_path):
    async with at_work(tmp_path, chargers=chargers(charger(live(kwh=5.0)))) as rig:
        rig.api.answers["chargers"] = chargers(charger())
        rig.api.answers["sessions"] = sessions(listed(kwh=9.0))
        await rig.restart(away_s=5000)
        assert rig.value("joulo_last_session_kwh", charger="oprit") == 9.0
        assert rig.value("joulo_sessions_total", charger="oprit") == 1.0
        assert rig.value("joulo_total_kwh", charger="oprit") == 9.0


LONG = [
    listed(f"s{number}", 1.0, ended_at=f"2026-05-01T{number // 60:02}:{number % 60:02}:30Z",
           started_at=f"2026-05-01T{number // 60:02}:{number % 60:02}:00Z")
    for number in reversed(range(250))
]  # fmt: skip


@pytest.mark.parametrize("restarts", [False, True])
async def test_the_first_import_pages_apart_also_over_a_restart_and_totals_appear_at_its_end(restarts):
    async with at_work(sessions=sessions(*LONG)) as rig:
        await rig.clock.advance(PAGE_S + 4)
        if restarts:
            await rig.restart()
        assert rig.value("joulo_total_kwh", charger="oprit") is None
        assert rig.value("joulo_sessions_total", charger="oprit") is None
        await rig.clock.advance(PAGE_S)
        assert rig.value("joulo_history_complete") == 0.0  # only an empty page below known ones shows the end
        await rig.clock.advance(2 * PAGE_S - 4)
        assert rig.value("joulo_history_complete") == 1.0
        assert rig.value("joulo_total_kwh", charger="oprit") == 250.0
        assert rig.value("joulo_sessions_total", charger="oprit") == 250.0
        assert rig.api.moments("sessions") == [1000.0, 1010.0, 1020.0, 1030.0, 1040.0]
        assert offsets(rig) == [0, 99, 198, 249, 250]
        await rig.clock.advance(SESSIONS_S - 1)
        assert len(rig.api.moments("sessions")) == 5
        await rig.clock.advance(1)
        assert rig.api.requests[-1].offset == 0


async def test_a_resync_reads_the_whole_history_again():
    async with at_work(history=OFTEN, sessions=sessions(*LONG)) as rig:
        await rig.clock.advance(4 * 3600 - 1)
        assert {request.offset for request in rig.api.requests[-50:] if request.endpoint == "sessions"} == {0}
        corrected = [session | {"kwh": 2.0} for session in LONG]
        rig.api.answers["sessions"] = sessions(*corrected)
        await rig.clock.advance(1200)
        assert {0, 99, 198} <= {request.offset for request in rig.api.requests[-200:]}
        assert rig.value("joulo_total_kwh", charger="oprit") == 500.0


# Ends of sessions that are not on the newest page ---------------------------------------------------


def others(count: int) -> list[dict]:
    """Return sessions of another charger, newest first, that began after ``s1``."""
    return [
        listed(f"o{number}", 1.0, charger_id="other",
               started_at=f"2026-06-18T18:{number // 60:02}:{number % 60:02}.5Z",
               ended_at="2026-06-18T18:50:00Z")
        for number in reversed(range(count))
    ]  # fmt: skip


async def test_the_end_of_a_session_below_the_newest_page_is_found(tmp_path):
    """It was in progress while 150 others began; its charger stops showing it, or never did."""
    async with Rig(tmp_path) as rig:
        in_progress = listed("plugged", kwh=5.0, ended_at=None)
        rig.api.answers["sessions"] = sessions(in_progress, *LONG)
        await rig.start()
        await rig.clock.advance(60)
        assert rig.value("joulo_history_complete") == 1.0
        ended = listed("plugged", kwh=9.0, ended_at="2026-06-18T19:14:30Z", ere_credits=3.0)
        rig.api.answers["sessions"] = sessions(*others(60), in_progress, *LONG)
        await rig.clock.advance(SESSIONS_S)
        rig.api.answers["sessions"] = sessions(*others(150), ended, *LONG)
        before = len(offsets(rig))
        await rig.clock.advance(SESSIONS_S - PAGE_S)
        await rig.restart()  # in the middle of it, or before: it resumes
        await rig.clock.advance(3 * PAGE_S)
        assert offsets(rig)[before:] == [0, 99]
        assert rig.value("joulo_last_session_kwh", charger="oprit") == 9.0
        assert rig.value("joulo_last_session_info", session_id="plugged") == 1.0
        assert rig.value("joulo_last_session_ere_credits", charger="oprit") == 3.0
        assert rig.value("joulo_history_complete") == 1.0
        await rig.clock.advance(3 * SESSIONS_S)
        assert set(offsets(rig)[before + 2 :]) == {0}  # nothing is left to look for


async def test_a_session_that_never_becomes_final_costs_ever_fewer_requests():
    async with Rig() as rig:
        zombie = listed(kwh=5.0, ended_at=None)
        rig.api.answers["sessions"] = sessions(zombie)
        await rig.start()
        await rig.clock.advance(60)
        rig.api.answers["sessions"] = sessions(*others(60), zombie)
        await rig.clock.advance(SESSIONS_S)
        rig.api.answers["sessions"] = sessions(*others(150), zombie)
        walks = []
        for _ in range(4):
            before = len(offsets(rig))
            await rig.clock.advance(86_400)
            walks.append(offsets(rig)[before:].count(99))
        assert 60 < walks[0] < 140
        assert walks == sorted(walks, reverse=True)
        assert 0 < walks[3] < 20


@pytest.mark.parametrize(
    ("count", "lines"),
    [
        (0, []),
        (2, [(2, "sessions withdrawn that the history no longer lists")]),
        (150, [
            (150, "the history lacks many sessions; they are withdrawn if the next comparison misses them too"),
            (150, "sessions withdrawn that the history no longer lists"),
        ]),
    ],
)  # fmt: skip
async def test_withdrawals_are_logged_with_their_number(caplog, count, lines):
    caplog.set_level("INFO")
    async with at_work(history=OFTEN, sessions=sessions(*LONG)) as rig:
        await rig.clock.advance(60)
        rig.api.answers["sessions"] = sessions(*LONG[count:])
        await rig.clock.advance(9 * 3600)
        assert rig.snapshot.book.history.sessions == 250 - count
        records = [record for record in caplog.records if "sessions" in getattr(record, "fields", {})]
        assert [(record.fields["sessions"], record.getMessage()) for record in records] == lines
        assert {record.levelname for record in records} <= {"WARNING" if count > 10 else "INFO"}


async def test_the_history_of_a_charger_that_has_left_stays():
    async with Rig(history=OFTEN) as rig:
        rig.api.answers["chargers"] = chargers(charger(), charger(id="other", slug="other"))
        rig.api.answers["sessions"] = sessions(*others(40), *LONG)
        await rig.start()
        await rig.clock.advance(SESSIONS_S + 60)  # listed twice: no tag is waited for
        rig.api.answers["chargers"] = chargers(charger())
        rig.api.answers["sessions"] = sessions(*LONG)
        await rig.clock.advance(13 * 3600)  # three resyncs
        assert rig.snapshot.book.history.sessions == 290
        rig.api.answers["sessions"] = sessions(listed("new", 2.0, charger_id="other"), *LONG)
        await rig.clock.advance(2 * SESSIONS_S)
        assert rig.value("joulo_total_kwh", charger="other") == 42.0
        assert rig.value("joulo_vehicle_kwh_total", vehicle="unknown") == 292.0
