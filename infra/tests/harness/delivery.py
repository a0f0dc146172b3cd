"""Messages through the pipeline that Terraform made: all of them must arrive, whatever is rotated or stopped meanwhile."""

from __future__ import annotations

import base64
import json
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cloud import Cloud
from .console import Failed
from .run import Run
from .services import Service, binary, get, post
from .settings import clean_environment

# Of the plain messages of fixtures/: items that the sandbox partner takes, that no route wants, that nobody can deliver.
DELIVERED, FILTERED, DEAD = 113, 2, 1
_FINAL = ("delivered", "filtered", "dead_lettered")
# More than a queue message may have, also compressed: random text does not compress.
_LARGE_EVENTS, _LARGE_EVENT_BYTES = 4, 500_000


@dataclass(frozen=True)
class Expected:
    """How many items must have ended how."""

    delivered: int = 0
    filtered: int = 0
    dead_lettered: int = 0

    @property
    def total(self) -> int:
        return self.delivered + self.filtered + self.dead_lettered

    def __add__(self, other: Expected) -> Expected:
        return Expected(self.delivered + other.delivered, self.filtered + other.filtered, self.dead_lettered + other.dead_lettered)


NOTHING = Expected()
PLAIN = Expected(DELIVERED, FILTERED, DEAD)
# A message's user is an item, too.
LARGE = Expected(delivered=_LARGE_EVENTS + 1)
SMALL = Expected(delivered=2 + 1)
# So many that a worker whose partner hangs asks for protection from scaling in.
_MANY_EVENTS = 1500
MANY = Expected(delivered=_MANY_EVENTS + 1)


def send_plain(run: Run, ingress: Service, partner: str, token: str) -> None:
    """Sends every plain message. Audiences first: of two changes of one audience that meet, only the later counts."""
    files = sorted((run.settings.repository / "fixtures" / "messages").glob("*.json"))
    adds = [file for file in files if file.name.startswith("audience-subscription-add")]
    changes = [file for file in files if file.name.startswith("audience-subscription") and file not in adds]
    _send(run, ingress, token, adds)
    run.children.wait_for("three lists at the partner", lambda: _lists(partner, 3), within_seconds=60)
    _send(run, ingress, token, [*changes, *(file for file in files if file not in adds and file not in changes)])


def send_large(run: Run, ingress: Service, token: str) -> None:
    """Sends a message that no queue takes: it goes through the bucket."""
    chance = random.Random(1)
    blobs = [base64.b64encode(chance.randbytes(_LARGE_EVENT_BYTES)).decode() for _ in range(_LARGE_EVENTS)]
    _post_events(run, ingress, token, blobs)
    if ingress.metric("ingress_spilled_total") != 1:
        raise Failed("a large message was not spilled", ingress.child.output())


def send_many(run: Run, ingress: Service, token: str) -> None:
    """Sends a message of many small events."""
    _post_events(run, ingress, token, [str(number) for number in range(_MANY_EVENTS)])


def send_small(run: Run, ingress: Service, token: str) -> None:
    """Sends a small message of two events."""
    _post_events(run, ingress, token, ["one", "two"])


def _post_events(run: Run, ingress: Service, token: str, contents: Sequence[str]) -> None:
    """A message like one of the fixtures, with an event for each of these contents, and ids of its own."""
    message = json.loads((run.settings.repository / "fixtures" / "messages" / "events-android.json").read_text(encoding="utf-8"))
    event = next(entry for entry in message["events"] if entry["type"] == "custom_event")
    message["id"] = str(uuid.uuid4())
    message["events"] = [event | {"id": str(uuid.uuid4()), "attributes": {"content": content}} for content in contents]
    status = post(ingress.calls, token, json.dumps(message).encode())
    if status != 200:
        raise Failed(f"a message of {len(contents)} events was answered {status}", ingress.child.output())


def send_unreadable(run: Run, ingress: Service, token: str) -> None:
    """Sends what is no message: 400, and a copy among the dead letters."""
    status = post(ingress.calls, token, b'{"type": "no_such_type"}')
    if status != 400:
        raise Failed(f"an unreadable body was answered {status}", ingress.child.output())


def wait_until_done(run: Run, workers: Sequence[Service], expected: Expected, before: Expected = NOTHING) -> None:
    """Waits until every item has ended, here or `before`, then holds the counts to what was expected."""

    def ended() -> bool | None:
        return (before + outcomes(workers)).total >= expected.total or None

    run.children.wait_for(f"{expected.total} items have ended", ended, within_seconds=120, child=workers[-1].child)
    found = before + outcomes(workers)
    if found != expected:
        raise Failed(f"the workers count {found}, expected {expected}", workers[-1].child.output())


def outcomes(workers: Sequence[Service]) -> Expected:
    """How many items have ended how, by the workers' metrics."""
    return Expected(*(_outcome(workers, outcome) for outcome in _FINAL))


def adds_up(workers: Sequence[Service]) -> str:
    """The ledger: received = delivered + filtered + requeued + dead-lettered + lapsed + in flight."""
    counts = {outcome: _outcome(workers, outcome) for outcome in (*_FINAL, "requeued", "lapsed")}
    counts["in flight"] = sum(worker.metric("worker_items_in_flight") for worker in workers)
    received = sum(worker.metric("worker_items_received_total") for worker in workers)
    if received != sum(counts.values()):
        raise Failed(f"the ledger does not add up: received {received}, {counts}")
    return f"received {received} = " + " + ".join(f"{name} {count}" for name, count in counts.items())


def queues_are_empty(run: Run, cloud: Cloud, region: str, urls: Sequence[str]) -> None:
    """Nothing waits, nothing is leased."""
    run.children.wait_for("the queues are empty", lambda: sum(depth(cloud, region, url) for url in urls) == 0 or None, within_seconds=60)


def depth(cloud: Cloud, region: str, url: str) -> int:
    """Messages of a queue: visible, leased and delayed."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
    found = cloud.client("sqs", region).get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(value) for value in found.values())


def partner_took(partner: str) -> dict[str, Any]:
    """The partner's own counts."""
    return dict(json.loads(get(f"{partner}/_stats")))


def put_tokens(cloud: Cloud, region: str, secret: str, *tokens: str) -> None:
    """Writes the list of tokens; what was current becomes AWSPREVIOUS."""
    cloud.client("secretsmanager", region).put_secret_value(SecretId=secret, SecretString=json.dumps(list(tokens)))


def until_status(run: Run, ingress: Service, token: str, wanted: int, within_seconds: float = 30) -> float:
    """Calls with a token until it is answered so; how long that took."""
    start = time.monotonic()
    what = f"the token is answered {wanted}"
    run.children.wait_for(what, lambda: status(run, ingress, token) == wanted or None, within_seconds=within_seconds, child=ingress.child)
    return time.monotonic() - start


def status(run: Run, ingress: Service, token: str) -> int:
    """How a verification call with this token is answered."""
    body = (run.settings.repository / "fixtures" / "messages" / "verification-event-request.json").read_bytes()
    return post(ingress.calls, token, body)


def _send(run: Run, ingress: Service, token: str, files: Sequence[Path]) -> None:
    command = [str(binary(run)), "send", "--url", f"{ingress.calls}/", "--concurrency", "4", *map(str, files)]
    run.children.run(command, env=clean_environment({"PENSTOCK_TOKEN": token}), cwd=run.settings.work, timeout_seconds=120)


def _lists(partner: str, wanted: int) -> bool | None:
    return partner_took(partner).get("lists") == wanted or None


def _outcome(workers: Sequence[Service], outcome: str) -> int:
    return sum(worker.metric("worker_items_total", f'"{outcome}"') for worker in workers)
