"""Every metric that Grafana's dashboard and Prometheus' file name is one of docs/telemetry.md, with such labels and words."""

import json
import re

DASHBOARD = "infra/compose/grafana/dashboards/penstock.json"
PROMETHEUS = "infra/compose/prometheus.yml"
PROVISIONED = "infra/compose/grafana/provisioning/datasources/prometheus.yaml"
# What Prometheus adds.
EVERYWHERE = {"le", "job", "instance"}


def documented(root):
    """name -> (kind, {label: words})"""
    table = {}
    for line in (root / "docs/telemetry.md").read_text().splitlines():
        if row := re.match(r"\| `(\w+)` \| (counter|gauge|histogram) \| ([^|]*) \|", line):
            words = (part.split(":") for part in row[3].split(";") if ":" in part)
            table[row[1]] = row[2], {label.strip(" `"): set(re.split(r",\s*", all.strip())) for label, all in words}
    return table


def mistakes(expression, table):
    """What is wrong with one PromQL expression."""
    labels = set(re.findall(r"\w+", " ".join(re.findall(r"\b(?:by|without) \(([^)]*)\)", expression))))
    known = set(EVERYWHERE)
    bare = re.sub(r"\b(?:by|without) \([^)]*\)", "", expression)
    for name, matchers in re.findall(r"\b((?:ingress|worker|queue)_\w+)(?:\{([^}]*)\})?", bare):
        kind, has = table.get(name, (None, {}))
        if kind is None:
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            kind, has = table.get(base, (None, {}))
            if kind != "histogram":
                yield f"{name} is not in docs/telemetry.md"
                continue
        elif kind == "histogram":
            yield f"{name} is a histogram: ask for its _bucket, _sum or _count"
        elif kind == "counter" and not re.search(rf"\brate\({name}\b|\bsum\({name}\)", expression):
            yield f"{name} is a counter: ask for its rate, or for a sum of all"
        known |= set(has)
        for label, word in re.findall(r'(\w+)!?="([^"]*)"', matchers):
            if label not in EVERYWHERE and word not in has.get(label, ()):
                yield f"{name} has no {label}={word}"
    for label in sorted(labels - known):
        yield f"grouped by {label}, which nothing in it has: {expression}"


def dashboard(root):
    table = documented(root)
    panels = [panel for panel in json.loads((root / DASHBOARD).read_text())["panels"] if panel["type"] != "row"]
    uid = re.search(r"uid: (\w+)", (root / PROVISIONED).read_text())[1]
    asked = ""
    for panel in panels:
        for target in panel["targets"]:
            asked += target["expr"] + "\n"
            for mistake in mistakes(target["expr"], table):
                yield f"panel \"{panel['title']}\": {mistake}"
            if target["datasource"]["uid"] != uid:
                yield f"panel \"{panel['title']}\" asks a data source that is not provisioned"
    for line in (root / PROMETHEUS).read_text().splitlines():
        for mistake in mistakes(line, table):
            yield f"{PROMETHEUS}: {mistake}"
    if not panels or "worker_items_total" not in asked:
        yield "the dashboard shows nothing"


CHECKS = [("the dashboard's metrics are docs/telemetry.md's", dashboard)]
