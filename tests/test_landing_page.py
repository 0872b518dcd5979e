"""The landing page is made of snapshots, and has neither token nor tag."""

import dataclasses

from support.snapshots import INTERVALS, NOW, TAG, Household, fixture, recorded, recorded_snapshot

from joulo_exporter import __version__
from joulo_exporter.service import landing_page
from joulo_exporter.snapshot import EndpointHealth, Snapshot
from joulo_exporter.web import ChargerRow, EndpointRow


def account_of(snapshot):
    (account,) = landing_page([snapshot], NOW, ledger_persistent=True).accounts
    return account


def test_the_recorded_api_responses():
    account = account_of(recorded_snapshot(account="home"))
    assert account.name == "home"
    assert account.chargers == (
        ChargerRow("oprit", "Oprit", "online", charging=True, session_kwh_hundredths=731),
        ChargerRow("garage-achter", "Garage achter", "online", charging=False, session_kwh_hundredths=None),
    )
    assert account.endpoints == tuple(
        EndpointRow(endpoint, up=True, last_success_seconds=NOW, interval_s=interval_s)
        for endpoint, interval_s in INTERVALS.items()
    )
    assert (account.history_complete, account.history_sessions) == (True, 4)
    assert account.history_back_to_seconds == 1_781_294_400  # 2026-06-12T20:00:00Z


def test_what_cannot_be_read_and_what_is_held_too_high_are_shown():
    page = fixture("sessions")
    page["sessions"][1] |= {"kwh": 41.08 - 10, "ere_credits": 3.67}
    page["sessions"] += [{"id": None}, page["sessions"][1] | {"id": "without energy", "kwh": None}]
    household = recorded()
    household.snapshot()
    account = account_of(household.sessions(page).snapshot())
    assert account.history_unreadable == 2
    assert account.excess == (
        "oprit: 10.00 kWh",
        "oprit: 6.33 ERE credits",
        "unknown: 10.00 kWh",
        "unknown: 6.33 ERE credits",
    )


def test_a_failure_is_shown():
    health = EndpointHealth("energy", 3600.0, up=False, error="the token is refused")
    assert account_of(Snapshot("home", (health,))).endpoints == (
        EndpointRow("energy", False, None, 3600.0, "the token is refused"),  # noqa: FBT003
    )


def test_the_public_feed_is_no_account_and_its_freshness_is_shown():
    feed = Snapshot(None, (EndpointHealth("ere_price", 3600.0, up=False, error="no network"),), public=True)
    page = landing_page([recorded_snapshot(account="home"), feed], NOW, ledger_persistent=True)
    assert [account.name for account in page.accounts] == ["home"]
    assert page.public == (EndpointRow("ere_price", False, None, 3600.0, "no network"),)  # noqa: FBT003


def test_chargers_whose_state_is_too_old_are_named_without_it():
    assert account_of(recorded().snapshot(stale=["chargers"])).chargers == tuple(
        ChargerRow(label, None, None, charging=None, session_kwh_hundredths=None)
        for label in ("oprit", "garage-achter")
    )


def test_before_anything_is_known():
    account = account_of(Snapshot(None, (EndpointHealth("chargers", 60.0),)))
    assert (account.name, account.chargers, account.history_complete) == (None, (), False)
    assert (account.history_sessions, account.history_back_to_seconds) == (0, None)
    assert account.endpoints == (EndpointRow("chargers", up=None, last_success_seconds=None, interval_s=60.0),)


def test_a_history_that_is_being_read():
    account = account_of(Household().sessions(fixture("sessions") | {"limit": 4}).snapshot())
    assert (account.history_complete, account.history_sessions) == (False, 4)


def test_the_page_as_a_whole():
    snapshots = [recorded_snapshot(account="home"), recorded_snapshot(account="office")]
    page = landing_page(snapshots, NOW, ledger_persistent=False)
    assert [account.name for account in page.accounts] == ["home", "office"]
    assert (page.version, page.now_seconds, page.ledger_persistent) == (__version__, NOW, False)


def test_no_tag_is_on_it():
    page = landing_page([recorded_snapshot(vehicles={TAG: "kona"})], NOW, ledger_persistent=True)
    assert TAG not in str(dataclasses.asdict(page))
