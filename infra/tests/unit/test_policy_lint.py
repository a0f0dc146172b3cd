"""A finding too many and an exception too many are both found."""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

from harness.policy_lint import Exempt, judge, read, read_exceptions


def check(resource: str) -> dict[str, Any]:
    return {"check_id": "CKV_1", "check_name": "is safe", "resource": resource, "file_path": "/a.tf", "file_line_range": [3, 9]}


class Judging(unittest.TestCase):
    def test_only_explained_findings_pass(self) -> None:
        findings = read([check("module.pipeline.aws_s3_bucket.spill[0]"), check("module.x.module.pipeline.aws_s3_bucket.spill")])
        self.assertEqual(len(findings), 1)
        self.assertEqual(judge(findings, [Exempt("CKV_1", ("aws_s3_bucket.spill",), "")]), [])
        self.assertEqual(judge(findings, []), ["/a.tf:3 aws_s3_bucket.spill: CKV_1 is safe"])
        self.assertEqual(len(judge(findings, [Exempt("CKV_2", ("aws_s3_bucket.spill",), "")])), 2)

    def test_an_exception_that_finds_nothing_is_told(self) -> None:
        findings = read([check("aws_s3_bucket.spill")])
        wrong = judge(findings, [Exempt("CKV_1", ("aws_s3_bucket.spill", "aws_s3_bucket.other"), "")])
        self.assertEqual(wrong, ["the exception of CKV_1 for aws_s3_bucket.other finds nothing: take it out"])

    def test_the_list_can_be_read(self) -> None:
        self.assertTrue(read_exceptions(Path(__file__).parent.parent / "checkov_exceptions.toml"))


if __name__ == "__main__":
    unittest.main()
