"""The calls that AWS makes in a caller's name, which no emulator makes: KMS, for what is encrypted with a key of one's own.

Sources: "Amazon SQS key management" (producers need GenerateDataKey and Decrypt, consumers Decrypt), "Protecting data with
SSE-KMS" of S3, "Secret encryption and decryption" of Secrets Manager, "DynamoDB encryption at rest usage notes".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# What a call needs of the key of the resource it is about.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "sqs:SendMessage": ("kms:GenerateDataKey", "kms:Decrypt"),
    "sqs:ReceiveMessage": ("kms:Decrypt",),
    "s3:PutObject": ("kms:GenerateDataKey",),
    "s3:GetObject": ("kms:Decrypt",),
    "secretsmanager:GetSecretValue": ("kms:Decrypt",),
    # DynamoDB reads and writes with a grant, but asks for the table's key in the name of the caller.
    "dynamodb:GetItem": ("kms:Decrypt",),
    "dynamodb:Query": ("kms:Decrypt",),
    "dynamodb:PutItem": ("kms:Decrypt",),
    "dynamodb:UpdateItem": ("kms:Decrypt",),
    "dynamodb:DeleteItem": ("kms:Decrypt",),
}


@dataclass(frozen=True)
class Use:
    """One right a role used, with what conditions may ask about."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


def context(region: str, account: str) -> dict[str, str]:
    """The keys that every call has. Calls of the pipeline are made over TLS and by a role of the account."""
    return {
        "aws:SecureTransport": "true",
        "aws:RequestedRegion": region,
        "aws:PrincipalAccount": account,
        "aws:ResourceAccount": account,
    }


def uses_of_keys(use: Use, region: str, account: str, keys: Mapping[str, str]) -> Iterator[Use]:
    """The uses of a KMS key that follow from a use. `keys`: the ARN of a resource → the ARN of its own key."""
    owner = use.resource.split("/", 1)[0] if use.resource.startswith("arn:aws:s3:::") else use.resource
    key = keys.get(owner.split("/index/", 1)[0])
    if key is None:
        return
    service = use.action.split(":", 1)[0]
    said = context(region, account) | {
        "kms:ViaService": f"{service}.{region}.amazonaws.com",
        "kms:CallerAccount": account,
    }
    for action in NEEDS.get(use.action, ()):
        yield Use(action, key, tuple(sorted(said.items())))
