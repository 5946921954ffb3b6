"""The truth of orders holds on every seed, and the simulation finds the bugs that it is there to find (design, 6)."""

import os

import pytest

from simulation.desk import Desk
from simulation.planted import BUGS
from simulation.run import simulate
from simulation.world import Bug

N_SEEDS = int(os.environ.get("SEEDS", "5"))
FIRST = int(os.environ.get("FROM", "0"))
ENOUGH = 60  # seeds within which a planted bug must be found


@pytest.mark.parametrize("seed", range(FIRST, FIRST + N_SEEDS))
def test_what_was_ordered_and_what_happened_agree(seed: int, desk: Desk) -> None:
    outcome = simulate(seed, desk)
    assert outcome.is_green, outcome.report() + "\n" + "\n".join(outcome.trace)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug, desk: Desk) -> None:
    found = next((seed for seed in range(ENOUGH) if not simulate(seed, desk, bug=bug).is_green), None)
    assert found is not None, f"{bug.name} was not found within {ENOUGH} seeds"


@pytest.mark.parametrize("seed", [3, 5])
def test_a_seed_is_one_schedule(seed: int, desk: Desk) -> None:
    first, second = simulate(seed, desk), simulate(seed, desk)
    assert first.trace == second.trace
    assert (first.faults, first.counts, first.virtual_s) == (second.faults, second.counts, second.virtual_s)
