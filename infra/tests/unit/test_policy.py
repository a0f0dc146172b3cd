"""The evaluator judges as AWS documents it."""

from __future__ import annotations

import json
import unittest
from typing import Any

from iam.policy import Unsupported, allows, grants, matches, parse

QUEUE = "arn:aws:sqs:us-east-1:123456789012:penstock-us1-main"


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


class Judging(unittest.TestCase):
    def test_what_no_statement_names_is_refused(self) -> None:
        statements = parse(policy(allow("sqs:SendMessage", QUEUE)))
        self.assertTrue(allows(statements, "sqs:SendMessage", QUEUE, {}))
        self.assertTrue(allows(statements, "SQS:sendmessage", QUEUE, {}))
        self.assertFalse(allows(statements, "sqs:ReceiveMessage", QUEUE, {}))
        self.assertFalse(allows(statements, "sqs:SendMessage", QUEUE + "-2", {}))
        self.assertFalse(allows(statements, "sqs:SendMessage", QUEUE.lower().replace("main", "MAIN"), {}))
        self.assertFalse(allows((), "sqs:SendMessage", QUEUE, {}))

    def test_a_deny_wins(self) -> None:
        statements = parse(policy(allow("sqs:*", "*"), {"Effect": "Deny", "Action": "sqs:Delete*", "Resource": "*"}))
        self.assertTrue(allows(statements, "sqs:SendMessage", QUEUE, {}))
        self.assertFalse(allows(statements, "sqs:DeleteQueue", QUEUE, {}))

    def test_exclusions_cover_the_rest(self) -> None:
        statements = parse(policy({"Effect": "Allow", "NotAction": "iam:*", "NotResource": QUEUE}))
        self.assertTrue(allows(statements, "sqs:SendMessage", QUEUE + "-2", {}))
        self.assertFalse(allows(statements, "sqs:SendMessage", QUEUE, {}))
        self.assertFalse(allows(statements, "iam:PassRole", "x", {}))
        with self.assertRaises(Unsupported):
            grants(statements)

    def test_patterns_are_not_regular_expressions(self) -> None:
        self.assertTrue(matches("arn:aws:s3:::b/*", "arn:aws:s3:::b/a/b.c"))
        self.assertTrue(matches("a?c", "abc"))
        self.assertFalse(matches("a.c", "abc"))
        self.assertFalse(matches("arn:aws:s3:::b", "arn:aws:s3:::b/a"))

    def test_conditions_must_all_hold(self) -> None:
        condition = {"StringEquals": {"kms:ViaService": ["sqs.us-east-1.amazonaws.com"]}, "Bool": {"aws:SecureTransport": True}}
        statements = parse(policy(allow("kms:Decrypt", "*", Condition=condition)))
        right = {"kms:viaservice": "sqs.us-east-1.amazonaws.com", "aws:SecureTransport": "true"}
        self.assertTrue(allows(statements, "kms:Decrypt", "k", right))
        self.assertFalse(allows(statements, "kms:Decrypt", "k", right | {"aws:SecureTransport": "false"}))
        self.assertFalse(allows(statements, "kms:Decrypt", "k", {"aws:SecureTransport": "true"}))

    def test_absent_keys_fail_plain_conditions_only(self) -> None:
        for operator, expected in {"StringLike": False, "StringLikeIfExists": True, "StringNotEquals": True}.items():
            statements = parse(policy(allow("a:B", "*", Condition={operator: {"x:y": "z"}})))
            self.assertIs(allows(statements, "a:B", "r", {}), expected, operator)
        statements = parse(policy(allow("a:B", "*", Condition={"Null": {"x:y": "true"}})))
        self.assertTrue(allows(statements, "a:B", "r", {}))
        self.assertFalse(allows(statements, "a:B", "r", {"x:y": "1"}))

    def test_what_is_not_known_is_an_error(self) -> None:
        for statement in (
            allow("a:B", "*", Condition={"NumericLessThan": {"x:y": "1"}}),
            allow("a:B", "arn:${aws:username}"),
        ):
            with self.assertRaises(Unsupported):
                allows(parse(policy(statement)), "a:B", "r", {"x:y": "0"})
        with self.assertRaises(Unsupported):
            parse(policy({"Effect": "Allow", "Action": "a:B", "Resource": "*", "Principal": "*"}))
        with self.assertRaises(Unsupported):
            parse(policy({"Effect": "Allow", "Action": "a:B"}))


if __name__ == "__main__":
    unittest.main()
