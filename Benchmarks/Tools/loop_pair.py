"""The processes that loop.py measures with: a far end, and a client with very many connections."""

import os
import select
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(ROOT, ".build", "release", "loop-benchmark")
# The client in C.
BARE = os.path.join(ROOT, ".build", "release", "bare-client")
# The ports of one source address for one address of the server run out at 28,000, and become slow to find at half of that.
HOSTS = "127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4"
# How long an answer may take. Nothing that is asked for takes a quarter of it, on a machine that others keep busy.
ANSWER_SECONDS = 300
# How long events may stay away before they are lost.
PROGRESS_SECONDS = 60


class Failure(Exception):
    """Something was lost, refused, or did not come."""


class Peer:
    """A process that is asked by a line and answers by one."""

    running = []

    def __init__(self, *arguments):
        self.process = subprocess.Popen([str(argument) for argument in arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.name = self.process.args[1]
        self.unread = b""
        Peer.running.append(self)

    def read(self, expected, seconds=ANSWER_SECONDS):
        deadline = time.monotonic() + seconds
        while b"\n" not in self.unread:
            rest = deadline - time.monotonic()
            if rest <= 0 or not select.select([self.process.stdout], [], [], rest)[0]:
                raise Failure(f"{self.name} did not say {expected} in {seconds} s")
            piece = os.read(self.process.stdout.fileno(), 1 << 16)
            if not piece:
                raise Failure(f"{self.name} has ended with status {self.process.wait()}, and did not say {expected}")
            self.unread += piece
        line, self.unread = self.unread.split(b"\n", 1)
        fields = line.decode().split("\t")
        if fields[0] != expected:
            raise Failure(f"{self.name} said {line!r} and not {expected}")
        return fields[1:]

    def tell(self, *words):
        try:
            self.process.stdin.write(" ".join(str(word) for word in words).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failure(f"{self.name} has ended") from None

    def ask(self, expected, *words, seconds=ANSWER_SECONDS):
        self.tell(*words)
        return self.read(expected, seconds)

    def hasten(self):
        """Its threads run before all others that want the processor. Returns whether that is allowed."""
        try:
            for thread in os.listdir(f"/proc/{self.process.pid}/task"):
                os.sched_setscheduler(int(thread), os.SCHED_FIFO, os.sched_param(1))
        except (OSError, AttributeError):
            return False
        return True

    def end(self):
        """It ends when it has nobody to listen to; it is made to where that takes long."""
        Peer.running.remove(self)
        try:
            self.process.stdin.close()
            self.process.wait(30)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    @classmethod
    def end_all(cls):
        for peer in list(cls.running):
            peer.process.kill()
            peer.end()


class Pair:
    """A far end and a client. `kind` is plain, tls, or tls-full, which never resumes a session."""

    def __init__(self, kind, goal="idle", in_flight=64, setup_seconds=60, hosts=HOSTS, sources="-", buffer=None, program=PROGRAM):
        self.folder = tempfile.TemporaryDirectory()
        self.certificate = os.path.join(self.folder.name, "certificate.pem")
        base = time.monotonic_ns()
        self.far = Peer(PROGRAM, "serve", kind, base, self.certificate)
        self.port = int(self.far.read("listening")[0])
        if buffer and self.far.ask("buffer", "buffer", buffer) != ["1"]:
            raise Failure("the far end's socket was not found")
        self.client = Peer(program, "client", kind, base, self.certificate, self.port, hosts)
        self.client.read("ready")
        self.client.ask("fleet", "fleet", goal, in_flight, setup_seconds, sources)
        # Those of IMAPClient, or those of channels and borrowed events.
        self.whose = "fleet"
        self.count = 0
        self.flooded = 0
        self.waits = None

    def begin(self, count, clients=False):
        self.whose = "clients" if clients else "fleet"
        self.client.tell("clients" if clients else "open", count)
        self.count += count

    def opened(self, seconds=ANSWER_SECONDS):
        """Seconds, and seconds of the processor, that it took the client."""
        failed, wall, cpu, reasons = self.client.read("open", seconds)
        if int(failed):
            raise Failure(f"{failed} of {self.count} connections failed: {reasons}")
        return int(wall) / 1e9, int(cpu) / 1e9

    def open(self, count, seconds=ANSWER_SECONDS, clients=False):
        self.begin(count, clients)
        return self.opened(seconds)

    def await_idling(self):
        """The far end has answered IDLE before it counts the client."""
        last, deadline = 0, 0
        while (idling := int(self.far.ask("idling", "idling")[0])) < self.count:
            now = time.monotonic()
            if idling > last or not deadline:
                last, deadline = idling, now + PROGRESS_SECONDS
            if now > deadline:
                raise Failure(f"{idling} of {self.count} connections idle, and no more do")
            time.sleep(0.01)

    def memory(self):
        return [int(field) for field in self.client.ask("memory", "memory")]

    def expect(self, count, mode):
        """`each`: one event for each connection. `any`: it does not matter whose they are."""
        self.client.ask("expecting", "expect", self.whose, mode, count)
        self.expected, self.mode = count, mode

    def wait(self, seconds=PROGRESS_SECONDS):
        """What is read by events() is waited for from now on."""
        self.client.tell("await", self.whose, seconds)
        self.waits = seconds

    def events(self, seconds=PROGRESS_SECONDS):
        if self.waits is None:
            self.wait(seconds)
        seconds, self.waits = self.waits, None
        names = ("events", "p50", "p99", "cpu", "wall", "allocations", "doubled", "missing", "user", "system")
        *fields, numbers = self.client.read("events", ANSWER_SECONDS + 2 * seconds)
        events = dict(zip(names, map(int, fields)))
        if events["events"] != self.expected or events["doubled"]:
            lost = self.expected - events["events"]
            whose = f", of the connections {numbers}" if lost and self.mode == "each" else ""
            raise Failure(
                f"{events['events']} of {self.expected} events came, {lost} are missing{whose}; "
                f"{events['doubled']} more came to connections that had been told")
        return events

    def burst(self):
        """One event to each connection that is not flooded."""
        self.expect(self.count - self.flooded, "each")
        # The client is not disturbed while the events come: it would be told to wait in the middle.
        self.wait()
        time.sleep(0.02)
        self.far.ask("burst", "burst")
        return self.events()

    def paced(self, count):
        """One event a millisecond, each to a random connection."""
        self.expect(count, "any")
        self.far.ask("paced", "paced", count, 1000)
        return self.events()

    def end(self):
        self.client.end()
        self.far.end()
        self.folder.cleanup()
