"""A host like GitHub Pages, on this machine: what it sends is compressed, and kept by a browser for ten minutes."""

import contextlib
import functools
import gzip
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

from serve import HOST, Handler

COMPRESSED = {".css", ".html", ".js", ".json", ".mjs", ".svg", ".txt"}


class _PagesHandler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps a connection open for all the files of a page
    extensions_map = Handler.extensions_map

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            self.send_error(404)
            return
        content, is_compressed = _as_sent(path)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "max-age=600")
        if is_compressed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: what is missing is Lighthouse's to say, and no site needs the robots.txt that it asks for."""


@functools.cache
def _as_sent(path: Path) -> tuple[bytes, bool]:
    """A file as it travels, and whether that is compressed."""
    content = path.read_bytes()
    return (gzip.compress(content), True) if path.suffix in COMPRESSED else (content, False)


@contextlib.contextmanager
def serving(site: Path) -> Iterator[str]:
    """Serve a folder as long as the block runs; gives its address, with a slash at the end."""
    with http.server.ThreadingHTTPServer((HOST, 0), functools.partial(_PagesHandler, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{HOST}:{server.server_port}/"
        finally:
            server.shutdown()
