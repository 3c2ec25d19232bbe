"""Flake certificates: what is read, what is refused, and who is kept out of `auto`."""

import json
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from codearena import AsyncArenaClient
from services.common.errors import StartError
from services.env.catalogue import load_catalogue
from services.env.quarantine import (
    MAX_FILE_BYTES,
    CertificateFile,
    MalformedCertificates,
    quarantined,
    read_certificates,
)
from services.env.service import EnvService
from services.env.settings import EnvSettings
from services.standalone.arena import arena as running_arena
from tests.conftest import PLAIN_SETTINGS
from tests.task_files import DEMO, SHIPPED


def certificate(task, verdict="failed", **changed):
    return {
        "task_id": task.id,
        "digest": task.digest,
        "verdict": verdict,
        "reasons": [] if verdict == "certified" else ["slow: 2 of 20 gradings differ"],
        "issued": "2025-05-04T12:00:00Z",
        "machine": {"cores": 2, "system": "Linux 6.1", "python": "3.11.2", "backend": "process"},
        "limits": {"flake_rate": 0.0, "deviation": 0.005, "runs": 20, "burners": 4},
        "programs": [
            {
                "program": "reference",
                "gradings": 19,
                "failures": 1,
                "outcome": "PASSED",
                "tests_passed": 3,
                "tests_total": 3,
                "flakes": 2,
                "reward": {"count": 19, "mean": 0.9, "deviation": 0.1, "lowest": 0.3, "highest": 0.99},
                "idle": None,
                "loaded": None,
                "cpu_ratio": None,
                "excess": None,
            }
        ],
    } | changed


@pytest.fixture
def write(tmp_path):
    """Writes a certificate file and returns its path."""

    def put(*certificates, **changed):
        file = tmp_path / "certificates.json"
        file.write_text(json.dumps({"version": 1, "certificates": list(certificates)} | changed))
        return file

    return put


def env_service(file, *tasks):
    return EnvService(EnvSettings(tasks=tasks or tuple(DEMO), certificates=file, port=0), CollectorRegistry())


def test_a_file_that_does_not_exist_quarantines_nobody(tmp_path, shipped):
    found = read_certificates(tmp_path / "absent.json")
    assert found == CertificateFile(version=1)
    assert quarantined(found, shipped) == {}
    assert env_service(tmp_path / "absent.json").name == "env"


def test_what_was_written_is_read(write, shipped):
    found = read_certificates(write(certificate(shipped.get("easy-1"))))
    assert found.certificates[0].programs[0].flake_rate == 2 / 19
    assert CertificateFile.model_validate_json(found.model_dump_json()) == found


def test_tasks_with_a_failed_certificate_are_quarantined_and_say_why(write, shipped):
    verdicts = {"easy-1": "failed", "hard-1": "certified", "medium-1": "unmeasured"}
    file = write(*(certificate(shipped.get(task_id), verdict) for task_id, verdict in verdicts.items()))
    assert quarantined(read_certificates(file), shipped) == {"easy-1": "slow: 2 of 20 gradings differ"}


def test_a_changed_task_is_not_held_by_an_old_certificate(write, shipped, tmp_path):
    task = shipped.get("easy-1")
    found = read_certificates(write(certificate(task)))
    changed = tmp_path / "easy-1.yaml"
    original = (SHIPPED / "easy" / "easy-1.yaml").read_text()
    changed.write_text(original.replace("expected: 2.0", "expected: 2"))
    assert quarantined(found, load_catalogue([changed])) == {}
    changed.write_text("# a comment is no change\n" + original)
    assert quarantined(found, load_catalogue([changed])).keys() == {"easy-1"}


def test_new_certificates_take_the_place_of_older_ones(write, shipped):
    easy, hard = shipped.get("easy-1"), shipped.get("hard-1")
    older = read_certificates(write(certificate(hard), certificate(easy)))
    newer = read_certificates(write(certificate(hard, "certified")))
    merged = older.updated(newer.certificates)
    assert [(found.task_id, found.verdict) for found in merged.certificates] == [
        ("easy-1", "failed"),
        ("hard-1", "certified"),
    ]


@pytest.mark.parametrize(("same", "verdict"), [(True, "failed"), (False, "unmeasured")], ids=["same", "changed"])
def test_what_could_not_be_measured_does_not_lift_a_verdict_on_the_same_content(write, shipped, same, verdict):
    task = shipped.get("easy-1")
    older = read_certificates(write(certificate(task)))
    changed = {} if same else {"digest": "0" * 64}
    newer = read_certificates(write(certificate(task, "unmeasured", **changed)))
    assert [found.verdict for found in older.updated(newer.certificates).certificates] == [verdict]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "JSON"),
        ("[]", "object"),
        ('{"version": 2}', "version"),
        ('{"certificates": []}', "version"),
        ('{"version": 1, "certificate": []}', "certificate"),
        ('{"version": 1, "certificates": [{"task_id": "easy-1"}]}', "certificates.0.digest"),
        (b"\xff\xfe", "JSON"),
        (b" " * (MAX_FILE_BYTES + 1), "larger than"),
    ],
    ids=["empty", "list", "other version", "no version", "misspelt", "half a certificate", "no text", "too large"],
)
def test_a_malformed_file_is_refused_and_says_what_to_do(tmp_path, content, message):
    file = tmp_path / "certificates.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(MalformedCertificates, match=message) as caught:
        read_certificates(file)
    assert str(file) in str(caught.value)
    with pytest.raises(StartError, match=r"codearena tasks certify|larger than"):
        env_service(file)


@pytest.mark.parametrize(
    "changed",
    [
        {"digest": "12"},
        {"verdict": "perhaps"},
        {"issued": "yesterday"},
        {"limits": {"flake_rate": 2.0, "deviation": 0.005, "runs": 20, "burners": 4}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_wrong_field_is_named(write, shipped, changed):
    with pytest.raises(MalformedCertificates, match=r"certificates\.0\." + next(iter(changed))):
        read_certificates(write(certificate(shipped.get("easy-1"), **changed)))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(MalformedCertificates, match="directory"):
        read_certificates(tmp_path)


def test_the_service_refuses_to_start_with_nothing_left_for_auto(write, shipped):
    file = write(*(certificate(task) for task in shipped))
    with pytest.raises(StartError, match="every task is quarantined by") as caught:
        env_service(file)
    assert "codearena tasks certify" in str(caught.value)
    assert str(file) in str(caught.value)


def test_the_file_lies_in_the_data_directory_unless_named(tmp_path):
    assert EnvSettings(data_dir=tmp_path).certificates_file == tmp_path / "certificates.json"
    assert EnvSettings(data_dir=tmp_path, certificates=Path("other.json")).certificates_file == Path("other.json")


def test_the_service_logs_whom_it_holds_and_why(write, shipped):
    file = write(certificate(shipped.get("easy-1")))
    with capture_logs() as entries:
        env_service(file)
    (one,) = (entry for entry in entries if entry["event"] == "quarantined")
    assert (one["task"], one["why"]) == ("easy-1", "slow: 2 of 20 gradings differ")
    (summary,) = (entry for entry in entries if entry["event"] == "quarantine")
    assert (summary["file"], summary["tasks"], summary["quarantined"]) == (str(file), 9, 1)


async def test_an_arena_draws_no_quarantined_task_from_auto(write, shipped, arena_data):
    kept = {"easy-1", "type_errors-1"}
    file = write(*(certificate(task) for task in shipped if task.id not in kept))
    settings = PLAIN_SETTINGS | {"sandbox_backend": "process", "certificates": file}
    async with (
        running_arena(port=0, private=True, data_dir=arena_data, **settings) as running,
        AsyncArenaClient(running.address) as client,
    ):
        drawn = {(await client.reset("auto", seed=seed)).task_id for seed in range(12)}
        assert drawn == kept
        assert (await client.reset("hard-1")).task_id == "hard-1"
        assert (await client.reset("medium", seed=1)).task_id in {"medium-1", "security_bugs-1", "type_errors-3"}
        assert len([task async for task in client.list_tasks()]) == len(shipped)
