"""Measures many connections on loopback. Started by Scripts/bench loop; docs/performance.md explains the figures."""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

from loop_pair import BARE, PROGRAM, PROGRESS_SECONDS, ROOT, Failure, Pair, Peer

PYTHON = os.path.join(ROOT, ".build", "venv-loop", "bin", "python")
CONNECTIONS = 19_000
# Those of IMAPClient, which take more memory.
CLIENTS = 2_000
# What a pair of plain connections takes in all: two sockets in the kernel, and both processes.
BYTES_OF_PAIR = 13_000
# A flood that is slower than this does not try what it is meant to try.
LEAST_FLOOD_MB_PER_S = 10
# In so many parts both clients open their connections, one after the other.
TURNS = 4
BYTES_OF_FLOOD_LINE = len("* 1 RECENT\r\n")

# What must hold. Memory is not a matter of how busy the machine is: those bounds fail every run, the others only with --check.
BOUNDS = [
    ("plain_bytes_per_connection", "<=", 900, "always"),
    ("tls_bytes_per_connection", "<=", 21_000, "always"),
    ("tls_resumed_bytes_per_connection", "<=", 17_000, "always"),
    # Memory after all handshakes at once, by that after handshakes 64 at a time.
    ("tls_storm_ratio", "<=", 1.1, "always"),
    # What one read brings at the most, and what was left of the one before.
    ("held_bytes_per_connection_plain", "<=", 72_000, "always"),
    ("held_bytes_per_connection_tls", "<=", 90_000, "always"),
    # Released, they have given it back.
    ("held_heap_at_end_plain", "<=", 500, "always"),
    ("held_heap_at_end_tls", "<=", 500, "always"),
    ("wake_p50_us_plain", "<=", 60, "check"),
    ("wake_p50_us_tls", "<=", 80, "check"),
    ("burst_cpu_us_plain", "<=", 4, "check"),
    ("burst_cpu_us_tls", "<=", 8, "check"),
    # What --allocations counts: an array of the loop may grow, once.
    ("event_allocations_plain", "<=", 0.01, "always"),
    ("event_allocations_tls", "<=", 0.01, "always"),
    # A few arrays of the loop grow, once.
    ("burst_allocations_plain", "<=", 0.001, "check"),
    ("burst_allocations_tls", "<=", 0.001, "check"),
    ("connects_per_s", ">=", 20_000, "check"),
    ("handshakes_full_per_s", ">=", 1_600, "check"),
    ("handshakes_resumed_per_s", ">=", 3_300, "check"),
    ("ratio_aioimaplib", ">=", 5, "check"),
    ("ratio_imaplib", ">=", 20, "check"),
    ("cliff_ratio", "<=", 2, "check"),
    ("fairness_p99_ratio", "<=", 2, "check"),
    ("held_wake_p99_ratio_plain", "<=", 2, "check"),
    ("held_wake_p99_ratio_tls", "<=", 2, "check"),
    ("held_burst_cpu_ratio_plain", "<=", 1.5, "check"),
    ("held_burst_cpu_ratio_tls", "<=", 1.5, "check"),
]


def both(kind, **options):
    """The loop's client and the one in C, each with a far end of its own. What follows is measured by turns: noise is the same for
    both then."""
    return [Pair(kind, program=program, **options) for program in (PROGRAM, BARE)]


def filled(pair, count):
    """Memory and speed of opening so many connections. Returns what there was before as well."""
    # What the first connection brings into being for all is not theirs, and resumed ones need something to resume.
    pair.open(1)
    resident, heap = pair.memory()
    wall, cpu = pair.open(count)
    pair.await_idling()
    after, heap_after = pair.memory()
    report = {
        "bytes": (after - resident) / count, "heap": (heap_after - heap) / count,
        "opened_per_s": count / wall, "opened_per_cpu_s": count / cpu,
    }  # fmt: skip
    return report, resident


def of_bursts(bursts):
    """Medians for an event, in microseconds. The kernel only counts ticks in the program and in itself: their sums divide the time."""
    cpu = statistics.median(burst["cpu"] / burst["events"] / 1000 for burst in bursts)
    user, system = sum(burst["user"] for burst in bursts), sum(burst["system"] for burst in bursts)
    return {
        "burst_cpu_us": cpu,
        "burst_user_us": cpu * user / max(1, user + system),
        "burst_system_us": cpu * system / max(1, user + system),
        "burst_allocations": statistics.median(burst["allocations"] / burst["events"] for burst in bursts),
    }


def idle(kind, count):
    """Memory, wake-ups and bursts of so many idle connections of both clients."""
    pairs = both(kind)
    reports, residents = zip(*(filled(pair, count) for pair in pairs))
    # Whatever else runs takes the caches away now and then, which one client feels and the other does not.
    bursts = [[pair.burst() for pair in pairs] for _ in range(10)][1:]
    paced = [[pair.paced(2000) for pair in pairs] for _ in range(3)]
    for index, (pair, report, resident) in enumerate(zip(pairs, reports, residents)):
        report.update(of_bursts([burst[index] for burst in bursts]))
        for name in ("p50", "p99"):
            report[f"wake_{name}_us"] = statistics.median(run[index][name] / 1000 for run in paced)
        report["bytes_at_end"] = (pair.memory()[0] - resident) / count
        pair.end()
    return reports


def connects(kind, count):
    """Connections up to the login, per second of the processor of each client."""
    pairs = both(kind, goal="login")
    seconds = [0, 0]
    for pair in pairs:
        pair.open(10)
    for _ in range(TURNS):
        for index, pair in enumerate(pairs):
            seconds[index] += pair.open(max(1, count // TURNS))[1]
    for pair in pairs:
        pair.end()
    return [max(1, count // TURNS) * TURNS / cpu for cpu in seconds]


def storm(count):
    """Memory of each connection when all are opened at once. The last of them may wait for long: that is no failure."""
    pair = Pair("tls-full", in_flight=count, setup_seconds=1200)
    pair.open(1)
    resident, _ = pair.memory()
    pair.open(count, seconds=1500)
    pair.await_idling()
    after, _ = pair.memory()
    pair.end()
    return (after - resident) / count


def cliff(count):
    """Microseconds of the processor for each of the first and of the last connections to one address of a server."""
    ends = min(2_000, count // 3)
    pair = Pair("plain", goal="login", hosts="127.0.0.1", sources="127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.5")
    pair.open(10)
    _, first = pair.open(ends)
    _, middle = pair.open(count - 2 * ends)
    _, last = pair.open(ends)
    pair.end()
    return {
        "first_us": round(first / ends * 1e6, 1), "between_us": round(middle / (count - 2 * ends) * 1e6, 1),
        "last_us": round(last / ends * 1e6, 1),
    }  # fmt: skip


def clients(kind, count):
    """Memory of each connection of IMAPClient that takes the events of its mailbox, and what an event costs."""
    pair = Pair(kind)
    pair.open(1, clients=True)
    pair.await_idling()
    resident, _ = pair.memory()
    pair.open(count, clients=True)
    pair.await_idling()
    after, _ = pair.memory()
    bursts = [pair.burst() for _ in range(4)][1:]
    cpu = statistics.median(burst["cpu"] / burst["events"] / 1000 for burst in bursts)
    pair.end()
    return {"bytes": (after - resident) / count, "burst_cpu_us": cpu}


def watch(poll, is_done, what):
    """Polls until `is_done`. Fails when nothing changes any more."""
    last, deadline = None, 0
    while not is_done(state := poll()):
        now = time.monotonic()
        if state != last:
            last, deadline = state, now + PROGRESS_SECONDS
        if now > deadline:
            raise Failure(f"{what}: stays at {state}")
        time.sleep(0.02)
    return state


def others(pair):
    """What the connections cost that nobody floods: medians of three rounds, in microseconds."""
    paced, bursts = [], []
    for _ in range(3):
        paced.append(pair.paced(2000))
        bursts.append(pair.burst())
    return {
        "wake_p50_us": round(statistics.median(run["p50"] for run in paced) / 1000, 1),
        "wake_p99_us": round(statistics.median(run["p99"] for run in paced) / 1000, 1),
        "wake_cpu_us": round(statistics.median(run["cpu"] / run["events"] for run in paced) / 1000, 2),
        "burst_cpu_us": round(statistics.median(run["cpu"] / run["events"] for run in bursts) / 1000, 2),
    }  # fmt: skip


def held(kind, count):
    """A thousand connections stop reading while their server sends, until it can't: what that takes there, and what the others feel."""
    some = min(1000, count // 10)
    pair = Pair(kind, buffer=64 * 1024)
    pair.open(count)
    pair.await_idling()
    pair.burst()
    # Where that is allowed, so that other processes are no part of the comparison.
    is_realtime = pair.client.hasten() and pair.far.hasten()
    before = others(pair)
    resident, heap = pair.memory()
    pair.client.ask("held", "hold", some)
    if int(pair.far.ask("flooding", "fill", some)[0]) != some:
        raise Failure(f"the far end does not know all of the {some} connections")
    pair.flooded = some
    # All have stopped, each server's socket is full and more waits behind it, and for a second nothing went.
    history = []

    def is_full(state):
        history.append(state)
        return state[1] == some and len(history) > 50 and len(set(history[-50:])) == 1

    def filled():
        lines, congested, _ = map(int, pair.far.ask("flooded", "flooded"))
        paused, _, _ = map(int, pair.client.ask("flooded", "flooded"))
        return lines, congested, paused

    if watch(filled, is_full, "lines sent, congested, paused")[2] != some:
        raise Failure("not all connections have stopped reading")
    during = others(pair)
    after, _ = pair.memory()
    lines = int(pair.far.ask("dry", "dry")[0])
    read = int(pair.client.ask("flooded", "flooded")[1])
    # What was sent meanwhile comes: each line once.
    pair.client.ask("released", "release")
    watch(lambda: int(pair.client.ask("flooded", "flooded")[1]), lambda read: read >= lines, f"lines read, of {lines}")
    pair.flooded = 0
    pair.burst()
    total = int(pair.client.ask("flooded", "flooded")[1])
    if total != lines:
        raise Failure(f"{total} lines were read where {lines} had been sent")
    _, heap_at_end = pair.memory()
    pair.end()
    return {
        "connections": some, "realtime": is_realtime, "lines_sent": lines, "lines_read_before": read, "lines_read_late": total - read,
        # The allocator keeps what was given back to it.
        "bytes": round((after - resident) / some), "heap_at_end": round((heap_at_end - heap) / some),
        "others_before": before, "others_during": during,
    }  # fmt: skip


def fairness(count):
    """The wake-ups of all others while another server sends without end to one connection of the same loop. Twice: as processes are
    scheduled by default, where a client that computes all the time loses the processor to whatever else runs for milliseconds; and with
    both ends of the others ahead of all other processes, where the system allows it, though not for more than 95 % of the time."""
    pair = Pair("plain")
    pair.open(count)
    pair.await_idling()
    other = Peer(PROGRAM, "serve", "plain", 0, "-")
    failed = int(pair.client.ask("also", "also", other.read("listening")[0])[0])
    if failed:
        raise Failure("the connection to be flooded has failed")
    watch(lambda: int(other.ask("idling", "idling")[0]), lambda idling: idling == 1, "connections to be flooded that idle")
    pair.paced(500)
    total = 0
    report = {}
    for name in ("default", "realtime"):
        if name == "realtime" and not (pair.client.hasten() and pair.far.hasten()):
            break
        quiet, flooded, speeds = [], [], []
        for _ in range(5):
            quiet.append(pair.paced(1500))
            if other.ask("flooding", "flood") != ["1"]:
                raise Failure("there is nobody to flood")
            watch(lambda: int(other.ask("flooded", "flooded")[2]), lambda refills: refills > 20, "refills of the flood")
            first, start = int(other.ask("flooded", "flooded")[0]), time.monotonic()
            flooded.append(pair.paced(1500))
            last, end = int(other.ask("flooded", "flooded")[0]), time.monotonic()
            speeds.append((last - first) * BYTES_OF_FLOOD_LINE / (end - start) / 1e6)
            total += int(other.ask("dry", "dry")[0])
            # The next round is a quiet one when all of it was read.
            lines = watch(lambda: int(pair.client.ask("flooded", "flooded")[2]), lambda read: read >= total, f"lines read, of {total}")
            if lines != total:
                raise Failure(f"{lines} lines were read where {total} had been sent")
        speed = statistics.median(speeds)
        if speed < LEAST_FLOOD_MB_PER_S:
            raise Failure(f"the flood was of {speed:.1f} MB/s, which is no flood")
        busy = statistics.median(run["cpu"] / run["wall"] for run in flooded)
        report[name] = {"flood_mb_per_s": round(speed, 1), "client_busy": round(busy, 2)}
        for key in ("p50", "p99"):
            report[name][f"{key}_us_quiet"] = round(statistics.median(run[key] for run in quiet) / 1000, 1)
            report[name][f"{key}_us_flooded"] = round(statistics.median(run[key] for run in flooded) / 1000, 1)
    pair.end()
    other.end()
    return report | {"flood_lines": total}


def requests(seconds):
    """Request and answer, with the seconds of the processor on each side, and the same by Python's clients."""
    pair = Pair("plain")
    report = {}

    def measure(*command):
        before = int(pair.far.ask("cpu", "cpu")[0])
        result = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, timeout=seconds + 300)
        if result.returncode:
            raise Failure(f"{' '.join(map(str, command))} has failed")
        count, wall, cpu = map(int, result.stdout.split()[-3:])
        far = int(pair.far.ask("cpu", "cpu")[0]) - before
        return {"per_s": count / wall * 1e9, "per_cpu_s": count / cpu * 1e9, "cpu_s": cpu / 1e9, "far_cpu_s": far / 1e9}

    for threads in (1, 2):
        report[f"threads_{threads}"] = measure(PROGRAM, "requests", "plain", 0, "-", pair.port, 100, 8, seconds, threads)
    report["client"] = measure(PROGRAM, "client-requests", "plain", 0, "-", pair.port, 100, 8, seconds, 1)
    for name in ("aioimaplib", "imaplib"):
        script = os.path.join(ROOT, "Tools", "python_clients.py")
        report[name] = measure(PYTHON, script, name, pair.port, 100, seconds)
    pair.end()
    return report


def fleet(kind, total, processes):
    """So many pairs over several processes. Each connection is told three times; what came twice shows in the next round."""
    share = -(-total // processes)
    rounds = 3
    pairs = [Pair(kind) for _ in range(processes)]
    start = time.monotonic()
    for pair in pairs:
        pair.begin(share)
    for pair in pairs:
        pair.opened(seconds=1200)
    for pair in pairs:
        pair.await_idling()
    opened = time.monotonic() - start
    delivered = 0
    for _ in range(rounds):
        for pair in pairs:
            pair.expect(share, "each")
        for pair in pairs:
            pair.far.tell("burst")
        for pair in pairs:
            if pair.far.read("burst") != [str(share)]:
                raise Failure("a far end has lost connections")
        for pair in pairs:
            delivered += pair.events()["events"]
    resident = sum(pair.memory()[0] for pair in pairs)
    for pair in pairs:
        pair.end()
    return {
        "kind": kind, "pairs": share * processes, "processes": 2 * processes, "opened_s": round(opened, 1),
        "delivered": delivered, "expected": rounds * share * processes,
        "client_bytes_per_connection": round(resident / share / processes),
    }  # fmt: skip


def check_counting():
    """One connection told twice does not make up for another that is told never, and what does not come ends the wait."""
    count = 200
    pair = Pair("plain")
    pair.open(count)
    pair.await_idling()
    pair.burst()
    # As many events as connections, each to a random one; then too few.
    for events in (count, 1):
        pair.expect(count, "each")
        pair.far.ask("paced", "paced", events, 10)
        try:
            pair.events(seconds=1)
        except Failure:
            continue
        raise Failure("lost events are not found")
    pair.burst()
    pair.end()


def measure_allocations():
    """Allocations for an event of a burst. They are exact, so few connections will do."""
    report = {}
    for name, kind in (("plain", "plain"), ("tls", "tls-full")):
        pair = Pair(kind)
        pair.open(500)
        pair.await_idling()
        # Arrays of the loop grow in the first ones.
        bursts = [pair.burst() for _ in range(6)][3:]
        # From inside the first event to the last one.
        report[f"event_allocations_{name}"] = min(burst["allocations"] for burst in bursts) / (pair.count - 1)
        pair.end()
    return report


def available():
    with open("/proc/meminfo") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def raise_file_limit(needed):
    """Every process that is started here inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < needed:
        raise Failure(f"{needed} open files are needed for so many connections in one process, and {hard} are allowed; see ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run_fleet(options, runs):
    needed = sum(total for kind, total, _ in runs if kind == "plain") and max(total for _, total, _ in runs) * BYTES_OF_PAIR
    print(f"needs about {needed / 1e9:.1f} GB of memory, {available() / 1e9:.1f} GB are available", file=sys.stderr)
    if needed > available() * 0.95:
        raise Failure("not started: that is too little memory")
    check_counting()
    reports = [fleet(kind, total, processes) for kind, total, processes in runs]
    if options.json:
        print(json.dumps(reports))
        return
    for report in reports:
        print(
            f"{report['pairs']:,} {report['kind']} pairs over {report['processes']} processes, open after {report['opened_s']} s; "
            f"{report['delivered']:,} of {report['expected']:,} events delivered, each connection told once in each round; "
            f"{report['client_bytes_per_connection']:,} bytes of a client's process for each connection")


def step(name, function, *arguments):
    start = time.monotonic()
    result = function(*arguments)
    print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return result


def measure_cliff(count):
    times = step("cliff", cliff, count)
    return {"cliff": times, "cliff_ratio": round(times["last_us"] / times["first_us"], 2)}


def measure_pressure(count):
    report = {}
    for name, kind in (("plain", "plain"), ("tls", "tls-full")):
        run = step(f"held, {kind}", held, kind, count)
        before, during = run["others_before"], run["others_during"]
        report[f"held_bytes_per_connection_{name}"] = run["bytes"]
        report[f"held_heap_at_end_{name}"] = run["heap_at_end"]
        for key in before:
            report[f"held_{key.removesuffix('_us')}_ratio_{name}"] = round(during[key] / before[key], 2)
        report[f"held_{name}"] = run
    run = step("fairness", fairness, count)
    ratios = {name: round(run[name]["p99_us_flooded"] / run[name]["p99_us_quiet"], 2) for name in ("default", "realtime") if name in run}
    # Whatever the scheduler does comes on top of what the loop does.
    report["fairness_p99_ratio"] = min(ratios.values())
    report |= {f"fairness_p99_ratio_{name}": ratio for name, ratio in ratios.items()}
    report["fairness"] = run
    return report


def measure_pace(count):
    """Opening, wake-ups and bursts beside a client in C that does the least it can: its figures say what the machine takes."""
    report = {}
    for name, kind in (("plain", "plain"), ("tls", "tls-full")):
        ours, bare = step(f"idle, {'plain' if kind == 'plain' else 'TLS'}", idle, kind, count)
        for prefix, run in (("", ours), ("bare_", bare)):
            report[f"{prefix}wake_p50_us_{name}"] = round(run["wake_p50_us"], 1)
            report[f"{prefix}wake_p99_us_{name}"] = round(run["wake_p99_us"], 1)
            for key in ("burst_cpu_us", "burst_user_us", "burst_system_us"):
                report[f"{prefix}{key}_{name}"] = round(run[key], 2)
        report[f"{name}_bytes_per_connection"] = round(ours["bytes"])
        report[f"{name}_heap_per_connection"] = round(ours["heap"])
        report[f"bare_bytes_per_connection_{name}"] = round(bare["bytes"])
        report[f"burst_allocations_{name}"] = round(ours["burst_allocations"], 4)
        report[f"ratio_bare_wake_{name}"] = round(ours["wake_p50_us"] / bare["wake_p50_us"], 2)
        report[f"ratio_bare_burst_{name}"] = round(ours["burst_cpu_us"] / bare["burst_cpu_us"], 2)
    for key, ratio, kind, what in (
        ("connects_per_s", "connects", "plain", "plain"),
        ("handshakes_full_per_s", "handshakes_full", "tls-full", "TLS"),
        ("handshakes_resumed_per_s", "handshakes_resumed", "tls", "TLS resumed"),
    ):  # fmt: skip
        ours, bare = step(f"connects, {what}", connects, kind, count)
        report |= {key: round(ours), f"bare_{key}": round(bare), f"ratio_bare_{ratio}": round(ours / bare, 2)}
    return report


def measure_all(count, seconds):
    step("lost events are found", check_counting)
    pace = step("both clients", measure_pace, count)
    resumed, bare_resumed = step("idle, TLS resumed", idle, "tls", count)
    all_at_once = step("storm", storm, count)
    plain_clients = step("clients, plain", clients, "plain", min(CLIENTS, count))
    tls_clients = step("clients, TLS", clients, "tls-full", min(CLIENTS, count))
    throughput = step("requests", requests, seconds)
    ours, client = throughput["threads_1"]["per_cpu_s"], throughput["client"]["per_cpu_s"]
    aioimaplib, imaplib = throughput["aioimaplib"]["per_cpu_s"], throughput["imaplib"]["per_cpu_s"]
    report = {
        "connections": count,
        "tls_resumed_bytes_per_connection": round(resumed["bytes"]),
        "tls_resumed_heap_per_connection": round(resumed["heap"]),
        "bare_bytes_per_connection_tls_resumed": round(bare_resumed["bytes"]),
        "tls_storm_bytes_per_connection": round(all_at_once),
        "tls_storm_ratio": round(all_at_once / pace["tls_bytes_per_connection"], 3),
        "client_bytes_per_connection": round(plain_clients["bytes"]),
        "client_tls_bytes_per_connection": round(tls_clients["bytes"]),
        "client_burst_cpu_us": round(plain_clients["burst_cpu_us"], 2),
        "client_burst_cpu_us_tls": round(tls_clients["burst_cpu_us"], 2),
        "requests_per_s_1_thread": round(throughput["threads_1"]["per_s"]),
        "requests_per_s_2_threads": round(throughput["threads_2"]["per_s"]),
        "client_requests_per_s": round(throughput["client"]["per_s"]),
        # Per second of the client's processor. Ours by channel and borrowed events, by Python's clients.
        "ratio_aioimaplib": round(ours / aioimaplib, 1),
        "ratio_imaplib": round(ours / imaplib, 1),
        # Ours by IMAPClient, by the same.
        "ratio_aioimaplib_client": round(client / aioimaplib, 1),
        "ratio_imaplib_client": round(client / imaplib, 1),
        "requests": throughput,
    }
    return report | pace | measure_cliff(count) | measure_pressure(count)


def missed(report, checks):
    """How many bounds are missed, each said on a line."""
    count = 0
    for key, relation, bound, when in BOUNDS:
        if key not in report:
            continue
        value = report[key]
        is_kept = value <= bound if relation == "<=" else value >= bound
        counts = checks or when == "always"
        if checks or (counts and not is_kept):
            print(f"{'ok    ' if is_kept else 'missed'} {key} {value:,} {relation} {bound:,}", file=sys.stderr)
        count += counts and not is_kept
    return count


def run(options):
    raise_file_limit((500 if options.allocations else options.connections) + 100)
    if options.million:
        return run_fleet(options, [("plain", 1_000_000, 54)])
    if options.fleet:
        return run_fleet(options, [("plain", 100_000, 6), ("tls-full", 20_000, 2)])
    if options.allocations:
        check_counting()
        report = measure_allocations()
    elif options.bare:
        report = measure_pace(options.connections)
    elif options.cliff:
        report = measure_cliff(options.connections)
    elif options.pressure:
        report = measure_pressure(options.connections)
    else:
        report = measure_all(options.connections, options.seconds)
    if options.json:
        print(json.dumps(report), flush=True)
    else:
        for key, value in report.items():
            print(f"{key:34} {json.dumps(value) if isinstance(value, dict) else f'{value:,}'}", flush=True)
    count = missed(report, options.check)
    if count:
        raise Failure(f"{count} bounds are missed")


def main():
    parser = argparse.ArgumentParser(prog="Scripts/bench loop", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--check", action="store_true", help="fail where a figure misses its bound, and not only those of memory")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="connections in one process")
    parser.add_argument("--seconds", type=int, default=5, help="how long each client makes requests")
    parser.add_argument("--allocations", action="store_true", help="only allocations, which take seconds and are exact")
    parser.add_argument("--bare", action="store_true", help="only opening, wake-ups and bursts, beside a client in C: two minutes")
    parser.add_argument("--cliff", action="store_true", help="only connections to one address of a server")
    parser.add_argument("--pressure", action="store_true", help="only connections that are not read from, and floods")
    parser.add_argument("--fleet", action="store_true", help="100,000 plain pairs and 20,000 TLS pairs over several processes")
    parser.add_argument("--million", action="store_true", help="1,000,000 plain pairs over 108 processes")
    try:
        run(parser.parse_args())
    except Failure as failure:
        Peer.end_all()
        sys.exit(f"failed: {failure}")
    except BaseException:
        Peer.end_all()
        raise


if __name__ == "__main__":
    main()
