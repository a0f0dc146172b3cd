"""Writes down every call that reaches the emulator, as JSON lines."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import agent
from .calls import ApiCall, Request, understand

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

# Bodies are read for what names the resource, which is never the body of an object.
_BODY_BYTES_MAX = 4 * 1024 * 1024


class Recorder:
    """WSGI middleware: notes the call, then lets the application answer. A call that fails is noted with its status."""

    def __init__(self, application: Application, path: Path) -> None:
        self._application = application
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = _request(environ)
        if request.path.startswith(agent.PREFIX):
            return self._agent(request, start_response)
        call = understand(request)
        if call is None:
            return self._application(environ, start_response)

        def noting(status: str, *rest: Any) -> Any:
            self._note(call, int(status.split(" ", 1)[0]))
            return start_response(status, *rest)

        return self._application(environ, noting)

    def _agent(self, request: Request, start_response: Callable[..., Any]) -> Iterable[bytes]:
        call = agent.understand(request.method, request.path)
        if call is not None:
            self._note(call, 200)
        return agent.answer(call, request.body, start_response)

    def _note(self, call: ApiCall, status: int) -> None:
        line = json.dumps(asdict(call) | {"status": status})
        with self._lock:
            self._file.write(line + "\n")


def _request(environ: Environ) -> Request:
    headers = {"authorization": environ.get("HTTP_AUTHORIZATION", ""), "x-amz-target": environ.get("HTTP_X_AMZ_TARGET", "")}
    query = environ.get("QUERY_STRING", "")
    return Request(environ["REQUEST_METHOD"], environ.get("PATH_INFO", "/"), query, headers, _body(environ))


def _body(environ: Environ) -> bytes:
    """The body, put back for the application. Empty for one of unknown or great length, which only objects have."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or not 0 < int(length) <= _BODY_BYTES_MAX:
        return b""
    body: bytes = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    return body
