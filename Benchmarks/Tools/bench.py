"""Runs the benchmarks and reports. Started by Scripts/bench, which builds and installs what this needs."""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict

import callgrind

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, ".build")
FIXTURES = os.path.join(BUILD, "fixtures")
PROGRAM = os.path.join(BUILD, "release", "parser-benchmark")
MACHINE = os.path.join(BUILD, "release", "machine-benchmark")
PYTHON = os.path.join(BUILD, "venv", "bin", "python")
CHECKED_IN = os.path.join(ROOT, "instructions.json")
TOLERANCE = 0.05
# One workload may take so many times the instructions of another.
RATIOS = [("search-split", "search-line", "views", 1.2)]


def unpack():
    """Unpacks the fixtures and splits the answers to SEARCH by their kind."""
    os.makedirs(FIXTURES, exist_ok=True)
    for name in ("flags", "envelope", "headers", "bodies", "list", "idle", "search"):
        source = os.path.join(ROOT, "Fixtures", f"{name}.txt.xz")
        target = os.path.join(FIXTURES, f"{name}.txt")
        if os.path.exists(target) and os.path.getmtime(target) >= os.path.getmtime(source):
            continue
        data = subprocess.run(["xz", "--decompress", "--stdout", source], check=True, stdout=subprocess.PIPE).stdout
        if name == "search":
            lines = data.splitlines(keepends=True)
            extended = [line for line in lines if line.startswith(b"* ESEARCH ")]
            write(os.path.join(FIXTURES, "esearch.txt"), b"".join(extended))
            data = b"".join(line for line in lines if not line.startswith(b"* ESEARCH "))
        write(target, data)
    line = os.path.join(FIXTURES, "search-line.txt")
    if not os.path.exists(line):
        numbers = " ".join(str(number) for number in range(100_001, 200_001))
        write(line, f"* SEARCH {numbers}\r\n".encode())


def write(path, data):
    with open(path + ".part", "wb") as file:
        file.write(data)
    os.replace(path + ".part", path)


def workloads():
    """Name, mode, fixture and note of everything that parser-benchmark measures."""
    printed = subprocess.run([PROGRAM, "workloads"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [tuple(line.split("\t")) for line in printed.splitlines()]


def counted():
    """Name and mode of everything whose instructions are counted. Commands on a connection have the mode `machine`."""
    printed = subprocess.run([MACHINE, "workloads"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [(name, mode) for name, mode, _, _ in workloads()] + [(name, "machine") for name in printed.splitlines()]


def time(options):
    known = workloads()
    samples = defaultdict(list)
    counts = {}

    def take(command):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                name, parser, size, responses, odd, passes, nanoseconds, _ = line.split("\t")
                samples[name, parser].append(int(size) * int(passes) * 1000 / int(nanoseconds))
                counts[name, parser] = int(responses), int(odd), int(size)
        if process.returncode != 0:
            sys.exit(f"{command[0]} ended with status {process.returncode}")

    fixtures = dict.fromkeys(fixture for name, _, fixture, _ in known if name == fixture and name not in ("esearch", "search-line"))
    take([PROGRAM, "time", FIXTURES, str(options.runs)])
    take([PYTHON, os.path.join(ROOT, "Tools", "peers.py"), FIXTURES, str(options.runs), *fixtures])

    speed = {key: statistics.median(values) for key, values in samples.items()}
    own = {(name, mode): (fixture, note) for name, mode, fixture, note in known}
    report = {"workloads": [], "peers": []}
    for (name, mode), (fixture, note) in own.items():
        responses, untyped, size = counts[name, mode]
        notes = []
        if note == "copies":
            notes.append("BODYSTRUCTURE through an owned copy")
        if untyped == responses:
            notes.append("framed only")
        row = {"name": name, "mode": mode, "mb_per_s": round(speed[name, mode], 1)}
        row["responses_per_s"] = round(speed[name, mode] * 1e6 * responses / size)
        for key, peer in (("ratio_table_loop", "C table loop"), ("ratio_libetpan", "libetpan")):
            other = speed.get((fixture, peer))
            row[key] = round(speed[name, mode] / other, 3) if other else None
        if notes:
            row["note"] = "; ".join(notes)
        report["workloads"].append(row)
    for (name, parser), value in speed.items():
        if (name, parser) not in own:
            report["peers"].append({"name": parser, "workload": name, "mb_per_s": round(value, 1)})
    if options.json:
        print(json.dumps(report))
    else:
        show_times(report, fixtures)


def show_times(report, fixtures):
    def ratio(value):
        return "-" if value is None else f"{value:.2f}"

    head = ("workload", "mode", "MB/s", "responses/s", "x table loop", "x libetpan", "")
    rows = [
        (row["name"], row["mode"], f"{row['mb_per_s']:,.1f}", f"{row['responses_per_s']:,}",
         ratio(row["ratio_table_loop"]), ratio(row["ratio_libetpan"]), row.get("note", ""))
        for row in report["workloads"]
    ]  # fmt: skip
    table(head, rows)
    print("\nPeers in the same run, MB/s")
    speeds = {(row["name"], row["workload"]): row["mb_per_s"] for row in report["peers"]}
    names = dict.fromkeys(row["name"] for row in report["peers"])
    table(("", *fixtures), [(name, *(f"{speeds[name, fixture]:,.1f}" for fixture in fixtures)) for name in names])


def machine(options):
    """Commands on a connection: time, allocations; and what a connection takes."""
    printed = subprocess.run([MACHINE, "time", str(options.runs)], check=True, stdout=subprocess.PIPE, text=True).stdout
    samples, allocations, report = defaultdict(list), defaultdict(int), {"commands": []}
    for kind, *fields in (line.split("\t") for line in printed.splitlines()):
        if kind == "time":
            name, commands, nanoseconds, allocated = fields
            samples[name].append(int(nanoseconds) / int(commands))
            allocations[name] += int(allocated)
        elif kind == "inline":
            report["bytes_inline"] = int(fields[0])
        else:
            report[f"bytes_heap_idle_{fields[0]}"] = float(fields[1])
    for name, values in samples.items():
        report["commands"].append(
            {"name": name, "ns_per_command": round(statistics.median(values), 1), "allocations": allocations[name]}
        )
    if options.json:
        print(json.dumps(report))
        return
    head = ("command", "ns", "allocations in all runs")
    table(head, [(row["name"], f"{row['ns_per_command']:,.1f}", str(row["allocations"])) for row in report["commands"]])
    print(f"\nBytes of a ClientConnection: {report['bytes_inline']}; on the heap while it is idle: "
          f"{report['bytes_heap_idle_authenticated']:.1f}, with a mailbox open {report['bytes_heap_idle_selected']:.1f}")  # fmt: skip


def table(head, rows):
    """Prints a table in Markdown, numbers to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    numeric = [all(row[column].replace(",", "").replace(".", "").strip("-").isdigit() or row[column] == "-"
                   for row in rows) for column in range(len(head))]  # fmt: skip

    def line(cells):
        padded = [c.rjust(w) if n else c.ljust(w) for c, w, n in zip(cells, widths, numeric)]
        return "| " + " | ".join(padded) + " |"

    print(line(head))
    print("|" + "|".join("-" * (w + 1) + (":" if n else "-") for w, n in zip(widths, numeric)) + "|")
    for row in rows:
        print(line(row))


def count(name, mode):
    """Counts one pass over the fixture as the difference of two passes and one: `Counts` of both, and how many units."""
    both = []
    for passes in (1, 2):
        output = os.path.join(BUILD, f"callgrind.{name}.{mode}.{passes}")
        if mode == "machine":
            counts, printed = callgrind.count([MACHINE, "count", name, str(passes)], output)
            both.append((counts, int(printed.split("\t")[1]) // passes, 0))
            continue
        counts, printed = callgrind.count([PROGRAM, "count", FIXTURES, name, mode, str(passes)], output)
        _, _, responses, numbers, _ = printed.split("\t")
        both.append((counts, int(responses), int(numbers)))
    (one, responses, numbers), (two, _, _) = both
    unit = "command" if mode == "machine" else "response"
    return one, two, (numbers, "number") if numbers else (responses, unit)


def instructions(options):
    checked_in = {}
    if os.path.exists(CHECKED_IN):
        with open(CHECKED_IN) as file:
            checked_in = {(row["name"], row["mode"]): row for row in json.load(file)["figures"]}
    figures, failures = [], []
    for name, mode in counted():
        if options.only and name not in options.only:
            continue
        one, two, (units, unit) = count(name, mode)
        row = {
            "name": name, "mode": mode, "unit": unit,
            "instructions": round((two.total - one.total) / units, 2),
            "allocations": round((two.allocations - one.allocations) / units, 4),
        }  # fmt: skip
        figures.append(row)
        old = checked_in.get((name, mode))
        if old is None:
            failures.append(f"{name} ({mode}): no figure is checked in")
            continue
        for key in ("instructions", "allocations"):
            # A figure of 0 stays 0.
            if row[key] > old[key] * (1 + TOLERANCE):
                failures.append(f"{name} ({mode}): {key} per {unit} rose from {old[key]} to {row[key]}")
    measured = {(row["name"], row["mode"]): row["instructions"] for row in figures}
    for name, base, mode, most in RATIOS:
        if (name, mode) in measured and (base, mode) in measured:
            ratio = measured[name, mode] / measured[base, mode]
            if ratio > most:
                failures.append(f"{name} ({mode}): {ratio:.3f} times the instructions of {base}, more than {most}")
    if options.json:
        print(json.dumps({"figures": figures}))
    else:
        head = ("workload", "mode", "per", "instructions", "checked in", "allocations")
        rows = []
        for row in figures:
            old = checked_in.get((row["name"], row["mode"]))
            rows.append((row["name"], row["mode"], row["unit"], f"{row['instructions']:,.1f}",
                         f"{old['instructions']:,.1f}" if old else "-", f"{row['allocations']:,.2f}"))  # fmt: skip
        table(head, rows)
    if options.update:
        kept = dict(checked_in)
        kept.update({(row["name"], row["mode"]): row for row in figures})
        known = counted()
        lines = ",\n".join("    " + json.dumps(kept[key]) for key in known if key in kept)
        write(CHECKED_IN, f'{{\n  "figures": [\n{lines}\n  ]\n}}\n'.encode())
    elif options.check and failures:
        print("\n".join(failures), file=sys.stderr)
        sys.exit(1)


def profile(options):
    one, two, (units, unit) = count(options.workload, options.mode)
    difference = two.instructions - one.instructions
    total = sum(difference.values())
    top = [(name, cost) for name, cost in difference.most_common(options.top)]
    demangled = subprocess.run(
        ["swift", "demangle", "--simplified"], input="\n".join(name for name, _ in top), check=True,
        stdout=subprocess.PIPE, text=True,
    ).stdout.splitlines()  # fmt: skip
    print(f"{total / units:,.1f} instructions per {unit}, {(two.allocations - one.allocations) / units:.2f} allocations")
    for (_, cost), name in zip(top, demangled):
        print(f"{cost / units:10,.1f} {cost / total:6.1%}  {name}")


def main():
    parser = argparse.ArgumentParser(prog="Scripts/bench", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("parser", help="time the response parser beside its peers")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("--runs", type=int, default=7, help="runs of which the median is taken (default: 7)")
    command.set_defaults(run=time)

    command = commands.add_parser("machine", help="time commands on a client's connection, and weigh it")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("--runs", type=int, default=7, help="runs of which the median is taken (default: 7)")
    command.set_defaults(run=machine)

    command = commands.add_parser("instructions", help="count instructions and allocations, which no load disturbs")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("--check", action="store_true", help="fail if one rose by more than 5 %%")
    command.add_argument("--update", action="store_true", help="write the figures to Benchmarks/instructions.json")
    command.add_argument("only", nargs="*", metavar="WORKLOAD", help="only these (default: all)")
    command.set_defaults(run=instructions)

    command = commands.add_parser("profile", help="the functions that take most instructions themselves")
    command.add_argument("workload")
    command.add_argument("mode", nargs="?", default="views", choices=("views", "owned", "machine"))
    command.add_argument("--top", type=int, default=15, help="how many functions (default: 15)")
    command.set_defaults(run=profile)

    options = parser.parse_args()
    if options.run in (time, machine) and options.runs < 5:
        parser.error("a median needs at least 5 runs")
    if options.run is not machine:
        unpack()
    options.run(options)


main()
