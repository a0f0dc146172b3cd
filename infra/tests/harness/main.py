"""The whole run: three lines of steps beside each other, the first failure ends all of them."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from . import policy_lint, provider, static
from .children import Children
from .console import Console, Failed
from .emulated import emulated
from .parallel import beside
from .run import Run
from .settings import Settings, target_folder

_EXIT_INTERRUPTED = 130
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """The exit code: 0 when every step passed."""
    arguments = _arguments()
    for number in _STOPS:
        signal.signal(number, _interrupt)
    tests = Path(__file__).resolve().parent.parent
    repository = tests.parent.parent
    target = target_folder(repository)
    (target / "infra-test").mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="run-", dir=target / "infra-test"))
    console, children = Console(), Children()
    try:
        settings = Settings(repository, tests, target, work)
        shutil.copytree(repository / "infra", settings.infra, ignore=shutil.ignore_patterns(".terraform*", "__pycache__"))
        variables, words = provider.environment(work)
        console.say(f"provider: {words}")
        _steps(Run(settings, console, children, variables), arguments.only)
        console.say(f"all passed in {console.seconds():.0f} s")
    except KeyboardInterrupt:
        console.say("stopped")
        return _EXIT_INTERRUPTED
    except Exception as error:  # whatever it is: everything is stopped, it is told, and the exit code says so
        console.failure(error)
        if not isinstance(error, Failed):
            raise
        return 1
    finally:
        for number in _STOPS:
            signal.signal(number, signal.SIG_IGN)  # what was started is stopped, however impatient somebody is
        children.stop()
        if arguments.keep:
            console.say(f"kept: {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="infra/test", description="Everything that infra/ must pass.")
    parser.add_argument("--only", choices=("static", "emulator"), help="one half of the steps, while working on it")
    parser.add_argument("--keep", action="store_true", help="keep the run's folder with its logs and states")
    return parser.parse_args()


def _steps(run: Run, only: str | None) -> None:
    """Terraform waits for the emulator most of the time, so what needs the processor runs beside it."""
    with run.console.step("unit tests of infra/tests"):
        static.unit_tests(run)
    with run.console.step("terraform fmt"):
        static.formatted(run)
    lines: list[Callable[[], None]] = []
    if only != "static":
        lines.append(lambda: emulated(run))
    if only != "emulator":
        lines += [lambda: _validated(run), lambda: _tested(run), lambda: _linters(run)]
    beside(run.children, lines)


def _validated(run: Run) -> None:
    for folder in static.modules(run.settings.infra):
        with run.console.step(f"terraform init, validate {folder.relative_to(run.settings.infra)}"):
            static.validate(run, folder)


def _tested(run: Run) -> None:
    # A copy of its own: two inits of one folder at once would disturb each other.
    copy = run.settings.work / "tested"
    shutil.copytree(run.settings.infra, copy)
    for folder in static.with_tests(copy):
        with run.console.step(f"terraform test {folder.relative_to(copy)}"):
            said = static.terraform_test(run, folder)
        run.console.say(said)


def _linters(run: Run) -> None:
    with run.console.step("virtual environment of the linters"):
        venv = static.linters(run)
    with run.console.step("checkov"):
        said = policy_lint.checkov(run, venv)
    run.console.say(said)


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
