"""docs/operations.md against the services."""

from __future__ import annotations

import re

import pytest

from tests.ops.manifests import CONTRACTS, ROOT, SETTINGS, default_of, variables

PAGE = (ROOT / "docs/operations.md").read_text()


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_variable_is_in_the_table_and_no_other(name):
    rows = set(re.findall(r"^\| `(CODEARENA_\w+)` ", PAGE, re.MULTILINE))
    assert sorted(variables(name) - rows) == []
    assert sorted(rows - set().union(*map(variables, SETTINGS))) == []


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_its_ports_and_health_name_are_those_it_has(name):
    row = f"| {name} | {default_of(name, 'port')} | {default_of(name, 'metrics_port')} | `{CONTRACTS[name]}` |"
    assert row in PAGE
