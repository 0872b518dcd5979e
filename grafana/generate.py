"""Write the dashboards as JSON."""

from collections.abc import Mapping
from pathlib import Path

from boards.charging import charging
from boards.exporter import exporter
from boards.parts import DATASOURCE
from boards.sessions import sessions
from boards.words import Language, Words
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard, FieldConfigSource, RowPanel

_FOLDER = Path(__file__).parent
_BOARDS = (charging, sessions, exporter)


def dashboards() -> Mapping[Path, str]:
    """Return the JSON of each dashboard by its file."""
    made = {}
    for language in Language:
        for build in _BOARDS:
            board = build(Words(language))
            _complete(board)
            made[_FOLDER / language.value / f"{board.uid}.json"] = (
                JSONEncoder(sort_keys=True, indent=2).encode(board) + "\n"
            )
    return made


def _complete(board: Dashboard) -> None:
    """Give each panel its number, the data source, and no unit where it has none of its own."""
    for number, panel in enumerate(board.panels or [], start=1):
        panel.id_val = number  # stable for as long as the order is: links to a panel hold
        for each in panel.panels if isinstance(panel, RowPanel) else [panel]:
            each.datasource = DATASOURCE
            each.field_config = each.field_config or FieldConfigSource()
            each.field_config.defaults.unit = each.field_config.defaults.unit or "none"


def main() -> None:
    """Write the files."""
    for path, text in dashboards().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
