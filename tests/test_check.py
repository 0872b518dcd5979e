"""The lines of `joulo-exporter check` for each fault, and what it leaves in the ledger."""

import contextlib
import os
import re

import pytest
from support.command_line import run
from support.ledger_rig import LedgerRig, finished

from joulo_exporter.models.charger import Charger

URL = "http://127.0.0.1:9/api"
TOKEN = "joulo_t0k3n"
GOOD = {
    "chargers": {"payload": {"chargers": [{"id": "c1"}]}},
    "sessions": {"payload": {"sessions": []}},
    "energy": {"payload": {"total_kwh": 1}},
}
WELL = [f"  {name:<9} ok     the last request succeeded" for name in GOOD]
REFUSED = "the API refuses the token: it is wrong, revoked or rotated, or quotes or blanks were copied with it"
FORGOTTEN = "what is asked now is not written down"


class Check:
    """The command with an API that a test scripts, a token file and a folder for the ledger."""

    def __init__(self, answers, capsys, tmp_path) -> None:
        self.answers, self.capsys = answers, capsys
        self.token_file, self.folder = tmp_path / "token", tmp_path / "ledger"
        self.token_file.write_text(TOKEN)
        self.folder.mkdir()  # as a service's user finds it: root makes none

    def serve(self, **changes) -> None:
        for name, response in (GOOD | changes).items():
            self.answers.get(re.compile(rf"{re.escape(URL)}/{name}(\?.*)?$"), repeat=True, **response)

    def __call__(self, *flags, folder=None):
        """Return the exit status and the lines after the one about the configuration itself."""
        status, out, err = run(self.capsys, "check", f"--storage.path={folder or self.folder}", *flags)
        assert TOKEN not in out
        assert err == ""
        valid, *lines = out.splitlines()
        assert valid.endswith(": the configuration is valid")
        return status, lines

    @property
    def asked(self) -> int:
        return sum(len(calls) for calls in self.answers.requests.values())

    def ledger(self):
        return contextlib.closing(LedgerRig(self.folder, name=""))

    def files(self) -> dict[str, bytes]:
        """Return all but SQLite's additions, which belong to the owner of the ledger, whoever reads it."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if "-" not in path.name}


@pytest.fixture
def check(answers, capsys, tmp_path, monkeypatch):
    check = Check(answers, capsys, tmp_path)
    monkeypatch.setenv("JOULO_TOKEN_FILE", str(check.token_file))
    monkeypatch.setenv("JOULO_API_URL", URL)
    return check


def test_all_well(check):
    check.serve()
    first = [f"Account (without a name), file {check.token_file}:", "  token     ok     looks like a token"]
    assert check() == (0, [*first, *WELL])


def test_a_token_that_cannot_be_one(check):
    check.token_file.write_text('"joulo_t0k3n"')
    status, lines = check()
    says = "has quotes, the word Bearer or the name of a variable around it; write the token alone"
    assert (status, check.asked) == (1, 0)
    assert lines[-1].startswith("  token     FAULT  ")
    assert lines[-1].endswith(f"the token in file {check.token_file} {says}")


def test_a_token_of_two_accounts_is_asked_with_once(check):
    check.serve()
    file, copy = (check.token_file.with_name(name) for name in ("joulo.yml", "copy"))
    file.write_text("accounts: [{name: a, token_file: token}, {name: b, token_file: copy}]\n")
    copy.write_text(TOKEN)
    status, lines = check(f"--config.file={file}")
    assert (status, check.asked) == (1, 3)
    assert lines[-1].startswith(f"  token     FAULT  {file}: accounts[1].token_file: has the token of account a: ")


@pytest.mark.parametrize(
    ("response", "says"),
    [
        ({"status": 401, "payload": {"error": "Missing or invalid API token"}},
         f"/chargers: 401, {REFUSED}; make a new one on joulo.nl; it says: Missing or invalid API token"),
        ({"status": 403, "payload": {"error": "Insufficient scope", "required_scope": "chargers:read"}},
         ("/chargers: 403, the token may not read this, though other endpoints may work; give it the scope, or "
         "use another token; it says: Insufficient scope: chargers:read")),
        ({"exception": TimeoutError()},
         "no complete response from 127.0.0.1 within 10 s; check the network, or raise api.timeout"),
    ],
    ids=["401", "403", "timeout"],
)  # fmt: skip
def test_an_endpoint_in_trouble(check, response, says):
    check.serve(chargers=response)
    status, lines = check()
    assert (status, lines[2:]) == (1, [f"  chargers  FAULT  {says}", *WELL[1:]])


def test_an_endpoint_that_was_asked_a_short_time_ago_is_left_alone(check):
    check.serve(chargers={"status": 500})
    _, before = check()
    status, lines = check()
    fault = before[2].removeprefix("  chargers  FAULT  ")
    assert status == 1
    assert lines[2].startswith(f"  chargers  FAULT  a short time ago: {fault}; may be asked again in ")
    for name, line in zip(["sessions", "energy"], lines[3:], strict=True):
        assert line.startswith(f"  {name:<9} later  was asked a short time ago; may be asked again in ")
    assert check.asked == 3


def test_api_responses_are_in_the_ledger(check):
    """An exporter that is started next has something to show, and need not ask first."""
    session = {
        "id": "s1", "charger_id": "c1", "started_at": "2026-06-16T19:05:00Z", "ended_at": "2026-06-17T05:30:00Z",
        "kwh": 41.08, "ere_credits": 13.67,
    }  # fmt: skip
    check.serve(sessions={"payload": {"sessions": [session]}})
    status, lines = check()
    assert (status, lines[2:]) == (0, WELL)
    with check.ledger() as rig:
        records, walk = rig.ledger.load()
        book = rig.book()
    outcomes = {name: (record.up, record.requests) for name, record in records.items()}
    assert outcomes == dict.fromkeys(GOOD, (True, {"200": 1}))
    assert (walk.complete, walk.offset) == (False, 1)  # the exporter asks for the next page
    assert book.last_sessions["c1"].kwh_hundredths == 4108
    assert book.marks["account_kwh", "ere"] == 100


def test_retry_after_holds_for_whoever_asks_next(check):
    check.serve(chargers={"status": 429, "headers": {"Retry-After": "5000"}})
    status, lines = check()
    assert status == 1
    assert lines[2].endswith("if this stays, look for other users of the same token")
    with check.ledger() as rig:
        pause = rig.ledger.load()[0]["chargers"].pause
    assert 5000 <= pause.length_s < 5060
    assert pause.failures == 1


def test_the_outcomes_of_a_running_exporter_are_shown_and_nothing_is_asked(check):
    check.serve(
        sessions={"status": 401, "payload": {"error": "Missing or invalid API token"}}, energy={"status": 503}
    )
    with check.ledger():
        status, lines = check()
    assert (status, lines[3:]) == (0, [f"  {name:<9} later  has not been asked yet" for name in GOOD])
    check()  # stands for the exporter, which keeps the same records
    assert check.asked == 3
    with check.ledger():
        status, lines = check()
        check.token_file.unlink()
        _, without_token = check()
    assert status == 1
    assert lines[:4] == [
        f"An exporter is running on {check.folder}: these are the outcomes of its last requests.",
        f"Account (without a name), file {check.token_file}:",
        "  token     ok     looks like a token",
        WELL[0],
    ]
    assert lines[4].startswith(f"  sessions  FAULT  /sessions: 401, {REFUSED}; ")
    assert lines[5].startswith("  energy    FAULT  /energy: 503, ")
    assert without_token[2].startswith("  token     FAULT  ")
    assert check.asked == 3


def test_what_is_held_above_the_truth_is_named_and_no_fault(check):
    note = "Note: held above the truth, {}: 9327.50 kWh; joulo-exporter settle lets it fall."
    notes = [note.format("c\\n1"), note.format("unknown")]
    check.serve()
    with check.ledger() as rig:
        rig.chargers(Charger("c1", slug="c\n1"))
        for kwh in (933_480, 730):
            rig.whole_walk([finished("s", kwh_hundredths=kwh)], size=100)
            rig.book()
        status, lines = check()
        assert (status, lines[-2:]) == (0, notes)  # beside the exporter
    status, lines = check()
    assert (status, lines[-2:]) == (0, notes)


# The ledger: another user's, none, or a damaged one -----------------------------------------------


def another_users(check, monkeypatch):
    """Make this process that of a user who does not own the ledger's folder."""
    owner = check.folder.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    remedy = "run this as the exporter's user, and with its --storage.path."
    return check.folder, f"{check.folder} is another user's: {FORGOTTEN}; {remedy}"


def not_to_be_entered(check, monkeypatch):
    hidden = check.folder / "hidden"
    stat = type(hidden).stat

    def refused(path, **options):
        if path == hidden:
            raise PermissionError(13, "Permission denied")
        return stat(path, **options)

    monkeypatch.setattr(type(hidden), "stat", refused)
    return hidden, f"{hidden} cannot be entered (Permission denied): {FORGOTTEN}; "


def missing_for_root(check, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    folder = check.folder / "nothing" / "ledger"
    return folder, f"{folder} does not exist, and root does not make it here: "


def damaged(check, _):
    file = check.folder / "ledger.sqlite3"
    file.write_bytes(b"no database, but as long as the head of one: " + bytes(200))
    (check.folder / "ledger.lock").write_text(f"{os.getpid()}\n")  # as each process that opens it leaves it
    remedy = "puts it aside when it starts, and reads the history anew; if there is a backup, restore it first."
    return check.folder, f"{file} is damaged: file is not a database: {FORGOTTEN}; the exporter {remedy}"


def newer(check, _):
    with check.ledger() as rig, rig.database.transaction() as connection:
        connection.execute("INSERT INTO migrations (name) VALUES ('from the future')")
    remedy = "run that version, or give this one another --storage.path."
    file = check.folder / "ledger.sqlite3"
    return check.folder, f"{file} was written by a newer version of joulo-exporter (from the future); {remedy}"


@pytest.mark.parametrize("prepare", [another_users, not_to_be_entered, missing_for_root, damaged, newer])
def test_a_ledger_that_cannot_be_used_is_named_and_left_alone(check, monkeypatch, prepare):
    check.serve()
    folder, note = prepare(check, monkeypatch)
    before = check.files()
    status, lines = check(folder=folder)
    assert status == 0
    assert lines[0].startswith(f"Note: {note}")
    assert check.files() == before


def test_who_is_not_root_makes_the_folder(check, monkeypatch):
    check.serve()
    check.folder.rmdir()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert check()[0] == 0
    assert "ledger.sqlite3" in check.files()


def test_a_ledger_that_can_only_be_read_still_throttles(check, monkeypatch):
    check.serve()
    check()
    (check.folder / "ledger.lock").unlink()  # as in a restored backup: another user's would keep the exporter out
    before = check.files()
    another_users(check, monkeypatch)
    status, lines = check()
    assert status == 0
    assert lines[0].startswith(f"Note: {check.folder} is another user's: ")
    assert [line[:18] for line in lines[3:]] == [f"  {name:<9} later "[:18] for name in GOOD]
    assert check.asked == 3
    assert check.files() == before


def test_another_users_ledger_is_used_where_it_is(check, monkeypatch):
    check.serve()
    check()
    before = set(check.files())
    another_users(check, monkeypatch)
    status, lines = check()
    assert (status, lines[0][:8]) == (0, "Account ")
    assert check.asked == 3
    assert set(check.files()) == before
