"""The checks of infra/tests/containers. Each takes the repository's folder and yields mistakes, none if all is well."""
