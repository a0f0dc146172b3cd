"""The steps of infra/test."""
