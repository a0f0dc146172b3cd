"""A policy beside the role's that stops a call is found."""

from __future__ import annotations

import json
import unittest
from typing import Any

from iam.guards import Guard, stopped
from iam.implied import Use, context
from iam.policy import Unsupported, parse_for

QUEUE = "arn:aws:sqs:r:1:p-main"
SEND = Use("sqs:SendMessage", QUEUE, tuple(context("r", "1").items()))
US = ("arn:aws:iam::1:root",)


def guard(statement: dict[str, Any], *, must_allow: bool) -> Guard:
    statements = parse_for(json.dumps({"Statement": [statement]}), US)
    return Guard("it", statements, ("sqs:*",), ("*",), must_allow)


class Guards(unittest.TestCase):
    def test_an_endpoint_lets_pass_what_it_allows(self) -> None:
        ours = {"StringEquals": {"aws:PrincipalAccount": "1"}}
        fence = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*", "Condition": ours}
        self.assertEqual(stopped([guard(fence, must_allow=True)], [SEND]), [])
        self.assertEqual(
            stopped([guard(fence | {"Action": "sqs:ReceiveMessage"}, must_allow=True)], [SEND]), [f"it stops sqs:SendMessage on {QUEUE}"]
        )
        others = fence | {"Condition": {"StringEquals": {"aws:PrincipalAccount": "2"}}}
        self.assertEqual(len(stopped([guard(others, must_allow=True)], [SEND])), 1)

    def test_a_queue_lets_pass_what_it_does_not_deny(self) -> None:
        plain = {"Bool": {"aws:SecureTransport": "false"}}
        deny = {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": QUEUE, "Condition": plain}
        self.assertEqual(stopped([guard(deny, must_allow=False)], [SEND]), [])
        self.assertEqual(len(stopped([guard(deny | {"Condition": {}}, must_allow=False)], [SEND])), 1)

    def test_another_service_is_not_asked(self) -> None:
        closed = guard({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}, must_allow=True)
        self.assertEqual(stopped([closed], [Use("s3:GetObject", "arn:aws:s3:::b/k")]), [])

    def test_only_statements_for_us_count(self) -> None:
        for principal, count in (
            ("*", 1),
            ({"AWS": US[0]}, 1),
            ({"AWS": ["arn:aws:iam::2:root"]}, 0),
            ({"Service": "sns.amazonaws.com"}, 0),
        ):
            statement = {"Effect": "Allow", "Principal": principal, "Action": "*", "Resource": "*"}
            self.assertEqual(len(parse_for({"Statement": statement}, US)), count, principal)
        with self.assertRaises(Unsupported):
            parse_for({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}, US)


if __name__ == "__main__":
    unittest.main()
