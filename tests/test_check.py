"""What `joulo-exporter check` says of each fault."""

from __future__ import annotations

import contextlib
import re
import sqlite3

import pytest
from aioresponses import CallbackResult
from support.ledger_rig import LedgerRig

from joulo_exporter.cli import main
from joulo_exporter.ledger import AccountLedger, Database

URL = "http://127.0.0.1:9/api"
TOKEN = "joulo_t0k3n"
GOOD = {
    "chargers": {"payload": {"chargers": [{"id": "c1"}]}},
    "sessions": {"payload": {"sessions": []}},
    "energy": {"payload": {"total_kwh": 1}},
}
REFUSED = "the API refuses the token: it is wrong, revoked or rotated, or quotes or blanks were copied with it"


@pytest.fixture
def environment(monkeypatch, tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN)
    monkeypatch.setenv("JOULO_TOKEN_FILE", str(file))
    monkeypatch.setenv("JOULO_API_URL", URL)
    return file


def check(capsys, tmp_path) -> tuple[int, list[str], str]:
    (tmp_path / "ledger").mkdir(exist_ok=True)  # as a service's user finds it: root makes none
    status = main(["check", f"--storage.path={tmp_path / 'ledger'}"])
    out, err = capsys.readouterr()
    assert TOKEN not in out + err
    assert "Traceback" not in out + err
    return status, out.splitlines(), err


def serve(answers, **changes):
    for name, answer in (GOOD | changes).items():
        answers.get(re.compile(rf"{re.escape(URL)}/{name}(\?.*)?$"), repeat=True, **answer)


def test_all_well(answers, capsys, environment, tmp_path):
    serve(answers)
    assert check(capsys, tmp_path) == (
        0,
        [
            f"Account (without a name), file {environment}:",
            "  token     ok     looks like a token",
            "  chargers  ok     answers with 1 record",
            "  sessions  ok     answers with 0 records",
            "  energy    ok     answers with the account's totals",
        ],
        "",
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '"joulo_t0k3n"',
            "has quotes, the word Bearer or the name of a variable around it; write the token alone",
        ),
        (
            "Bearer joulo_t0k3n",
            "has quotes, the word Bearer or the name of a variable around it; write the token alone",
        ),
        (
            " joulo_t0k3n",
            "has blanks, line ends or characters outside ASCII in it; write the token alone, on one line",
        ),
        (
            "joulo_t0k3n\n\n",
            "has blanks, line ends or characters outside ASCII in it; write the token alone, on one line",
        ),
        ("", "is empty; put the API token there"),
    ],
)
def test_a_token_that_cannot_be_one(answers, capsys, environment, tmp_path, text, says):
    environment.write_text(text)
    status, out, _ = check(capsys, tmp_path)
    assert status == 1
    assert out[-1].startswith("  token     FAULT  ")
    assert out[-1].endswith(f"the token in file {environment} {says}")
    assert not answers.requests


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"status": 401, "payload": {"error": "Missing or invalid API token"}},
         (f"/chargers: 401, {REFUSED}; make a new one on joulo.nl; it says: "
          "Missing or invalid API token")),
        ({"status": 403, "payload": {"error": "Insufficient scope", "required_scope": "chargers:read"}},
         ("/chargers: 403, the token may not read this; give it the scope chargers:read, or use another token; "
         "it says: Insufficient scope; the other endpoints work without it")),
        ({"status": 404, "payload": {}}, "/chargers: 404, there is no such endpoint; check api.url"),
        ({"status": 200, "body": b"<html>Sign in</html>"},
         ("a web page came instead of the API's answer, from a proxy or gateway in between; "
         "check api.url and the network")),
        ({"exception": TimeoutError()},
         "no complete answer from 127.0.0.1 within 10 s; check the network, or raise api.timeout"),
    ],
    ids=["401", "403", "404", "page", "timeout"],
)  # fmt: skip
def test_an_endpoint_that_does_not_answer(answers, capsys, environment, tmp_path, answer, says):
    serve(answers, chargers=answer)
    status, out, _ = check(capsys, tmp_path)
    assert status == 1
    assert out[2] == f"  chargers  FAULT  {says}"
    assert out[3:] == [
        "  sessions  ok     answers with 0 records",
        "  energy    ok     answers with the account's totals",
    ]
    assert environment.exists()


def test_no_network(capsys, environment, tmp_path):
    status, out, _ = check(capsys, tmp_path)
    assert status == 1
    assert out[2] == (
        "  chargers  FAULT  no connection to 127.0.0.1 (Connection refused); "
        "check the network, a firewall and api.url"
    )
    assert environment.exists()


def test_asked_a_short_time_ago(answers, capsys, environment, tmp_path):
    serve(answers)
    check(capsys, tmp_path)
    asked = sum(len(calls) for calls in answers.requests.values())
    status, out, _ = check(capsys, tmp_path)
    assert status == 0
    assert [line[:69] for line in out[2:]] == [
        f"  {name:<9} later  was asked a short time ago; may be asked again in "[:69] for name in GOOD
    ]
    assert sum(len(calls) for calls in answers.requests.values()) == asked
    assert environment.exists()


def test_what_is_answered_is_in_the_ledger(answers, capsys, environment, tmp_path):
    """An exporter that is started next has something to show, and need not ask first."""
    session = {
        "id": "s1", "charger_id": "c1", "started_at": "2026-06-16T19:05:00Z", "ended_at": "2026-06-17T05:30:00Z",
        "kwh": 41.08, "ere_credits": 13.67,
    }  # fmt: skip
    serve(answers, sessions={"payload": {"sessions": [session]}})
    status, out, _ = check(capsys, tmp_path)
    assert (status, out[3]) == (0, "  sessions  ok     answers with 1 record")
    database = Database(tmp_path / "ledger")
    ledger = AccountLedger(database, "", configured_labels={}, vehicles={})
    records, walk = ledger.load()
    book = ledger.book(name_unlinked=True, now_seconds=1_790_000_000.0)
    database.close()
    outcomes = {name: (record.up, record.requests) for name, record in records.items()}
    assert outcomes == dict.fromkeys(GOOD, (True, (("200", 1),)))
    assert walk.complete
    assert [totals.kwh_hundredths for totals in book.chargers.values()] == [4108]
    assert book.marks["account_kwh", "ere"] == 100
    assert environment.exists()


def test_a_fault_of_a_short_time_ago_is_told_again(answers, capsys, environment, tmp_path):
    serve(answers, chargers={"status": 500})
    _, before, _ = check(capsys, tmp_path)
    asked = sum(len(calls) for calls in answers.requests.values())
    status, out, _ = check(capsys, tmp_path)
    assert status == 1
    fault = before[2].removeprefix("  chargers  FAULT  ")
    assert out[2].startswith(f"  chargers  FAULT  a short time ago: {fault}; may be asked again in ")
    assert out[3].startswith("  sessions  later  ")
    assert sum(len(calls) for calls in answers.requests.values()) == asked
    assert environment.exists()


def test_retry_after_holds_for_whoever_asks_next(answers, capsys, environment, tmp_path):
    serve(answers, chargers={"status": 429, "headers": {"Retry-After": "5000"}})
    status, out, _ = check(capsys, tmp_path)
    assert status == 1
    assert out[2].endswith("if this stays, look for other users of the same token")
    database = Database(tmp_path / "ledger")
    pause = AccountLedger(database, "", configured_labels={}, vehicles={}).load()[0]["chargers"].pause
    database.close()
    assert 5000 <= pause.length_s < 5060
    assert pause.failures == 1
    assert environment.exists()


def test_what_a_running_exporter_was_answered_is_told_and_nothing_is_asked(answers, capsys, environment, tmp_path):
    serve(
        answers,
        sessions={"status": 401, "payload": {"error": "Missing or invalid API token"}},
        energy={"status": 503},
    )
    rig = LedgerRig(tmp_path / "ledger", name="")
    first = check(capsys, tmp_path)
    rig.close()
    check(capsys, tmp_path)  # stands for the exporter, which keeps the same records
    asked_before = asked(answers)
    rig = LedgerRig(tmp_path / "ledger", name="")
    status, out, err = check(capsys, tmp_path)
    environment.unlink()
    without_token = check(capsys, tmp_path)
    rig.close()
    assert (first[0], first[1][3:]) == (0, [f"  {name:<9} later  has not been asked yet" for name in GOOD])
    assert (status, err) == (1, "")
    assert out[:4] == [
        f"An exporter is running on {tmp_path / 'ledger'}: this is how the API has last answered it.",
        f"Account (without a name), file {environment}:",
        "  token     ok     looks like a token",
        "  chargers  ok     has answered the exporter",
    ]
    assert out[4].startswith(f"  sessions  FAULT  /sessions: 401, {REFUSED}; ")
    assert out[5].startswith("  energy    FAULT  /energy: 503, ")
    assert without_token[1][2].startswith("  token     FAULT  ")
    assert asked(answers) == asked_before == 3


def test_the_token_goes_out_in_the_header_alone(answers, capsys, environment, tmp_path):
    seen = []

    def answer(url, **options):
        seen.append((str(url), options["headers"]["Authorization"]))
        return CallbackResult(status=200, payload={"chargers": []})

    serve(answers, chargers={"callback": answer})
    check(capsys, tmp_path)
    assert seen == [(f"{URL}/chargers", f"Bearer {TOKEN}")]
    assert environment.exists()


# The ledger: another user's, none, or a damaged one -----------------------------------------------


FORGOTTEN = "what is asked now is not written down"


def snapshot(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def asked(answers) -> int:
    return sum(len(calls) for calls in answers.requests.values())


def test_another_users_folder_stays_empty(answers, capsys, environment, tmp_path, monkeypatch):
    serve(answers)
    folder = tmp_path / "ledger"
    folder.mkdir()
    monkeypatch.setattr("os.geteuid", lambda: folder.stat().st_uid + 1)
    status, out, _ = check(capsys, tmp_path)
    assert status == 0
    assert out[0] == (
        f"Note: {folder} is another user's: {FORGOTTEN}; "
        "run this as the exporter's user, and with its --storage.path."
    )
    assert list(folder.iterdir()) == []
    assert environment.exists()


def test_a_folder_that_may_not_be_entered_is_named(answers, capsys, environment, tmp_path, monkeypatch):
    serve(answers)
    hidden = tmp_path / "hidden" / "ledger"
    stat = type(hidden).stat

    def refused(path, **options):
        if path == hidden:
            raise PermissionError(13, "Permission denied")
        return stat(path, **options)

    monkeypatch.setattr(type(hidden), "stat", refused)
    assert main(["check", f"--storage.path={hidden}"]) == 0
    assert capsys.readouterr().out.startswith(
        f"Note: {hidden} cannot be entered (Permission denied): {FORGOTTEN}; "
    )
    assert environment.exists()


def test_root_makes_no_folder(answers, capsys, environment, tmp_path, monkeypatch):
    serve(answers)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    folder = tmp_path / "nothing" / "ledger"
    assert main(["check", f"--storage.path={folder}"]) == 0
    assert capsys.readouterr().out.startswith(f"Note: {folder} does not exist, and root does not make it here: ")
    assert not folder.parent.exists()
    assert environment.exists()


def test_who_is_not_root_makes_the_folder_and_keeps_to_the_throttle(
    answers, capsys, environment, tmp_path, monkeypatch
):
    serve(answers)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    folder = tmp_path / "ledger"
    assert main(["check", f"--storage.path={folder}"]) == 0
    assert main(["check", f"--storage.path={folder}"]) == 0
    assert capsys.readouterr().out.count("  later  was asked a short time ago") == 3
    assert asked(answers) == 3
    assert environment.exists()


def test_a_ledger_that_can_only_be_read_still_throttles(answers, capsys, environment, tmp_path, monkeypatch):
    serve(answers)
    check(capsys, tmp_path)
    folder = tmp_path / "ledger"
    (folder / "ledger.lock").unlink()  # as in a restored backup: another user's lock would keep the exporter out
    before = snapshot(folder)
    monkeypatch.setattr("os.geteuid", lambda: folder.stat().st_uid + 1)
    status, out, _ = check(capsys, tmp_path)
    assert status == 0
    assert out[0].startswith(f"Note: {folder} is another user's: ")
    assert [line[:18] for line in out[3:]] == [f"  {name:<9} later "[:18] for name in GOOD]
    assert asked(answers) == 3
    assert {name: before[name] for name in before} == {name: snapshot(folder)[name] for name in before}
    assert not (folder / "ledger.lock").exists()
    assert environment.exists()


def test_another_users_ledger_is_used_where_it_is(answers, capsys, environment, tmp_path, monkeypatch):
    serve(answers)
    check(capsys, tmp_path)
    names = set(snapshot(tmp_path / "ledger"))
    monkeypatch.setattr("os.geteuid", lambda: (tmp_path / "ledger").stat().st_uid + 1)
    status, out, _ = check(capsys, tmp_path)
    assert (status, out[0][:8]) == (0, "Account ")
    assert asked(answers) == 3
    assert set(snapshot(tmp_path / "ledger")) == names
    assert environment.exists()


def test_a_damaged_ledger_is_left_to_the_exporter(answers, capsys, environment, tmp_path):
    serve(answers)
    folder = tmp_path / "ledger"
    folder.mkdir()
    (folder / "ledger.sqlite3").write_bytes(b"no database, but as long as the head of one: " + bytes(200))
    status, out, _ = check(capsys, tmp_path)
    assert status == 0
    assert out[0] == (
        f"Note: {folder / 'ledger.sqlite3'} is damaged: file is not a database: {FORGOTTEN}; the exporter puts it "
        "aside when it starts, and reads the history anew; if there is a backup, restore it first."
    )
    assert (folder / "ledger.sqlite3").read_bytes().startswith(b"no database")
    assert environment.exists()


def test_a_ledger_of_a_newer_version_is_named(answers, capsys, environment, tmp_path):
    serve(answers)
    check(capsys, tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger" / "ledger.sqlite3")) as connection:
        connection.execute("INSERT INTO migrations (name) VALUES ('from the future')")
        connection.commit()
    _, out, _ = check(capsys, tmp_path)
    assert out[0].endswith("(from the future); run that version, or give this one another --storage.path.")
    assert environment.exists()
