"""docker-compose.yml, read as data: what may reach what, and with which rights."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.ops.manifests import IMAGES, ROOT, SETTINGS, compose, default_of, variables

OURS = (*SETTINGS, "sandbox", "socket-proxy")
THEIRS = ("postgres", "prometheus", "alertmanager", "grafana")
PROGRAM = {"socket-proxy": "executor"}
MONITORING = ("prometheus", "alertmanager", "grafana")
LONG_RUNNING = (*SETTINGS, "socket-proxy", *THEIRS)

each = pytest.mark.parametrize("name", sorted((*OURS, *THEIRS)))
each_of_ours = pytest.mark.parametrize("name", sorted({*SETTINGS, "socket-proxy"}))


def service(name):
    return compose()["services"][name]


def networks(name):
    return set(service(name).get("networks", ()))


def mounts(name):
    """The mounts of a service: source, target, and whether it may write."""
    found = []
    for volume in service(name).get("volumes", ()):
        # A default in a source, ${NAME:-value}, has colons of its own.
        source, target, mode = re.fullmatch(r"((?:\$\{[^}]*\}|[^:])+):([^:]+)(?::(ro))?", volume).groups()
        found.append((source, target, mode != "ro"))
    return found


def test_these_services_and_no_others():
    assert set(compose()["services"]) == {*OURS, *THEIRS}


@each
def test_it_has_no_rights_to_spare(name):
    found = service(name)
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "ipc", "devices", "userns_mode"} & set(found)
    assert found.get("network_mode", "none") == "none"


@each
def test_its_use_of_the_machine_is_bounded(name):
    assert set(service(name)["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service(name)["logging"]["options"]["max-size"]
    assert all("size=" in mount for mount in service(name).get("tmpfs", ()))


@pytest.mark.parametrize("name", OURS)
def test_its_image_is_one_that_we_build(name):
    repository, _, tag = service(name)["image"].partition(":")
    assert repository in IMAGES | {"codearena-sandbox"}
    assert tag == "${CODEARENA_TAG:-dev}"
    folder = PROGRAM.get(name, name)
    expected = "services/executor/Dockerfile.sandbox" if name == "sandbox" else f"services/{folder}/Dockerfile"
    assert service(name)["build"]["dockerfile"] == expected
    assert (ROOT / expected).is_file()


@pytest.mark.parametrize("name", THEIRS)
def test_the_image_of_another_project_is_pinned_and_may_be_another(name):
    assert re.fullmatch(rf"\$\{{{name.upper()}_IMAGE:-[a-z/]+:v?\d[\w.-]+\}}", service(name)["image"])


@each_of_ours
def test_every_variable_is_a_setting_of_it(name):
    assert set(service(name)["environment"]) <= variables(PROGRAM.get(name, name))


@each_of_ours
def test_it_is_given_the_time_to_drain(name):
    seconds = int(re.fullmatch(r"(\d+)s", service(name)["stop_grace_period"])[1])
    program = PROGRAM.get(name, name)
    assert seconds > default_of(program, "drain_seconds") + default_of(program, "grace_seconds")


def test_all_that_is_published_is_published_to_this_machine():
    published = {name: service(name)["ports"] for name in compose()["services"] if service(name).get("ports")}
    assert set(published) == {"env", "gateway", *MONITORING}
    for name, (port,) in published.items():
        assert re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-(\d+)\}:\1", port), name
    assert published["env"][0].endswith(f":{default_of('env', 'port')}")
    assert published["gateway"][0].endswith(f":{default_of('gateway', 'port')}")


def test_only_the_proxy_touches_the_engine_and_it_has_no_network():
    touching = [name for name in compose()["services"] if any("docker.sock" in source for source, _, _ in mounts(name))]
    assert touching == ["socket-proxy"]
    assert [name for name in compose()["services"] if "group_add" in service(name)] == ["socket-proxy"]
    assert service("socket-proxy")["network_mode"] == "none"


def test_only_the_executor_reaches_the_proxy():
    sharing = [name for name in compose()["services"] if any(source == "engine" for source, _, _ in mounts(name))]
    assert sorted(sharing) == ["executor", "socket-proxy"]
    listening = service("socket-proxy")["command"][-1]
    assert service("executor")["environment"]["CODEARENA_DOCKER_HOST"] == f"unix://{listening}"
    assert service("socket-proxy")["environment"]["CODEARENA_DOCKER_HOST"] == "unix:///var/run/docker.sock"


def test_the_proxy_and_the_executor_agree_on_what_a_sandbox_is():
    ours, theirs = (service(name)["environment"] for name in ("executor", "socket-proxy"))
    assert {k: v for k, v in ours.items() if k != "CODEARENA_DOCKER_HOST"} == {
        k: v for k, v in theirs.items() if k != "CODEARENA_DOCKER_HOST"
    }
    assert ours["CODEARENA_SANDBOX_IMAGE"] == service("sandbox")["image"]


def test_what_meets_whom():
    assert {name: networks(name) for name in compose()["services"] if networks(name)} == {
        "env": {"front", "back", "store"},
        "executor": {"back"},
        "judge": {"back", "model"},
        "gateway": {"front", "back"},
        "postgres": {"store"},
        "prometheus": {"back", "watch"},
        "alertmanager": {"watch"},
        "grafana": {"watch"},
    }
    declared = compose()["networks"]
    assert {name for name, options in declared.items() if options == {"internal": True}} == {"back", "store"}
    assert service("sandbox")["network_mode"] == "none"


def test_no_secret_is_written_down_and_each_service_sees_its_own():
    for name in compose()["services"]:
        for variable, value in (service(name).get("environment") or {}).items():
            named = re.search("KEY|TOKEN|PASSWORD|DATABASE_URL", variable)
            assert not named or str(value).startswith("/run/secrets/"), f"{name}: {variable}"
        for source, target, writable in mounts(name):
            if "SECRETS" in source:
                assert (source, target, writable) == (
                    f"${{CODEARENA_SECRETS:-./secrets}}/{name}",
                    "/run/secrets",
                    False,
                )


def test_each_starts_when_what_it_needs_is_ready():
    healthy, completed = {"condition": "service_healthy"}, {"condition": "service_completed_successfully"}
    assert {
        name: service(name).get("depends_on") for name in compose()["services"] if "depends_on" in service(name)
    } == {
        "executor": {"socket-proxy": healthy, "sandbox": completed},
        "env": {"executor": healthy, "judge": healthy, "postgres": healthy},
        "gateway": {"env": healthy},
        "prometheus": {"env": healthy},
        "grafana": {"prometheus": healthy},
    }
    assert all("test" in service(name)["healthcheck"] for name in ("socket-proxy", *THEIRS))


def test_env_and_gateway_find_their_peers():
    for peer in ("executor", "judge"):
        address = service("env")["environment"][f"CODEARENA_{peer.upper()}_ADDRESS"]
        assert address == f"{peer}:{default_of(peer, 'port')}"
    assert service("gateway")["environment"]["CODEARENA_ENV_ADDRESS"] == f"env:{default_of('env', 'port')}"
    assert yaml.safe_load(service("gateway")["environment"]["CODEARENA_METRICS_URLS"]) == {
        name: f"http://{name}:{default_of(name, 'metrics_port')}/metrics" for name in ("env", "executor", "judge")
    }


def test_monitoring_is_there_when_it_is_asked_for():
    assert {name for name in compose()["services"] if service(name).get("profiles") == ["monitoring"]} == {*MONITORING}
    assert not [
        name for name in compose()["services"] if service(name).get("profiles", ["monitoring"]) != ["monitoring"]
    ]


def test_state_is_on_volumes_that_go_with_the_stack():
    declared = compose()["volumes"]
    for name in compose()["services"]:
        for source, _, writable in mounts(name):
            assert source in declared or not writable or "docker.sock" in source, (name, source)
