from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from services.executor.docker_owner import (
    FINISHED_AGE_SECONDS,
    RUNNING_AGE_SECONDS,
    is_orphan,
    process_start,
    this_process,
)

ME = this_process()
OTHER = replace(ME, instance="another")


@pytest.fixture
def ended_process():
    """The id and start time of a process that has ended, and has not been reaped."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = process_start(process.pid)
    assert started
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield process.pid, started
    process.wait()


@pytest.mark.parametrize("running", [True, False])
def test_own_containers_are_never_orphans(running):
    assert not is_orphan(ME.labels(), running=running, age_seconds=1e9, me=ME)


@pytest.mark.parametrize("running", [True, False])
def test_a_living_executors_containers_are_left_alone(running):
    assert not is_orphan(OTHER.labels(), running=running, age_seconds=1e9, me=ME)


@pytest.mark.parametrize("running", [True, False])
def test_a_dead_executors_containers_are_orphans_at_once(ended_process, running):
    pid, started = ended_process
    dead = replace(OTHER, pid=pid, started=started)
    assert is_orphan(dead.labels(), running=running, age_seconds=0, me=ME)


def test_a_reused_pid_is_not_taken_for_the_executor():
    assert is_orphan(replace(OTHER, started="1").labels(), running=True, age_seconds=0, me=ME)


@pytest.mark.parametrize("field", ["boot", "pid_namespace"])
def test_of_an_executor_out_of_sight_only_old_containers_go(field):
    labels = replace(OTHER, pid=1, started="1", **{field: "elsewhere"}).labels()
    assert not is_orphan(labels, running=True, age_seconds=RUNNING_AGE_SECONDS - 1, me=ME)
    assert is_orphan(labels, running=True, age_seconds=RUNNING_AGE_SECONDS + 1, me=ME)
    assert not is_orphan(labels, running=False, age_seconds=FINISHED_AGE_SECONDS - 1, me=ME)
    assert is_orphan(labels, running=False, age_seconds=FINISHED_AGE_SECONDS + 1, me=ME)


def test_a_machine_without_proc_sees_nobody():
    blind = replace(ME, instance="blind", boot="", pid_namespace="", started="")
    labels = replace(blind, instance="another", pid=1).labels()
    assert not is_orphan(labels, running=True, age_seconds=60, me=blind)


def test_other_peoples_containers_are_none_of_ours():
    assert not is_orphan({"codearena.role": "database"}, running=False, age_seconds=1e9, me=ME)
    assert not is_orphan({}, running=False, age_seconds=1e9, me=ME)
