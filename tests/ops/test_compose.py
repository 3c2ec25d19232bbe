"""docker-compose.yml, read as data: what may reach what, and with which rights."""

from __future__ import annotations

import re

import pytest

from tests.ops.manifests import IMAGES, ROOT, SERVICES, compose, default_of, variables

each = pytest.mark.parametrize("name", sorted(SERVICES))


def service(name):
    return compose()["services"][name]


def test_the_services_are_ours():
    assert set(compose()["services"]) == set(SERVICES)


@each
def test_it_has_no_rights_to_spare(name):
    found = service(name)
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "user", "pid", "ipc", "network_mode", "devices"} & set(found)


@each
def test_its_use_of_the_machine_is_bounded(name):
    limits = service(name)["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory", "pids"}
    assert service(name)["logging"]["options"]["max-size"]
    assert all("size=" in mount for mount in service(name)["tmpfs"])


@each
def test_its_image_is_one_that_we_build(name):
    repository, _, tag = service(name)["image"].partition(":")
    assert repository in IMAGES
    assert tag == "${CODEARENA_TAG:-dev}"
    assert service(name)["build"]["dockerfile"] == f"services/{name}/Dockerfile"
    assert (ROOT / service(name)["build"]["dockerfile"]).is_file()


@each
def test_every_variable_is_a_setting_of_it(name):
    assert set(service(name)["environment"]) <= variables(name)


@each
def test_it_is_given_the_time_to_drain(name):
    seconds = int(re.fullmatch(r"(\d+)s", service(name)["stop_grace_period"])[1])
    assert seconds > default_of(name, "drain_seconds") + default_of(name, "grace_seconds")


def test_only_env_is_published_and_only_to_this_machine():
    assert [name for name in SERVICES if service(name).get("ports")] == ["env"]
    (port,) = service("env")["ports"]
    assert port.startswith("127.0.0.1:")
    assert port.endswith(f":{default_of('env', 'port')}")


def test_only_the_executor_touches_the_engine():
    text = {name: str(service(name)) for name in SERVICES}
    assert [name for name in SERVICES if ".sock" in text[name] or "DOCKER_" in text[name]] == ["executor"]
    assert service("executor")["group_add"] == ["${DOCKER_GID:-0}"]


def test_the_executor_has_no_way_out_and_the_key_goes_to_the_judge_alone():
    assert service("executor")["networks"] == ["back"]
    assert compose()["networks"]["back"] == {"internal": True}
    assert [name for name in SERVICES if "CODEARENA_JUDGE_API_KEY" in service(name)["environment"]] == ["judge"]


def test_no_secret_is_written_down():
    written = [
        f"{name}: {variable}"
        for name in SERVICES
        for variable, value in service(name)["environment"].items()
        if value is not None and re.search("KEY|TOKEN|PASSWORD", variable)
    ]
    assert written == []


def test_env_starts_when_its_peers_are_ready_and_finds_them():
    assert service("env")["depends_on"] == {name: {"condition": "service_healthy"} for name in ("executor", "judge")}
    for peer in ("executor", "judge"):
        address = service("env")["environment"][f"CODEARENA_{peer.upper()}_ADDRESS"]
        assert address == f"{peer}:{default_of(peer, 'port')}"
        assert set(service("env")["networks"]) & set(service(peer)["networks"])


def test_state_is_on_volumes_that_go_with_the_stack():
    for name in SERVICES:
        for volume in service(name).get("volumes", []):
            source, _, target = volume.rpartition(":")
            assert source in compose()["volumes"] or target.endswith(".sock")
