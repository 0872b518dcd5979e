"""Write the dashboards as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from boards.charging import charging
from boards.exporter import exporter
from boards.sessions import sessions
from boards.words import Language
from grafana_foundation_sdk.cog.encoder import JSONEncoder

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = Path(__file__).parent
_BOARDS = (charging, sessions, exporter)


def dashboards() -> Mapping[Path, str]:
    """Return the JSON of each dashboard by its file."""
    made = {}
    for language in Language:
        for build in _BOARDS:
            board = build(language)
            for number, panel in enumerate(board.panels or [], start=1):
                panel.id_val = number  # stable for as long as the order is: links to a panel hold
            made[_FOLDER / language.value / f"{board.uid}.json"] = (
                JSONEncoder(sort_keys=True, indent=2).encode(board) + "\n"
            )
    return made


def main() -> None:
    """Write the files."""
    for path, text in dashboards().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
