# SPDX-License-Identifier: Apache-2.0
"""What users have today. Each makes the same partitions as well as it can, by scripts written before the clock runs."""

import json
import os
import pathlib

from .contender import MTU, Contender
from .document import PIDS, Partition, partitions

PLACE = pathlib.Path("/run/bench")


class Script(Contender):
    """A contender whose operations are shell scripts."""

    programs = {"iptables": "iptables"}

    def command(self, operation):
        path = PLACE / f"{operation}.sh"
        path.write_text("set -e\n" + "\n".join(getattr(self, operation)()) + "\n", encoding="utf-8")
        return ["bash", str(path)]

    def group(self, partition):
        """The lines that give it a control group with a limit, and the one that takes it away."""
        if not self.limits:
            return [], []
        group = f"{self.limits}/bench-{partition.name}"
        return [f"mkdir {group}", f"echo {PIDS} >{group}/pids.max"], [f"rmdir {group}"]

    def forwarding(self):
        return ["echo 1 >/proc/sys/net/ipv4/ip_forward", "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"]

    def make(self, partition):
        raise NotImplementedError

    def unmake(self, partition):
        raise NotImplementedError

    def create(self):
        return self.forwarding() + [line for each in partitions(self.count) for line in self.make(each)]

    def add(self):
        return self.make(Partition(self.count))

    def drop(self):
        return self.unmake(Partition(self.count))

    def remove(self):
        return [line for each in partitions(self.count) for line in self.unmake(each)]


def iptables(partition, action):
    """Masquerading and forwarding of one partition, rule by rule."""
    lines = []
    for command, network in (("iptables", partition.net4), ("ip6tables", partition.net6)):
        lines += [f"{command} -t nat {action} POSTROUTING -s {network} ! -o {partition.host_end} -j MASQUERADE",
                  f"{command} {action} FORWARD -i {partition.host_end} ! -o {partition.host_end} -j ACCEPT",
                  f"{command} {action} FORWARD -o {partition.host_end} -m state --state ESTABLISHED,RELATED -j ACCEPT"]
    return lines


class Tutorial(Script):
    """Everything by `ip netns exec`, the link made on the host and moved, as most tutorials have it."""

    name = "tutorial"
    title = "shell script as in tutorials (ip netns exec, iptables)"

    @staticmethod
    def inside(partition):
        return f"ip netns exec {partition.name} ip"

    def link(self, p):
        return [f"ip link add {p.host_end} type veth peer name v-{p.name}", f"ip link set v-{p.name} netns {p.name}",
                f"ip netns exec {p.name} ip link set v-{p.name} name eth0"]

    def make(self, p):
        inside = self.inside(p)
        return [f"ip netns add {p.name}", *self.link(p),
                f"{inside} address add {p.inner4}/24 dev eth0", f"{inside} address add {p.inner6}/64 dev eth0 nodad",
                f"{inside} link set lo up", f"{inside} link set eth0 up",
                f"ip address add {p.outer4}/24 dev {p.host_end}",
                f"ip address add {p.outer6}/64 dev {p.host_end} nodad", f"ip link set {p.host_end} up",
                f"{inside} route add default via {p.outer4}", f"{inside} -6 route add default via {p.outer6}",
                *iptables(p, "-A"), *self.group(p)[0]]

    def unmake(self, p):
        return [f"ip netns del {p.name}", *iptables(p, "-D"), *self.group(p)[1]]

    def look(self):
        lines = ["ip -d address", "ip route", "ip -6 route", "iptables-save", "ip6tables-save"]
        for p in partitions(self.count):
            inside = self.inside(p)
            lines += [f"{inside} -d address", f"{inside} route", f"{inside} -6 route"]
            lines += [f"read -r limit <{self.limits}/bench-{p.name}/pids.max"] if self.limits else []
        return lines

    def change(self):
        p = self.middle
        return [f"{self.inside(p)} link set eth0 mtu {MTU}", f"ip link set {p.host_end} mtu {MTU}"]

    def repair(self):
        p = self.middle
        inside = self.inside(p)
        return [f"{inside} link set eth0 up", f"{inside} address add {p.inner6}/64 dev eth0 nodad",
                f"{inside} route add default via {p.outer4}", f"{inside} -6 route add default via {p.outer6}"]


class Shell(Tutorial):
    """The same with `ip -n`, and the link made where it belongs."""

    name = "shell"
    title = "shell script with ip -n and iptables"

    @staticmethod
    def inside(partition):
        return f"ip -n {partition.name}"

    def link(self, p):
        return [f"ip link add {p.host_end} type veth peer name eth0 netns {p.name}"]


class Batch(Script):
    """`ip -batch` for the host and for each namespace, one `nft -f`."""

    name = "batch"
    title = "ip -batch and nft -f"
    most_once = 1000
    programs = {}
    change, repair = Shell.change, Shell.repair
    inside = staticmethod(Shell.inside)

    def look(self):
        return [line for line in Shell.look(self) if "tables-save" not in line] + ["nft list ruleset"]

    def _nft(self, all_of_them, anew):
        ends = ", ".join(f'"{p.host_end}"' for p in all_of_them)
        four = ", ".join(p.net4.split("/", 1)[0] for p in all_of_them)
        six = ", ".join(p.net6.split("/", 1)[0] for p in all_of_them)
        text = """table inet bench {
set inside { type ifname; }
set masq4 { type ipv4_addr; }
set masq6 { type ipv6_addr; }
chain forward { type filter hook forward priority 0; policy accept;
ct state established,related accept; oifname @inside drop; }
chain postrouting { type nat hook postrouting priority 100;
ip saddr & 255.255.255.0 == @masq4 oifname != @inside masquerade
ip6 saddr & ffff:ffff:ffff:ffff:: == @masq6 oifname != @inside masquerade; }
}
""" if anew else ""
        text += f"add element inet bench inside {{ {ends} }}\nadd element inet bench masq4 {{ {four} }}\n"
        return text + f"add element inet bench masq6 {{ {six} }}\n"

    def _make_all(self, all_of_them, anew):
        (PLACE / "nft").write_text(self._nft(all_of_them, anew), encoding="utf-8")
        host, lines = [], []
        for p in all_of_them:
            host += [f"netns add {p.name}", f"link add {p.host_end} type veth peer name eth0 netns {p.name}",
                     f"address add {p.outer4}/24 dev {p.host_end}",
                     f"address add {p.outer6}/64 dev {p.host_end} nodad", f"link set {p.host_end} up"]
            (PLACE / p.name).write_text(
                f"link set lo up\nlink set eth0 up\naddress add {p.inner4}/24 dev eth0\n"
                f"address add {p.inner6}/64 dev eth0 nodad\nroute add default via {p.outer4}\n"
                f"route add default via {p.outer6}\n", encoding="utf-8")
            lines.append(f"ip -n {p.name} -batch {PLACE}/{p.name}")
        (PLACE / "host").write_text("\n".join(host) + "\n", encoding="utf-8")
        groups = [line for p in all_of_them for line in self.group(p)[0]]
        return [f"nft -f {PLACE}/nft", f"ip -batch {PLACE}/host", *lines, *self._together(groups)]

    @staticmethod
    def _together(lines):
        """One mkdir for all; the writes are the shell's own."""
        made = [line.split(" ", 1)[1] for line in lines if line.startswith("mkdir")]
        return ([f"mkdir {' '.join(made)}"] if made else []) + [line for line in lines if line.startswith("echo")]

    def create(self):
        return self.forwarding() + self._make_all(partitions(self.count), True)

    def add(self):
        return self._make_all([Partition(self.count)], False)

    def drop(self):
        p = Partition(self.count)
        four, six = (network.split("/", 1)[0] for network in (p.net4, p.net6))
        return [f"ip netns del {p.name}", f"nft delete element inet bench masq4 '{{ {four} }}' \\; "
                f"delete element inet bench masq6 '{{ {six} }}' \\; "
                f"delete element inet bench inside '{{ \"{p.host_end}\" }}'", *self.group(p)[1]]

    def remove(self):
        everybody = partitions(self.count)
        (PLACE / "host").write_text("".join(f"netns del {p.name}\n" for p in everybody), encoding="utf-8")
        groups = " ".join(self.group(p)[1][0].split(" ", 1)[1] for p in everybody) if self.limits else ""
        return [f"ip -batch {PLACE}/host", "nft delete table inet bench", f"rmdir {groups}" if groups else ":"]


class Cni(Script):
    """The ptp plugin with host-local addresses, called as a container runtime calls it."""

    name = "cni"
    title = "CNI plugin ptp (IPv4 only)"
    operations = ("create", "look", "add", "drop", "remove")
    plugins = "/usr/lib/cni"
    programs = {"iptables": "iptables", "containernetworking-plugins": "/usr/lib/cni/ptp"}

    def prepare(self, count):
        super().prepare(count)
        # IPv4 alone: with IPv6 the plugin waits 1.5 s each time until the kernel has probed the address.
        network = {"cniVersion": "1.0.0", "name": "bench", "type": "ptp", "ipMasq": True,
                   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.64.0.0/12"}]],
                            "dataDir": "/run/bench/cni", "routes": [{"dst": "0.0.0.0/0"}]}}
        (PLACE / "network").write_text(json.dumps(network), encoding="utf-8")

    def _call(self, command, p, result=False):
        words = f"CNI_COMMAND={command} CNI_CONTAINERID={p.name} CNI_NETNS=/run/netns/{p.name} CNI_IFNAME=eth0"
        place = f"{PLACE}/{p.name}"
        told = f">{place}" if command == "ADD" else ""
        given = f"{place}.check" if result else f"{PLACE}/network"
        return f"{words} CNI_PATH={self.plugins} {self.plugins}/ptp <{given} {told}"

    def make(self, p):
        return [f"ip netns add {p.name}", self._call("ADD", p), *self.group(p)[0]]

    def unmake(self, p):
        return [self._call("DEL", p), f"ip netns del {p.name}", *self.group(p)[1]]

    def look(self):
        """CHECK, which wants to know what ADD had said."""
        network = json.loads((PLACE / "network").read_text())
        for p in partitions(self.count):
            before = json.loads((PLACE / p.name).read_text())
            (PLACE / f"{p.name}.check").write_text(json.dumps({**network, "prevResult": before}))
        return [self._call("CHECK", p, True) for p in partitions(self.count)]


class Netavark(Script):
    """A bridge network as podman has netavark make it; a bridge holds 1,024 ports."""

    name = "netavark"
    title = "netavark (bridge)"
    operations = ("create", "add", "drop", "remove")
    program = "/usr/lib/podman/netavark"
    programs = {"iptables": "iptables", "netavark": program}

    def _options(self, p):
        four, six = f"10.88.{p.number // 200}.{p.number % 200 + 10}", f"fd00:88::{p.number + 16:x}"
        network = {"dns_enabled": False, "driver": "bridge", "id": "b" * 64, "internal": False, "ipv6_enabled": True,
                   "name": "bench", "network_interface": "nv-bench", "ipam_options": {"driver": "host-local"},
                   "subnets": [{"subnet": "10.88.0.0/16", "gateway": "10.88.255.254"},
                               {"subnet": "fd00:88::/64", "gateway": "fd00:88::1"}]}
        return {"container_id": f"{p.number:064x}", "container_name": p.name,
                "networks": {"bench": {"interface_name": "eth0", "static_ips": [four, six]}},
                "network_info": {"bench": network}}

    def _call(self, command, p):
        path = PLACE / f"{p.name}.json"
        path.write_text(json.dumps(self._options(p)), encoding="utf-8")
        return f"{self.program} --config {PLACE}/netavark {command} /run/netns/{p.name} <{path}"

    def make(self, p):
        os.makedirs(PLACE / "netavark", exist_ok=True)
        return [f"ip netns add {p.name}", self._call("setup", p), *self.group(p)[0]]

    def unmake(self, p):
        return [self._call("teardown", p), f"ip netns del {p.name}", *self.group(p)[1]]


class Pyroute2(Contender):
    """One Python process with pyroute2; nftables by one `nft -f`."""

    name = "pyroute2"
    title = "pyroute2 and nft -f"
    programs = {"python3-pyroute2": "pyroute2-cli"}
    program = str(pathlib.Path(__file__).with_name("with_pyroute2.py"))

    def command(self, operation):
        return ["/usr/bin/python3", "-B", self.program, operation, str(self.count), self.limits or "-"]


PEERS = (Tutorial, Shell, Batch, Cni, Netavark, Pyroute2)
