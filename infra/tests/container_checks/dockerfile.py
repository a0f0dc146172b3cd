"""Dockerfile and .dockerignore: the linter's word, and whether they fit the workspace that they build."""

import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

from .ignore import Ignore
from .tools import unknown_variables, verdict

# Never to reach a builder, whatever else changes.
KEPT_OUT = [
    ".env", ".git/config", "target/release/penstock", "penstock-data/penstock.db", "tokens", "infra/regions/us1/terraform.tfstate",
    "fixtures/partners/key.pem",
]


def instructions(text):
    """(instruction, rest) for each, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    for line in filter(str.strip, joined.splitlines()):
        name, _, rest = line.strip().partition(" ")
        yield name.upper(), rest.strip()


def defaults(text):
    """The ARGs that have a default."""
    return dict(rest.split("=", 1) for name, rest in instructions(text) if name == "ARG" and "=" in rest)


def lint(root):
    return verdict(root, "hadolint", "--no-color", "--config", ".hadolint.yaml", "Dockerfile")


def versions(root):
    args = defaults((root / "Dockerfile").read_text())
    package = tomllib.loads((root / "Cargo.toml").read_text())["workspace"]["package"]
    wanted = package["rust-version"]
    toolchain = root / "rust-toolchain.toml"
    if toolchain.exists():
        wanted = tomllib.loads(toolchain.read_text())["toolchain"]["channel"]
    found = re.search(r"rust:([0-9.]+)-", args["RUST_IMAGE"])
    if not found or (found[1] + ".").find(wanted + ".") != 0:
        yield f"RUST_IMAGE is {args['RUST_IMAGE']}, the workspace wants Rust {wanted}"
    if args["VERSION"] != package["version"]:
        yield f"VERSION is {args['VERSION']}, the workspace's version is {package['version']}"
    release = re.search(r"-slim-(\w+)$", args["RUST_IMAGE"])
    debian = {"bookworm": "debian12", "trixie": "debian13"}.get(release and release[1])
    if not debian or debian not in args["BASE_IMAGE"]:
        yield f"built on {args['RUST_IMAGE']}, run on {args['BASE_IMAGE']}: not the same Debian"
    profiles = tomllib.loads((root / "Cargo.toml").read_text())["profile"]
    for used in re.findall(r"--profile (\w+)", (root / "Dockerfile").read_text()):
        if used not in profiles:
            yield f"there is no profile {used} in Cargo.toml"


def variables(root):
    return unknown_variables(root, (root / "Dockerfile").read_text(), "Dockerfile")


def copied(root):
    """What is copied from the folder exists and passes .dockerignore; what must not, does not."""
    ignore = Ignore((root / ".dockerignore").read_text())
    for name, rest in instructions((root / "Dockerfile").read_text()):
        if name not in ("COPY", "ADD") or "--from=" in rest:
            continue
        for source in [word for word in rest.split() if not word.startswith("--")][:-1]:
            if "$" in source or source == ".":
                continue
            if not (root / source).exists():
                yield f"COPY {source}: there is no such file"
            elif not ignore.lets_through(source):
                yield f"COPY {source}: .dockerignore keeps it out"
    for path in ["partner.toml", "partners/acme.toml", "fixtures/partners/sandbox.toml"]:
        if not ignore.lets_through(path):
            yield f".dockerignore keeps {path} out, which PARTNER may name"
    for path in KEPT_OUT:
        if ignore.lets_through(path):
            yield f".dockerignore lets {path} through"


def workspace(root):
    """The filtered folder is a whole workspace, and has every file that the sources compile in."""
    context = set(Ignore((root / ".dockerignore").read_text()).context(root))
    with tempfile.TemporaryDirectory() as folder:
        for path in context:
            copy = Path(folder) / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / path, copy)
        command = ["cargo", "metadata", "--no-deps", "--locked", "--offline", "--format-version", "1"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            yield f"cargo cannot read the filtered workspace: {done.stderr.strip()}"
    for path in sorted(context):
        if path.endswith(".rs") and Path(path).stem not in ("tests", "testing"):
            source = (root / path).read_text().split("#[cfg(test)]\nmod tests {")[0]
            for _, literal in re.findall(r'include_(str|bytes)!\((?:concat!\()?"([^"]+)"', source):
                needed = os.path.normpath(Path(path).parent / literal)
                if not any(file == needed or file.startswith(needed + "/") for file in context):
                    yield f"{path} compiles {needed} in, which .dockerignore keeps out"


CHECKS = [
    ("hadolint has nothing to say of Dockerfile", lint),
    ("Dockerfile has the workspace's versions", versions),
    ("Dockerfile's variables are read", variables),
    ("what is copied exists and passes .dockerignore, secrets do not", copied),
    ("what passes .dockerignore can be compiled", workspace),
]
