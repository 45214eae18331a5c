# SPDX-License-Identifier: Apache-2.0
"""The partitions of beside_all.sh: 16 that can be reached and get out, by IPv4 and IPv6 in turns, and 4 that are closed.

usage: world.py DIRECTORY   writes a configuration file for each, and prints the plan of their traffic for partd_probe
"""

import sys
from pathlib import Path
from typing import NamedTuple

OUTSIDE = {4: "203.0.113.2", 6: "fd00:113::2"}
UPLINK = {4: "203.0.113.1", 6: "fd00:113::1"}
ECHO, SINK = 7, 9


class Place(NamedTuple):
    """A network namespace whose traffic is judged. The host's end of its link has the address that ends in 2."""

    name: str
    number: int
    opened: bool

    @property
    def family(self):
        return 4 if self.number % 2 else 6

    @property
    def netns(self):
        return f"/run/netns/{self.name}"

    @property
    def port(self):
        return 7000 + self.number

    def address(self, family, host=1):
        return f"10.77.{self.number}.{host}" if family == 4 else f"fd77:{self.number}::{host}"


OPEN = [Place(f"p{number}", number, True) for number in range(1, 17)]
CLOSED = [Place(f"p{number}", number, False) for number in range(17, 21)]
# Two namespaces of somebody else, with the same traffic through rules of somebody else: when their traffic fails, too,
# the machine or another firewall is the cause.
CONTROL = [Place(f"control{number}", number, True) for number in (101, 102)]

LINK = """[partition.{name}]
{reach}
[partition.{name}.link.eth0]
address = ["{inside4}/24", "{inside6}/64"]
peer = {{ address = ["{host4}/24", "{host6}/64"] }}
[[partition.{name}.route]]
to = "default"
via = "{host4}"
[[partition.{name}.route]]
to = "default"
via = "{host6}"
"""
NAT = """[partition.{name}.nat]
masquerade = true
[[partition.{name}.nat.forward]]
listen = "udp/{port}"
to = "{to}:{echo}"
"""


def toml(place):
    """The file of a partition."""
    inside = place.address(place.family)
    words = {
        "name": place.name,
        "reach": "" if place.opened else "reach = []",
        "inside4": place.address(4),
        "inside6": place.address(6),
        "host4": place.address(4, 2),
        "host6": place.address(6, 2),
        "port": place.port,
        "to": inside if place.family == 4 else f"[{inside}]",
        "echo": ECHO,
    }
    return (LINK + (NAT if place.opened else "")).format(**words)


def plan():
    """Each open one asks the outside, and the outside asks each by its forwarded port. The closed ones knock everywhere."""
    for place in OPEN + CLOSED + CONTROL:
        for port in (ECHO, SINK):
            yield f"serve {place.name} {place.netns} {port}"
    for name, netns in (("outside", "/run/netns/outside"), ("host", "/proc/1/ns/net")):
        for port in (ECHO, SINK):
            yield f"serve {name} {netns} {port}"
    for place in OPEN + CONTROL:
        yield f"ask {place.name}/masquerade {place.netns} {OUTSIDE[place.family]} {ECHO}"
        yield f"ask {place.name}/forward /run/netns/outside {UPLINK[place.family]} {place.port}"
    for place in CLOSED:
        neighbour = OPEN[place.number % len(OPEN)]
        for family, published in ((4, CONTROL[0]), (6, CONTROL[1])):
            for address, port in (
                (OUTSIDE[family], SINK),
                (UPLINK[family], SINK),
                (place.address(family, 2), SINK),
                (neighbour.address(family), SINK),
                (UPLINK[family], published.port),
            ):
                yield f"knock {place.name} {place.netns} {address} {port}"


def main():
    print("\n".join(plan()))
    for place in OPEN + CLOSED:
        path = Path(sys.argv[1], f"{place.name}.toml")
        draft = path.with_suffix(".draft")
        draft.write_text(toml(place))
        draft.rename(path)


if __name__ == "__main__":
    main()
