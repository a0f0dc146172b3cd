"""Which folders a provider may come from."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from harness.provider import PROVIDER, _mirrors


class Mirrors(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def _made(self, name: str) -> Path:
        mirror = self.root / name
        (mirror / PROVIDER).mkdir(parents=True)
        return mirror

    def test_a_mirror_is_found(self) -> None:
        mirror = self._made("opt/plugins")
        self.assertEqual(list(_mirrors(self.root)), [mirror])

    def test_none_that_others_can_write_to(self) -> None:
        self._made("opt/plugins").chmod(0o777)
        self._made("srv/plugins").parent.chmod(0o1777)
        (self._made("usr/plugins") / PROVIDER).chmod(0o777)
        self.assertEqual(list(_mirrors(self.root)), [])

    def test_none_in_tmp(self) -> None:
        self._made("tmp/plugins")
        self.assertEqual(list(_mirrors(self.root)), [])
