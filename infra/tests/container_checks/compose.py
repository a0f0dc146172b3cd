"""compose.yaml: the Compose Specification's schema, hardening, and whether what it names exists."""

import re

from ruamel.yaml import YAML

from .tools import unknown_variables, verdict

FILE = "compose.yaml"


def load(root):
    return YAML(typ="safe").load((root / FILE).read_text())


def schema(root):
    return verdict(root, "check-jsonschema", "--builtin-schema", "vendor.compose-spec", FILE)


def hardened(root):
    """Every container: a fixed image, no root file system to write to, no rights, bounded memory, loopback ports."""
    document = load(root)
    for name, service in document["services"].items():
        image = service["image"]
        if "build" not in service and not re.search(r":v?\d+\.\d+\.\d+$", image):
            yield f"{name}: {image} is not a whole version"
        wanted = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
        for key, value in wanted.items():
            if service.get(key) != value:
                yield f"{name}: {key} is {service.get(key)}, not {value}"
        for key in ("mem_limit", "pids_limit", "networks", "logging"):
            if key not in service:
                yield f"{name}: no {key}"
        for key in ("privileged", "network_mode", "pid", "ipc", "cap_add", "devices"):
            if key in service:
                yield f"{name}: {key} is given"
        for port in service.get("ports", []):
            if not str(port).startswith("127.0.0.1:"):
                yield f"{name}: port {port} is not on loopback only"
        if "published" in service["networks"] and "ports" not in service:
            yield f"{name}: can reach the world, and need not"
        for volume in service.get("volumes", []):
            if volume.startswith(".") and not volume.endswith(":ro"):
                yield f"{name}: {volume} may be written to"
    if document["networks"]["inside"] != {"internal": True}:
        yield "the network `inside` has a way out"


def named(root):
    """Files, images, networks, volumes and services that are named exist."""
    document = load(root)
    stages = re.findall(r"(?m)^FROM .* AS (\S+)$", (root / "Dockerfile").read_text())
    for name, service in document["services"].items():
        build = service.get("build", {})
        if build and build["target"] not in stages:
            yield f"{name}: Dockerfile has no stage {build['target']}"
        for path in build.get("args", {}).values():
            if not (root / path).is_file():
                yield f"{name}: there is no {path} to build with"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith(".") and not (root / source).exists():
                yield f"{name}: there is no {source} to mount"
            elif not source.startswith(".") and source not in document["volumes"]:
                yield f"{name}: there is no volume {source}"
        for network in set(service["networks"]) - set(document["networks"]):
            yield f"{name}: there is no network {network}"
        for host in re.findall(r"http://([a-z-]+):", str(service.get("environment", ""))):
            if host not in document["services"]:
                yield f"{name}: calls {host}, which is no service"
    data_source = (root / "infra/compose/grafana/provisioning/datasources/prometheus.yaml").read_text()
    targets = YAML(typ="safe").load((root / "infra/compose/prometheus.yml").read_text())["scrape_configs"]
    scraped = [host for target in targets for entry in target["dns_sd_configs"] for host in entry["names"]]
    for host in [*scraped, re.search(r"url: http://([a-z]+):", data_source)[1]]:
        if host not in document["services"]:
            yield f"Prometheus or Grafana calls {host}, which is no service"


def settings(root):
    """Variables are ones that Penstock reads, and say the same as Compose's own keys."""
    yield from unknown_variables(root, (root / FILE).read_text(), FILE)
    for name, service in load(root)["services"].items():
        environment = service.get("environment") or {}
        if (told := environment.get("PENSTOCK_CONTAINER_STOP_TIMEOUT_MS")) and int(told) != 1000 * seconds(service):
            yield f"{name}: PENSTOCK_CONTAINER_STOP_TIMEOUT_MS is {told}, stop_grace_period {service['stop_grace_period']}"
        if (told := environment.get("PENSTOCK_CONTAINER_MEMORY_BYTES")) and int(told) != memory(service):
            yield f"{name}: PENSTOCK_CONTAINER_MEMORY_BYTES is {told}, mem_limit {service['mem_limit']}"


def seconds(service):
    return int(service["stop_grace_period"].removesuffix("s"))


def memory(service):
    number, unit = re.fullmatch(r"(\d+)([mg])", service["mem_limit"]).groups()
    return int(number) << {"m": 20, "g": 30}[unit]


CHECKS = [
    ("compose.yaml fits the Compose Specification", schema),
    ("compose.yaml's containers are hardened", hardened),
    ("what compose.yaml names exists", named),
    ("compose.yaml's variables are read", settings),
]
