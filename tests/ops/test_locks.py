"""What the images install is locked, and the locks fit pyproject.toml. `tools/lock.sh` makes them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.ops.manifests import DOCKERFILES, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PIN = re.compile(r"^([a-z0-9-]+)==([^\s;]+)(?: ; .*)? \\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)
LOCKS = {name: f"services/{name}/requirements.lock" for name in DOCKERFILES} | {"build": "services/build.lock"}

each = pytest.mark.parametrize("name", sorted(LOCKS))


def wanted(name: str) -> list[Requirement]:
    """What pyproject.toml says that a lock must hold."""
    if name == "build":
        return [Requirement(text) for text in PROJECT["build-system"]["requires"]]
    return [Requirement(text) for text in (*PROJECT["project"]["dependencies"], *group(name))]


def group(name: str) -> Iterator[str]:
    for entry in PROJECT["dependency-groups"][name]:
        if isinstance(entry, str):
            yield entry
        else:
            yield from group(entry["include-group"])


def text(name: str) -> str:
    return (ROOT / LOCKS[name]).read_text()


def pins(name: str) -> dict[str, str]:
    return {package: version for package, version, _ in PIN.findall(text(name))}


@each
def test_it_fits_pyproject(name):
    locked = pins(name)
    for requirement in wanted(name):
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{LOCKS[name]} lacks {requirement}: run tools/lock.sh"
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement}, not {version}: tools/lock.sh"


@each
def test_every_line_of_it_is_a_package_with_hashes(name):
    rest = PIN.sub("", text(name))
    assert [line for line in rest.splitlines() if line.strip() and not line.lstrip().startswith("#")] == []


@each
def test_it_names_no_index(name):
    assert "://" not in text(name)


def test_a_package_has_one_version_in_all_services():
    versions: dict[str, set[str]] = {}
    for name in DOCKERFILES:
        for package, version in pins(name).items():
            versions.setdefault(package, set()).add(version)
    assert {package: found for package, found in versions.items() if len(found) > 1} == {}
