"""Packs: namespaces, installed packages, and paths that stay inside."""

import json
import sys
from pathlib import Path

import pytest

from codearena import NotFoundError
from services.common.validation import check_task_id
from services.env.catalogue import load_catalogue
from services.env.settings import EnvSettings
from services.env.task_files import CatalogueError
from tests.env.parts import Parts
from tests.task_files import write_double


def write_pack(folder, namespace="acme", tasks="", task="tasks"):
    folder.mkdir(parents=True, exist_ok=True)
    write_double(folder / task)
    (folder / "pack.yaml").write_text(f"namespace: {namespace}\ntitle: Ours\n{tasks}")
    return folder


def problems(*paths):
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(list(paths))
    return str(caught.value)


def test_tasks_of_a_pack_have_its_namespace(tmp_path):
    catalogue = load_catalogue([write_pack(tmp_path / "one"), write_double(tmp_path / "bare")])
    assert [task.id for task in catalogue] == ["acme/double-1", "double-1"]
    assert catalogue.get("acme/double-1").namespace == "acme"
    assert {catalogue.select(name).id for name in ("acme", "acme/", "acme/double-1")} == {"acme/double-1"}
    assert catalogue.get("acme/double-1").category == "numbers"
    assert {task.id for task in catalogue.group("numbers")} == {"acme/double-1", "double-1"}


def test_a_pack_names_its_folders(tmp_path):
    pack = write_pack(tmp_path / "one", tasks="tasks: [good]\n", task="good")
    (pack / "drafts").mkdir()
    (pack / "drafts" / "broken.yaml").write_text("id: [")
    assert [task.id for task in load_catalogue([pack])] == ["acme/double-1"]


def test_a_name_of_a_pack_and_a_category_stands_for_the_tasks_of_both(tmp_path):
    catalogue = load_catalogue([write_pack(tmp_path / "one", namespace="numbers"), write_double(tmp_path / "bare")])
    assert {task.id for task in catalogue.group("numbers")} == {"numbers/double-1", "double-1"}
    assert {task.id for task in catalogue.group("numbers/")} == {"numbers/double-1"}


def test_a_pack_changes_neither_digest_nor_split_nor_tests(tmp_path):
    catalogue = load_catalogue([write_pack(tmp_path / "one"), write_double(tmp_path / "bare")])
    packed, bare = catalogue.get("acme/double-1"), catalogue.get("double-1")
    assert (packed.digest, packed.split) == (bare.digest, bare.split)
    assert packed.to_suite(3) == bare.to_suite(3)
    assert packed.to_public().task_id == "acme/double-1"


def test_the_longest_id_of_a_pack_still_crosses_the_wire(tmp_path):
    longest = "t" + "x" * 99
    pack = write_pack(tmp_path / "one", namespace="n" * 27)
    write_double(pack / "tasks", ("id: double-1", f"id: {longest}"))
    (task,) = load_catalogue([pack])
    check_task_id(task.id, "task_id")
    assert "namespace: String should match pattern" in problems(write_pack(tmp_path / "two", namespace="n" * 28))


def test_what_begins_with_a_dot_is_passed_over(tmp_path):
    pack = write_pack(tmp_path / "one")
    (pack / ".github").mkdir()
    for name in (".github/ci.yaml", ".pre-commit-config.yaml"):
        (pack / name).write_text("repos: []\n")
    assert [task.id for task in load_catalogue([pack])] == ["acme/double-1"]


def test_an_id_twice_in_a_pack_is_told_with_both_places(tmp_path):
    pack = write_pack(tmp_path / "one")
    write_double(pack / "more", ("id: double-1", "format: 1\nid: double-1"))
    first, second = pack / "more" / "double-1.yaml", pack / "tasks" / "double-1.yaml"
    assert problems(pack) == f"{second}:1: id: 'acme/double-1' is also the id of {first}"


def test_a_bare_id_must_not_be_the_name_of_a_pack(tmp_path):
    bare = write_double(tmp_path / "bare", ("id: double-1", "id: acme"))
    told = problems(write_pack(tmp_path / "one"), bare)
    assert told == f"{bare}/double-1.yaml:1: id: 'acme' is the name of a category, difficulty or pack"


def test_problems_of_packs_and_of_tasks_are_told_at_once(tmp_path):
    broken = write_pack(tmp_path / "one", tasks="tasks: [absent, ../two]\nnote: x\n")
    other = write_pack(tmp_path / "two", tasks="tasks: [absent, ../one]\n")
    task = write_double(tmp_path / "bare", ("title: Doubling\n", ""))
    assert [line.partition(f"{tmp_path}/")[2] for line in problems(broken, other, task).splitlines()] == [
        "one/pack.yaml:4: note: Extra inputs are not permitted",
        "two/pack.yaml:3: tasks[0]: 'absent' is not there",
        "two/pack.yaml:3: tasks[1]: '../one' is outside of the pack",
        "bare/double-1.yaml:1: title: Field required",
    ]


def test_a_pack_within_other_tasks_is_named(tmp_path):
    write_pack(tmp_path / "all" / "one")
    told = problems(tmp_path / "all")
    assert told == f"{tmp_path}/all/one/pack.yaml:1: is a pack in a folder of other tasks: name the folder of each"


@pytest.mark.parametrize("name", ["..", "../other", "/etc", "good/../../other", "link", "loop"])
def test_a_folder_outside_of_the_pack_is_refused(tmp_path, name):
    other = write_double(tmp_path / "other")
    pack = write_pack(tmp_path / "one", tasks=f"tasks: [{name!r}]\n")
    (pack / "link").symlink_to(other)
    (pack / "loop").symlink_to(pack / "loop")
    assert "outside of the pack" in problems(pack)


def test_a_link_out_of_the_pack_is_refused(tmp_path):
    pack = write_pack(tmp_path / "one")
    (pack / "tasks" / "link.yaml").symlink_to(write_double(tmp_path / "other") / "double-1.yaml")
    told = problems(pack)
    assert "link.yaml:1: is a link out of the pack" in told


def test_a_link_to_a_folder_outside_of_the_pack_is_refused(tmp_path):
    pack = write_pack(tmp_path / "one")
    (pack / "tasks" / "more").symlink_to(write_double(tmp_path / "other"))
    assert problems(pack) == f"{pack}/tasks/more:1: is a link out of the pack"


def test_links_within_a_pack_are_fine(tmp_path):
    pack = write_pack(tmp_path / "one")
    (pack / "tasks" / "again").symlink_to(pack / "tasks")
    (tmp_path / "two").symlink_to(pack)
    assert [task.id for task in load_catalogue([tmp_path / "two"])] == ["acme/double-1"]


def test_a_manifest_that_is_a_link_out_of_the_pack_is_refused(tmp_path):
    pack = write_double(tmp_path / "one")
    (pack / "pack.yaml").symlink_to(write_pack(tmp_path / "two") / "pack.yaml")
    assert problems(pack) == f"{pack}/pack.yaml:1: is a link out of the pack"


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        ("namespace: a/b\ntitle: x\n", "pack.yaml:1: namespace: "),
        ("title: x\n", "namespace: Field required"),
        ("namespace: auto\ntitle: x\n", "pack.yaml:1: namespace: 'auto' stands for other tasks"),
        ("namespace: hard\ntitle: x\n", "pack.yaml:1: namespace: 'hard' stands for other tasks"),
        ("namespace: a\ntitle: x\nnamespace: b\n", "pack.yaml:3: namespace: is given twice"),
        ("namespace: a\ntitle: x\nversion: 1.0\n", "pack.yaml:3: version: "),
        ("namespace: a\ntitle: x\ntasks: []\n", "pack.yaml:3: tasks: "),
        ('namespace: a\ntitle: x\ntasks: ["a\\0b"]\n', "pack.yaml:3: tasks[0]: "),
        ("namespace: a\ntitle: x\nformat: 2\nnews: 1\n", "pack.yaml:3: format: 2 is later than 1, the latest that"),
        ("namespace: a\ntitle: x\nformat: 2\n", "pack.yaml:3: format: "),
        ("namespace: a\ntitle: x\nnothing: 1\n", "pack.yaml:3: nothing: "),
        ("namespace: a\ntitle: x\ntasks: [absent]\n", "'absent' is not there"),
        ("- 1\n", "is a mapping of fields"),
        ("!!python/object:os.system {}\n", "pack.yaml:1: "),
    ],
)
def test_what_is_wrong_with_a_pack_is_told_with_its_place(tmp_path, manifest, problem):
    pack = write_pack(tmp_path / "one")
    (pack / "pack.yaml").write_text(manifest)
    assert problem in problems(pack)


def test_two_packs_of_one_namespace_are_refused(tmp_path):
    first, second = write_pack(tmp_path / "a"), write_pack(tmp_path / "b")
    assert f"{second}/pack.yaml:1: namespace: 'acme' is also the namespace of {first}" in problems(first, second)
    assert len(load_catalogue([first, first / "pack.yaml"])) == 1


def install(folder, points, name="acme-tasks"):
    metadata = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[codearena.tasks]\n" + "\n".join(points) + "\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that packages are imported from, with one that must not be."""
    site = tmp_path / "site"
    for package in (site / "acme_tasks", site / "acme_tasks" / "reviewed"):
        write_pack(package)
        (package / "__init__.py").write_text("raise SystemExit('never imported')\n")
    (site / "acme_tasks" / "reviewed" / "pack.yaml").write_text("namespace: reviewed\ntitle: Reviewed\n")
    (site / "acme_tasks" / "pack.yaml").write_text("namespace: acme\ntitle: Ours\ntasks: [tasks]\n")
    (site / "empty").mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    return site


def test_an_installed_package_is_a_pack(site):
    install(site, ["acme = acme_tasks", "reviewed = acme_tasks.reviewed"])
    catalogue = load_catalogue([Path("pack:acme"), Path("pack:reviewed")])
    assert [task.id for task in catalogue] == ["acme/double-1", "reviewed/double-1"]
    assert "pack:other:1: no installed package is the pack 'other'; installed are: acme, reviewed" in problems(
        Path("pack:other")
    )


@pytest.mark.parametrize(
    ("point", "problem"),
    [
        ("other = acme_tasks", "pack.yaml:1: namespace: is 'acme', but the package announces the pack as 'other'"),
        ("other = empty", "pack:other:1: the installed package 'empty' has no pack.yaml in its folder"),
        ("other = absent_package", "pack:other:1: the installed package 'absent_package' has no pack.yaml"),
        ("other = acme_tasks.absent.deeper", "has no pack.yaml in its folder"),
        ("other = json.decoder", "the installed package 'json.decoder' has no pack.yaml in its folder"),
    ],
)
def test_what_is_wrong_with_an_installed_pack_is_told(site, point, problem):
    install(site, [point])
    assert problem in problems(Path("pack:other"))


def test_two_installed_packs_of_one_name_are_refused(site):
    install(site, ["acme = acme_tasks"])
    install(site, ["acme = empty"], "other-tasks")
    assert "several installed packages are the pack 'acme': acme_tasks, empty" in problems(Path("pack:acme"))


def test_the_arena_takes_packs_from_its_settings(site, monkeypatch):
    install(site, ["acme = acme_tasks"])
    monkeypatch.setenv("CODEARENA_TASKS", json.dumps(["pack:acme", str(site / "acme_tasks" / "reviewed")]))
    assert [task.id for task in load_catalogue(EnvSettings().tasks)] == ["acme/double-1", "reviewed/double-1"]


async def test_ids_of_a_pack_cross_the_wire(tmp_path, arena_data):
    pack = write_pack(tmp_path / "one")
    async with Parts(tmp_path / "data", arena_data, tasks=(pack,)) as parts:
        client = parts.client
        assert [task.task_id async for task in client.list_tasks()] == ["acme/double-1"]
        assert (await client.get_task("acme/double-1")).category == "numbers"
        for selector in ("acme", "acme/", "acme/double-1", "numbers", "easy"):
            assert (await client.reset(selector)).task_id == "acme/double-1"
        for unknown in ("double-1", "other/", "acme/other", "/double-1"):
            with pytest.raises(NotFoundError):
                await client.reset(unknown)
        episode = await client.reset(run_id="run", offer_memory=True)
        assert (await episode.step("def double(x):\n    return 2 * x\n")).outcome == "PASSED"
        assert (await episode.get_state()).task_id == "acme/double-1"
        assert [memory.task_id async for memory in client.list_memories("run")] == ["acme/double-1"]
        assert [step.task_id async for step in client.export_steps("run")] == ["acme/double-1"]
        assert (await client.grade("acme/double-1", "def double(x):\n    return x\n")).outcome == "TESTS_FAILED"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("difficulty: easy", "difficulty: easy\nformat: 2"), "double-1.yaml:5: format: "),
        (
            ("cases:", "draws:\n  - name: x\n    inputs: y = 1\n    call: double(x)\ncases:"),
            "double-1.yaml:19: draws[0].inputs: gives no value",
        ),
        (
            ("cases:", "draws:\n  - name: x\n    inputs: x = (\n    call: double(x)\ncases:"),
            "double-1.yaml:19: draws[0].inputs: does not compile",
        ),
        (
            ("cases:", "tests:\n  hidden: assert double(1) == 2\ncases:"),
            "double-1.yaml:17: tests: give either tests, or cases and draws",
        ),
        (
            ("cases:", "modules: {json: 'x = 1'}\ncases:"),
            "double-1.yaml:17: modules.json: 'json' is the name of another module",
        ),
    ],
)
def test_what_is_wrong_with_newer_fields_is_told_with_its_place(tmp_path, change, problem):
    assert problem in problems(write_double(tmp_path, change))
