"""Measures many connections on loopback. Started by Scripts/bench loop; docs/performance.md explains the figures."""

import json
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(ROOT, ".build", "release", "loop-benchmark")
# The ports of one source address for one address of the server run out at 28,000, and become slow to find at half of that.
HOSTS = "127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4"


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
    """A far end and a client."""

    def __init__(self, kind):
        self.folder = tempfile.TemporaryDirectory()
        certificate = os.path.join(self.folder.name, "certificate.pem")
        base = time.monotonic_ns()
        self.far = Peer(PROGRAM, "serve", kind, base, certificate)
        self.port = int(self.far.read("listening")[0])
        self.client = Peer(PROGRAM, "client", kind, base, certificate, self.port, HOSTS)
        self.client.read("ready")

    def open(self, count):
        """Seconds and seconds of the processor that it took the client."""
        failed, wall, cpu, reasons = self.client.ask("open", "open", count)
        if int(failed):
            sys.exit(f"{failed} of {count} connections failed: {reasons}")
        return int(wall) / 1e9, int(cpu) / 1e9

    def memory(self):
        return [int(field) for field in self.client.ask("memory", "memory")]

    def events(self, count):
        names = ("events", "p50", "p99", "cpu", "wall", "allocations")
        return dict(zip(names, (int(field) for field in self.client.read("events"))))

    def end(self):
        self.client.end()
        self.far.end()
        self.folder.cleanup()


def idle(kind, count):
    """Memory, wake-ups and bursts of so many idle connections."""
    pair = Pair(kind)
    # What the first connection brings into being for all is not theirs.
    pair.open(1)
    resident, heap = pair.memory()
    wall, cpu = pair.open(count)
    # The far end has answered IDLE before it counts the client.
    while int(pair.far.ask("idling", "idling")[0]) < count + 1:
        pass
    after, heap_after = pair.memory()
    report = {
        "bytes": (after - resident) / count, "heap": (heap_after - heap) / count,
        "opened_per_s": count / wall, "opened_per_cpu_s": count / cpu,
    }
    for _ in range(3):
        pair.client.ask("forgotten", "forget")
        pair.client.tell("await", count + 1)
        pair.far.ask("burst", "burst")
        burst = pair.events(count + 1)
    report["burst_cpu_us"] = burst["cpu"] / burst["events"] / 1000
    report["burst_allocations"] = burst["allocations"] / burst["events"]
    pair.client.ask("forgotten", "forget")
    pair.client.tell("await", 3000)
    pair.far.ask("paced", "paced", 3000, 1000)
    paced = pair.events(3000)
    report["wake_p50_us"] = paced["p50"] / 1000
    report["wake_p99_us"] = paced["p99"] / 1000
    after, heap_after = pair.memory()
    report["bytes_at_end"] = (after - resident) / count
    pair.end()
    return report


def connects(kind, count):
    """Connections up to the login per second of the client's processor."""
    pair = Pair(kind)
    pair.client.ask("fleet", "fleet", "login", 64)
    pair.open(10)
    wall, cpu = pair.open(count)
    pair.end()
    return count / cpu


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 19_000
    print(json.dumps(idle("plain", count), indent=1))
    print("connects", connects("plain", count))
    print(json.dumps(idle("tls", count), indent=1))
