#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Judges the notes of partd_probe. A loss is a row of questions without an answer; it counts while each control, which
has nothing of partd in its way, is known to have answers.

usage: judge.py NOTES ACTIONS FROM TO MOST [--alone]
FROM and TO are times of the monotonic clock; ACTIONS is the log of what was done. Fails when a loss took longer than
MOST seconds, or a packet of a closed partition arrived. --alone: without the controls, whose rules are gone, too.
"""

import collections
import sys

AROUND = 0.5  # seconds before and after such a time that belong to it
BLIND = 2.0  # seconds without an answer of a control, after which nothing is known
FEWEST = 20  # answers and packets, without which nothing was tried


class Notes:
    """What the probe has written."""

    def __init__(self, path):
        self.interval = 0.0
        self.failed = collections.defaultdict(list)  # flow: (number, when sent)
        self.asked, self.knocked = {}, collections.Counter()
        self.answered = collections.defaultdict(list)  # flow of a control: when sent
        self.arrived = []  # (when sent, text)
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                self.read(line.split())

    def read(self, words):
        if words[0] == "interval":
            self.interval = float(words[1])
        elif words[0] == "failed":
            self.failed[words[3]].append((int(words[2]), float(words[1])))
        elif words[0] == "answered":
            self.answered[words[2]].append(float(words[1]))
        elif words[0] == "asked":
            self.asked[words[3]] = (int(words[1]), int(words[2]))
        elif words[0] == "knocked":
            self.knocked[words[3]] += int(words[2])
        elif words[0] == "arrived":
            self.arrived.append((float(words[words.index("closed") + 1]), " ".join(words[2:])))

    def rows(self, flow, begin, end):
        """[first, last] of each row of failures one after the other, by the time when they were sent."""
        found, last = [], None
        for number, sent in sorted(self.failed[flow]):
            if begin <= sent <= end:
                if number - 1 == last:
                    found[-1][1] = sent + self.interval
                else:
                    found.append([sent, sent + self.interval])
                last = number
        return found

    def unknown(self, flow, begin, end):
        """Spans between two answers of a control, the one too long after the other, and those of its failures."""
        times = [begin, *(sent for sent in sorted(self.answered[flow]) if begin < sent < end), end]
        for before, after in zip(times, times[1:]):
            if after - before > BLIND:
                yield [before - AROUND, after + AROUND]
        for first, last in self.rows(flow, begin, end):
            yield [first - AROUND, last + AROUND]


def merged(spans):
    """The same time as spans that do not overlap."""
    found = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1][1] = max(found[-1][1], end)
        else:
            found.append([begin, end])
    return found


def without(span, spans):
    """How much of the span is in none of the spans."""
    return span[1] - span[0] - sum(max(0.0, min(span[1], end) - max(span[0], begin)) for begin, end in spans)


def actions_at(path, begin, end):
    """The deeds of that time: lines of `BEGIN END CODE ACTOR DEED`."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            words = line.split()
            if float(words[0]) <= end and float(words[1]) >= begin:
                yield f"{words[4]} ({words[0]} to {words[1]})"


def main():
    notes, actions = Notes(sys.argv[1]), sys.argv[2]
    begin, end, most = (float(word) for word in sys.argv[3:6])
    bad, excused, worst = [], [], {}
    controls = [flow for flow in notes.asked if flow.startswith("control")]
    if "--alone" not in sys.argv:
        excused = merged(span for flow in controls for span in notes.unknown(flow, begin, end))
        known = without([begin, end], excused)
        print(f"the controls are known to have had answers for {known:.1f} of {end - begin:.1f} s")
        if known < FEWEST:
            bad.append("that is not enough to judge by")
    for flow, (asked, answered) in sorted(notes.asked.items()):
        if answered < FEWEST:
            bad.append(f"{flow}: only {answered} of {asked} questions were answered")
        for row in [] if flow in controls else notes.rows(flow, begin, end):
            lost = without(row, excused)
            place, kind = flow.split("/")
            worst[kind] = max(worst.get(kind, (0.0, "")), (lost, place))
            if lost > most:
                during = "; ".join(actions_at(actions, *row))
                bad.append(f"{flow}: lost for {lost:.2f} s from {row[0]:.1f} to {row[1]:.1f}, during: {during}")
    for kind in ("forward", "masquerade"):
        lost, place = worst.get(kind, (0.0, "none"))
        print(f"longest loss of a {kind}: {lost:.2f} s ({place})")
    bad += [f"{name} sent only {count} packets" for name, count in notes.knocked.items() if count < FEWEST]
    arrived = [each for each in notes.arrived if begin <= each[0] <= end]
    answers = sum(answered for _, answered in notes.asked.values())
    print(f"of {sum(asked for asked, _ in notes.asked.values())} questions in all {answers} were answered")
    print(f"of {sum(notes.knocked.values())} packets of closed partitions in all {len(arrived)} arrived in this time")
    bad += [f"{text}, during: {'; '.join(actions_at(actions, when - 1, when + 1))}" for when, text in arrived[:10]]
    if bad:
        print("\n".join(bad))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
