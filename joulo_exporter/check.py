"""``joulo-exporter check``: every token tried on every endpoint, with the remedy of each fault."""

import contextlib
import time
from collections.abc import Callable, Mapping

import aiohttp

from joulo_exporter.accounts import account_settings
from joulo_exporter.api.client import JouloClient, open_session
from joulo_exporter.config.schema import AccountConfig, Config
from joulo_exporter.config.tokens import Secret
from joulo_exporter.config.values import format_duration
from joulo_exporter.errors import ApiError, ApiScopeError, ConfigError, LedgerError, LedgerLockedError
from joulo_exporter.ledger import AccountLedger, EndpointRecord, Pause
from joulo_exporter.ledger.reader import CommandLedger, open_for_command, read_ledger, recorded_endpoints
from joulo_exporter.models.session import SessionPage
from joulo_exporter.models.wire import ApiResponse
from joulo_exporter.poller import account_tasks
from joulo_exporter.poller.endpoint import pause_after_failure, remaining_s

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
        ledger = open_for_command(config.storage_path)
    except LedgerLockedError:
        say(f"An exporter is running on {config.storage_path}: these are the outcomes of its last requests.")
        known = recorded_endpoints(config.storage_path)
        results = [
            _say_recorded(config, account, known.get(account.name or "", {}), say) for account in config.accounts
        ]
        _say_excess(config, say)
        return all(results)
    if ledger.note is not None:
        say(f"Note: {ledger.note}.")
    try:
        async with open_session(connection_limit=1) as session:
            results = [await _check_account(config, account, ledger, session, say) for account in config.accounts]
    finally:
        ledger.database.close()
    _say_excess(config, say)
    return all(results)


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
    known: CommandLedger,
    session: aiohttp.ClientSession,
    say: Callable[[str], None],
) -> bool:
    """Say the outcome of each endpoint; return whether all are well."""
    token = _read_token(account, say)
    if token is None:
        return False
    ledger = AccountLedger(
        known.database,
        account.name or "",
        configured_labels=config.chargers,
        vehicles=config.vehicles,
        max_power_kw=config.api.max_power_kw,
    )
    client = JouloClient(session, config.api, token=token)
    settings = account_settings(config, account.name)
    records, walk = ledger.load()
    known_records = {**known.endpoints.get(account.name or "", {}), **records}
    is_well = True
    for task in account_tasks(settings):
        record = known_records.get(task.name, EndpointRecord())
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
