# SPDX-License-Identifier: Apache-2.0
"""The operations of the benchmark by pyroute2: OPERATION COUNT LIMITS. A program of its own, started by peers.py."""

import os
import pathlib
import socket
import subprocess
import sys

from pyroute2 import IPRoute, NetNS, netns

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from bench.contender import MTU  # noqa: E402
from bench.document import PIDS, Partition, partitions  # noqa: E402

TABLE = """table inet bench {
set masq4 { type ipv4_addr; }
set masq6 { type ipv6_addr; }
chain postrouting { type nat hook postrouting priority 100;
ip saddr & 255.255.255.0 == @masq4 oifname != "pv-*" masquerade
ip6 saddr & ffff:ffff:ffff:ffff:: == @masq6 oifname != "pv-*" masquerade; }
}
"""


def nft(text):
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def elements(action, everybody):
    four = ", ".join(p.net4.split("/", 1)[0] for p in everybody)
    six = ", ".join(p.net6.split("/", 1)[0] for p in everybody)
    return f"{action} element inet bench masq4 {{ {four} }}\n{action} element inet bench masq6 {{ {six} }}\n"


def inside(p):
    return NetNS(p.name, flags=0)


def routes(ns, p, eth0):
    ns.route("add", dst="default", gateway=p.outer4, oif=eth0)
    ns.route("add", family=socket.AF_INET6, dst="default", gateway=p.outer6, oif=eth0)


def make(host, p, limits):
    netns.create(p.name)
    host.link("add", ifname=p.host_end, kind="veth", peer={"ifname": "eth0", "net_ns_fd": p.name})
    outer = host.link_lookup(ifname=p.host_end)[0]
    host.link("set", index=outer, state="up")
    host.addr("add", index=outer, address=p.outer4, prefixlen=24)
    host.addr("add", index=outer, address=p.outer6, prefixlen=64)
    with inside(p) as ns:
        eth0 = ns.link_lookup(ifname="eth0")[0]
        ns.link("set", index=1, state="up")
        ns.link("set", index=eth0, state="up")
        ns.addr("add", index=eth0, address=p.inner4, prefixlen=24)
        ns.addr("add", index=eth0, address=p.inner6, prefixlen=64)
        routes(ns, p, eth0)
    if limits:
        os.mkdir(f"{limits}/bench-{p.name}")
        pathlib.Path(f"{limits}/bench-{p.name}/pids.max").write_text(str(PIDS))


def unmake(p, limits):
    netns.remove(p.name)
    if limits:
        os.rmdir(f"{limits}/bench-{p.name}")


def create(host, count, limits):
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    pathlib.Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
    nft(TABLE + elements("add", partitions(count)))
    for p in partitions(count):
        make(host, p, limits)


def look(host, count, limits):
    host.get_links(), host.get_addr(), host.get_routes()
    for p in partitions(count):
        with inside(p) as ns:
            ns.get_links(), ns.get_addr(), ns.get_routes()
        if limits:
            pathlib.Path(f"{limits}/bench-{p.name}/pids.max").read_text()
    subprocess.run(["nft", "list", "ruleset"], stdout=subprocess.DEVNULL, check=True)


def change(host, count, _):
    p = Partition(count // 2)
    host.link("set", index=host.link_lookup(ifname=p.host_end)[0], mtu=MTU)
    with inside(p) as ns:
        ns.link("set", index=ns.link_lookup(ifname="eth0")[0], mtu=MTU)


def add(host, count, limits):
    nft(elements("add", [Partition(count)]))
    make(host, Partition(count), limits)


def repair(_, count, __):
    p = Partition(count // 2)
    with inside(p) as ns:
        eth0 = ns.link_lookup(ifname="eth0")[0]
        ns.link("set", index=eth0, state="up")
        ns.addr("add", index=eth0, address=p.inner6, prefixlen=64)
        routes(ns, p, eth0)


def drop(_, count, limits):
    unmake(Partition(count), limits)
    nft(elements("delete", [Partition(count)]))


def remove(_, count, limits):
    for p in partitions(count):
        unmake(p, limits)
    nft("delete table inet bench\n")


OPERATIONS = {"create": create, "look": look, "change": change, "add": add, "repair": repair, "drop": drop,
              "remove": remove}

with IPRoute() as the_host:
    OPERATIONS[sys.argv[1]](the_host, int(sys.argv[2]), "" if sys.argv[3] == "-" else sys.argv[3])
