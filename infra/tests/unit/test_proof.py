"""A right too few and a right too many are both found."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path

from iam.implied import Use, context, uses_of_keys
from iam.policy import Statement, parse
from iam.proof import Unrecorded, needed, read_exceptions, refused, stale, unused

MAIN, DEAD, KEY = "arn:aws:sqs:r:1:p-main", "arn:aws:sqs:r:1:p-dead", "arn:aws:kms:r:1:key/k"
USES = [Use("sqs:SendMessage", MAIN), Use("sqs:GetQueueAttributes", DEAD)]
LIST = [Unrecorded(("worker",), ("ecs:UpdateTaskProtection",), "arn:aws:ecs:*", "the agent makes it")]


def role(*rights: tuple[list[str], list[str]]) -> tuple[Statement, ...]:
    statements = [{"Effect": "Allow", "Action": actions, "Resource": resources} for actions, resources in rights]
    return parse(json.dumps({"Statement": statements}))


class Proof(unittest.TestCase):
    def test_with_one_right_removed_it_fails(self) -> None:
        whole = role((["sqs:SendMessage"], [MAIN]), (["sqs:GetQueueAttributes"], [MAIN, DEAD]))
        self.assertEqual(refused(whole, USES), [])
        self.assertEqual(refused(whole[:1], USES), [USES[1]])
        self.assertEqual(refused(whole[1:], USES), [USES[0]])
        self.assertEqual(refused((), USES), USES)

    def test_every_needed_right_is_known(self) -> None:
        whole = role((["sqs:SendMessage", "sqs:PurgeQueue"], [MAIN]), (["sqs:GetQueueAttributes"], [DEAD]))
        self.assertEqual(needed(whole, USES), [("sqs:SendMessage", MAIN), ("sqs:GetQueueAttributes", DEAD)])

    def test_a_right_nobody_used_is_found_by_action_and_by_resource(self) -> None:
        wide = role((["sqs:SendMessage"], [MAIN, DEAD]), (["sqs:GetQueueAttributes", "sqs:PurgeQueue"], [DEAD]))
        self.assertEqual(unused("worker", wide, USES, LIST), [("sqs:SendMessage", DEAD), ("sqs:PurgeQueue", DEAD)])

    def test_a_wildcard_action_is_never_used(self) -> None:
        self.assertEqual(unused("worker", role((["sqs:Send*"], [MAIN])), USES, LIST), [("sqs:Send*", MAIN)])

    def test_the_list_counts_for_its_role_and_resource_only(self) -> None:
        protect = role((["ecs:UpdateTaskProtection"], ["arn:aws:ecs:r:1:task/c/*"]))
        self.assertEqual(unused("worker", protect, [], LIST), [])
        self.assertEqual(len(unused("ingress", protect, [], LIST)), 1)
        everything = role((["ecs:UpdateTaskProtection"], ["*"]))
        self.assertEqual(unused("worker", everything, [], LIST), [("ecs:UpdateTaskProtection", "*")])

    def test_an_entry_for_a_right_nobody_has_is_stale(self) -> None:
        self.assertEqual(
            stale({"worker": role((["sqs:SendMessage"], [MAIN]))}, LIST), ["worker: ecs:UpdateTaskProtection on arn:aws:ecs:*"]
        )

    def test_the_list_can_be_read(self) -> None:
        self.assertTrue(read_exceptions(Path(__file__).parent.parent / "iam_unrecorded.toml"))

    def test_an_entry_without_a_reason_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "list.toml")
            path.write_text('[[unrecorded]]\nroles=["a"]\nactions=["b:C"]\nresource="*"\nreason="  "\n')
            with self.assertRaisesRegex(ValueError, "no reason"):
                read_exceptions(path)


class Keys(unittest.TestCase):
    def test_use_of_an_encrypted_resource_needs_its_key(self) -> None:
        found = list(uses_of_keys(Use("sqs:SendMessage", MAIN), "r", "1", {MAIN: KEY}))
        self.assertEqual([(use.action, use.resource) for use in found], [("kms:GenerateDataKey", KEY), ("kms:Decrypt", KEY)])
        self.assertEqual(dict(found[0].context)["kms:ViaService"], "sqs.r.amazonaws.com")
        self.assertEqual(dict(found[0].context)["aws:PrincipalAccount"], context("r", "1")["aws:PrincipalAccount"])

    def test_objects_and_indexes_have_the_key_of_what_holds_them(self) -> None:
        bucket, table = "arn:aws:s3:::b", "arn:aws:dynamodb:r:1:table/t"
        keys = {bucket: KEY, table: KEY}
        self.assertEqual(len(list(uses_of_keys(Use("s3:GetObject", bucket + "/x/y"), "r", "1", keys))), 1)
        self.assertEqual(len(list(uses_of_keys(Use("dynamodb:Query", table + "/index/i"), "r", "1", keys))), 1)

    def test_a_key_of_aws_needs_no_right(self) -> None:
        self.assertEqual(list(uses_of_keys(Use("sqs:SendMessage", MAIN), "r", "1", {})), [])


if __name__ == "__main__":
    unittest.main()
