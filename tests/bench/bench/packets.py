# SPDX-License-Identifier: Apache-2.0
"""Packets from a partition through the host's NAT to the outside, by partd's tables and by a script's linear rules."""

import json
import subprocess
import time

from . import sandbox
from .contender import Partd
from .cycle import rest
from .document import Partition, partitions
from .measure import summary

OUTSIDE = "203.0.113.2"
SECONDS = 2
ROUND_TRIPS = 1000
# In the order in which they have their turn on one host.
RULES = {"partd": "partd", "iptables": "iptables, rules for each partition", "none": "no rule at all, no NAT"}


def _ip(*words):
    subprocess.run(["ip", *words], check=True)


def _make_outside():
    """One more namespace behind a pair of links. It knows no way to the partitions: without NAT no answer comes."""
    _ip("netns", "add", "outside")
    _ip("link", "add", "out0", "type", "veth", "peer", "name", "eth0", "netns", "outside")
    _ip("address", "add", "203.0.113.1/24", "dev", "out0")
    _ip("link", "set", "out0", "up")
    _ip("-n", "outside", "address", "add", f"{OUTSIDE}/24", "dev", "eth0")
    _ip("-n", "outside", "link", "set", "eth0", "up")


def _linear_rules(count):
    """What the scripts of tutorials come to, loaded at once."""
    nat = "".join(f"-A POSTROUTING -s {p.net4} ! -o {p.host_end} -j MASQUERADE\n" for p in partitions(count))
    forward = "".join(f"-A FORWARD -i {p.host_end} ! -o {p.host_end} -j ACCEPT\n"
                      f"-A FORWARD -o {p.host_end} -m state --state ESTABLISHED,RELATED -j ACCEPT\n"
                      for p in partitions(count))
    return f"*nat\n{nat}COMMIT\n*filter\n:FORWARD DROP\n{forward}COMMIT\n"


def _change_rules(rules, count):
    """To the next one's; what partd has made is left but for its table."""
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    if rules == "iptables":
        subprocess.run(["iptables-restore"], input=_linear_rules(count), text=True, check=True)
    elif rules == "none":
        _ip("-n", "outside", "route", "add", "10.0.0.0/8", "via", "203.0.113.1")


def _run(program, what, source, amount):
    return subprocess.run([program, what, source, "outside", OUTSIDE, str(amount)], capture_output=True, text=True,
                          check=False)


def _measure(program, source):
    # Neighbours are asked for once a second; a stream before they answered (a carrier that came late) is thrown away.
    for _ in range(10):
        if _run(program, "echo", source, 1).returncode == 0:
            break
    found = {}
    for what, amount in (("stream", SECONDS), ("echo", ROUND_TRIPS), ("fresh", ROUND_TRIPS)):
        done = _run(program, what, source, amount)
        if done.returncode != 0:
            raise RuntimeError(f"traffic {what}: {done.stdout}{done.stderr}")
        found[what] = json.loads(done.stdout)
    return found


def take_turn(paths, count):
    """The figures of each kind of rules, from the partition in the middle."""

    def work():
        partd = Partd(paths)
        partd.prepare(count)
        subprocess.run(partd.command("create"), check=True, capture_output=True)
        _make_outside()
        # New links ask for routers and tell of their groups for a while (RFC 4861, 6.3.7): with a thousand, it would be
        # that which is measured.
        time.sleep(20)
        found = {}
        for rules in RULES:
            if rules != "partd":
                _change_rules(rules, count)
            found[rules] = _measure(paths.traffic, Partition(count // 2).name)
        return found

    found = sandbox.inside(work, timeout=600)
    rest(paths.probe)
    return found


def over_runs(samples):
    """Summaries of what several runs gave, by kind of rules, measurement and figure."""
    return {rules: {what: {figure: summary([sample[rules][what][figure] for sample in samples])
                           for figure in samples[0][rules][what]}
                    for what in samples[0][rules]}
            for rules in samples[0]}
