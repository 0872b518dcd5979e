"""The health check of the container: what is a sign of life, and what is not."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
import threading

import pytest

from joulo_exporter.healthcheck import UnhealthyError, check, main


@contextlib.contextmanager
def server(answer, context=None):
    """Answer every connection in the same way; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, answer, context))
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def serve(listener, answer, context):
    with contextlib.suppress(OSError):
        while True:
            connection = listener.accept()[0]
            with connection, contextlib.suppress(OSError):
                answered(connection, answer, context)


def answered(connection, answer, context):
    connection.settimeout(5)
    if context is None:
        connection.recv(4096)
        connection.sendall(answer)
        return
    with context.wrap_socket(connection, server_side=True) as wrapped:
        wrapped.recv(4096)
        wrapped.sendall(answer)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / "key.pem"]
    command = ["openssl", "req", "-x509", *key, "-out", folder / "cert.pem", "-subj", "/CN=elsewhere.example"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def tls(certificate, version=ssl.TLSVersion.TLSv1_3):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized", "404 Not Found", "308 Permanent Redirect"])
def test_any_answer_below_500_is_a_sign_of_life(status):
    with server(f"HTTP/1.1 {status}\r\n\r\n".encode()) as address:
        check(f"http://{address}/-/healthy")


@pytest.mark.parametrize("status", [500, 503])
def test_an_answer_of_500_or_more_is_none(status):
    with (
        server(f"HTTP/1.1 {status} x\r\n\r\n".encode()) as address,
        pytest.raises(UnhealthyError, match=f"responds with status {status}"),
    ):
        check(f"http://{address}")


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2 Debian\r\n", b"HTTP/1.1 2"])
def test_what_is_no_http_server_is_not_alive(answer):
    with server(answer) as address, pytest.raises(UnhealthyError, match="neither HTTP nor TLS"):
        check(f"http://{address}")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_behind_tls_is_found_whatever_its_certificate(certificate, scheme, version):
    with server(b"HTTP/1.1 401 Unauthorized\r\n\r\n", tls(certificate, version)) as address:
        check(f"{scheme}://{address}/-/healthy")


def test_a_fault_is_found_behind_tls_too(certificate):
    with (
        server(b"HTTP/1.1 500 Internal Server Error\r\n\r\n", tls(certificate)) as address,
        pytest.raises(UnhealthyError, match="responds with status 500"),
    ):
        check(f"http://{address}")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_asks_for_a_client_certificate_is_alive(certificate, version):
    context = tls(certificate, version)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate / "cert.pem")
    with server(b"HTTP/1.1 200 OK\r\n\r\n", context) as address:
        check(f"http://{address}")


def test_nobody_there_is_one_line_and_exit_status_1(capsys):
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert main([f"http://127.0.0.1:{port}"]) == 1
    assert capsys.readouterr().err == f"healthcheck: no connection to port {port}: Connection refused\n"


def test_a_server_that_never_answers_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("joulo_exporter.healthcheck._TIMEOUT_S", 0.05)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(UnhealthyError, match="does not respond"),
    ):
        check(f"http://127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.parametrize(
    "arguments",
    [["localhost:9973"], ["ftp://localhost"], ["http://"], ["http://localhost:x"], ["http://a:b@localhost"],
     ["http://localhost", "http://localhost"]],
)  # fmt: skip
def test_bad_usage_is_one_line_and_exit_status_2(arguments, capsys):
    assert main(arguments) == 2
    assert (
        capsys.readouterr().err == "healthcheck: write one URL, such as http://127.0.0.1:9973/-/healthy, or none\n"
    )


def test_it_starts_without_the_exporter():
    """A check twice a minute must not cost as much as the start of the exporter itself."""
    code = "import sys, joulo_exporter.healthcheck; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"aiohttp", "asyncio", "msgspec", "yaml", "joulo_exporter.config"}.isdisjoint(loaded)


def test_main_says_0_for_a_living_exporter():
    with server(b"HTTP/1.1 200 OK\r\n\r\n") as address:
        ran = subprocess.run(
            [sys.executable, "-m", "joulo_exporter.healthcheck", f"http://{address}"], check=False
        )
    assert ran.returncode == 0
