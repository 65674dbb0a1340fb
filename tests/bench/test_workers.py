"""Several workers: none waits for another, none does another's work, and the kernel spreads connections over them."""
import pytest

from lockstep import raise_file_limit
from probes import Allocations, Instructions, SystemCalls
from support.toyou import SANITIZED

pytestmark = pytest.mark.skipif(bool(SANITIZED), reason="figures are those of the optimised build")

CONNECTIONS = 64
ECHOES = 20 * CONNECTIONS


def echoes(kind, folder, workers, connections=CONNECTIONS):
    """What an echo costs in each thread."""
    with kind(folder, workers=workers) as probe:
        probe.measure("echo", probe.rig.echo(connections=connections), ECHOES, warm=connections)
    return probe.by_thread("echo")


def total(found, what):
    return sum(counts.get(what, 0) for counts in found.values())


@pytest.mark.parametrize("workers", [2, 4])
def test_a_message_takes_no_lock_and_stays_on_its_relay(tmp_path, workers):
    found = echoes(SystemCalls, tmp_path, workers)
    assert total(found, "recvfrom") == total(found, "sendto") == 2
    assert total(found, "futex") < 0.01  # nobody waits for a lock, nobody is woken
    busy = {thread for thread, counts in found.items() if counts.get("recvfrom", 0) > 0.01}
    assert busy <= {"relay-%d" % number for number in range(workers)}
    assert len(busy) == workers, "64 connections leave no relay without one: %s" % found


def test_a_message_costs_the_same_with_any_number_of_workers(tmp_path):
    # Of one connection: more of them share a wake-up, the more so the fewer relays there are.
    alone, four = (echoes(Instructions, tmp_path / str(workers), workers, connections=1) for workers in (1, 4))
    assert abs(total(four, "instructions") / total(alone, "instructions") - 1) < 0.03


def test_a_message_allocates_nothing_with_four_workers(tmp_path):
    found = echoes(Allocations, tmp_path, 4)
    found.pop("log", None)  # lines of the opens before
    assert total(found, "allocations") == 0


def test_connections_are_spread_over_the_workers(tmp_path):
    """By the kernel's hash of addresses and ports: nearly even. Told by who reads when each sends one message."""
    connections, workers = 400, 4
    raise_file_limit()
    found = echoes(SystemCalls, tmp_path, workers, connections)
    shares = [counts["recvfrom"] / 2 for counts in found.values() if "recvfrom" in counts]
    print("shares of the relays:", shares)
    assert len(shares) == workers and abs(sum(shares) - 1) < 0.01
    assert max(shares) < 1.5 / workers
