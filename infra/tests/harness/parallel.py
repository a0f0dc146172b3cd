"""Lines of steps beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from .children import Children
from .console import Aborted


def beside(children: Children, lines: Sequence[Callable[[], None]]) -> None:
    """Runs them all to their ends. The first failure stops every program, so the others end too, and is what is raised."""
    pool = ThreadPoolExecutor(max_workers=max(1, len(lines)))
    futures: list[Future[None]] = [pool.submit(line) for line in lines]
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
    finally:
        if not all(future.done() and future.exception() is None for future in futures):
            children.stop()
        pool.shutdown(wait=True, cancel_futures=True)
    errors = [error for future in futures if (error := future.exception())]
    if errors:
        raise next((error for error in errors if not isinstance(error, Aborted)), errors[0])
