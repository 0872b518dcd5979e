"""An HTTP server on loopback whose responses are JSON that a test makes."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, content = self.server.respond(self.path.partition("?")[0], body)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def do_POST(self):
        self.do_GET()

    def log_message(self, *_):
        pass


class JsonServer(ThreadingHTTPServer):
    """A server that serves while it is entered; a subclass has ``respond(path, body)``: (status, content)."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,)).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
