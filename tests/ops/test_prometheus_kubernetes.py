"""k8s/components/monitoring has the rules and dashboards of ops/, and scrapes what ops/prometheus scrapes."""

from __future__ import annotations

import yaml

from ops.grafana.panels import FOLDER
from ops.kubernetes import TARGET, document
from tests.ops.manifests import ROOT

COMPONENT = ROOT / "k8s/components/monitoring"
NAME = "app.kubernetes.io/name"
MONITORS = list(yaml.safe_load_all((COMPONENT / "monitors.yaml").read_text()))


def selected(monitor):
    selector = monitor["spec"]["selector"]
    if "matchLabels" in selector:
        return {selector["matchLabels"][NAME]}
    (expression,) = selector["matchExpressions"]
    assert (expression["key"], expression["operator"]) == (NAME, "In")
    return set(expression["values"])


def test_the_rules_are_those_of_compose():
    assert TARGET.read_text() == document(), "run python -m ops.kubernetes"
    files = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "ops/prometheus").glob("*.rules.yaml"))]
    assert yaml.safe_load(TARGET.read_text())["spec"]["groups"] == [group for file in files for group in file["groups"]]


def test_the_jobs_are_those_of_compose():
    config = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yaml").read_text())
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    assert set().union(*map(selected, MONITORS)) == jobs
    assert {monitor["spec"]["jobLabel"] for monitor in MONITORS} == {NAME}
    intervals = {endpoint["interval"] for monitor in MONITORS for endpoint in monitor["spec"]["endpoints"]}
    assert intervals == {config["global"]["scrape_interval"]}


def services():
    """The services of the base, by the name in their labels."""
    documents = [found for path in (ROOT / "k8s/base").glob("*.yaml") for found in yaml.safe_load_all(path.read_text())]
    found = [one for one in documents if isinstance(one, dict) and one["kind"] == "Service"]
    return {one["metadata"]["labels"][NAME]: one for one in found}


def test_a_monitor_finds_services_with_the_port_that_it_scrapes():
    known = services()
    for monitor in MONITORS:
        scraped = {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]}
        for name in selected(monitor):
            assert scraped <= {port["name"] for port in known[name]["spec"]["ports"]}, name


def test_every_dashboard_is_in_a_config_map_that_the_sidecar_finds():
    kustomization = yaml.safe_load((ROOT / "ops/grafana/kustomization.yaml").read_text())
    files = [file for made in kustomization["configMapGenerator"] for file in made["files"]]
    assert sorted(files) == sorted(f"dashboards/{path.name}" for path in FOLDER.iterdir())
    assert kustomization["generatorOptions"]["labels"] == {"grafana_dashboard": "1"}
    component = yaml.safe_load((COMPONENT / "kustomization.yaml").read_text())
    assert "../../../ops/grafana" in component["resources"]
