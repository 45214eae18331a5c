# SPDX-License-Identifier: Apache-2.0
"""Tables in Markdown from the results."""

from . import budgets, packets
from .contender import OPERATIONS


def milliseconds(seconds):
    value = seconds * 1000
    return f"{value:,.2f}" if value < 10 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(results, contender, operation, count, what):
    return results["operations"].get(contender, {}).get(operation, {}).get(str(count), {}).get(what)


def _time_and_ratio(results, contender, operation, count, what):
    found = _cell(results, contender, operation, count, what)
    if found is None:
        return "–"
    floor = _cell(results, "floor", operation, count, what)
    text = milliseconds(found["median"])
    return text if contender == "floor" or floor is None else f"{text} (×{found['median'] / floor['median']:.2f})"


def _operation_tables(results):
    text = ""
    sizes = results["sizes"]
    for operation in OPERATIONS:
        for what in ("wall", "gone"):
            rows = []
            for contender, title in results["titles"].items():
                cells = [_time_and_ratio(results, contender, operation, count, what) for count in sizes]
                if any(cell != "–" for cell in cells):
                    rows.append([title, *cells])
            if rows:
                words = "until all links have gone" if what == "gone" else "wall time"
                text += f"\n### {operation}, {words}, ms\n\n"
                text += table(["", *(f"N = {count:,}" for count in sizes)], rows)
    return text


def _details(results):
    rows = []
    for contender, title in results["titles"].items():
        for operation in OPERATIONS:
            for count in results["sizes"]:
                wall = _cell(results, contender, operation, count, "wall")
                if wall is None:
                    continue
                user, system, rss = (_cell(results, contender, operation, count, what)
                                     for what in ("user", "system", "rss"))
                calls = results.get("calls", {}).get(contender, {}).get(operation, {}).get(str(count), "–")
                rows.append([title, operation, f"{count:,}", *(milliseconds(wall[k]) for k in ("median", "min", "max")),
                             milliseconds(user["median"]), milliseconds(system["median"]),
                             f"{rss['median'] / 1024:.1f}", calls, wall["runs"]])
    head = ["", "operation", "N", "median ms", "min", "max", "user ms", "system ms", "peak MiB", "system calls", "runs"]
    return "\n## Everything that was measured\n\n" + table(head, rows)


DAEMON_ROWS = (
    ("create", "start with an empty host, until READY", "median"),
    ("restart", "start with nothing to do, until READY", "median"),
    ("edit", "one file edited, from its close until both ends have the MTU", "median"),
    ("add", "one file more, from its close until the routes are there", "median"),
    ("drop", "one file less, until the namespace has lost its name", "median"),
    ("drift_down", "setting a link down, by itself", "median"),
    ("drift_first", "link set down by others: until it is up", "median"),
    ("drift_repaired", "link set down by others: until address and routes are there", "median"),
    ("drift_repaired", "address and routes there, 99th percentile", "p99"),
)


def _daemon(results):
    found = results.get("daemon")
    if not found:
        return ""
    rows = [[title, *(milliseconds(found[count][what][key]) for count in found)] for what, title, key in DAEMON_ROWS]
    for what, title in (("memory_at_start", "memory after the start"), ("memory", "memory at the end")):
        for key in ("rss", "pss", "peak_rss"):
            words = {"rss": "RSS", "pss": "PSS", "peak_rss": "most RSS so far"}[key]
            rows.append([f"{title}, {words}, MB",
                         *(f"{found[count][what][key] * 1024 / 1e6:.1f}" for count in found)])
    rows.append(["idle: times it woke up in 10 s",
                 *(f"{value['idle']['wakeups'] * 10 / value['idle']['seconds']:.0f}" for value in found.values())])
    rows.append(["idle: processor time in 10 s, ms",
                 *(milliseconds(value["idle"]["cpu"] * 10 / value["idle"]["seconds"]) for value in found.values())])
    return ("\n## The daemon\n\nms unless the line says otherwise; a file for each partition; settle = 0 ms, "
            "so that no waiting is in the times.\n\n" + table(["", *(f"N = {int(count):,}" for count in found)], rows))


def _packets(results):
    found = results.get("packets")
    if not found:
        return ""
    text = ("\n## Packets through NAT\n\nFrom the partition in the middle to the outside, UDP; "
            "2 s of a stream, 1,000 round trips.\n\n")
    rows = []
    for rules, title in packets.RULES.items():
        for count, kinds in found.items():
            measured = kinds[rules]
            rows.append([title, f"{int(count):,}", f"{measured['stream']['packets_per_s']['median']:,.0f}",
                         f"{measured['stream']['mbit_per_s']['median']:,.0f}",
                         *(f"{measured[what][figure]['median']:.2f}" for what in ("echo", "fresh")
                           for figure in ("median_us", "p99_us"))])
    head = ["rules", "N", "packets/s", "Mbit/s", "round trip µs", "p99", "new connection µs", "p99"]
    return text + table(head, rows)


def _budgets(results):
    rows = list(budgets.rows(results))
    return "\n## Budgets\n\n" + table(["figure", "measured", "budget", "kept"], rows) if rows else ""


def _elements(results):
    found = results.get("elements")
    if not found:
        return ""
    rows = [[results["titles"][name], *(f"{values['median']:.1f}" for values in counts.values())]
            for name, counts in found.items()]
    counts = next(iter(found.values()))
    return ("\n### one NAT element more or less, by a bare transaction, µs\n\n" +
            table(["in the table of", *(f"N = {int(count):,}" for count in counts)], rows))


def _machine(results):
    machine = results["machine"]
    return (f"{machine['system']}, Linux {machine['kernel']}, {machine['cores']} × {machine['cpu']}, "
            f"{machine['memory_gib']} GiB; load at the start {machine['load_at_start']}. {results['date']}, "
            f"revision {results['revision']}.\n")


def markdown(results):
    text = "# Benchmark of partd\n\n" + _machine(results) + """
Written by `tests/bench/run`. Times are medians of the runs; in brackets is the multiple of the
floor's. All contenders took turns on throw-away hosts. tests/README.md describes each of them.
"""
    if results["failures"]:
        text += "\n## What failed\n\n" + "".join(f"- {failure}\n" for failure in results["failures"])
    text += _budgets(results)
    text += "\n## Operations\n" + _operation_tables(results) + _elements(results)
    text += _daemon(results) + _packets(results)
    return text + _details(results)
