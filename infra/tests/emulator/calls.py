"""What an HTTP request to AWS asks for: who calls, which action, on which resources. Pure.

Actions are IAM's: `sqs:SendMessage` for a SendMessageBatch. Resources are derived for the services that the pipeline
itself calls (SQS, DynamoDB, S3, Secrets Manager); the record of others, which only Terraform calls, has none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

# The account that moto plays.
ACCOUNT = "123456789012"

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/([^/]+)/([^/]+)/aws4_request")
_S3_OBJECT = {"PUT": "PutObject", "POST": "PutObject", "GET": "GetObject", "HEAD": "GetObject", "DELETE": "DeleteObject"}
# Query parameters that make a request to S3 something else than reading and writing; `x-id` only names the operation.
_S3_PLAIN = {
    "x-id",
    "uploads",
    "uploadId",
    "partNumber",
    "list-type",
    "prefix",
    "delimiter",
    "max-keys",
    "continuation-token",
    "start-after",
    "encoding-type",
    "fetch-owner",
}


@dataclass(frozen=True)
class ApiCall:
    """One call. `action` ends in `?` where it could not be derived."""

    access_key: str
    region: str
    service: str
    operation: str
    action: str
    resources: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """The parts of a request that tell what it asks for. Names of headers are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


def understand(request: Request) -> ApiCall | None:
    """The call that a request makes; `None` for one that is not signed."""
    scope = _CREDENTIAL.search(request.headers.get("authorization", ""))
    if scope is None:
        return None
    key, region, service = scope.groups()
    if service == "s3":
        operation, resources = _s3(request)
        action = f"s3:{operation}"
    else:
        operation = _operation(request)
        action = f"{service}:{_permission(service, operation)}"
        resources = _resources(service, region, operation, _json(request.body))
    return ApiCall(key, region, service, operation, action, resources)


def _operation(request: Request) -> str:
    """The API operation: JSON services name it in a header, query services in the body, REST services not at all."""
    target = request.headers.get("x-amz-target", "")
    if target:
        return target.rsplit(".", 1)[-1]
    form = parse_qs(request.body.decode("latin-1")) if b"Action=" in request.body else parse_qs(request.query)
    return form["Action"][0] if "Action" in form else f"{request.method} {request.path}?"


def _permission(service: str, operation: str) -> str:
    """The right that an operation needs: a batch needs that of its entries."""
    return operation.removesuffix("Batch") if service == "sqs" else operation


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _resources(service: str, region: str, operation: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    if service == "sqs" and "QueueUrl" in body:
        return (f"arn:aws:sqs:{region}:{ACCOUNT}:{str(body['QueueUrl']).rsplit('/', 1)[-1]}",)
    if service == "secretsmanager" and "SecretId" in body:
        return (str(body["SecretId"]),)
    if service == "dynamodb":
        return tuple(sorted(_tables(region, operation, body)))
    return ()


def _tables(region: str, operation: str, body: Mapping[str, Any]) -> set[str]:
    """The tables of a call, or their index where one is read."""
    if operation in ("BatchGetItem", "BatchWriteItem"):
        names = list(body.get("RequestItems", {}))
    elif operation in ("TransactWriteItems", "TransactGetItems"):
        names = [part["TableName"] for entry in body.get("TransactItems", []) for part in entry.values()]
    else:
        names = [body["TableName"]] if "TableName" in body else []
    index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
    prefix = f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/"
    return {(name if name.startswith("arn:") else prefix + name) + index for name in names}


def _s3(request: Request) -> tuple[str, tuple[str, ...]]:
    """Operation and resource of a request whose bucket stands in the path."""
    bucket, _, key = unquote(request.path).lstrip("/").partition("/")
    parameters = set(parse_qs(request.query, keep_blank_values=True))
    if not bucket:
        return "ListAllMyBuckets", ()
    arn = f"arn:aws:s3:::{bucket}"
    if key and parameters <= _S3_PLAIN:
        aborts = request.method == "DELETE" and "uploadId" in parameters
        return "AbortMultipartUpload" if aborts else _S3_OBJECT.get(request.method, "?"), (f"{arn}/{key}",)
    if not key and request.method in ("GET", "HEAD") and parameters <= _S3_PLAIN:
        return "ListBucket", (arn,)
    return f"{request.method} {'&'.join(sorted(parameters))}?", (f"{arn}/{key}" if key else arn,)
