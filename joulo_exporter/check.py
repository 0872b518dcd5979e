"""``joulo-exporter check``: every token tried on every endpoint, with the remedy of each fault."""

import asyncio
import contextlib
import math
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from joulo_exporter.accounts import own_token
from joulo_exporter.api.client import JouloClient, open_session
from joulo_exporter.clock import SystemClock
from joulo_exporter.config.files import Secret, one_line
from joulo_exporter.config.schema import Config
from joulo_exporter.errors import (
    ConfigError,
    LedgerDamagedError,
    LedgerError,
    LedgerLockedError,
    LedgerVersionError,
)
from joulo_exporter.ledger.account import EndpointRecord
from joulo_exporter.ledger.database import Batches, Database
from joulo_exporter.ledger.reader import read_ledger
from joulo_exporter.ledger.storage import FILE_NAME, LOCK_NAME
from joulo_exporter.poller.endpoint import Plan
from joulo_exporter.poller.poller import Poller

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
    database, may_ask = _open_ledger(config.storage_path, say)
    with contextlib.suppress(LedgerError), read_ledger(config.storage_path) as reader:
        recorded = {account: reader.endpoints(account) for account in reader.accounts}
    offload = Batches(database)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(offload.close)
        session = await stack.enter_async_context(open_session())
        for account in config.accounts:
            say(f"Account {account.name or '(without a name)'}, {account.token.shown}:")
            token = None
            try:
                token = own_token(account, tokens)
                say("  token     ok     looks like a token")
            except ConfigError as error:
                say(f"  token     FAULT  {error}")
                is_well = False
            if token is None and may_ask:
                continue
            client = JouloClient(session, config.api, token=token)
            poller = _poller(Plan(config, account, token), client, database, offload)
            known = recorded.get(poller.plan.key, {})
            async for name, outcome in _outcomes(poller, known, may_ask=may_ask):
                say(f"  {name:<9} {outcome}")
                is_well = is_well and not outcome.startswith("FAULT")
    with contextlib.suppress(LedgerError), read_ledger(config.storage_path) as reader:
        for account in config.accounts:
            prefix = f"{account.name}, " if account.name else ""
            for name, hundredths, unit in reader.excess(account.name or "", config.tags.vehicles):  # no fault
                held = one_line(f"{prefix}{name}: {hundredths / 100:.2f} {unit}")  # a label comes from the API
                say(f"Note: held above the truth, {held}; joulo-exporter settle lets it fall.")
    return is_well


def _open_ledger(folder: Path, say: Callable[[str], None]) -> tuple[Database, bool]:
    """Open the ledger of a storage path; this process may be root's or a person's, not the exporter's user's.

    It makes no file that the exporter's user could not use: where there is no ledger yet, only the folder's owner
    makes it. SQLite gives the files that it adds to an existing ledger the same owner, even when root runs this.

    Returns:
        The ledger; or, where it must not be written, one in memory, after a line with the reason and the remedy.
        And whether anything may be asked: not while an exporter has the ledger.
    """
    try:
        _require_own(folder)
        return Database(folder), True
    except LedgerLockedError:
        say(f"An exporter is running on {folder}: these are the outcomes of its last requests.")
        return Database(None), False
    except LedgerVersionError as error:
        say(f"Note: {error}.")
    except LedgerError as error:
        remedy = _DAMAGED if isinstance(error, LedgerDamagedError) else _OTHER_USER
        say(f"Note: {error}: what is asked now is not written down; {remedy}.")
    return Database(None), True


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


def _poller(plan: Plan, client: JouloClient, database: Database, offload: Batches) -> Poller:
    """Return the poller of an account, as the exporter would run it, but for the page and the metrics."""
    return Poller(
        client,
        plan.ledger(database),
        plan,
        publish=lambda _snapshot: None,
        offload=offload,
        clock=SystemClock(),
        request_slots=asyncio.Semaphore(),
    )


async def _outcomes(
    poller: Poller, recorded: Mapping[str, EndpointRecord], *, may_ask: bool
) -> AsyncIterator[tuple[str, str]]:
    """Yield name and outcome of each endpoint, after asking those that are due."""
    records, walk = poller.ledger.load()
    for name, state in poller.endpoints.items():
        state.restore(records.get(name) or recorded.get(name), walk)
        left_s = state.due_mono_s - poller.clock.monotonic() if may_ask else 0.0
        if may_ask and left_s <= 0:
            await poller.refresh(state)
        error = state.health.error
        if left_s > 0:
            said = f"FAULT  a short time ago: {error}" if error else "later  was asked a short time ago"
            yield name, f"{said}; may be asked again in {math.ceil(left_s / 60)} min"
        elif state.health.up is None:
            yield name, "later  has not been asked yet"
        else:
            yield name, f"FAULT  {error}" if error else "ok     the last request succeeded"
