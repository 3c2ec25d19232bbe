"""The log that a process writes."""

import json

import pytest
import structlog

from services.common import logs


@pytest.fixture(autouse=True)
def defaults_afterwards():
    yield
    structlog.reset_defaults()


def test_json_is_one_object_a_line(capsys):
    logs.configure("info", "json")
    log = structlog.get_logger("env")
    log.info("serving", port=1)
    log.error("failed", trace="a\nb")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("serving", "info"), ("failed", "error")]
    assert lines[0]["port"] == 1
    assert lines[0]["timestamp"].endswith("Z")


def test_lower_levels_are_left_out(capsys):
    logs.configure("warning", "text")
    structlog.get_logger().info("chatter")
    structlog.get_logger().warning("careful")
    written = capsys.readouterr().err
    assert "chatter" not in written
    assert "careful" in written


@pytest.mark.parametrize("output_format", ["json", "text"])
def test_a_logged_exception_shows_no_local_variables(capsys, output_format):
    logs.configure("info", output_format)
    submission = "tr0ub4dor"
    try:
        len(submission) / 0
    except ZeroDivisionError:
        structlog.get_logger().exception("failed")
    written = capsys.readouterr().err
    assert "ZeroDivisionError" in written
    assert "tr0ub4dor" not in written
