"""A request is taken for the call it makes."""

from __future__ import annotations

import json
import unittest
from typing import Any

from emulator import agent
from emulator.calls import ApiCall, Request, understand

QUEUE = "http://127.0.0.1:1/123456789012/p-main"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/p-subs"


def call(service: str, method: str = "POST", path: str = "/", query: str = "", target: str = "", body: Any = b"") -> ApiCall:
    headers = {
        "authorization": f"AWS4-HMAC-SHA256 Credential=AKIA1/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0",
        "x-amz-target": target,
    }
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = understand(Request(method, path, query, headers, raw))
    assert found is not None
    return found


class Calls(unittest.TestCase):
    def test_the_caller_is_who_signed(self) -> None:
        found = call("sqs", target="AmazonSQS.SendMessage", body={"QueueUrl": QUEUE})
        self.assertEqual((found.access_key, found.region), ("AKIA1", "us-east-1"))
        self.assertIsNone(understand(Request("GET", "/moto-api/data.json", "", {}, b"")))

    def test_a_batch_needs_the_right_of_its_entries(self) -> None:
        found = call("sqs", target="AmazonSQS.ChangeMessageVisibilityBatch", body={"QueueUrl": QUEUE})
        self.assertEqual(found.action, "sqs:ChangeMessageVisibility")
        self.assertEqual(found.resources, ("arn:aws:sqs:us-east-1:123456789012:p-main",))

    def test_tables_and_their_indexes(self) -> None:
        self.assertEqual(call("dynamodb", target="DynamoDB_20120810.GetItem", body={"TableName": "p-subs"}).resources, (TABLE,))
        query = call("dynamodb", target="DynamoDB_20120810.Query", body={"TableName": TABLE, "IndexName": "i"})
        self.assertEqual((query.action, query.resources), ("dynamodb:Query", (TABLE + "/index/i",)))
        parts = [{"Put": {"TableName": "p-subs"}}, {"Update": {"TableName": "other"}}]
        self.assertEqual(len(call("dynamodb", target="DynamoDB_20120810.TransactWriteItems", body={"TransactItems": parts}).resources), 2)

    def test_objects_and_buckets(self) -> None:
        wanted = {
            ("PUT", "/b/k/1", "x-id=PutObject"): ("s3:PutObject", "arn:aws:s3:::b/k/1"),
            ("GET", "/b/k%20l", "x-id=GetObject"): ("s3:GetObject", "arn:aws:s3:::b/k l"),
            ("HEAD", "/b/k", ""): ("s3:GetObject", "arn:aws:s3:::b/k"),
            ("DELETE", "/b/k", "x-id=DeleteObject"): ("s3:DeleteObject", "arn:aws:s3:::b/k"),
            ("DELETE", "/b/k", "uploadId=1"): ("s3:AbortMultipartUpload", "arn:aws:s3:::b/k"),
            ("GET", "/b", "list-type=2"): ("s3:ListBucket", "arn:aws:s3:::b"),
            ("GET", "/b/", "policy"): ("s3:GET policy?", "arn:aws:s3:::b"),
            ("GET", "/b/k", "versionId=7"): ("s3:GET versionId?", "arn:aws:s3:::b/k"),
        }
        for (method, path, query), expected in wanted.items():
            found = call("s3", method, path, query)
            self.assertEqual((found.action, *found.resources), expected, (method, path, query))

    def test_query_and_rest_services(self) -> None:
        self.assertEqual(call("iam", body=b"Action=GetRole&Version=1").action, "iam:GetRole")
        self.assertTrue(call("lambda", "GET", "/2015-03-31/functions").action.endswith("?"))

    def test_the_agent_speaks_for_its_task(self) -> None:
        uri = agent.address("", "AKIA1", "us-east-1", "penstock-us1", "t1")
        found = agent.understand("PUT", f"{uri}/task-protection/v1/state")
        assert found is not None
        self.assertEqual((found.access_key, found.action), ("AKIA1", "ecs:UpdateTaskProtection"))
        self.assertEqual(found.resources, ("arn:aws:ecs:us-east-1:123456789012:task/penstock-us1/t1",))
        self.assertIsNone(agent.understand("PUT", f"{uri}/other"))


if __name__ == "__main__":
    unittest.main()
