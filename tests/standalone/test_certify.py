"""`codearena tasks certify`: what it measures, writes and leaves behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.env.catalogue import load_catalogue
from services.env.quarantine import quarantined, read_certificates
from tests.standalone.test_load import burners_of

ROOT = Path(__file__).parents[2]
AT_RANDOM = ("return sum(x for _ in range(2))", "return x + x if __import__('os').urandom(1) < b'\\x80' else None")
# two hundred tests, half of them passed by chance: no two gradings agree
MANY = (
    "call: double(3)\n    expected: 6\n",
    "call: double(3)\n    expected: 6\n"
    + "".join(
        f"  - name: case {number}\n    call: double({number})\n    expected: {2 * number}\n" for number in range(200)
    ),
)


@pytest.fixture
def environment(own_state):
    env = {name: value for name, value in os.environ.items() if not name.startswith("CODEARENA_")}
    return env | own_state


@pytest.fixture
def certify(environment):
    """Runs the command to its end."""

    def run(*arguments):
        command = [sys.executable, "-m", "services.standalone.certify", "--load", "1", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)

    return run


def test_a_steady_task_is_certified(certify, write_task, tmp_path):
    folder = write_task()
    done = certify("--runs", "4", "--flake-limit", "0.25", "--deviation-limit", "0.5", "--json", folder)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 tasks certified" in done.stderr
    kept = read_certificates(tmp_path / "certificates.json")
    assert json.loads(done.stdout)["certificates"][0]["digest"] == kept.certificates[0].digest
    (certificate,) = kept.certificates
    (task,) = load_catalogue([folder])
    assert (certificate.task_id, certificate.digest, certificate.verdict) == (task.id, task.digest, "certified")
    assert (certificate.machine.backend, certificate.machine.cores) == ("process", os.cpu_count())
    limits = certificate.limits
    assert (limits.runs, limits.burners, limits.flake_rate, limits.deviation) == (4, 1, 0.25, 0.5)
    assert [program.program for program in certificate.programs] == ["reference", "bug", "slow"]
    for program in certificate.programs:
        assert (program.gradings, program.failures, program.flakes) == (4, 0, 0)
        assert (program.idle.count, program.loaded.count, program.reward.deviation) == (2, 2, 0.0)
    assert certificate.programs[1].reward.mean < certificate.programs[0].reward.mean


def test_a_task_that_flakes_fails_and_is_quarantined_until_it_is_mended(certify, write_task, tmp_path):
    out = tmp_path / "elsewhere" / "flakes.json"
    folder = write_task(AT_RANDOM, MANY)
    done = certify("--runs", "6", "--out", out, folder)
    assert done.returncode == 1, done.stderr
    assert "failed double-1: slow: " in done.stderr
    assert "0 of 1 tasks certified" in done.stderr
    assert [line.split()[:4] for line in done.stdout.splitlines() if line.startswith("double-1")] == [
        ["double-1", "failed", "reference", "passed"]
    ]
    assert quarantined(read_certificates(out), load_catalogue([folder])).keys() == {"double-1"}
    mended = write_task()
    assert quarantined(read_certificates(out), load_catalogue([mended])) == {}


def test_what_is_no_task_or_no_certificate_file_is_told_before_the_work(certify, write_task, tmp_path):
    broken = certify(write_task(("function: double", "function: triple")))
    assert (broken.returncode, broken.stdout) == (2, "")
    assert "does not define 'triple'" in broken.stderr
    out = tmp_path / "notes.json"
    out.write_text("[1, 2]")
    refused = certify("--out", out, write_task())
    assert (refused.returncode, out.read_text()) == (2, "[1, 2]")
    assert "notes.json is no certificate file" in refused.stderr


def test_without_a_sandbox_nothing_is_certified(certify, write_task, tmp_path, environment):
    environment |= {"CODEARENA_SANDBOX_BACKEND": "docker", "CODEARENA_DOCKER_HOST": "unix:///nowhere.sock"}
    done = certify("--runs", "2", write_task())
    assert done.returncode == 3
    assert done.stderr.startswith("not certified: ")
    assert not (tmp_path / "certificates.json").exists()


@pytest.mark.parametrize("arguments", [["--runs", "1"], ["--load", "0"], ["--flake-limit", "2"]], ids=" ".join)
def test_arguments_out_of_range_are_refused(certify, write_task, arguments):
    done = certify(write_task(), *arguments)
    assert done.returncode == 2
    assert "must be from" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_interruption_leaves_neither_load_nor_certificate(write_task, environment, tmp_path, number):
    command = [sys.executable, "-m", "services.standalone.certify", "--runs", "5000", "--load", "2", str(write_task())]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline()
        assert line.startswith("sandbox: process"), line + process.stderr.read()
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert said.splitlines()[-1] == "interrupted: no certificate was written"
    assert "Traceback" not in said
    assert burners_of(process.pid) == []
    assert not (tmp_path / "certificates.json").exists()
