"""What a destroy may leave behind."""

from __future__ import annotations

import unittest

from harness.leftovers import kept

_ARN = "ecs taskDefinitionArns: arn:aws:ecs:us-east-1:123456789012:task-definition"


class Kept(unittest.TestCase):
    def test_revisions_of_these_pods_stay(self) -> None:
        ours = {f"{_ARN}/penstock-us1-worker:1", f"{_ARN}/penstock-us2-ingress:3"}
        self.assertEqual(kept(ours, ("us1", "us2")), ours)

    def test_nothing_else_does(self) -> None:
        others = {f"{_ARN}/penstock-eu1-worker:1", f"{_ARN}/other:1", "sqs QueueUrls: https://sqs/penstock-us1-main"}
        self.assertEqual(kept(others, ("us1", "us2")), set())
