"""The family of errors: what a caller can rely on of each."""

import inspect

import pytest

from joulo_exporter import errors
from joulo_exporter.cli.parser import UsageError
from joulo_exporter.web.server import ListenError

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", CLASSES)
def test_all_have_one_base_a_docstring_and_a_reason_of_their_own(kind):
    assert issubclass(kind, errors.JouloExporterError)
    assert kind.__doc__
    assert [other for other in CLASSES if other.reason == kind.reason] == [kind]
    assert kind.reason.replace("_", "").isalpha()


def test_errors_of_other_rooms_have_the_reason_of_their_class_or_of_its_base():
    assert (ListenError.reason, UsageError.reason) == ("listen", "config")
