"""Measures the peers that are written in Python: imaplib's reader, and IMAPClient's response parser behind it.

    peers.py FOLDER RUNS WORKLOAD...

Prints one line for each run, as parser-benchmark does. Needs the package `imapclient`.
"""

import imaplib
import io
import re
import sys
import time

from imapclient.imapclient import _parse_untagged_response
from imapclient.response_parser import parse_fetch_response, parse_message_list, parse_response

READ_SIZE = 16 * 1024
RUN_TIME = 100_000_000


class Memory(io.RawIOBase):
    """A socket's file that has all its bytes already and gives at most READ_SIZE of them at once."""

    def __init__(self, data):
        self.view = memoryview(data)
        self.position = 0

    def readable(self):
        return True

    def readinto(self, target):
        count = min(len(target), READ_SIZE, len(self.view) - self.position)
        target[:count] = self.view[self.position : self.position + count]
        self.position += count
        return count


class AnyTag(dict):
    """Takes the tag of every command for one that was sent."""

    def __contains__(self, tag):
        return True


class Reader(imaplib.IMAP4):
    """imaplib's reader over memory, without a connection's first steps."""

    def __init__(self, data):
        self.debug = 0
        self.state = "SELECTED"
        self._mode_ascii()
        self.tagged_commands = AnyTag()
        self.untagged_responses = {}
        self.tagre = re.compile(rb"(?P<tag>A\d+) (?P<type>[A-Z]+) (?P<data>.*)", re.ASCII)
        self._cmd_log_len, self._cmd_log_idx, self._cmd_log = 10, 0, {}
        self.sock = None
        self.file = io.BufferedReader(Memory(data), READ_SIZE)

    def responses(self):
        """Each response as imaplib keeps it: its kind and its records. It is forgotten before the next one."""
        while self.file.peek(1):
            self._get_response()
            kinds = self.untagged_responses
            self.untagged_responses = {}
            yield kinds


def imaplib_pass(data, workload):
    return sum(1 for _ in Reader(data).responses())


def imapclient_pass(data, workload):
    count = 0
    if workload == "idle":
        # In IDLE, IMAPClient takes lines from imaplib and parses them itself.
        reader = Reader(data)
        while reader.file.peek(1):
            _parse_untagged_response(reader._get_line())
            count += 1
        return count
    for kinds in Reader(data).responses():
        count += 1
        for kind, records in kinds.items():
            if kind == "FETCH":
                parse_fetch_response(records)
            elif kind == "SEARCH":
                parse_message_list(records)
            else:
                parse_response(records)
    return count


def main():
    folder, runs, workloads = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    for workload in workloads:
        with open(f"{folder}/{workload}.txt", "rb") as file:
            data = file.read()
        for _ in range(runs):
            for name, one_pass in (("imaplib", imaplib_pass), ("IMAPClient", imapclient_pass)):
                passes, start = 0, time.process_time_ns()
                while True:
                    responses = one_pass(data, workload)
                    passes += 1
                    elapsed = time.process_time_ns() - start
                    if elapsed >= RUN_TIME:
                        break
                print(workload, name, len(data), responses, 0, passes, elapsed, 0, sep="\t", flush=True)


main()
