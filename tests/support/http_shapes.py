"""Requests of every shape, by name: those with a status of their own, and malformed ones."""

HOST = b"Host: x\r\n"
END = b"Connection: close\r\n\r\n"


def get(target: bytes) -> bytes:
    return line(b"GET " + target + b" HTTP/1.1")


def head(headers: bytes) -> bytes:
    return line(b"GET /metrics HTTP/1.1", headers)


def line(text: bytes, headers: bytes = b"") -> bytes:
    return text + b"\r\n" + HOST + headers + END


def post(headers: bytes, body: bytes = b"") -> bytes:
    return line(b"POST /-/reload HTTP/1.1", headers) + body


CHUNKED = b"Transfer-Encoding: chunked\r\n"

SHAPES = {
    "good": (get(b"/metrics"), 200),
    "empty lines before the request": (b"\r\n\r\n" + get(b"/metrics"), 200),
    "HTTP/1.0 without a host": (b"GET /metrics HTTP/1.0\r\n\r\n", 200),
    "a whole URL": (get(b"http://x/metrics"), 200),
    "an upgrade that nobody wants": (head(b"Upgrade: websocket\r\n"), 200),
    "small body": (post(b"Content-Length: 5\r\n", b"hello"), 200),
    "small chunked body": (post(CHUNKED, b"5\r\nhello\r\n0\r\n\r\n"), 200),
    # hosts
    "no host": (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
    "two hosts": (head(b"Host: y\r\n"), 400),
    "garbage": (b"\x00\xff\xfe\r\n\r\n", 400),
    # methods
    "another method": (line(b"DELETE /metrics HTTP/1.1"), 405),
    "OPTIONS *": (line(b"OPTIONS * HTTP/1.1"), 404),
    "no method": (line(b"G@T( /metrics HTTP/1.1"), 400),
    # targets
    "two slashes": (get(b"//metrics"), 404),
    "dot": (get(b"/./metrics"), 404),
    "dots": (get(b"/a/../metrics"), 404),
    "escaped dots": (get(b"/%2e%2e/metrics"), 404),
    "escaped NUL": (get(b"/metrics%00"), 404),
    "NUL": (get(b"/met\x00rics"), 400),
    "a blank": (get(b"/me trics"), 400),
    # headers
    "folded": (head(b"X: a\r\n b\r\n"), 400),
    "blank before the colon": (head(b"X : a\r\n"), 400),
    "no colon": (head(b"X\r\n"), 400),
    "control character": (head(b"X: a\x01b\r\n"), 400),
    "bare LF": (b"GET /metrics HTTP/1.1\nHost: x\n\n", 400),
    "bare CR": (head(b"X: a\rb\r\n"), 400),
    # bodies, and where they end
    "length and chunks": (post(b"Content-Length: 6\r\n" + CHUNKED, b"0\r\n\r\nG"), 400),
    "two lengths": (post(b"Content-Length: 0\r\nContent-Length: 5\r\n", b"hello"), 400),
    "a length below 0": (post(b"Content-Length: -1\r\n"), 400),
    "another coding": (post(b"Transfer-Encoding: gzip\r\n"), 400),
    "chunk without a size": (post(CHUNKED, b"zz\r\nabc\r\n0\r\n\r\n"), 400),
    "large body": (post(b"Content-Length: 5000000\r\n", b"hello"), 413),
    "large chunk": (post(CHUNKED, b"2000\r\n" + b"a" * 8192 + b"\r\n0\r\n\r\n"), 413),
    "another expectation": (post(b"Expect: tea\r\n"), 417),
}

MALFORMED = {
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method that nobody knows": line(b"BREW /metrics HTTP/1.1"),
    "UTF-8": get("/é".encode()),
    "far too long": get(b"/" + b"a" * 900_000),
    "far too long value": head(b"X: " + b"a" * 900_000 + b"\r\n"),
    "many": head(b"X: a\r\n" * 130),
    "all together too long": head((b"X: " + b"a" * 4000 + b"\r\n") * 12),
    "never an end": head((b"X: " + b"a" * 4000 + b"\r\n") * 12).removesuffix(END),
}
"""Refused with a status from 400 to 499, or closed without a word: which of them depends on aiohttp's parser."""
