"""What the run says: one line for each step, with its time, and the output of the one that failed."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_OUTPUT_LINES_MAX = 120


class Failed(Exception):
    """A step found something wrong. The text is for a person; `output` is what the program printed."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class Aborted(Exception):
    """The run is over because another step failed or somebody stopped it."""


class Console:
    """Prints whole lines from several threads, and keeps the times."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._start = time.monotonic()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Times a step and says how it ended."""
        start = time.monotonic()
        self._line("...", name, None)
        try:
            yield
        except Aborted:
            self._line("--", name, start, "stopped")
            raise
        except BaseException:
            self._line("FAIL", name, start)
            raise
        self._line("ok", name, start)

    def say(self, text: str) -> None:
        """One more line, below a step."""
        with self._lock:
            for line in text.splitlines():
                print(f"{'':22}{line}", flush=True)

    def failure(self, error: BaseException) -> None:
        """Why the run failed."""
        output = getattr(error, "output", "").strip().splitlines()
        with self._lock:
            sys.stdout.flush()
            for line in output[-_OUTPUT_LINES_MAX:]:
                print(f"    {line}", file=sys.stderr)
            print(f"infra/test: {error or type(error).__name__}", file=sys.stderr, flush=True)

    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._start

    def _line(self, word: str, name: str, start: float | None, note: str = "") -> None:
        took = "" if start is None else f"{time.monotonic() - start:6.1f} s"
        with self._lock:
            print(f"{self.seconds():6.1f} s {word:>4} {took:>8}  {name}{f' ({note})' if note else ''}", flush=True)
