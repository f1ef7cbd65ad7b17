"""Reads what valgrind's callgrind writes."""

import os
import re
import subprocess
from collections import Counter

ALLOCATORS = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"}
NAME = re.compile(r"\((\d+)\)(?: (.*))?")


class Counts:
    """Instructions of each function itself, and calls of allocation functions."""

    def __init__(self, path):
        self.instructions = Counter()
        self.allocations = 0
        names = {}
        function = callee = None
        is_call = False

        def resolve(text):
            number, name = NAME.match(text).groups()
            if name is not None:
                names[number] = name
            return names[number]

        with open(path) as file:
            for line in file:
                if line.startswith("fn="):
                    function = resolve(line[3:].rstrip())
                elif line.startswith("cfn="):
                    callee = resolve(line[4:].rstrip())
                elif line.startswith("calls="):
                    if callee in ALLOCATORS:
                        self.allocations += int(line[6:].split()[0])
                    is_call = True
                elif line[0] in "0123456789+-*" and function is not None:
                    # The line behind `calls=` holds what the callee took, which is counted there.
                    if not is_call:
                        self.instructions[function] += int(line.split()[1])
                    is_call = False

    @property
    def total(self):
        return sum(self.instructions.values())


def count(command, output):
    """Runs `command` and returns its `Counts` and what it printed."""
    environment = dict(os.environ, SWIFT_BACKTRACE="enable=no", SWIFT_DETERMINISTIC_HASHING="1")
    valgrind = ["valgrind", "--quiet", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={output}"]
    printed = subprocess.run(
        valgrind + command, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return Counts(output), printed
