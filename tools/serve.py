"""Build the website if need be and serve it on this machine until Ctrl-C.

python tools/serve.py [--port PORT]
"""

import argparse
import contextlib
import errno
import functools
import http.server
import sys
from pathlib import Path

import build_book

HOST = "127.0.0.1"
FIRST_PORT, LAST_PORT = 8000, 8099


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps a connection open for all the files of a page
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".woff2": "font/woff2"}  # noqa: RUF012

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")  # a browser asks each time whether its copy is still the newest
        super().end_headers()

    def log_request(self, *_: object) -> None:
        """Say nothing of what went well; errors are still logged."""


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a reader who leaves a page half loaded is no error
            super().handle_error(request, client_address)


def open_server(folder: Path, port: int | None) -> Server:
    """A server on the port asked for, or else on the first free one from 8000 on."""
    handler = functools.partial(Handler, directory=str(folder))
    for candidate in [port] if port is not None else range(FIRST_PORT, LAST_PORT + 1):
        try:
            return Server((HOST, candidate), handler)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise SystemExit(f"Port {candidate} cannot be opened: {error.strerror}.") from error
    if port is not None:
        raise SystemExit(f"Port {port} is taken. Choose another, or none for the next free one from {FIRST_PORT} on.")
    raise SystemExit(f"All ports from {FIRST_PORT} to {LAST_PORT} are taken. Choose another.")


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the website if need be and serve it on this machine.")
    parser.add_argument("--port", type=int, help=f"default: the first free port from {FIRST_PORT} on")
    port = parser.parse_args().port
    if status := build_book.main():
        return status
    with open_server(build_book.ROOT / "_build/html", port) as server, contextlib.suppress(KeyboardInterrupt):
        print(f"Serving the website at http://{HOST}:{server.server_port}/ (Ctrl-C ends it)", flush=True)
        server.serve_forever()
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
