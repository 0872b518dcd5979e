"""The accounts: from the file's ``accounts``, else from the environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from joulo_exporter.config.faults import Where, name_fault
from joulo_exporter.config.records import AccountConfig
from joulo_exporter.config.secret import Secret
from joulo_exporter.config.section import Section, sequence
from joulo_exporter.config.tokens import (
    path_fault,
    token_from_environment,
    token_from_file,
    token_from_value,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulo_exporter.config.document import Node
    from joulo_exporter.config.tokens import TokenSource

_WAYS = ("token_file", "token_env", "token")
_KEYS = ("name", *_WAYS)
_EXAMPLE = "- token_file: /run/secrets/joulo"

# Capitals only: a token that was pasted here by mistake has small letters, and would be shown as a name.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


def file_accounts(node: Node, where: Where, folder: Path, environ: Mapping[str, str]) -> tuple[AccountConfig, ...]:
    """Return the accounts that the file lists; none where it lists none.

    Args:
        node: what stands at ``accounts``.
        where: the place of ``accounts``.
        folder: the folder of the configuration file, in which a relative ``token_file`` is looked up.
        environ: the environment, for ``token_env``.

    Raises:
        ConfigError: an account is not complete, or two have one name.
    """
    accounts: list[AccountConfig] = []
    positions: dict[str | None, int] = {}
    items = sequence(where, node, f"`{_EXAMPLE}`")
    for position, item in enumerate(items):
        section = Section(where.item(position), item, _KEYS, "{token_file: /run/secrets/joulo}")
        account = AccountConfig(_name(section), _token(section, folder, environ))
        _refuse_ambiguity(section.where, account.name, positions, alone=len(items) == 1)
        positions[account.name] = position
        accounts.append(account)
    return tuple(accounts)


def environment_accounts(source: str, environ: Mapping[str, str]) -> tuple[AccountConfig, ...]:
    """Return the one unnamed account whose token the environment gives.

    Args:
        source: the file that lists no accounts, or ``environment`` when there is none, for the error.
        environ: the environment; a variable without a value counts as not set.

    Raises:
        ConfigError: there is no token, or there are two ways to one.
    """
    token, file = environ.get("JOULO_TOKEN"), environ.get("JOULO_TOKEN_FILE")
    where = Where("environment")
    if token and file:
        raise where.child("JOULO_TOKEN").fault("is set, and JOULO_TOKEN_FILE too; unset one of them")
    if token:
        return (AccountConfig(None, token_from_environment(where.child("JOULO_TOKEN"), "JOULO_TOKEN", environ)),)
    if file:
        return (AccountConfig(None, _file_token(where.child("JOULO_TOKEN_FILE"), file, Path())),)
    raise (
        Where(source)
        .child("accounts")
        .fault(
            "there is no API token; set the environment variable JOULO_TOKEN or JOULO_TOKEN_FILE, or write "
            f"accounts: with `{_EXAMPLE}` into the configuration file"
        )
    )


def _name(section: Section) -> str | None:
    name = section.text("name", "home")
    fault = None if name is None else name_fault(name)
    if fault is not None:
        raise section.where.child("name").fault(fault)
    return name


def _refuse_ambiguity(where: Where, name: str | None, positions: Mapping[str | None, int], *, alone: bool) -> None:
    if name is None and not alone:
        raise where.child("name").fault(
            "is missing; with several accounts each needs a name, the account label that tells them apart"
        )
    if name is not None and name in positions:
        raise where.child("name").fault(
            f"is the name of accounts[{positions[name]}] too; choose another account label"
        )


def _token(section: Section, folder: Path, environ: Mapping[str, str]) -> TokenSource:
    given = [way for way in _WAYS if section.has(way)]
    if not given:
        raise section.where.fault("has no token; write one of token_file, token_env and token")
    if len(given) > 1:
        raise section.where.fault(f"has {' and '.join(given)}; keep one of them")
    where = section.where.child(given[0])
    if given[0] == "token":
        source = token_from_value(where, _value(section, where))
        source.read()  # unlike a file or a variable, it is all here: what is wrong with it is a fault of this file
        return source
    if given[0] == "token_env":
        return _variable_token(where, section.text("token_env", "JOULO_TOKEN") or "", environ)
    return _file_token(where, section.text("token_file", "/run/secrets/joulo") or "", folder)


def _value(section: Section, where: Where) -> Secret:
    value = section.node("token")
    if not isinstance(value, str):
        raise where.fault("must be a single value: the token, in quotes")
    return Secret(value)


def _variable_token(where: Where, name: str, environ: Mapping[str, str]) -> TokenSource:
    if not _VARIABLE.fullmatch(name):
        raise where.fault(
            "must be the name of an environment variable, in capitals, such as JOULO_TOKEN; "
            "the token itself goes into that variable"
        )
    return token_from_environment(where, name, environ)


def _file_token(where: Where, text: str, folder: Path) -> TokenSource:
    fault = path_fault(text)
    if fault is not None:
        raise where.fault(fault)
    return token_from_file(where, folder / text)
