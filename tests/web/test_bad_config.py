"""One file in ``bad_config/`` for each mistake, and in its ``expected.txt`` the line that its author reads."""

import io
import logging
import shutil
import traceback
from pathlib import Path

import pytest
from support.certificates import HASH

from joulo_exporter.errors import ConfigError
from joulo_exporter.web.config import load_web_config

CANARY = "s3cret0CANARY"
BAD = Path(__file__).parent / "bad_config"
EXPECTED = {
    line.partition(":")[0]: line for line in (BAD / "expected.txt").read_text("utf-8").splitlines() if line
}
FILES = sorted(path.name for path in BAD.glob("*.yml"))


@pytest.fixture
def folder(certificates, tmp_path, monkeypatch):
    """A folder with the faulty files, and what they name."""
    for source in (certificates.folder, BAD):
        shutil.copytree(source, tmp_path, dirs_exist_ok=True)
    (tmp_path / "broken.crt").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "broken.key").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_file_has_its_line_and_each_line_its_file():
    assert sorted(EXPECTED) == FILES


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", FILES)
def test_a_mistake_is_one_line_that_names_file_key_and_remedy(name):
    error = fault_of(Path(name))
    assert str(error) == EXPECTED[name]
    shown = everything_shown_of(error)
    assert CANARY not in shown
    assert HASH[:-1] not in shown


def test_relative_paths_begin_in_the_folder_of_the_file(folder, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert str(fault_of(folder / "no_such_file.yml")) == (
        f"{folder}/no_such_file.yml: tls_server_config.cert_file: "
        f"the file {folder}/none.crt does not exist; create it, or correct the path"
    )


def test_a_file_that_is_not_there(tmp_path):
    assert str(fault_of(tmp_path / "none.yml")) == (
        f"{tmp_path}/none.yml: there is no such file; correct --web.config.file, or create it"
    )


def fault_of(path):
    with pytest.raises(ConfigError) as caught:
        load_web_config(path)
    return caught.value


def everything_shown_of(error):
    stream = io.StringIO()
    logger = logging.getLogger("test.bad_web_files")
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    logger.error("%s", error, exc_info=error)
    logger.removeHandler(handler)
    return stream.getvalue() + "".join(traceback.format_exception(error)) + repr(error)
