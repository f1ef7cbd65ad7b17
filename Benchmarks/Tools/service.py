"""Measures `imap watch --accounts` on loopback. Started by Scripts/bench service; docs/performance.md explains the figures."""

import argparse
import concurrent.futures
import imaplib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, ".build", "release", "imap")
PASSWORD = "password"
# Seconds that may go by without an event before the rest counts as lost.
PATIENCE = 90
MESSAGE = b"From: a@example.org\r\nSubject: news\r\n\r\ntext\r\n"


class TestServer:
    """`imap serve`, with user0, user1 and so on."""

    def __init__(self, folder, count):
        self.authority = os.path.join(folder, "ca.pem")
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--json", "--end-with-input", "--user-count", str(count), "--ca-file", self.authority],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
        ports = json.loads(self.process.stdout.readline() or sys.exit("the server did not start"))
        self.port, self.tls_port = ports["port"], ports["tlsPort"]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Dovecot:
    """A Dovecot of its own: configuration, certificate and mail in a folder, any user, one password."""

    def __init__(self, folder, count, interval):
        program = shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin:/opt/homebrew/sbin")
        if program is None:
            sys.exit("Dovecot is not installed: run Scripts/setup")
        self.authority = os.path.join(folder, "ca.pem")
        self.log = os.path.join(folder, "dovecot.log")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", self.authority,
             "-keyout", os.path.join(folder, "key.pem")], check=True, stderr=subprocess.DEVNULL)  # fmt: skip
        self.port, self.tls_port = free_ports(2)
        mail = os.path.join(folder, "mail")
        os.mkdir(mail)
        os.chmod(mail, 0o777)
        os.chmod(folder, 0o755)
        if os.getuid() == 0:
            users = "default_internal_user = dovecot\ndefault_login_user = dovenull\nmail_uid = nobody\nmail_gid = nogroup"
            owner = "uid=nobody gid=nogroup "
        else:
            name = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
            users = f"default_internal_user = {name}\ndefault_login_user = {name}\nservice anvil {{\n chroot =\n}}"
            owner = ""
        configuration = os.path.join(folder, "dovecot.conf")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(f"""
                base_dir = {folder}/run
                state_dir = {folder}/run/state
                log_path = {self.log}
                protocols = imap
                listen = 127.0.0.1
                ssl = yes
                ssl_cert = <{self.authority}
                ssl_key = <{folder}/key.pem
                disable_plaintext_auth = no
                auth_mechanisms = plain
                mail_location = sdbox:{mail}/%u
                mail_fsync = never
                mailbox_idle_check_interval = {interval} secs
                first_valid_uid = 1
                first_valid_gid = 1
                default_process_limit = {count + 200}
                default_client_limit = {4 * count + 1000}
                default_vsz_limit = 1G
                {users}
                passdb {{
                  driver = static
                  args = password={PASSWORD}
                }}
                userdb {{
                  driver = static
                  args = {owner}home={mail}/%u
                }}
                namespace inbox {{
                  inbox = yes
                  separator = /
                }}
                service imap {{
                  process_limit = {count + 200}
                }}
                service imap-login {{
                  {"" if os.getuid() == 0 else "chroot ="}
                  service_count = 0
                  process_min_avail = 2
                  inet_listener imap {{
                    port = {self.port}
                  }}
                  inet_listener imaps {{
                    port = {self.tls_port}
                    ssl = yes
                  }}
                }}
                """)
        self.process = subprocess.Popen([program, "-F", "-c", configuration], start_new_session=True)
        deadline = time.monotonic() + 30
        while not self.greets():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"Dovecot did not start: {self.last_lines()}")
            time.sleep(0.02)

    def greets(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                return connection.recv(4) == b"* OK"
        except OSError:
            return False

    def last_lines(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return file.read()[-2000:]
        except OSError:
            return ""

    def end(self):
        self.process.terminate()
        self.process.wait()


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Service:
    """`imap watch --accounts`, and what it has said so far."""

    def __init__(self, file, rate):
        self.changed = threading.Condition()
        self.connected = {}
        self.news = {}
        self.stopped = {}
        self.others = []
        self.first_memory = None
        self.ended = False
        self.start = time.monotonic()
        self.process = subprocess.Popen(
            [PROGRAM, "watch", "--accounts", file, "--start-rate", str(rate), "--drain-time", "30"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
        self.complaints = []
        self.readers = [threading.Thread(target=self.read), threading.Thread(target=self.read_errors)]
        for reader in self.readers:
            reader.start()

    def read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            with self.changed:
                account, kind = event["account"], event["event"]
                if kind == "connected":
                    if not self.connected:
                        self.first_memory = self.memory()
                    self.connected[account] = event
                elif kind == "new":
                    self.news.setdefault(account, []).append(event["uids"])
                elif kind == "stopped":
                    self.stopped[account] = event["cause"]
                elif kind != "exists":
                    self.others.append(line.rstrip("\n"))
                self.changed.notify()
        with self.changed:
            self.ended = True
            self.changed.notify()

    def read_errors(self):
        for line in self.process.stderr:
            self.complaints.append(line.rstrip("\n"))

    def wait(self, what, found, count):
        """Until `found`, a dictionary by account, has all of them; how long that took since the start."""
        with self.changed:
            while len(found) < count:
                before = len(found)
                if not self.changed.wait(PATIENCE) or self.ended:
                    if len(found) == before:
                        missing = [name for name in (f"a{number}" for number in range(count)) if name not in found]
                        self.fail(f"{what} of {count - len(missing)} of {count} accounts, not of {' '.join(missing[:10])} ...")
        return time.monotonic() - self.start

    def fail(self, reason):
        self.process.kill()
        sys.exit("\n".join([f"lost: {reason}"] + self.complaints[-5:] + self.others[-5:]))

    def memory(self):
        """Bytes that are resident."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    def cpu(self):
        """Seconds of the processor."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        """Seconds from SIGTERM until the process is gone."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait()
        taken = time.monotonic() - start
        for reader in self.readers:
            reader.join()
        if status != 0:
            self.fail(f"it ended with status {status}")
        return taken


def deliver(port, number):
    connection = imaplib.IMAP4("127.0.0.1", port)
    # imaplib sends the end of the line behind a literal by itself: it would wait 40 ms for a delayed acknowledgement.
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        connection.login(f"user{number}", PASSWORD)
        kind, answer = connection.append("INBOX", None, None, MESSAGE)
        if kind != "OK":
            sys.exit(f"user{number}: {answer}")
    finally:
        connection.logout()


def measure(folder, arguments):
    count = arguments.accounts
    if arguments.dovecot:
        server = Dovecot(folder, count, arguments.interval)
    else:
        server = TestServer(folder, count)
    file = os.path.join(folder, "accounts")
    with open(file, "w", encoding="utf-8") as output:
        os.fchmod(output.fileno(), 0o600)
        output.write(f"[DEFAULT]\nhost = localhost\npassword = {PASSWORD}\ntimeout = 60\n")
        if arguments.tls:
            output.write(f"port = {server.tls_port}\nssl_ca_file = {server.authority}\n")
        else:
            output.write(f"port = {server.port}\nssl = no\n")
        for number in range(count):
            output.write(f"[a{number}]\nusername = user{number}\n")
    service = Service(file, arguments.start_rate or (250 if arguments.dovecot else 1000))
    try:
        report = {"accounts": count, "tls": arguments.tls, "server": "Dovecot" if arguments.dovecot else "imap serve"}
        report["watching_s"] = service.wait("`connected`", service.connected, count)
        report["cpu_s"] = service.cpu()
        report["rss_bytes"] = service.memory()
        report["bytes_per_account"] = (report["rss_bytes"] - service.first_memory) / max(1, count - 1)
        start = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for delivered in [pool.submit(deliver, server.port, number) for number in range(count)]:
                delivered.result()
        service.wait("`new`", service.news, count)
        report["new_s"] = time.monotonic() - start
        report["new"] = len(service.news)
        report["end_s"] = service.end()
    finally:
        service.process.kill()
        server.end()
    wrong = {account: uids for account, uids in service.news.items() if uids != ["1"]}
    if wrong:
        service.fail(f"`new` does not name the one message: {list(wrong.items())[:5]}")
    unsaid = count - sum(cause == "shutdown" for cause in service.stopped.values())
    if unsaid:
        service.fail(f"{unsaid} accounts never said that they stopped")
    return report


def main():
    parser = argparse.ArgumentParser(prog="Scripts/bench service", description=__doc__)
    parser.add_argument("--accounts", type=int, metavar="N", help="how many (default: 5000; 500 with Dovecot)")
    parser.add_argument("--tls", action="store_true", help="connect with TLS")
    parser.add_argument("--dovecot", action="store_true", help="against a Dovecot in place of `imap serve`")
    parser.add_argument("--interval", type=int, default=30, metavar="S", help="how often that Dovecot looks (default: its own, 30)")
    parser.add_argument("--start-rate", type=int, metavar="N", help="accounts started in a second (default: 1000; 250 with Dovecot)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    arguments.accounts = arguments.accounts or (500 if arguments.dovecot else 5000)
    if arguments.accounts < 1:
        parser.error("--accounts must be at least 1")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    needed = arguments.accounts + 200
    if most != resource.RLIM_INFINITY and most < needed:
        sys.exit(f"{arguments.accounts} accounts need {needed} file descriptors, and the limit is {most}: raise it by ulimit -n")
    with tempfile.TemporaryDirectory(prefix="imap-service-") as folder:
        report = measure(folder, arguments)
    if arguments.json:
        print(json.dumps(report))
        return
    count = report["accounts"]
    print(f"{count} accounts, {'TLS' if report['tls'] else 'no TLS'}, {report['server']}")
    print(f"  all are watching after                       {report['watching_s']:8.1f} s")
    print(f"  processor time until then                    {report['cpu_s']:8.1f} s")
    print(f"  memory (RSS) for each account that connects  {report['bytes_per_account']:8.0f} bytes")
    print(f"  memory of the process                        {report['rss_bytes'] / 1e6:8.0f} MB")
    print(f"  one message into each mailbox: `new` of all  {report['new_s']:8.1f} s, {report['new']} of {count}")
    print(f"  SIGTERM until the end                        {report['end_s']:8.2f} s")


if __name__ == "__main__":
    main()
