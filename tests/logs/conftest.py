import io
import logging

import pytest

from joulo_exporter import logs

MOMENT = 1_780_315_200.5  # 2026-06-01T12:00:00.500Z


@pytest.fixture
def written(monkeypatch):
    """Set up logging; return a function that gives the lines written since."""
    monkeypatch.setattr("time.time", lambda: MOMENT)
    monkeypatch.setattr("time.time_ns", lambda: int(MOMENT * 1e9))
    stream = io.StringIO()

    def lines():
        text = stream.getvalue()
        assert not text or text.endswith("\n")
        return text.splitlines()

    def configure(level="info", log_format="logfmt", **more):
        logging.getLogger().handlers.clear()  # those of pytest raise what ours must bear
        logs.configure(level, log_format, stream, **more)
        return lines

    return configure
