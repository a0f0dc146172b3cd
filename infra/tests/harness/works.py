"""One region does its work: messages, a large body, a rotation of tokens, a rolling deploy, a stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import delivery, services
from .cloud import Cloud, Credentials
from .console import Failed
from .run import Run
from .services import Service, Task

# The partner's first calls hang, then some fail. The first message meets them: its leases on main and retry are renewed meanwhile,
# and it goes through the retry queue.
_FAULTS = "hang:first=20,503:first=22"
_ALL = delivery.MANY + delivery.LARGE + delivery.PLAIN
_TOKENS = ("infra-test-token-1", "infra-test-token-2", "infra-test-token-3")


@dataclass(frozen=True)
class Region:
    """An applied region and who may do what in it."""

    run: Run
    cloud: Cloud
    region: str
    outputs: Mapping[str, Any]
    partner: str
    ingress: Task
    worker: Task
    ingress_keys: Credentials
    worker_keys: Credentials

    def start(self, task: Task, keys: Credentials) -> Service:
        return services.start(self.run, self.cloud, self.region, task, keys, self.partner, self.outputs["cluster_name"])


def works(run: Run, cloud: Cloud, region: str, outputs: Mapping[str, Any]) -> dict[str, str]:
    """All of it; the access key of each role, by which the record knows them."""
    step = run.console.step
    with step("ingress and worker start with the environment of their task definitions"):
        place = _place(run, cloud, region, outputs)
        delivery.put_tokens(cloud, region, outputs["tokens_secret_arn"], _TOKENS[0])
        ingress = place.start(place.ingress, place.ingress_keys)
        worker = place.start(place.worker, place.worker_keys)
        delivery.until_status(run, ingress, _TOKENS[0], 200)
        services.is_well(run, ingress, place.ingress)
        services.is_well(run, worker, place.worker)
    with step("a message is delivered although the partner hangs, then fails"):
        delivery.send_many(run, ingress, _TOKENS[0])
        delivery.wait_until_done(run, [worker], delivery.MANY)
    with step("a body that no queue takes goes through the bucket"):
        delivery.send_large(run, ingress, _TOKENS[0])
        delivery.wait_until_done(run, [worker], delivery.MANY + delivery.LARGE)
        run.children.wait_for("the bucket is empty", lambda: _bucket_is_empty(place), within_seconds=30)
    with step("the fixture messages are delivered, and each item is counted once"):
        delivery.send_plain(run, ingress, place.partner, _TOKENS[0])
        delivery.send_unreadable(run, ingress, _TOKENS[0])
        delivery.wait_until_done(run, [worker], _ALL)
    with step("tokens are rotated without a restart"):
        said = _rotation(place, ingress)
    run.console.say(f"{delivery.adds_up([worker])}\n{said}")
    with step("a rolling deploy: new tasks first, the old ones drain and end with 0"):
        said = _rolls(place, ingress, worker)
    run.console.say(said)
    return {"ingress": place.ingress_keys.access_key, "worker": place.worker_keys.access_key}


def _place(run: Run, cloud: Cloud, region: str, outputs: Mapping[str, Any]) -> Region:
    ingress = services.read_task(cloud, region, outputs["ingress_task_definition_arn"])
    worker = services.read_task(cloud, region, outputs["worker_task_definition_arn"])
    for task, role in ((ingress, outputs["ingress_role_name"]), (worker, outputs["worker_role_name"])):
        if task.role_arn.rsplit("/", 1)[-1] != role:
            raise Failed(f"{task.family} runs as {task.role_arn}, not as {role}")
    partner = services.start_partner(run, _FAULTS)
    return Region(
        run, cloud, region, outputs, partner, ingress, worker, cloud.assume(ingress.role_arn, region), cloud.assume(worker.role_arn, region)
    )


def _rotation(place: Region, ingress: Service) -> str:
    """Of three tokens, put one after the other, the last two are always valid. The process stays the same."""
    pid, secret = ingress.child.process.pid, place.outputs["tokens_secret_arn"]
    delivery.put_tokens(place.cloud, place.region, secret, _TOKENS[1])
    took = delivery.until_status(place.run, ingress, _TOKENS[1], 200)
    if delivery.status(place.run, ingress, _TOKENS[0]) != 200:
        raise Failed("the token before is refused right after a rotation", ingress.child.output())
    delivery.put_tokens(place.cloud, place.region, secret, _TOKENS[2])
    delivery.until_status(place.run, ingress, _TOKENS[2], 200)
    delivery.until_status(place.run, ingress, _TOKENS[0], 401)
    if delivery.status(place.run, ingress, _TOKENS[1]) != 200 or ingress.child.process.poll() is not None:
        raise Failed("the token before is refused after the second rotation", ingress.child.output())
    leaked = [token for token in _TOKENS if token in ingress.child.output()]
    if leaked:
        raise Failed("ingress has logged a token")
    return f"a new token counted after {took:.1f} s, the one before stayed valid, process {pid} all along"


def _rolls(place: Region, old_ingress: Service, old_worker: Service) -> str:
    """Workers before ingress, as the README says. What arrives while an old ingress leaves is taken, and delivered."""
    run, before = place.run, delivery.outcomes([old_worker])
    new_worker = place.start(place.worker, place.worker_keys)
    worker_took = services.stop(old_worker, place.worker)
    new_ingress = place.start(place.ingress, place.ingress_keys)
    begin = services.begin_stop(old_ingress)
    run.children.wait_for("the old ingress says that it leaves", lambda: services.not_ready(old_ingress), within_seconds=10)
    for service in (old_ingress, new_ingress):
        delivery.send_small(run, service, _TOKENS[2])
    delivery.wait_until_done(run, [new_worker], _ALL + delivery.SMALL + delivery.SMALL, before)
    ledger = delivery.adds_up([new_worker])
    delivery.queues_are_empty(run, place.cloud, place.region, [place.outputs["main_queue_url"], place.outputs["retry_queue_url"]])
    dead = delivery.depth(place.cloud, place.region, place.outputs["dead_queue_url"])
    if dead != delivery.DEAD + 1:
        raise Failed(f"the dead-letter queue has {dead} letters, expected {delivery.DEAD} and the unreadable one")
    ingress_took = services.ended_well(old_ingress, place.ingress, begin)
    services.stop(new_worker, place.worker)
    return f"{ledger}\nthe old worker left after {worker_took:.1f} s, the old ingress after {ingress_took:.1f} s"


def _bucket_is_empty(place: Region) -> bool | None:
    objects = place.cloud.client("s3", place.region).list_objects_v2(Bucket=place.outputs["spill_bucket_name"])
    return objects["KeyCount"] == 0 or None
