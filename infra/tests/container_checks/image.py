"""The image's last stages, made by buildah around a built binary, and run as the cloud runs them.

The compiling stage is left out, and a stand-in takes the place of the base: the C library and libgcc that the binary was
linked against here, and the authorities' certificates. Both are what the distroless base has beside data.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import urllib.request
from pathlib import Path

# All that gcr.io/distroless/cc has of what a program may be linked against.
IN_BASE = {"linux-vdso.so.1", "libc.so.6", "libm.so.6", "libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1"}
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
PARTNER = "fixtures/partners/sandbox.toml"
CONFIG = {
    "User": "65532:65532",
    "Entrypoint": ["/usr/bin/penstock"],
    "ExposedPorts": {"8080/tcp": {}, "9090/tcp": {}},
    "StopSignal": "SIGTERM",
    "WorkingDir": "/",
}
# An address that nobody listens at: a role must come up, and live, without its queue.
NOWHERE = "http://127.0.0.1:9"
CLOUD = {
    "AWS_ENDPOINT_URL": NOWHERE, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
    "PENSTOCK_ADMIN": "127.0.0.1:0", "PENSTOCK_INGRESS_LISTEN": "127.0.0.1:0", "PENSTOCK_TOKENS": "secret",
    "PENSTOCK_QUEUE": "sqs", "PENSTOCK_STORE": "dynamodb", "PENSTOCK_DYNAMODB_TABLE": "t", "PENSTOCK_S3_BUCKET": "b",
    "PENSTOCK_SQS_MAIN_URL": f"{NOWHERE}/1/m", "PENSTOCK_SQS_RETRY_URL": f"{NOWHERE}/1/r",
    "PENSTOCK_SQS_DEAD_URL": f"{NOWHERE}/1/d", "PENSTOCK_WORKER_RECEIVE_WAIT_MS": "1000",
}


def check(root, binary):
    if os.geteuid() != 0:
        return ["needs root, to mount the image"]
    if not shutil.which("buildah"):
        if not shutil.which("apt-get"):
            return ["needs buildah"]
        subprocess.run(["apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends", "buildah"], check=True,
                       stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="penstock-image-") as folder:
        try:
            return list(_check(root, binary, Path(folder)))
        except subprocess.CalledProcessError as error:
            return [f"{' '.join(map(str, error.cmd))}: {error.stderr or error.stdout}"]


def _check(root, binary, folder):
    buildah = ["buildah", "--storage-driver", "vfs", "--root", folder / "root", "--runroot", folder / "run"]

    def run(*arguments):
        return subprocess.run([*buildah, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    context = folder / "context"
    foreign = _libraries(binary, context / "base")
    if foreign:
        yield f"linked against what the base has not: {', '.join(foreign)}"
    (context / "data").mkdir()
    _copy(binary, context / "image/usr/bin/penstock")
    _copy(root / "LICENSE", context / "image/usr/share/doc/penstock/LICENSE")
    _copy(root / PARTNER, context / PARTNER)
    stages = (root / "Dockerfile").read_text().partition("FROM ${BASE_IMAGE}")
    (context / "Base").write_text("FROM scratch\nCOPY base/ /\n")
    (context / "Dockerfile").write_text(
        "ARG BASE_IMAGE\nFROM scratch AS builder\nCOPY image /image/\nCOPY data /data\n" + "".join(stages[1:]))
    build = ["bud", "--isolation", "chroot", "--pull-never", "--quiet"]
    run(*build, "--file", context / "Base", "--tag", "localhost/base", context)
    build += ["--file", context / "Dockerfile", "--build-arg", "BASE_IMAGE=localhost/base"]
    run(*build, "--tag", "localhost/penstock", context)
    run(*build, "--target", "partner", "--build-arg", f"PARTNER={PARTNER}", "--tag", "localhost/partner", context)

    for tag, named in [("penstock", False), ("partner", True)]:
        config = json.loads(run("inspect", "--type", "image", f"localhost/{tag}"))["OCIv1"]["config"]
        for key, value in CONFIG.items():
            if config.get(key) != value:
                yield f"{tag}: {key} is {config.get(key)}, not {value}"
        if config.get("Cmd"):
            yield f"{tag}: has the command {config['Cmd']}; the role is to be said"
        environment = dict(entry.split("=", 1) for entry in config["Env"])
        if ("PENSTOCK_PARTNER" in environment) != named:
            yield f"{tag}: PENSTOCK_PARTNER is {environment.get('PENSTOCK_PARTNER')}"

    container = run("from", "--pull-never", "localhost/partner")
    mounted = run("mount", container)
    try:
        yield from _run(mounted, environment)
    finally:
        run("umount", container)


def _run(mounted, environment):
    """Runs what the image has, as its user, with no right to write anywhere in it."""
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && mount -t proc proc "$0/proc" && ' \
             'exec "$(command -v chroot)" --userspec=65532:65532 "$0" /usr/bin/penstock "$@"'

    def start(*arguments, **more):
        path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        return subprocess.Popen(["unshare", "--mount", "sh", "-c", script, mounted, *arguments], text=True,
                                env=path | environment | more, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    for arguments in (["--version"], ["check", "/etc/penstock/partner.toml"]):
        code, said = _end(start(*arguments))
        if code:
            yield f"penstock {' '.join(arguments)} ended with {code}: {said}"
    # The counter-proof: what keeps its queue in a file cannot run like this.
    embedded = {name: value for name, value in CLOUD.items() if name not in ("PENSTOCK_QUEUE", "PENSTOCK_STORE")}
    code, said = _end(start("run", **embedded))
    if code != 69 or "penstock.db" not in said:
        yield f"the root is not read-only: `run` ended with {code}: {said}"
    for role in ("ingress", "worker"):
        yield from _role(start(role, **CLOUD), role)


def _end(process, seconds=15):
    """Exit code and output; a process that lives longer is killed."""
    watchdog = threading.Timer(seconds, process.kill)
    watchdog.start()
    said = process.communicate()[0]
    watchdog.cancel()
    return process.returncode, said


def _role(process, role):
    lines = []
    # In case it never says where it listens.
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    for line in process.stdout:
        lines.append(line)
        if admin := re.search(r"admin on (http://127\.0\.0\.1:\d+)", line):
            with urllib.request.urlopen(f"{admin[1]}/healthz", timeout=10) as answer:
                if answer.status != 200:
                    yield f"{role}: /healthz says {answer.status}"
            break
    process.terminate()
    code, said = _end(process, 60)
    watchdog.cancel()
    lines.append(said)
    if code:
        yield f"{role} ended with {code}: {''.join(lines)}"
    elif len(lines) < 2:
        yield f"{role} did not start: {''.join(lines)}"


def _libraries(binary, base):
    """Copies what the binary is linked against, and the certificates; returns what the real base has not."""
    foreign = []
    linked = subprocess.run(["ldd", binary], check=True, capture_output=True, text=True).stdout
    for line in linked.splitlines():
        name, path = line.split()[0], re.search(r"(/\S+) \(", line)
        if path:
            _copy(Path(path[1]), base / path[1].lstrip("/"))
        if name not in IN_BASE and not name.startswith("/lib"):
            foreign.append(name)
    _copy(Path("/") / CERTIFICATES, base / CERTIFICATES)
    for folder in ("proc", "tmp", "etc"):
        (base / folder).mkdir(exist_ok=True)
    return foreign


def _copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
