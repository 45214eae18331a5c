# SPDX-License-Identifier: Apache-2.0
"""The state of a host as other people's programs tell it, for comparing what two contenders left."""

import difflib
import json
import os
import subprocess
import time

from . import sandbox
from .cycle import rest

# What the kernel chooses, or what changes by itself after a while.
VOLATILE = {"ifindex", "group", "link_index", "link_netnsid", "address", "operstate", "handle", "link_pointtopoint", "gc_timer",
            "valid_life_time", "preferred_life_time", "bytes", "packets"}
# Where the order of a list has a meaning.
ORDERED = {"rules", "expr", "concat"}
PASSING_FLAGS = {"NO-CARRIER", "LOWER_UP", "linkdown"}


def _json(*command):
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(text or "[]")


def _passing(entry):
    """A flag that comes with the carrier, or an address that the kernel makes from the link's own."""
    if isinstance(entry, dict):
        return entry.get("local", "").startswith("fe80::") and entry["local"] != "fe80::1"
    return entry in PASSING_FLAGS


def _plain(value, ordered=False):
    if isinstance(value, dict):
        return {key: _plain(below, key in ORDERED) for key, below in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        kept = [_plain(below, ordered) for below in value if not _passing(below)]
        return kept if ordered else sorted(kept, key=lambda entry: json.dumps(entry, sort_keys=True))
    return value


def _network(*where):
    return {"links": _json("ip", *where, "-d", "-j", "link"), "addresses": _json("ip", *where, "-d", "-j", "address"),
            "routes": _json("ip", *where, "-d", "-j", "route"),
            "routes6": _json("ip", *where, "-6", "-d", "-j", "route")}


# Some things are the same for any number of partitions: the floor has only the rules that a packet of its own
# needs, no guard against strangers' packets, and no sets of admit, which nobody here has.
FIXED = {"chain", "rule"}
FIXED_SETS = {"guarded", "uplinks", "routers", "turned", "admit", "inward", "anyone"}


def _is_fixed(entry):
    kind, what = next(iter(entry.items()))
    return kind in FIXED or what.get("name") in FIXED_SETS


def _nftables():
    return [entry for entry in _json("nft", "-j", "list", "ruleset")["nftables"] if not _is_fixed(entry)]


def _groups():
    found = {}
    for controller, place in sandbox.hierarchies().items():
        for directory, _, _ in os.walk(place):
            if "partd" not in directory[len(place):]:
                continue
            limit = os.path.join(directory, "pids.max")
            found[f"{controller}{directory[len(place):]}"] = {
                "attributes": {name: os.getxattr(directory, name).decode() for name in os.listxattr(directory)},
                "pids": open(limit, encoding="ascii").read() if os.path.exists(limit) else ""}
    return found


def _switches():
    return {name: open(f"/proc/sys/net/{name}", encoding="ascii").read()
            for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv4/conf/all/forwarding")}


def of_host():
    names = sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else []
    found = {"host": _network(), "nftables": _nftables(), "groups": _groups(), "switches": _switches(),
             "namespaces": {name: _network("-n", name) for name in names}}
    return json.dumps(_plain(found), indent=1, sort_keys=True)


def left_by(paths, contender_class, count):
    """The state after create, and the one after remove."""

    def work():
        # A host that partd made a router keeps the guard, and its table with it.
        for switch in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            with open(f"/proc/sys/net/{switch}", "w", encoding="ascii") as file:
                file.write("1")
        contender = contender_class(paths)
        contender.prepare(count)
        subprocess.run(contender.command("create"), check=True, capture_output=True)
        time.sleep(0.2)
        created = of_host()
        subprocess.run(contender.command("remove"), check=True, capture_output=True)
        while "pv-" in subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout:
            time.sleep(0.02)
        return [created, of_host()]

    states = sandbox.inside(work)
    rest(paths.probe)
    return states


def differences(paths, one, other, count):
    """What differs between what two contenders leave, as lines; none when both do the same."""
    lines = []
    for moment, *states in zip(("created", "removed"), left_by(paths, one, count), left_by(paths, other, count)):
        names = [f"{moment} by {contender.name}" for contender in (one, other)]
        lines += difflib.unified_diff(*(state.splitlines() for state in states), *names, lineterm="")
    return lines
