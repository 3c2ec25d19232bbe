"""k8s/base, read as data: probes, rights, limits, drain."""

from __future__ import annotations

import pytest

from tests.ops.manifests import (
    BASE,
    CONTRACTS,
    IMAGES,
    SERVICES,
    default_of,
    kubernetes,
    kustomization,
    settings_of_base,
    variables,
)

each = pytest.mark.parametrize("name", sorted(SERVICES))
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def one(kind, name):
    (found,) = [o for o in kubernetes() if o["kind"] == kind and o["metadata"]["name"] == f"codearena-{name}"]
    return found


def pod(name):
    return one("Deployment", name)["spec"]["template"]["spec"]


def container(name):
    (found,) = pod(name)["containers"]
    return found


def test_every_file_is_applied():
    files = {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization()["resources"]) == files


def test_there_is_one_deployment_a_service():
    names = {o["metadata"]["name"] for o in kubernetes() if o["kind"] == "Deployment"}
    assert names == {f"codearena-{name}" for name in SERVICES}


@each
def test_its_image_is_one_that_we_build(name):
    assert container(name)["image"] in IMAGES
    assert container(name)["image"] in {image["name"] for image in kustomization()["images"]}


@each
def test_it_is_probed_by_the_names_that_it_serves(name):
    port = default_of(name, "port")
    assert container(name)["livenessProbe"]["grpc"] == {"port": port, "service": "liveness"}
    assert container(name)["startupProbe"]["grpc"] == {"port": port, "service": "liveness"}
    assert container(name)["readinessProbe"]["grpc"] == {"port": port, "service": CONTRACTS[name]}


@each
def test_its_ports_are_its_own(name):
    expected = {"grpc": default_of(name, "port"), "metrics": default_of(name, "metrics_port")}
    assert {port["name"]: port["containerPort"] for port in container(name)["ports"]} == expected
    service = one("Service", name)["spec"]
    assert {port["name"]: port["port"] for port in service["ports"]} == expected
    assert service["clusterIP"] == "None"
    labels = one("Deployment", name)["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()


@each
def test_its_resources_are_asked_for_and_bounded(name):
    resources = container(name)["resources"]
    assert set(resources["requests"]) == set(resources["limits"]) == {"cpu", "memory"}
    for volume in pod(name)["volumes"]:
        assert "persistentVolumeClaim" in volume or volume["emptyDir"]["sizeLimit"]


@each
def test_it_is_nobody_and_writes_nowhere(name):
    context = pod(name)["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] >= 10_000
    assert container(name)["securityContext"].items() >= RESTRICTED.items()
    assert pod(name)["automountServiceAccountToken"] is False
    assert pod(name)["serviceAccountName"] == f"codearena-{name}"
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod(name))
    assert not [volume for volume in pod(name)["volumes"] if "hostPath" in volume]


@pytest.mark.parametrize("name", ["env", "judge"])
def test_it_is_restricted(name):
    assert pod(name)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(name)["securityContext"] == RESTRICTED


def test_the_executor_has_what_namespaces_take_and_no_more():
    assert settings_of_base()["CODEARENA_SANDBOX_BACKEND"] == "process"
    assert pod("executor")["hostUsers"] is False
    assert container("executor")["securityContext"] == RESTRICTED | {
        "procMount": "Unmasked",
        "seccompProfile": {"type": "Unconfined"},
        "appArmorProfile": {"type": "Unconfined"},
    }


@each
def test_it_is_given_the_time_to_drain(name):
    settings = settings_of_base()
    grace = float(settings["CODEARENA_GRACE_SECONDS"])
    assert grace > default_of("env", "grading_timeout_seconds")
    assert pod(name)["terminationGracePeriodSeconds"] > grace + float(settings["CODEARENA_DRAIN_SECONDS"])


@each
def test_its_variables_are_settings_and_no_others_come_in(name):
    every = set().union(*map(variables, SERVICES))
    assert set(settings_of_base()) <= every
    assert {variable["name"] for variable in container(name)["env"]} <= variables(name)
    assert pod(name)["enableServiceLinks"] is False


def test_env_finds_its_peers():
    for peer in ("executor", "judge"):
        address = settings_of_base()[f"CODEARENA_{peer.upper()}_ADDRESS"]
        assert address == f"dns:///{one('Service', peer)['metadata']['name']}:{default_of(peer, 'port')}"


def test_one_env_at_a_time_writes_to_its_volume():
    spec = one("Deployment", "env")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    claims = [volume["persistentVolumeClaim"] for volume in pod("env")["volumes"] if "emptyDir" not in volume]
    assert [claim["claimName"] for claim in claims] == [one("PersistentVolumeClaim", "env")["metadata"]["name"]]


def test_secrets_are_references_and_may_be_missing():
    for name in SERVICES:
        for variable in container(name)["env"]:
            if any(word in variable["name"] for word in ("KEY", "TOKEN")):
                assert variable["valueFrom"]["secretKeyRef"]["optional"] is True
