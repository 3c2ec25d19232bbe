"""Scripts of tools/, as far as they need neither an engine nor a cluster."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess

import pytest

from tests.conftest import require
from tests.ops.manifests import ROOT

CONTROL = """Package: tiny
Version: 2.0
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: next to nothing
"""


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


@pytest.fixture
def codename():
    """Of this machine's release of Debian."""
    found = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    require("apt", bool(shutil.which("apt-get") and found), "this machine has no package client of Debian's")
    return found


@pytest.fixture
def mirror(tmp_path):
    """A folder that is a mirror: its release `newer` has one package."""
    package, pool, dists = tmp_path / "package", tmp_path / "mirror/pool", tmp_path / "mirror/dists/newer"
    architecture = run("dpkg", "--print-architecture", check=True).stdout.strip()
    index = dists / f"main/binary-{architecture}/Packages"
    for folder in (package / "DEBIAN", package / "usr/bin", pool, index.parent):
        folder.mkdir(parents=True)
    (package / "DEBIAN/control").write_text(CONTROL)
    (package / "usr/bin/tiny").write_text("tiny 2.0")
    run("dpkg-deb", "--build", package, pool / "tiny_2.0_all.deb", check=True)
    made = (pool / "tiny_2.0_all.deb").read_bytes()
    place = f"Filename: pool/tiny_2.0_all.deb\nSize: {len(made)}\nSHA256: {hashlib.sha256(made).hexdigest()}\n"
    index.write_text(CONTROL + place)
    listed = f"{hashlib.sha256(index.read_bytes()).hexdigest()} {index.stat().st_size} {index.relative_to(dists)}"
    (dists / "Release").write_text(
        f"Codename: newer\nArchitectures: {architecture}\nComponents: main\nSHA256:\n {listed}\n"
    )
    return pool.parent


@pytest.fixture
def environment(tmp_path, mirror, codename):
    """A package client whose sources are not where they usually are, and one of which knows no other release."""
    sources = tmp_path / "elsewhere"
    sources.mkdir()
    (sources / "mirror.list").write_text(f"deb [trusted=yes] file:{mirror} {codename} main\n")
    (sources / "other.sources").write_text(
        f"Types: deb\nURIs: file:{tmp_path}/other\nSuites: {codename}\nComponents: main\nTrusted: yes\n"
    )
    config = tmp_path / "apt.conf"
    config.write_text(f'Dir::Etc::SourceList "{tmp_path}/none";\nDir::Etc::SourceParts "{sources}";\n')
    return os.environ | {"APT_CONFIG": str(config)}


def test_a_package_of_another_release_is_unpacked_and_no_source_is_changed(tmp_path, environment):
    before = {path: path.read_text() for path in (tmp_path / "elsewhere").iterdir()}

    ran = run(ROOT / "tools/newer_package.sh", "tiny", "unpacked", "newer", env=environment, cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "unpacked/usr/bin/tiny").read_text() == "tiny 2.0"
    assert {path: path.read_text() for path in (tmp_path / "elsewhere").iterdir()} == before


def test_a_package_that_cannot_be_had_is_named(tmp_path, environment):
    ran = run(ROOT / "tools/newer_package.sh", "nothing", "unpacked", "newer", env=environment, cwd=tmp_path)

    assert ran.returncode == 1
    assert "no package nothing of newer could be had" in ran.stderr


@pytest.mark.parametrize("given", [{}, {"LOCAL_KUBERNETES": "true"}, {"KUBE_PREFIX": "/nonexistent"}])
def test_tests_on_a_cluster_say_what_names_one(given):
    known = {name: value for name, value in os.environ.items() if "KUBE" not in name}

    ran = run(ROOT / "tools/test_kubernetes.sh", env=known | given)

    assert ran.returncode == 1
    assert [name for name in ("KUBECONFIG", "LOCAL_KUBERNETES", "KUBE_PREFIX") if name not in ran.stderr] == []
