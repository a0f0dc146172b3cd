"""Every program that the run starts: bounded in time, and ended with the run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from .console import Aborted, Failed

_KILL_AFTER_SECONDS = 5.0

T = TypeVar("T")


class Child:
    """A program that runs beside the steps. Its output is in a file."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


class Children:
    """All of them. After `stop` nothing can be started any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[subprocess.Popen[bytes]] = []
        self._over = threading.Event()

    def run(
        self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout_seconds: float, codes: Sequence[int] = (0,)
    ) -> tuple[int, str]:
        """Runs a program to its end: its exit code, which must be among `codes`, and what it printed."""
        process = self._start(command, env, cwd, subprocess.PIPE, subprocess.DEVNULL)
        what = f"{Path(command[0]).name} {' '.join(command[1:3])} in {cwd.name}"
        try:
            output = process.communicate(timeout=timeout_seconds)[0].decode("utf-8", errors="replace")
        except subprocess.TimeoutExpired:
            _kill(process)
            output = process.communicate()[0].decode("utf-8", errors="replace")
            raise Failed(f"{what} took longer than {timeout_seconds:.0f} s", output) from None
        finally:
            self._forget(process)
        if self._over.is_set():
            raise Aborted
        if process.returncode not in codes:
            raise Failed(f"{what} ended with {process.returncode}", output)
        return process.returncode, output

    def start(self, name: str, command: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> Child:
        """Starts a program that runs until it is stopped."""
        with log.open("wb") as file:
            # Its input stays open as long as this process lives: programs that watch it end with us, however we end.
            process = self._start(command, env, cwd, file.fileno(), subprocess.PIPE)
        return Child(name, process, log)

    def wait_for(self, what: str, found: Callable[[], T | None], *, within_seconds: float, child: Child | None = None) -> T:
        """Asks again and again until there is an answer. `child` must live meanwhile."""
        end = time.monotonic() + within_seconds
        while (value := found()) is None:
            if self._over.is_set():
                raise Aborted
            if child is not None and child.process.poll() is not None:
                raise Failed(f"{child.name} ended with {child.process.returncode} before {what}", child.output())
            if time.monotonic() > end:
                raise Failed(f"{what}: not within {within_seconds:.0f} s", child.output() if child else "")
            self._over.wait(0.2)
        return value

    def stop(self) -> None:
        """Ends everything that runs, with its children."""
        self._over.set()
        with self._lock:
            running = list(self._running)
        for process in running:
            _signal(process, signal.SIGTERM)
        end = time.monotonic() + _KILL_AFTER_SECONDS
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
            _kill(process)

    def _start(self, command: Sequence[str], env: Mapping[str, str], cwd: Path, output: int, given: int) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._over.is_set():
                raise Aborted
            process = subprocess.Popen(
                command, env=dict(env), cwd=cwd, stdin=given, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
            self._running.append(process)
            return process

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._running.remove(process)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To the whole group: Terraform's providers and cargo's compilers are children of children."""
    if process.poll() is None or number == signal.SIGKILL:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def _kill(process: subprocess.Popen[bytes]) -> None:
    _signal(process, signal.SIGKILL)
    process.wait()
