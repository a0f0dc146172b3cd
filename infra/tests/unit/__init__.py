"""Tests of the pure parts: `python3 -m unittest discover -s infra/tests -t infra/tests`."""
