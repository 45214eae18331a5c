# SPDX-License-Identifier: Apache-2.0
"""What was to be reached, and what was. A budget without a figure in these results is left out."""


class Figures:
    """Medians by name, None where something was not measured."""

    def __init__(self, results):
        self._results = results

    def operation(self, contender, operation, count, what="wall"):
        found = self._results["operations"].get(contender, {}).get(operation, {}).get(str(count), {})
        return found[what]["median"] if what in found else None

    def ratio(self, one, other, operation, count, what="wall"):
        above, below = (self.operation(contender, operation, count, what) for contender in (one, other))
        return above / below if above is not None and below else None

    def daemon(self, what, count, key="median"):
        found = self._results.get("daemon", {}).get(str(count), {}).get(what)
        return found.get(key) if found else None

    def elements(self, count):
        return self._results.get("elements", {}).get("partd", {}).get(str(count), {}).get("median")

    def packets(self, what, figure, more_is_better):
        """How much worse N = 1,000 is than N = 1, as a part of it; below 0 when it is better."""
        found = self._results.get("packets", {})
        if not {"1", "1000"} <= found.keys():
            return None
        one, many = (found[count]["partd"][what][figure]["median"] for count in ("1", "1000"))
        return (one - many if more_is_better else many - one) / one


def _times(most):
    return lambda value: (f"× {value:.2f}", f"≤ × {most}", value <= most)


def _milliseconds(most):
    return lambda value: (f"{value * 1000:.2f} ms", f"≤ {most} ms", value * 1000 <= most)


def _microseconds(most):
    return lambda value: (f"{value:.1f} µs", f"≤ {most} µs", value <= most)


def _within(share):
    return lambda value: (f"{value:.1%}", f"≤ {share:.0%}", value <= share)


def _wanted(figures):
    for count in (100, 1000, 4000):
        yield f"create {count:,}: partd to floor", figures.ratio("partd", "floor", "create", count), _times(1.15)
    yield "create one by a running daemon", figures.daemon("add", 1), _milliseconds(3)
    yield ("create 1,000: ip -batch to partd (at least 10)", figures.ratio("batch", "partd", "create", 1000),
           lambda value: (f"× {value:.1f}", "≥ × 10", value >= 10))
    for count in (1000, 4000):
        yield f"remove {count:,}, calls: partd to floor", figures.ratio("partd", "floor", "remove", count), _times(1.5)
        yield (f"remove {count:,}, all gone: partd to floor",
               figures.ratio("partd", "floor", "remove", count, "gone"), _times(1.2))
    yield "remove one by a running daemon", figures.daemon("drop", 1), _milliseconds(1)
    yield "nothing changed, 1,000: partd to floor", figures.ratio("partd", "floor", "look", 1000), _times(1.3)
    yield ("idle: wake-ups", figures.daemon("idle", 1000, "wakeups"),
           lambda value: (f"{value:.0f}", "0", value == 0))
    yield "one file edited among 1,000", figures.daemon("edit", 1000), _milliseconds(10)
    yield "drift at 1,000: first repair (which bounds when it is seen)", figures.daemon("drift_first", 1000), (
        lambda value: (f"{value * 1000:.2f} ms", "seen ≤ 0.5 ms", None))
    yield "drift at 1,000 repaired", figures.daemon("drift_repaired", 1000), _milliseconds(3)
    yield "drift at 1,000 repaired, p99", figures.daemon("drift_repaired", 1000, "p99"), _milliseconds(10)
    for count in (1, 1000, 4000):
        yield (f"one NAT element more or less among {count:,} in partd's table, bare", figures.elements(count),
               _microseconds(50))
    for count in (1, 1000):
        most = 15e6 + 8e3 * count
        for words, key in (("resident memory", "rss"), ("most resident memory so far", "peak_rss")):
            yield (f"{words} of partd with {count:,}", figures.daemon("memory", count, key),
                   lambda kib, most=most: (f"{kib * 1024 / 1e6:.1f} MB", f"≤ {most / 1e6:.1f} MB", kib * 1024 <= most))
    for what, figure, words in (("stream", "packets_per_s", "throughput"), ("echo", "median_us", "latency"),
                                ("fresh", "median_us", "latency of a new connection")):
        yield (f"packets: {words}, how much worse at 1,000 than at 1",
               figures.packets(what, figure, more_is_better=what == "stream"), _within(0.05))


def rows(results):
    """What, measured, budget, whether it is kept."""
    for words, value, judge in _wanted(Figures(results)):
        if value is not None:
            measured, budget, kept = judge(value)
            yield [words, measured, budget, {True: "yes", False: "**no**", None: "–"}[kept]]
