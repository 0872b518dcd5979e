"""``joulo-exporter check``: every token tried on every endpoint, with the remedy of each fault."""

import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from pathlib import Path

import aiohttp

from joulo_exporter.accounts import own_token
from joulo_exporter.api.client import JouloClient, open_session
from joulo_exporter.clock import SystemClock
from joulo_exporter.config.files import Secret, one_line
from joulo_exporter.config.schema import AccountConfig, Config
from joulo_exporter.config.values import format_duration
from joulo_exporter.errors import (
    ApiError,
    ApiRefusalError,
    ConfigError,
    LedgerDamagedError,
    LedgerError,
    LedgerLockedError,
    LedgerVersionError,
)
from joulo_exporter.ledger import FILE_NAME, AccountLedger, Database, EndpointRecord, Pause
from joulo_exporter.ledger.reader import read_ledger
from joulo_exporter.ledger.storage import LOCK_NAME
from joulo_exporter.models.session import SessionPage
from joulo_exporter.models.wire import ApiResponse
from joulo_exporter.poller.endpoint import EndpointState, Plan, account_endpoints, pause_after_failure

_DAMAGED = (
    "the exporter puts it aside when it starts, and reads the history anew; if there is a backup, restore it first"
)
_OTHER_USER = "run this as the exporter's user, and with its --storage.path"


async def check(config: Config, say: Callable[[str], None]) -> bool:
    """Check every account; return whether all is well.

    Requests keep to the documented intervals: an endpoint that the exporter or an earlier check asked too
    recently, as far as the ledger knows, is not asked again. API responses go into the ledger, so that an exporter
    that is started afterwards shows them and need not ask first. While an exporter runs on the same storage path,
    nothing is asked at all: the last outcomes of that exporter are shown.
    """
    if not config.accounts:
        say(f"No account belongs to {config.shard}: there is nothing to check.")
        return True
    is_well = True
    recorded: dict[str, dict[str, EndpointRecord]] = {}
    tokens: dict[Secret | None, str] = {}
    database, note = _open_ledger(config.storage_path)
    if note is not None:
        say(note)
        with contextlib.suppress(LedgerError), read_ledger(config.storage_path) as reader:
            recorded = {account: reader.endpoints(account) for account in reader.accounts}
    with contextlib.closing(database) if database is not None else contextlib.nullcontext():
        async with open_session() as session:
            for account in config.accounts:
                say(f"Account {account.name or '(without a name)'}, {account.token.shown}:")
                known = recorded.get(account.name or "", {})
                async for name, outcome in _outcomes(config, account, tokens, known, database, session):
                    say(f"  {name:<9} {outcome}")
                    is_well = is_well and not outcome.startswith("FAULT")
    with contextlib.suppress(LedgerError), read_ledger(config.storage_path) as reader:
        for account in config.accounts:
            for text in reader.excess(account.name or "", config.vehicles):  # no fault: only a command ends it
                name = f"{account.name}, " if account.name else ""
                held = one_line(f"{name}{text}")  # the label of a charger comes from the API
                say(f"Note: held above the truth, {held}; joulo-exporter settle lets it fall.")
    return is_well


def _open_ledger(folder: Path) -> tuple[Database | None, str | None]:
    """Open the ledger of a storage path; this process may be root's or a person's, not the exporter's user's.

    It makes no file that the exporter's user could not use: where there is no ledger yet, only the folder's owner
    makes it. SQLite gives the files that it adds to an existing ledger the same owner, even when root runs this.

    Returns:
        The ledger; or, where it must not be written, one in memory, and a note with the reason and the remedy; or,
        while an exporter has it, ``None`` and a note.
    """
    try:
        _require_own(folder)
        return Database(folder), None
    except LedgerLockedError:
        return None, f"An exporter is running on {folder}: these are the outcomes of its last requests."
    except LedgerVersionError as error:
        return Database(None), f"Note: {error}."
    except LedgerError as error:
        remedy = _DAMAGED if isinstance(error, LedgerDamagedError) else _OTHER_USER
        return Database(None), f"Note: {error}: what is asked now is not written down; {remedy}."


def _require_own(folder: Path) -> None:
    """Raise ``LedgerError`` unless the folder has a ledger, or this user may make one."""
    # By os.path, which finds no file in a folder that may not be entered, where Path can raise an error.
    if os.path.exists(folder / FILE_NAME) and os.path.exists(folder / LOCK_NAME):  # noqa: PTH110
        return
    user = os.geteuid()
    try:
        if folder.stat().st_uid != user:
            raise LedgerError(f"{folder} is another user's")
    except FileNotFoundError:
        # A service seldom runs as root, and could not enter what root makes.
        if user == 0:
            raise LedgerError(f"{folder} does not exist, and root does not make it here") from None
    except OSError as error:
        raise LedgerError(f"{folder} cannot be entered ({error.strerror})") from error


async def _outcomes(
    config: Config,
    account: AccountConfig,
    tokens: dict[Secret | None, str],
    recorded: Mapping[str, EndpointRecord],
    database: Database | None,
    session: aiohttp.ClientSession,
) -> AsyncIterator[tuple[str, str]]:
    """Yield name and outcome of the token, and of each endpoint; without a ledger, the recorded outcomes."""
    token = None
    try:
        token = own_token(account, tokens)
        yield "token", "ok     looks like a token"
    except ConfigError as error:
        yield "token", f"FAULT  {error}"
    plan = Plan(config, account, token)
    endpoints = account_endpoints(plan, SystemClock())
    if database is None:
        for state in endpoints:
            record = recorded.get(state.name, EndpointRecord())
            outcomes = {None: "later  has not been asked yet", True: "ok     the last request succeeded"}
            yield state.name, outcomes.get(record.up, f"FAULT  {record.error}")
    elif token is not None:
        ledger = plan.ledger(database)
        client = JouloClient(session, config.api, token=token)
        records, walk = ledger.load()
        for state in endpoints:
            state.restore(records.get(state.name) or recorded.get(state.name), walk)
            yield state.name, await _ask(state, ledger, client)


async def _ask(state: EndpointState, ledger: AccountLedger, client: JouloClient) -> str:
    """Ask an endpoint, unless it is too early; return the outcome."""
    pause = Pause(time.time(), state.interval_s)
    left_s = state.due_mono_s - state.clock.monotonic()
    if left_s > 0:
        said = "later  was asked a short time ago"
        if state.health.up is False:
            said = f"FAULT  a short time ago: {state.health.error}"
        return f"{said}; may be asked again in {format_duration(max(1, round(left_s)))}"
    page = state.page(pause.requested_at_seconds)
    ledger.begin_request(state.name, pause, page)
    try:
        response = await state.fetch(client, page)
    except ApiError as error:
        # Kept for the next check, with the time of Retry-After, so that no request comes early.
        asked_for_s = time.time() - pause.requested_at_seconds + (error.retry_after_s or 0.0)
        length_s = pause_after_failure(pause.length_s, 1, 0.0, asked_for_s)
        ledger.record_failure(state.name, error, Pause(pause.requested_at_seconds, length_s, failures=1))
        is_scope = isinstance(error, ApiRefusalError) and error.status == HTTPStatus.FORBIDDEN
        return f"FAULT  {error}{'; the other endpoints work without it' if is_scope else ''}"
    state.record(ledger, response, pause)
    return f"ok     {_summary(response)}"


def _summary(response: ApiResponse[object]) -> str:
    content = response.content.sessions if isinstance(response.content, SessionPage) else response.content
    if not isinstance(content, tuple):
        return "sends the account's totals"
    left_out = f", and {len(response.malformed)} that cannot be read" if response.malformed else ""
    records = "1 record" if len(content) == 1 else f"{len(content)} records"
    return f"sends {records}{left_out}"
