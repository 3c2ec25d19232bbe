"""The capacity simulation: deterministic, loses no step, and agrees with what queueing theory says."""

import heapq
import random

import pytest

from benchmarks.capacity.deployment import Making, plan
from benchmarks.capacity.durations import Costs, Distribution, Durations, load, save
from benchmarks.capacity.limits import limits
from benchmarks.capacity.simulation import simulate, waits
from benchmarks.capacity.theory import erlang_c, mean_wait, offered_rate, servers_for

CONSTANT = Distribution.constant
DURATIONS = Durations(
    {
        "provision": CONSTANT(0.001),
        "execute": Distribution.lognormal(0.010, 0.8),
        "judge": CONSTANT(0.006),
        "store": CONSTANT(0.003),
        "total": CONSTANT(0.025),
    },
    Costs(client=0.002, env=0.005, executor=0.014, judge=0.006, database=0.002),
    bytes_per_step=3000,
    steps_per_episode=4,
)
THINK = Distribution.lognormal(10.0, 0.8)


def test_equal_seeds_give_equal_outcomes():
    deployment = plan(300, THINK, DURATIONS)
    first, again, other = (simulate(deployment, DURATIONS, warm_up=5, seconds=20, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.latencies != other.latencies


@pytest.mark.parametrize("episodes", [1, 300, 1500])
def test_every_step_that_began_is_answered_or_under_way(episodes):
    deployment = plan(300, THINK, DURATIONS)
    outcome = simulate(plan(episodes, THINK, DURATIONS), DURATIONS, warm_up=5, seconds=20)
    assert outcome.begun == outcome.finished + outcome.inside
    assert len(outcome.latencies) == outcome.finished > 0
    assert min(outcome.latencies) > 0
    assert deployment.servers["env"] >= 1


def test_a_planned_arena_takes_what_is_offered():
    outcome = simulate(plan(1000, THINK, DURATIONS), DURATIONS, warm_up=10, seconds=30)
    assert outcome.rate == pytest.approx(offered_rate(1000, THINK.mean, 0.025), rel=0.05)
    assert max(outcome.utilisation.values()) < 0.85
    assert outcome.refused == 0


def test_what_is_too_small_is_busy_all_the_time_and_gives_no_more_than_its_limit():
    small = plan(100, CONSTANT(0.0001), DURATIONS, database_cores=64)
    deployment = type(small)(episodes=100, think=CONSTANT(0.0001), env=1, executor=50, judge=50, database_cores=64)
    outcome = simulate(deployment, DURATIONS, warm_up=2, seconds=20)
    assert outcome.busiest == "env"
    assert outcome.utilisation["env"] == pytest.approx(1.0, abs=0.01)
    assert outcome.rate == pytest.approx(1 / DURATIONS.costs.env, rel=0.01)


def test_a_full_queue_refuses_and_loses_nothing():
    base = plan(400, CONSTANT(0.1), DURATIONS)
    deployment = type(base)(episodes=400, think=CONSTANT(0.1), env=50, executor=1, judge=50, slots=1, queue=16)
    outcome = simulate(deployment, DURATIONS, warm_up=5, seconds=20)
    assert outcome.refused > 0
    assert outcome.begun == outcome.finished + outcome.inside


def test_sandboxes_are_made_no_faster_than_they_can_be():
    base = plan(400, CONSTANT(1.0), DURATIONS)
    made = Making(rate=50.0, start_seconds=0.9, warm=10)
    deployment = type(base)(episodes=400, think=CONSTANT(1.0), env=9, executor=9, judge=9, supply=made)
    outcome = simulate(deployment, DURATIONS, warm_up=10, seconds=60)
    assert outcome.busiest == "making sandboxes"
    assert outcome.rate == pytest.approx(50.0, rel=0.02)


def waits_by_recursion(rate, servers, arrivals, seed=1):
    """The mean wait of an M/M/c queue by the recursion of Kiefer and Wolfowitz, with the draws of `waits`."""
    source, free, now, waited = random.Random(seed), [0.0] * servers, 0.0, 0.0
    for _ in range(arrivals):
        now += source.expovariate(rate)
        service = source.expovariate(1.0)
        begins = max(heapq.heappop(free), now)
        waited += begins - now
        heapq.heappush(free, begins + service)
    return waited / arrivals


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (4, 2.8), (10, 7.0)])
def test_a_station_waits_as_erlang_says(servers, load):
    simulated = waits(load, lambda source: source.expovariate(1.0), servers, 3_000)
    assert simulated == pytest.approx(waits_by_recursion(load, servers, 3_000))
    assert waits_by_recursion(load, servers, 400_000) == pytest.approx(mean_wait(servers, load, 1.0), rel=0.05)


def test_erlang_c_against_known_values():
    assert erlang_c(1, 0.5) == pytest.approx(0.5)  # M/M/1: an arrival waits with the probability of the load
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert erlang_c(10, 8.0) == pytest.approx(0.40918, abs=1e-5)
    assert erlang_c(3, 3.0) == 1.0
    assert mean_wait(3, 3.0, 1.0) == float("inf")
    assert mean_wait(2, 1.0, 1.0) == pytest.approx(1 / 3)


def test_servers_are_rounded_up():
    assert [servers_for(load, 0.7) for load in (0.0, 0.7, 0.71, 7.0)] == [1, 1, 2, 10]


def test_distributions():
    found = Distribution.of([1.0, 2.0, 3.0])
    assert found.mean == pytest.approx(2.0)
    assert (found.quantiles[0], found.quantiles[-1]) == (1.0, 3.0)
    assert Distribution.lognormal(10.0, 0.8).mean == pytest.approx(10.0)
    with pytest.raises(ValueError, match="no value"):
        Distribution.of([])


def test_what_was_measured_is_kept_and_read_again(tmp_path):
    file = tmp_path / "measured.json"
    save({"process": DURATIONS}, "a command", file)
    save({"docker": DURATIONS}, "a command", file)
    read = load(file)
    assert set(read) == {"process", "docker"}
    assert read["process"].costs == DURATIONS.costs
    assert read["process"].stages["execute"].mean == pytest.approx(DURATIONS.stages["execute"].mean, rel=1e-3)
    file.write_text('{"backends": {"process": {}}}')
    with pytest.raises(ValueError, match="is no file of"):
        load(file)


def test_the_committed_measurement_can_be_planned_with():
    for durations in load().values():
        assert durations.costs.total > 0
        rates = [limit.rate for limit in limits(durations)]
        assert rates == sorted(rates)
        assert plan(1000, THINK, durations).env >= 1
