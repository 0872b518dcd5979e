import pytest

from joulo_exporter.config.schema import load_config
from joulo_exporter.errors import ConfigError


@pytest.fixture
def load(tmp_path):
    """Load a configuration from the text of its file; the environment gives a token."""

    def load_text(text, environ=None, **more):
        path = tmp_path / "joulo.yml"
        path.write_text(text)
        return load_config(path, {"JOULO_TOKEN": "joulo_x"} if environ is None else environ, **more)

    return load_text


@pytest.fixture
def refused(load):
    """Return the line, without the name of the file, with which a text is refused."""

    def refuse(text, environ=None):
        with pytest.raises(ConfigError) as caught:
            load(text, environ)
        return str(caught.value).partition("joulo.yml: ")[2]

    return refuse
