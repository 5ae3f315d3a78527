"""A Hub on loopback: what `huggingface_hub` asks of the real one, kept in memory, with faults at chosen requests.

`HF_ENDPOINT` is read when `huggingface_hub` is imported, so clients are fresh processes: [`LoopbackHub.environment`].
"""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from .repositories import Blob, Fault, Repository, Request
from .routes import OWNER, TOKEN, Answer, Routes


__all__ = ["OWNER", "Blob", "Fault", "LoopbackHub", "Repository", "Request"]


class LoopbackHub:
    """The server, as a context manager.

    Attributes:
        repositories (`dict[tuple[str, str], Repository]`): by kind (`"model"` or `"dataset"`) and id.
        blobs (`dict[str, bytes]`): large files that arrived, by SHA-256.
        requests (`list[Request]`): all that was asked.
        faults (`list[Fault]`): those to come.
    """

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.uploads: list[str] = []
        self.writers = {OWNER}
        self.lock = threading.RLock()
        handler = type("_BoundHandler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> LoopbackHub:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, home: Path, *, token: str | None = TOKEN, offline: bool = False) -> dict[str, str]:
        """The variables of a fresh process that takes this server for the Hub, with caches of its own in `home`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        environment = {
            **kept,
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_MODULES_CACHE": str(home / "modules"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "OMP_NUM_THREADS": "1",
            **({"HF_TOKEN": token} if token else {}),
            **({"HF_HUB_OFFLINE": "1"} if offline else {}),
        }
        # Another host cannot be reached, which a client that asks for one would tell.
        return {**environment, "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1,localhost"}

    def files(self, repo_id: str, revision: str = "main", kind: str = "model") -> dict[str, bytes]:
        """The files of a revision."""
        repository = self.repositories[kind, repo_id]
        oid = repository.find(revision)
        assert oid is not None, revision
        return {name: blob.content for name, blob in repository.commits[oid].items()}

    def history(self, repo_id: str, branch: str = "main", kind: str = "model") -> list[str]:
        """The commits of a branch, the newest first."""
        repository = self.repositories[kind, repo_id]
        oid, found = repository.refs.get(f"refs/heads/{branch}"), []
        while oid is not None:
            found.append(oid)
            oid = repository.parents[oid]
        return found


class _Handler(Routes, BaseHTTPRequestHandler):
    hub: LoopbackHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # the client was killed
            self.close_connection = True

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def _serve(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            self.body = b"".join(chunks)
        else:
            length = int(self.headers.get("Content-Length") or 0)
            self.body = self.rfile.read(length)
            if len(self.body) < length:  # the client ended in the middle
                self.close_connection = True
                return
        parts = urlsplit(self.path)
        path, self.query = unquote(parts.path), parse_qs(parts.query)
        with self.hub.lock:
            self.hub.requests.append(Request(self.command, path, dict(self.headers)))
            fault = next((one for one in self.hub.faults if one.strikes(self.command, path)), None)
        if fault is not None and fault.before is not None:
            fault.before()
        if fault is not None and fault.what == "cut":
            self.close_connection = True
            self.connection.close()
            return
        try:
            if fault is not None and isinstance(fault.what, int):
                raise Answer(fault.what, {"error": "as the test wants it"})
            with self.hub.lock:
                self.route(path)
            raise Answer(404, {"error": f"no such path {path}"})
        except Answer as answer:
            if fault is not None and fault.what == "lost":
                self.close_connection = True
                self.connection.close()
                return
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        raw = isinstance(answer.body, bytes)
        body = answer.body if raw else b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        headers = {"Content-Type": "application/octet-stream" if raw else "application/json"} | answer.headers
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
