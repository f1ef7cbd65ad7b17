"""Measures many connections on loopback. Started by Scripts/bench loop; docs/performance.md explains the figures."""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(ROOT, ".build", "release", "loop-benchmark")
PYTHON = os.path.join(ROOT, ".build", "venv-loop", "bin", "python")
# The ports of one source address for one address of the server run out at 28,000, and become slow to find at half of that.
HOSTS = "127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4"
CONNECTIONS = 19_000
# What a pair of plain connections takes in all: two sockets in the kernel, and both processes.
BYTES_OF_PAIR = 13_000


class Peer:
    """A process that is asked by a line and answers by one."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [str(argument) for argument in arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def read(self, expected):
        line = self.process.stdout.readline()
        fields = line.rstrip("\n").split("\t")
        if fields[0] != expected:
            sys.exit(f"{self.process.args[1]} said {line!r} and not {expected}")
        return fields[1:]

    def tell(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")

    def ask(self, expected, *words):
        self.tell(*words)
        return self.read(expected)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Pair:
    """A far end and a client. `kind` is plain, tls, or tls-full, which never resumes a session."""

    def __init__(self, kind, goal="idle", in_flight=64):
        self.folder = tempfile.TemporaryDirectory()
        certificate = os.path.join(self.folder.name, "certificate.pem")
        base = time.monotonic_ns()
        self.far = Peer(PROGRAM, "serve", kind, base, certificate)
        self.port = int(self.far.read("listening")[0])
        self.client = Peer(PROGRAM, "client", kind, base, certificate, self.port, HOSTS)
        self.client.read("ready")
        self.client.ask("fleet", "fleet", goal, in_flight)
        self.count = 0

    def begin(self, count):
        self.client.tell("open", count)
        self.count += count

    def opened(self):
        """Seconds, and seconds of the processor, that it took the client."""
        failed, wall, cpu, reasons = self.client.read("open")
        if int(failed):
            sys.exit(f"{failed} of {self.count} connections failed: {reasons}")
        return int(wall) / 1e9, int(cpu) / 1e9

    def open(self, count):
        self.begin(count)
        return self.opened()

    def await_idling(self):
        """The far end has answered IDLE before it counts the client."""
        while int(self.far.ask("idling", "idling")[0]) < self.count:
            time.sleep(0.01)

    def memory(self):
        return [int(field) for field in self.client.ask("memory", "memory")]

    def expect(self, count):
        self.client.ask("forgotten", "forget")
        self.client.tell("await", count)

    def events(self):
        names = ("events", "p50", "p99", "cpu", "wall", "allocations")
        return dict(zip(names, (int(field) for field in self.client.read("events"))))

    def burst(self):
        """One event to each connection."""
        self.expect(self.count)
        self.far.ask("burst", "burst")
        return self.events()

    def paced(self, count):
        """One event a millisecond, each to a random connection."""
        self.expect(count)
        self.far.ask("paced", "paced", count, 1000)
        return self.events()

    def end(self):
        self.client.end()
        self.far.end()
        self.folder.cleanup()


def idle(kind, count):
    """Memory, wake-ups and bursts of so many idle connections."""
    pair = Pair(kind)
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
    bursts = [pair.burst() for _ in range(4)][1:]
    report["burst_cpu_us"] = statistics.median(burst["cpu"] / burst["events"] / 1000 for burst in bursts)
    report["burst_allocations"] = statistics.median(burst["allocations"] / burst["events"] for burst in bursts)
    paced = [pair.paced(2000) for _ in range(3)]
    report["wake_p50_us"] = statistics.median(run["p50"] / 1000 for run in paced)
    report["wake_p99_us"] = statistics.median(run["p99"] / 1000 for run in paced)
    report["bytes_at_end"] = (pair.memory()[0] - resident) / count
    pair.end()
    return report


def connects(kind, count):
    """Connections up to the login, per second of the client's processor."""
    pair = Pair(kind, goal="login")
    pair.open(10)
    _, cpu = pair.open(count)
    pair.end()
    return count / cpu


def storm(count):
    """Memory of each connection when all are opened at once."""
    pair = Pair("tls-full", in_flight=count)
    pair.open(1)
    resident, _ = pair.memory()
    pair.open(count)
    pair.await_idling()
    after, _ = pair.memory()
    pair.end()
    return (after - resident) / count


def held(count):
    """Nobody reads from a thousand of the connections, and the server goes on to send to all of them."""
    pair = Pair("plain")
    pair.open(count)
    pair.await_idling()
    pair.burst()
    resident, _ = pair.memory()
    some = min(1000, count // 10)
    pair.client.ask("held", "hold", some, 1)
    rounds = 5
    pair.expect(rounds * (count - some))
    for _ in range(rounds):
        pair.far.ask("burst", "burst")
    pair.events()
    after, _ = pair.memory()
    # What was sent meanwhile comes.
    pair.client.ask("forgotten", "forget")
    pair.client.ask("held", "hold", some, 0)
    pair.client.tell("await", rounds * some)
    late = pair.events()["events"]
    pair.end()
    return {"held": some, "bytes_per_held": max(0, after - resident) / some, "delivered_late": late}


def fairness(count):
    """The wake-ups of all others while another server sends without end to one connection of the same loop."""
    pair = Pair("plain")
    pair.open(count)
    pair.await_idling()
    other = Peer(PROGRAM, "serve", "plain", 0, "-")
    pair.client.ask("also", "also", other.read("listening")[0])
    quiet = pair.paced(2000)
    other.ask("flooding", "flood")
    flooded = pair.paced(2000)
    lines = int(other.ask("dry", "dry")[0])
    pair.end()
    other.end()
    return {
        "p50_us_quiet": quiet["p50"] / 1000, "p50_us_flooded": flooded["p50"] / 1000,
        "p99_us_quiet": quiet["p99"] / 1000, "p99_us_flooded": flooded["p99"] / 1000, "flood_lines": lines,
    }  # fmt: skip


def requests(seconds):
    """Request and answer, with the seconds of the processor on each side, and the same by Python's clients."""
    pair = Pair("plain")
    report = {}

    def measure(*command):
        before = int(pair.far.ask("cpu", "cpu")[0])
        printed = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout
        count, wall, cpu = map(int, printed.split()[-3:])
        far = int(pair.far.ask("cpu", "cpu")[0]) - before
        return {"per_s": count / wall * 1e9, "per_cpu_s": count / cpu * 1e9, "cpu_s": cpu / 1e9, "far_cpu_s": far / 1e9}

    for threads in (1, 2):
        report[f"threads_{threads}"] = measure(PROGRAM, "requests", "plain", 0, "-", pair.port, 100, 8, seconds, threads)
    for name in ("aioimaplib", "imaplib"):
        script = os.path.join(ROOT, "Tools", "python_clients.py")
        report[name] = measure(PYTHON, script, name, pair.port, 100, seconds)
    pair.end()
    return report


def fleet(kind, total, processes):
    """So many pairs over several processes. Two events to each connection, none lost."""
    share = -(-total // processes)
    pairs = [Pair(kind) for _ in range(processes)]
    start = time.monotonic()
    for pair in pairs:
        pair.begin(share)
    for pair in pairs:
        pair.opened()
    for pair in pairs:
        pair.await_idling()
    opened = time.monotonic() - start
    delivered = 0
    for _ in range(2):
        for pair in pairs:
            pair.expect(share)
        for pair in pairs:
            pair.far.tell("burst")
        for pair in pairs:
            pair.far.read("burst")
        for pair in pairs:
            delivered += pair.events()["events"]
    resident = sum(pair.memory()[0] for pair in pairs)
    for pair in pairs:
        pair.end()
    return {
        "kind": kind, "pairs": share * processes, "processes": 2 * processes, "opened_s": round(opened, 1),
        "delivered": delivered, "expected": 2 * share * processes, "client_bytes_per_connection": round(resident / share / processes),
    }  # fmt: skip


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
        sys.exit(f"{needed} open files are needed for so many connections in one process, and {hard} are allowed; see ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run_fleet(options, runs):
    needed = sum(total for kind, total, _ in runs if kind == "plain") and max(total for _, total, _ in runs) * BYTES_OF_PAIR
    print(f"needs about {needed / 1e9:.1f} GB of memory, {available() / 1e9:.1f} GB are available", file=sys.stderr)
    if needed > available() * 0.95:
        sys.exit("not started: that is too little memory")
    reports = [fleet(kind, total, processes) for kind, total, processes in runs]
    if options.json:
        print(json.dumps(reports))
        return
    for report in reports:
        print(
            f"{report['pairs']:,} {report['kind']} pairs over {report['processes']} processes, open after {report['opened_s']} s; "
            f"{report['delivered']:,} of {report['expected']:,} events delivered; "
            f"{report['client_bytes_per_connection']:,} bytes of a client's process for each connection")
    if any(report["delivered"] != report["expected"] for report in reports):
        sys.exit("events were lost")


def main():
    parser = argparse.ArgumentParser(prog="Scripts/bench loop", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="connections in one process")
    parser.add_argument("--seconds", type=int, default=5, help="how long each client makes requests")
    parser.add_argument("--fleet", action="store_true", help="100,000 plain pairs and 20,000 TLS pairs over several processes")
    parser.add_argument("--million", action="store_true", help="1,000,000 plain pairs over 108 processes")
    options = parser.parse_args()
    raise_file_limit(options.connections + 100)
    if options.million:
        return run_fleet(options, [("plain", 1_000_000, 54)])
    if options.fleet:
        return run_fleet(options, [("plain", 100_000, 6), ("tls-full", 20_000, 2)])

    count = options.connections
    plain = idle("plain", count)
    full = idle("tls-full", count)
    resumed = idle("tls", count)
    throughput = requests(options.seconds)
    ours = throughput["threads_1"]["per_cpu_s"]
    report = {
        "connections": count,
        "plain_bytes_per_connection": round(plain["bytes"]),
        "tls_bytes_per_connection": round(full["bytes"]),
        "tls_resumed_bytes_per_connection": round(resumed["bytes"]),
        "tls_storm_bytes_per_connection": round(storm(count)),
        "wake_p50_us_plain": round(plain["wake_p50_us"], 1),
        "wake_p99_us_plain": round(plain["wake_p99_us"], 1),
        "wake_p50_us_tls": round(full["wake_p50_us"], 1),
        "wake_p99_us_tls": round(full["wake_p99_us"], 1),
        "burst_cpu_us_plain": round(plain["burst_cpu_us"], 2),
        "burst_cpu_us_tls": round(full["burst_cpu_us"], 2),
        "burst_allocations_plain": round(plain["burst_allocations"], 3),
        "burst_allocations_tls": round(full["burst_allocations"], 3),
        "connects_per_s": round(connects("plain", count)),
        "handshakes_full_per_s": round(connects("tls-full", count)),
        "handshakes_resumed_per_s": round(connects("tls", count)),
        "requests_per_s_1_thread": round(throughput["threads_1"]["per_s"]),
        "requests_per_s_2_threads": round(throughput["threads_2"]["per_s"]),
        "ratio_aioimaplib": round(ours / throughput["aioimaplib"]["per_cpu_s"], 1),
        "ratio_imaplib": round(ours / throughput["imaplib"]["per_cpu_s"], 1),
        "requests": throughput,
        "held": held(count),
        "fairness": fairness(count),
    }
    if options.json:
        print(json.dumps(report))
        return
    for key, value in report.items():
        print(f"{key:34} {json.dumps(value) if isinstance(value, dict) else f'{value:,}'}")


if __name__ == "__main__":
    main()
