"""The services on Kubernetes, as each overlay renders them: settings, probes, rights, limits, drain."""

from __future__ import annotations

import os
import tomllib

import pytest

from tests.ops.kubernetes import K8S, OVERLAYS, SERVICES_NAMESPACE, labels_of, overlay, quantity
from tests.ops.manifests import IMAGES, ROOT, SETTINGS, default_of, variables

each_overlay = pytest.mark.parametrize("manifests", OVERLAYS, indirect=True)
each_service = pytest.mark.parametrize("name", sorted(SETTINGS))
GRPC = ("env", "executor", "judge")
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
RESTRICTED_VOLUMES = {"name", "emptyDir", "projected", "secret", "persistentVolumeClaim"}


@pytest.fixture
def manifests(request):
    return overlay(request.param)


def seconds(manifests, service, variable):
    default = default_of(service, variable.removeprefix("CODEARENA_").lower())
    return float(manifests.environment(service).get(variable, default))


@pytest.mark.parametrize("folder", [path.parent for path in sorted(K8S.rglob("kustomization.yaml"))], ids=str)
def test_every_file_has_its_place(folder):
    """A file that no kustomization names is one that somebody forgot."""
    text = (folder / "kustomization.yaml").read_text()
    named = {path.name for path in folder.glob("*.yaml") if path.name in text or path.name == "adapter-rules.yaml"}
    assert {path.name for path in folder.glob("*.yaml")} == named | {"kustomization.yaml"}


@each_overlay
def test_there_is_one_deployment_a_service_and_nothing_else_that_makes_pods(manifests):
    assert {found["metadata"]["name"] for found in manifests.of("Deployment")} == {f"codearena-{n}" for n in SETTINGS}
    assert not [found for found in manifests.objects if found["kind"] in ("Pod", "Job", "DaemonSet", "StatefulSet")]


@each_overlay
@each_service
def test_its_image_is_one_that_we_build_and_its_tag_stays(manifests, name):
    image, _, tag = manifests.container(name)["image"].partition(":")
    assert image in IMAGES
    assert tag not in ("", "latest")
    assert tag in manifests.environment("executor")["CODEARENA_KUBERNETES_IMAGE"]


def test_production_runs_the_version_of_this_tree():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name in SETTINGS:
        assert overlay("production").container(name)["image"] == f"codearena-{name}:{version}"


@each_overlay
@each_service
def test_every_variable_is_a_setting(manifests, name):
    shared = set(manifests.one("ConfigMap", config_map(manifests), SERVICES_NAMESPACE)["data"])
    everyone = set().union(*map(variables, SETTINGS))
    assert shared <= everyone
    assert set(manifests.environment(name)) - shared <= variables(name)
    # Kubernetes makes variables of the names of services, such as CODEARENA_ENV_PORT.
    assert manifests.pod(name)["enableServiceLinks"] is False


@each_overlay
@each_service
def test_its_settings_are_accepted(manifests, name, monkeypatch, tmp_path):
    """The service's own settings read what the pod is given, and find the secrets where they are mounted."""
    for variable in [found for found in os.environ if found.startswith("CODEARENA_")]:
        monkeypatch.delenv(variable)
    given = manifests.environment(name)
    for variable, value in (given | {"CODEARENA_SECRETS_DIR": str(tmp_path)}).items():
        monkeypatch.setenv(variable, value)
    for key in required_secrets(manifests, name):
        (tmp_path / key).write_text("postgresql://arena@db.internal/codearena")
    settings = SETTINGS[name]()
    assert settings.log_format == "json"
    if name == "env":
        backed = settings.store_url().startswith("postgresql://")
        assert backed == (required_secrets(manifests, name) != [])
    mounts = {mount["name"]: mount for mount in manifests.container(name)["volumeMounts"]}
    assert mounts["secrets"]["mountPath"] == given["CODEARENA_SECRETS_DIR"]


def required_secrets(manifests, name):
    """The files without which the pods of a service do not start."""
    (volume,) = [found for found in manifests.pod(name)["volumes"] if found["name"] == "secrets"]
    sources = [source["secret"] for source in volume["projected"]["sources"]]
    return [item["path"] for source in sources if not source.get("optional") for item in source["items"]]


def test_several_replicas_of_env_share_a_database():
    assert overlay("production").one("Deployment", "codearena-env")["spec"]["replicas"] > 1
    assert required_secrets(overlay("production"), "env") == ["codearena_database_url"]


def test_one_env_at_a_time_writes_to_the_volume_of_the_development_overlay():
    dev = overlay("dev")
    spec = dev.one("Deployment", "codearena-env")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    (claim,) = [v["persistentVolumeClaim"] for v in dev.pod("env")["volumes"] if "persistentVolumeClaim" in v]
    assert claim["claimName"] == dev.one("PersistentVolumeClaim", "codearena-env")["metadata"]["name"]


@each_overlay
@each_service
def test_secrets_are_files_and_never_variables(manifests, name):
    container = manifests.container(name)
    assert all("valueFrom" not in variable for variable in container.get("env", []))
    assert all(set(source) == {"configMapRef"} for source in container["envFrom"])
    assert not manifests.of("Secret")
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    for volume in manifests.pod(name)["volumes"]:
        if "secret" in volume or "projected" in volume:
            assert mounts[volume["name"]]["readOnly"] is True
            assert "subPath" not in mounts[volume["name"]]  # it would keep a renewed secret out


@each_service
def test_in_production_those_who_face_clients_ask_for_tokens(name):
    production = overlay("production")
    named = production.environment(name).get("CODEARENA_TOKENS_FILE")
    assert (named is not None) == (name in ("env", "gateway"))
    if named is not None:
        (mount,) = [found for found in production.container(name)["volumeMounts"] if found["name"] == "tokens"]
        assert named == f"{mount['mountPath']}/tokens.yaml"
        (volume,) = [found for found in production.pod(name)["volumes"] if found["name"] == "tokens"]
        assert "optional" not in volume["secret"]


@each_overlay
@pytest.mark.parametrize("name", GRPC)
def test_it_is_probed_by_the_names_that_it_serves(manifests, name):
    container = manifests.container(name)
    port = int(manifests.environment(name).get("CODEARENA_HEALTH_PORT", default_of(name, "port")))
    assert container["livenessProbe"]["grpc"] == {"port": port, "service": "liveness"}
    assert container["startupProbe"]["grpc"] == {"port": port, "service": "liveness"}
    assert container["readinessProbe"]["grpc"] == {"port": port, "service": ""}
    assert port in {found["containerPort"] for found in container["ports"]}


@each_overlay
def test_the_gateway_is_probed_where_no_token_is_asked_for(manifests):
    container = manifests.container("gateway")
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/health", "port": "http"}


@each_overlay
@each_service
def test_a_service_that_is_slow_or_busy_is_not_killed(manifests, name):
    container = manifests.container(name)
    start, live = container["startupProbe"], container["livenessProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] >= 60
    assert live["periodSeconds"] * live["failureThreshold"] >= 60
    assert live["timeoutSeconds"] >= container["readinessProbe"]["timeoutSeconds"] > 1


@each_overlay
@pytest.mark.parametrize("name", GRPC)
def test_its_ports_are_its_own_and_its_name_resolves_to_every_pod(manifests, name):
    expected = {"grpc": default_of(name, "port"), "metrics": default_of(name, "metrics_port")}
    ports = {port["name"]: port["containerPort"] for port in manifests.container(name)["ports"]}
    assert {key: port for key, port in ports.items() if key != "health"} == expected
    service = manifests.one("Service", f"codearena-{name}")["spec"]
    assert {port["name"]: port["port"] for port in service["ports"]} == expected
    assert service["clusterIP"] == "None"
    assert service["selector"].items() <= labels_of(manifests.one("Deployment", f"codearena-{name}")).items()


@each_overlay
@pytest.mark.parametrize(("caller", "callee"), [("gateway", "env"), ("env", "executor"), ("env", "judge")])
def test_calls_are_spread_over_pods_that_come_and_go(manifests, caller, callee):
    address = manifests.environment(caller)[f"CODEARENA_{callee.upper()}_ADDRESS"]
    service = manifests.one("Service", f"codearena-{callee}")
    assert address == f"dns:///{service['metadata']['name']}:{default_of(callee, 'port')}"
    assert 60 <= int(manifests.environment(callee)["CODEARENA_MAX_CONNECTION_AGE_SECONDS"]) <= 300


@each_overlay
@each_service
def test_it_is_given_the_time_to_drain(manifests, name):
    """SIGTERM, not ready, a pause, the calls that run, and what is left to clean up."""
    grace = seconds(manifests, name, "CODEARENA_GRACE_SECONDS")
    assert grace > seconds(manifests, "env", "CODEARENA_GRADING_TIMEOUT_SECONDS")
    assert grace > seconds(manifests, "gateway", "CODEARENA_STEP_TIMEOUT_SECONDS")
    pause = seconds(manifests, name, "CODEARENA_DRAIN_SECONDS")
    if name == "gateway":
        pause = manifests.container(name)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pause >= 5
    assert manifests.pod(name)["terminationGracePeriodSeconds"] >= pause + grace + 10


@each_overlay
@each_service
def test_it_is_nobody_and_writes_nowhere(manifests, name):
    pod, container = manifests.pod(name), manifests.container(name)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert min(pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) >= 10_000
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == RESTRICTED
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers"} & set(pod)
    assert set().union(*pod["volumes"]) <= RESTRICTED_VOLUMES
    assert not [port for port in container["ports"] if "hostPort" in port]


@each_overlay
@each_service
def test_only_the_executor_has_a_token(manifests, name):
    account = manifests.one("ServiceAccount", f"codearena-{name}", SERVICES_NAMESPACE)
    assert account["automountServiceAccountToken"] is False
    assert manifests.pod(name)["serviceAccountName"] == account["metadata"]["name"]
    assert manifests.pod(name)["automountServiceAccountToken"] is (name == "executor")
    assert "serviceAccountToken" not in str(manifests.pod(name)["volumes"])


@each_overlay
@each_service
def test_its_resources_are_asked_for_and_bounded(manifests, name):
    resources = manifests.container(name)["resources"]
    (limits,) = manifests.one("LimitRange", "codearena", SERVICES_NAMESPACE)["spec"]["limits"]
    for what in ("cpu", "memory"):
        asked, most = (quantity(resources[which][what]) for which in ("requests", "limits"))
        assert 0 < asked <= most <= quantity(limits["max"][what])
    for volume in manifests.pod(name)["volumes"]:
        assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"]


@each_overlay
@each_service
def test_updates_and_drained_nodes_leave_it_serving(manifests, name):
    deployment = manifests.one("Deployment", f"codearena-{name}")
    budget = manifests.one("PodDisruptionBudget", f"codearena-{name}")["spec"]
    assert budget["selector"]["matchLabels"].items() <= labels_of(deployment).items()
    # One pod may always go, else a node could never be drained.
    assert budget["maxUnavailable"] == 1
    if deployment["spec"]["strategy"]["type"] == "RollingUpdate":
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    for spread in manifests.pod(name)["topologySpreadConstraints"]:
        assert spread["labelSelector"]["matchLabels"].items() <= labels_of(deployment).items()
        assert spread["matchLabelKeys"] == ["app.kubernetes.io/name", "pod-template-hash"]
    keys = [spread["topologyKey"] for spread in manifests.pod(name)["topologySpreadConstraints"]]
    assert keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]


@each_overlay
def test_selectors_of_two_services_never_meet(manifests):
    for service in manifests.of("Service"):
        fitting = [d for d in manifests.of("Deployment") if service["spec"]["selector"].items() <= labels_of(d).items()]
        assert [found["metadata"]["name"] for found in fitting] == [service["metadata"]["name"]]


@each_overlay
def test_what_it_names_is_there(manifests):
    """Objects of our own, by name: a configuration that is misspelt stops a pod from starting."""
    for name in SETTINGS:
        for source in manifests.container(name)["envFrom"]:
            assert manifests.one("ConfigMap", source["configMapRef"]["name"], SERVICES_NAMESPACE)
        assert manifests.one("PriorityClass", manifests.pod(name)["priorityClassName"])
        mounted = {mount["name"] for mount in manifests.container(name)["volumeMounts"]}
        assert mounted == {volume["name"] for volume in manifests.pod(name)["volumes"]}


def config_map(manifests):
    (source,) = [s for s in manifests.container("gateway")["envFrom"] if "codearena-" in s["configMapRef"]["name"]]
    return source["configMapRef"]["name"]
