"""The family of errors: what a caller can rely on of each."""

from __future__ import annotations

import inspect

import pytest

from joulo_exporter import errors

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", CLASSES)
def test_all_have_one_base_a_docstring_and_a_reason_of_their_own(kind):
    assert issubclass(kind, errors.JouloExporterError)
    assert kind.__doc__
    assert [other for other in CLASSES if other.reason == kind.reason] == [kind]
    assert kind.reason.replace("_", "").isalpha()


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (errors.ApiConnectionError("x"), "connection"),
        (errors.ApiTimeoutError("x"), "timeout"),
        (errors.ApiResponseError("x"), "invalid"),
        (errors.ApiStatusError("x", status=302), "302"),
        (errors.ApiAuthenticationError("x", status=401), "401"),
        (errors.ApiScopeError("x", status=403), "403"),
        (errors.ApiNotFoundError("x", status=404), "404"),
        (errors.ApiThrottledError("x", status=429), "429"),
        (errors.ApiServerError("x", status=503), "503"),
    ],
)
def test_the_code_is_the_label_that_the_contract_names(failure, code):
    assert failure.code == code
    assert str(failure) == "x"
