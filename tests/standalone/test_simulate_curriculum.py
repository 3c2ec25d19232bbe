"""`codearena simulate-curriculum`: three agents on the real curriculum."""

import random
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

import pytest
from rich.console import Console

from codearena._cli.curriculum import simulate_curriculum
from services.env.curriculum import CurriculumRules
from services.env.task_schema import Difficulty
from services.standalone import simulate_curriculum as command
from services.standalone.curriculum_runs import simulate
from services.standalone.curriculum_view import draw_chart, run_table
from services.standalone.synthetic_agents import AGENTS, attempt, solve_chance, synthetic_tasks

ROOT = Path(__file__).parents[2]
RULES = CurriculumRules()
AGENT = {agent.name: agent for agent in AGENTS}
EASY, MEDIUM, HARD, EXPERT = Difficulty


def run_of(name, *, episodes=300, seed=0, rules=RULES, levels=tuple(Difficulty)):
    return simulate(AGENT[name], episodes, seed, rules, levels)


def moves_of(run):
    return [play.move for play in run.plays if play.move is not None]


def text_of(run, width=200):
    console = Console(width=width)
    with console.capture() as captured:
        console.print(run_table(run))
    return captured.get()


@pytest.fixture
def main(monkeypatch, capsys):
    """Runs the command in this process; returns its status, stdout and stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["simulate", *arguments])
        try:
            status = command.main()
        except SystemExit as error:
            status = error.code
        return status, *capsys.readouterr()

    return call


def test_half_of_the_episodes_are_solved_where_skill_meets_demand():
    assert solve_chance(1.5, 1.5) == 0.5
    assert solve_chance(0.0, 1.0) == pytest.approx(1 - solve_chance(1.0, 0.0))
    source = random.Random(1)
    for skill in (-1.0, 0.0, 1.0):
        share = fmean(attempt(skill, 0.0, source).solved for _ in range(4000))
        assert share == pytest.approx(solve_chance(skill, 0.0), abs=0.03)


def test_a_solved_episode_loses_a_hundredth_for_each_step():
    source = random.Random(1)
    plays = [attempt(1.0, 0.0, source) for _ in range(2000)]
    assert {round(play.reward, 6) for play in plays if play.solved} == {0.99, 0.98, 0.97, 0.96, 0.95}


def test_an_unsolved_episode_earns_more_the_nearer_it_came():
    source = random.Random(1)
    means = []
    for skill in (-4.0, 0.0, 1.5):
        unsolved = [play.reward for play in (attempt(skill, 0.0, source) for _ in range(3000)) if not play.solved]
        assert 0.17 < min(unsolved) <= max(unsolved) < 0.63
        means.append(fmean(unsolved))
    assert means == sorted(means)
    assert means[0] < RULES.deescalate_below < means[2]


@pytest.mark.parametrize("seed", range(8))
def test_an_agent_that_improves_reaches_the_top(seed):
    run = run_of("improves", seed=seed)
    assert run.plays[0].level is EASY
    assert run.plays[-1].level is EXPERT
    assert {play.level for play in run.plays} == set(Difficulty)


@pytest.mark.parametrize("seed", range(8))
def test_an_agent_that_gets_stuck_ends_at_hard(seed):
    run = run_of("plateaus", seed=seed)
    assert run.plays[-1].level is HARD
    assert sum(play.level is EXPERT for play in run.plays) < 90


def test_luck_that_carries_it_to_expert_is_undone_and_a_longer_window_rules_it_out():
    lucky = run_of("plateaus", seed=7)
    assert [move.to_level for move in moves_of(lucky)] == [MEDIUM, HARD, EXPERT, HARD]
    patient = run_of("plateaus", seed=7, rules=CurriculumRules(window=40, minimum=20))
    assert [move.to_level for move in moves_of(patient)] == [MEDIUM, HARD]


@pytest.mark.parametrize("seed", range(8))
def test_an_agent_that_collapses_goes_back_to_easy(seed):
    run = run_of("collapses", seed=seed)
    assert {move.is_up for move in moves_of(run)} == {True, False}
    assert {play.level for play in run.plays[-60:]} == {EASY}


@pytest.mark.parametrize("name", AGENT)
def test_moves_keep_to_the_rules(name):
    rules = CurriculumRules(window=8, minimum=4)
    moves = moves_of(run_of(name, rules=rules))
    assert len(moves) > 1
    assert all(4 <= move.count <= 8 for move in moves)


def test_levels_without_tasks_are_not_played():
    run = run_of("improves", levels=[EASY, HARD])
    assert {play.level for play in run.plays} == {EASY, HARD}


def test_tasks_come_from_the_level_and_small_categories_get_their_share():
    run = run_of("plateaus")
    level_of = {task.id: task.difficulty for task in synthetic_tasks()}
    category_of = {task.id: task.category for task in synthetic_tasks()}
    assert all(level_of[play.task_id] is play.level for play in run.plays)
    counts = Counter(category_of[play.task_id] for play in run.plays)
    assert counts["type_errors"] / 300 == pytest.approx(0.5, abs=0.1)  # 2 of 8 tasks


@pytest.mark.parametrize("name", AGENT)
def test_a_seed_gives_the_same_run_and_another_one_another(name):
    assert run_of(name, seed=3) == run_of(name, seed=3)
    assert run_of(name, seed=3).plays != run_of(name, seed=4).plays


def test_the_table_tells_rewards_shares_and_moves():
    run = run_of("collapses", episodes=120)
    lines = text_of(run).splitlines()
    assert lines[0].startswith("collapses: ")
    assert [line.split()[0] for line in lines[2:] if line[:12].strip()] == ["1-50", "51-100", "101-120", "all"]
    mean = fmean(play.reward for play in run.plays)
    assert f"{mean:.3f}" in lines[-1]
    shares = [sum(play.level is level for play in run.plays) / 120 for level in Difficulty]
    assert lines[-1].split()[2:6] == [f"{share:.0%}" if share else "-" for share in shares]
    moves = moves_of(run)
    assert moves
    for move in moves:
        assert f"{move.episode}: {move.from_level} to {move.to_level}, {move.why}" in "\n".join(lines)


def test_a_narrow_table_loses_no_column():
    lines = text_of(run_of("collapses"), width=80).splitlines()
    assert "expert" in lines[1]
    assert "moves" in lines[1]
    assert max(map(len, lines)) <= 80


def test_charts_are_drawn_and_an_svg_does_not_change(tmp_path):
    pytest.importorskip("matplotlib")
    runs = [run_of(name) for name in AGENT]
    first, second, image = (tmp_path / name for name in ("a.svg", "b.svg", "c.png"))
    for path in (first, second, image):
        draw_chart(runs, RULES, path)
    assert first.read_bytes() == second.read_bytes()
    assert b"<svg" in first.read_bytes()
    assert image.read_bytes().startswith(b"\x89PNG")


def test_a_run_without_moves_can_be_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    run = run_of("improves", episodes=1)
    draw_chart([run], RULES, tmp_path / "one.svg")
    assert (tmp_path / "one.svg").stat().st_size > 0


def test_without_matplotlib_the_tables_are_printed_and_the_status_is_1(main, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, out, err = main("--plot", str(tmp_path / "chart.svg"))
    assert status == 1
    assert "improves: " in out
    assert "no chart: matplotlib is not installed (it is the extra `plot`)" in err
    assert list(tmp_path.iterdir()) == []


def test_a_chart_that_cannot_be_written_is_told(main, tmp_path):
    pytest.importorskip("matplotlib")
    status, _, err = main("--plot", str(tmp_path / "absent" / "chart.svg"))
    assert status == 1
    assert err.startswith("no chart: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--plot", "chart.gif"), "--plot must name a file that ends with .svg or .png"),
        (("--episodes", "0"), "--episodes must be from 1 to 10000"),
        (("--episodes", "10001"), "--episodes must be from 1 to 10000"),
        (("--window", "5"), "raise window or lower minimum"),
        (("--hysteresis", "0.5"), "hysteresis (0.5) must be from 0 to less than 0.2"),
    ],
)
def test_a_wrong_command_line_ends_with_2(main, arguments, said):
    status, out, err = main(*arguments)
    assert (status, out) == (2, "")
    assert said in err


def test_rules_given_are_those_that_count(main):
    status, out, _ = main("--window", "40", "--minimum", "40")
    assert status == 0
    assert "of 40 episodes" in out
    assert "of 20 episodes" not in out


def test_the_command_of_the_sdk_has_the_same_defaults():
    defaults = {parameter.name: parameter.default for parameter in simulate_curriculum.params}
    assert {name: defaults[name] for name in asdict(RULES)} == asdict(RULES)


def test_the_whole_command(tmp_path):
    def call(*arguments):
        line = [sys.executable, "-m", "codearena", "simulate-curriculum", *arguments]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True)

    done = call("--episodes", "120", "--seed", "-3")
    assert (done.returncode, done.stderr) == (0, "")
    assert [name for name in AGENT if f"{name}: " in done.stdout] == list(AGENT)
    assert call("--episodes", "120", "--seed", "-3").stdout == done.stdout
    assert call("--plot", "chart.gif").returncode == 2
