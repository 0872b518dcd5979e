"""``joulo-exporter check``: every token tried on every endpoint, with the remedy of each fault."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp

from joulo_exporter.accounts import account_settings
from joulo_exporter.api.client import JouloClient, open_session
from joulo_exporter.config.files import Secret
from joulo_exporter.config.schema import AccountConfig, Config
from joulo_exporter.config.values import format_duration
from joulo_exporter.errors import (
    ApiError,
    ApiScopeError,
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
from joulo_exporter.poller import account_tasks
from joulo_exporter.poller.endpoint import pause_after_failure, remaining_s

_DAMAGED = (
    "the exporter puts it aside when it starts, and reads the history anew; if there is a backup, restore it first"
)
_OTHER_USER = "run this as the exporter's user, and with its --storage.path"
_ASKED = "later  was asked a short time ago"


async def check(config: Config, say: Callable[[str], None]) -> bool:
    """Check every account; return whether all is well.

    Requests keep to the documented intervals: an endpoint that the exporter or an earlier check asked too short a
    time ago, as far as the ledger knows, is not asked again. API responses go into the ledger, so that an
    exporter that is started next shows them and need not ask first. While an exporter runs on the same storage
    path nothing is asked at all: the last outcomes of that exporter are shown.
    """
    if not config.accounts:
        say(f"No account belongs to {config.shard}: there is nothing to check.")
        return True
    try:
        database, note = _open_ledger(config.storage_path)
    except LedgerLockedError:
        say(f"An exporter is running on {config.storage_path}: these are the outcomes of its last requests.")
        recorded = _recorded(config.storage_path)
        results = [
            _say_recorded(config, account, recorded.get(account.name or "", {}), say)
            for account in config.accounts
        ]
        _say_excess(config, say)
        return all(results)
    with contextlib.closing(database):
        if note is not None:
            say(f"Note: {note}.")
        recorded = {} if note is None else _recorded(config.storage_path)
        async with open_session(connection_limit=1) as session:
            results = [
                await _check_account(config, account, database, recorded, session, say)
                for account in config.accounts
            ]
    _say_excess(config, say)
    return all(results)


def _open_ledger(folder: Path) -> tuple[Database, str | None]:
    """Open the ledger of a storage path; root may run this, or a person, and not the exporter's user.

    No file is made that the exporter's user could not use: where there is no ledger yet, only the folder's owner
    makes it. SQLite's additions to a file that is there belong to the owner of that file, also when root runs it.

    Returns:
        The ledger, or one in memory where that is not to be written, with a note why, and the remedy.

    Raises:
        LedgerLockedError: an exporter has it.
    """
    try:
        _require_own(folder)
        return Database(folder), None
    except LedgerLockedError:
        raise
    except LedgerVersionError as error:
        return Database(None), str(error)
    except LedgerError as error:
        remedy = _DAMAGED if isinstance(error, LedgerDamagedError) else _OTHER_USER
        return Database(None), f"{error}: what is asked now is not written down; {remedy}"


def _require_own(folder: Path) -> None:
    """Raise ``LedgerError`` unless there is a ledger in a folder, or this user may make it."""
    # Through os.path, which takes a folder that may not be entered for one without them.
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


def _recorded(folder: Path) -> dict[str, dict[str, EndpointRecord]]:
    """Return each account's endpoints as an exporter keeps them; nothing where they cannot be read."""
    with contextlib.suppress(LedgerError), read_ledger(folder) as reader:
        return {account: reader.endpoints(account) for account in reader.accounts}
    return {}


def _say_excess(config: Config, say: Callable[[str], None]) -> None:
    """Say which counters are held above the truth: no fault, but nothing lowers them without a command."""
    with contextlib.suppress(LedgerError), read_ledger(config.storage_path) as reader:
        for account in config.accounts:
            for text in reader.excess(account.name or "", config.vehicles):
                name = f"{account.name}, " if account.name else ""
                say(f"Note: held above the truth, {name}{text}; joulo-exporter settle lets it fall.")


def _say_recorded(
    config: Config, account: AccountConfig, known: Mapping[str, EndpointRecord], say: Callable[[str], None]
) -> bool:
    """Say what the running exporter has recorded of an account; return whether all of it is well."""
    is_well = _read_token(account, say) is not None
    for task in account_tasks(account_settings(config, account.name)):
        record = known.get(task.name, EndpointRecord())
        outcomes = {None: "later  has not been asked yet", True: "ok     the last request succeeded"}
        say(f"  {task.name:<9} {outcomes.get(record.up, f'FAULT  {record.error}')}")
        is_well = is_well and record.up is not False
    return is_well


def _read_token(account: AccountConfig, say: Callable[[str], None]) -> Secret | None:
    """Say whose token is checked, and whether it can be one; return it if it can."""
    say(f"Account {account.name or '(without a name)'}, {account.token.shown}:")
    try:
        token = account.token.read()
    except ConfigError as error:
        say(f"  token     FAULT  {error}")
        return None
    say("  token     ok     looks like a token")
    return token


async def _check_account(
    config: Config,
    account: AccountConfig,
    database: Database,
    recorded: Mapping[str, Mapping[str, EndpointRecord]],
    session: aiohttp.ClientSession,
    say: Callable[[str], None],
) -> bool:
    """Say the outcome of each endpoint; return whether all are well."""
    token = _read_token(account, say)
    if token is None:
        return False
    ledger = AccountLedger(
        database,
        account.name or "",
        configured_labels=config.chargers,
        vehicles=config.vehicles,
        max_power_kw=config.api.max_power_kw,
    )
    client = JouloClient(session, config.api, token=token)
    settings = account_settings(config, account.name)
    records, walk = ledger.load()
    known = {**recorded.get(account.name or "", {}), **records}
    is_well = True
    for task in account_tasks(settings):
        record = known.get(task.name, EndpointRecord())
        task.restore(record.body, walk)
        pause = Pause(time.time(), task.interval_s(settings))
        left_s = remaining_s(record.pause, pause.length_s, pause.requested_at_seconds) if record.pause else 0.0
        if left_s > 0:
            said = f"FAULT  a short time ago: {record.error}" if record.up is False else _ASKED
            outcome = f"{said}; may be asked again in {format_duration(max(1, round(left_s)))}"
        else:
            ledger.begin_request(task.name, pause, task.page(pause.requested_at_seconds, settings))
            try:
                response = await task.fetch(client)
            except ApiError as error:
                # Kept for the next check, with the time of Retry-After: no request comes early.
                asked_for_s = time.time() - pause.requested_at_seconds + (error.retry_after_s or 0.0)
                length_s = pause_after_failure(pause.length_s, 1, 0.0, asked_for_s)
                ledger.record_failure(task.name, error, Pause(pause.requested_at_seconds, length_s, failures=1))
                hint = "; the other endpoints work without it" if isinstance(error, ApiScopeError) else ""
                outcome = f"FAULT  {error}{hint}"
            else:
                task.record(ledger, response, pause)
                outcome = f"ok     {_summary(response)}"
        say(f"  {task.name:<9} {outcome}")
        is_well = is_well and not outcome.startswith("FAULT")
    return is_well


def _summary(response: ApiResponse[object]) -> str:
    content = response.content.sessions if isinstance(response.content, SessionPage) else response.content
    if not isinstance(content, tuple):
        return "sends the account's totals"
    left_out = f", and {len(response.malformed)} that cannot be read" if response.malformed else ""
    records = "1 record" if len(content) == 1 else f"{len(content)} records"
    return f"sends {records}{left_out}"
