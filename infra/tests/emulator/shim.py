"""What moto 5.2.1 lacks for Terraform to apply, plan and destroy a region, added from outside.

Each function mends one gap and says what happens without it. A gap that a later moto has closed shows up as a failure of
`install`, as the names it patches are checked there; then the function goes.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

REDRIVE_ALLOW = "RedriveAllowPolicy"
FORGOTTEN_OF_SERVICES = (
    "availabilityZoneRebalancing",
    "deploymentConfiguration",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "healthCheckGracePeriodSeconds",
)


def install() -> None:
    """Mends this process's moto. Call it before the server starts, and once."""
    tags_of_scalable_targets()
    queue_attributes()
    services()
    key_rotation()
    descriptions_of_rules()
    functions()
    plain_http()
    interfaces_of_nat_gateways()
    deletions_of_tables()


def tags_of_scalable_targets() -> None:
    """Application Auto Scaling has no calls for tags, which the provider makes (the answer 500 stops the apply), and forgets
    the tags that a target is registered with."""
    from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse as Responses

    kept: dict[str, dict[str, str]] = {}
    register_before = Responses.register_scalable_target

    def register_scalable_target(self: Any) -> str:
        answer: str = register_before(self)
        kept.setdefault(json.loads(answer)["ScalableTargetARN"], {}).update(self._get_param("Tags") or {})
        return answer

    def list_tags_for_resource(self: Any) -> str:
        return json.dumps({"Tags": kept.get(self._get_param("ResourceARN"), {})})

    def tag_resource(self: Any) -> str:
        kept.setdefault(self._get_param("ResourceARN"), {}).update(self._get_param("Tags") or {})
        return "{}"

    def untag_resource(self: Any) -> str:
        tags = kept.get(self._get_param("ResourceARN"), {})
        for key in self._get_param("TagKeys") or []:
            tags.pop(key, None)
        return "{}"

    for function in (register_scalable_target, list_tags_for_resource, tag_resource, untag_resource):
        setattr(Responses, function.__name__, function)


def queue_attributes() -> None:
    """Three gaps of SQS attributes.

    - `RedriveAllowPolicy` is not stored: the provider waits for it without end.
    - `RedrivePolicy` comes back with other white space than it was written with: every plan shows a change.
    - A queue's policy is cleared by a call that sets other attributes, which AWS does not do.
    """
    from moto.sqs.models import Queue, SQSBackend

    set_before, read_before = Queue._set_attributes, Queue.attributes.fget
    get_before = SQSBackend.get_queue_attributes

    def set_attributes(self: Any, attributes: Mapping[str, Any], now: Any = None) -> None:
        wanted = dict(attributes)
        if REDRIVE_ALLOW in wanted:
            self.redrive_allow = wanted.pop(REDRIVE_ALLOW)
        if "Policy" not in wanted and getattr(self, "policy", None):
            wanted["Policy"] = self.policy
        set_before(self, wanted, now)

    def attributes(self: Any) -> dict[str, Any]:
        found: dict[str, Any] = read_before(self)
        if found.get("RedrivePolicy"):
            found["RedrivePolicy"] = json.dumps(json.loads(found["RedrivePolicy"]), separators=(",", ":"))
        if getattr(self, "redrive_allow", None):
            found[REDRIVE_ALLOW] = self.redrive_allow
        return found

    def get_queue_attributes(self: Any, queue_name: str, attribute_names: list[str] | None) -> dict[str, Any]:
        names = list(attribute_names or [])
        known = [name for name in names if name != REDRIVE_ALLOW]  # moto refuses a name it does not know
        found = get_before(self, queue_name, known) if known or not names else {}
        allow = getattr(self.get_queue(queue_name), "redrive_allow", None)
        if REDRIVE_ALLOW in names and allow:
            found[REDRIVE_ALLOW] = allow
        return found

    Queue._set_attributes = set_attributes
    Queue.attributes = property(attributes)
    SQSBackend.get_queue_attributes = get_queue_attributes


def services() -> None:
    """ECS services forget half of what they are created with, so every plan shows a change; and their tasks never run, so an
    apply that waits for a steady state waits without end."""
    from moto.core.utils import camelcase_to_underscores
    from moto.ecs.responses import EC2ContainerServiceResponse as Responses

    create_before = Responses.create_service

    def create_service(self: Any) -> Any:
        answer = create_before(self)
        service = answer.result["service"]
        for name in FORGOTTEN_OF_SERVICES:
            value = self._get_param(name)
            if value is not None:
                setattr(service, camelcase_to_underscores(name), value)
        service.running_count, service.pending_count = service.desired_count, 0
        for deployment in service.deployments:
            deployment.update(runningCount=service.desired_count, pendingCount=0, rolloutState="COMPLETED")
        return answer

    Responses.create_service = create_service


def key_rotation() -> None:
    """KMS forgets the period of a key's rotation: every plan shows a change."""
    from moto.kms.responses import KmsResponse as Responses

    enable_before, read_before = Responses.enable_key_rotation, Responses.get_key_rotation_status
    periods: dict[str, int] = {}

    def enable_key_rotation(self: Any) -> str:
        answer: str = enable_before(self)
        periods[self._get_param("KeyId").rsplit("/", 1)[-1]] = self._get_param("RotationPeriodInDays") or 365
        return answer

    def get_key_rotation_status(self: Any) -> str:
        status = json.loads(read_before(self))
        if status["KeyRotationEnabled"]:
            status["RotationPeriodInDays"] = periods.get(self._get_param("KeyId").rsplit("/", 1)[-1], 365)
        return json.dumps(status)

    Responses.enable_key_rotation = enable_key_rotation
    Responses.get_key_rotation_status = get_key_rotation_status


def descriptions_of_rules() -> None:
    """Rules of security groups keep their description for addresses only, not for groups and prefix lists."""
    from moto.ec2.models.security_groups import SecurityGroupRule as Rule

    init_before, signature = Rule.__init__, inspect.signature(Rule.__init__)

    def init(self: Any, *arguments: Any, **named: Any) -> None:
        init_before(self, *arguments, **named)
        prefix_list = signature.bind(self, *arguments, **named).arguments.get("prefix_list_id")
        parts = (self.ip_range, self.source_group, prefix_list or {})
        self.said = next((part["Description"] for part in parts if part.get("Description")), None)

    Rule.__init__ = init
    Rule.description = property(lambda self: self.said)


def functions() -> None:
    """Lambda forgets the key of a function's environment and where its log goes: every plan shows a change."""
    from moto.awslambda.models import LambdaFunction as Function

    init_before, read_before = Function.__init__, Function.get_configuration
    forgotten = ("KMSKeyArn", "LoggingConfig")

    def init(self: Any, account_id: str, spec: dict[str, Any], *rest: Any, **named: Any) -> None:
        init_before(self, account_id, spec, *rest, **named)
        self.kept = {name: spec[name] for name in forgotten if name in spec}

    def get_configuration(self: Any, on_create: bool = False) -> dict[str, Any]:
        found: dict[str, Any] = read_before(self, on_create)
        found.update(self.kept)
        return found

    Function.__init__ = init
    Function.get_configuration = get_configuration


def plain_http() -> None:
    """A bucket's policy that denies plain HTTP denies everything: conditions with `Bool` are not looked at. Calls come over
    plain HTTP here and over TLS to AWS, so such a statement is passed over."""
    from moto.iam.access_control import IAMPolicyStatement as Statement
    from moto.iam.access_control import PermissionResult

    judge_before = Statement.is_action_permitted

    def is_action_permitted(self: Any, *arguments: Any, **named: Any) -> Any:
        asked = self._statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
        if self._statement["Effect"] == "Deny" and str(asked).lower() == "false":
            return PermissionResult.NEUTRAL
        return judge_before(self, *arguments, **named)

    Statement.is_action_permitted = is_action_permitted


def interfaces_of_nat_gateways() -> None:
    """The network interface of a NAT gateway stays when the gateway is deleted: a destroy would seem to leave it behind."""
    from moto.ec2.models.nat_gateways import NatGatewayBackend as Backend

    delete_before = Backend.delete_nat_gateway

    def delete_nat_gateway(self: Any, nat_gateway_id: str) -> Any:
        gateway = delete_before(self, nat_gateway_id)
        self.enis.pop(gateway._eni.id, None)
        return gateway

    Backend.delete_nat_gateway = delete_nat_gateway


def deletions_of_tables() -> None:
    """A table that is not there is not named in the refusal to delete it, as AWS does. The provider goes by the name to take
    it as gone: without it a deletion that is sent again, because its answer was lost, stops the destroy."""
    from moto.dynamodb.exceptions import ResourceNotFoundException as NotFound
    from moto.dynamodb.models import DynamoDBBackend as Backend

    delete_before = Backend.delete_table

    def delete_table(self: Any, name: str) -> Any:
        try:
            return delete_before(self, name)
        except NotFound:
            raise NotFound(table_name=name) from None

    Backend.delete_table = delete_table
