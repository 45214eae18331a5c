# SPDX-License-Identifier: Apache-2.0
"""Every spelling of every key of the language: tables by which a document is drawn, and how one is put together."""

import itertools

# A key's place in `partctl schema`, with "*" for a name and "[]" for an element → the values that are drawn, as TOML.
# What stands in no document alone is drawn with its neighbours, below.
SIZES = ["0", "4096", "4097", "8191", "1048576", "9223372036854771711", "9223372036854775807"] + [
    f'"{text}"' for text in ("0", "4096", "64M", "512M", "0.5G", "1.5M", "0.000001T", "12345K", "1T", "8000000T", "max")
]
DURATIONS = [f'"{text}"' for text in ("0ms", "1ms", "10ms", "0.5s", "1.25s", "0.000001s", "90s", "1min", "0.01min", "1h", "0.0001h")]
BOOLEANS = ["true", "false"]
COUNTS = ["0", "1", "65536", "4194304", '"max"']
LIMITS = {
    "cpu.weight": ["1", "2", "9", "10", "99", "100", "101", "9999", "10000"],
    "cpu.max": [f'"{t}"' for t in ("1%", "50%", "99%", "150%", "1000000%", "max", "max 50000", "max 1000", "1000 1000",
                                   "1000 1000000", "50000 100000", "12345 54321", "17592186044416 100000", "  50000   100000 ")],
    "cpu.idle": BOOLEANS,
    "cpuset.cpus": [f'"{t}"' for t in ("0", "0-0", "0,0", "00", "0-1", "0,1", "1,0", "0,0-1", "1", "7", "0-8191")],
    "cpuset.mems": ['"0"', '"0-0"', '"00"', '"1"'],
    "memory.min": SIZES, "memory.low": SIZES, "memory.high": SIZES, "memory.max": SIZES, "memory.swap.max": SIZES,
    "memory.oom.group": BOOLEANS,
    "io.weight": ["1", "100", "10000"],
    "pids.max": COUNTS,
    "freeze": BOOLEANS,
    "delegate": BOOLEANS,
} | {f"hugetlb.{size}.max": SIZES for size in ("64KB", "2MB", "32MB", "512MB", "1GB", "16GB")}

DEVICES = ["/dev/loop0", "/dev/loop1", "7:0", "7:2", "/dev/null", "/dev/not-there"]
RATES = ["1", "4096", '"1M"', '"0.5G"', '"max"', "4294967296", '"1000000T"']
OPERATIONS = ["1", "500", '"max"', "4294967294", "4294967295", "4294967296", "9223372036854775807"]

ADDRESSES = [f'"{t}"' for t in (
    "10.70.0.2/24", "10.70.1.0/24", "10.70.2.255/23", "10.70.3.1/31", "10.70.4.1/32", "10.70.5.9/30", "169.254.7.7/16",
    "240.0.0.1/30", "0.1.2.3/8", "FD00:0070:0::0002/64", "fd00:71::/64", "fd00:72:0:0:0:0:0:9/128", "FE80::00AB/64",
    "2001:DB8::10.0.0.1/120", "::ffff:10.1.2.3/128", "fd00:73::1:0:0/127", "127.0.0.2/8", "127.9.9.9/32", "10.70.0.2/24")]
MACS = ['"0A:bC:00:00:00:FF"', '"fe:FF:ff:ff:ff:01"', '"02:00:00:00:00:00"', '"01:00:5e:00:00:01"', '"00:00:00:00:00:00"']
MTUS = ["68", "576", "1279", "1280", "1500", "9000", "65535"]
PREFIXES = [f'"{t}"' for t in ("0.0.0.0/0", "10.60.0.2/32", "10.60.0.7/24", "224.0.0.0/4", "::/0", "FD00:0060::/32",
                               "fd00:60::2/128", "fd00:60::2/64", "::ffff:0:0/96", "10.60.0.0/16")]
TABLES = ["1", "100", "253", "254", "255", "256", "4294967295", '"main"', '"local"', '"default"']
SYSCTLS = {
    "net.ipv4.ip_forward": ["0", "1", "true", '"1"', '" 1 "', '"0x1"', '"01"', "2"],
    "net.ipv4.ip_default_ttl": ["1", "64", '"255"', '"0x40"', "256", '"064"'],
    "net.ipv4.ip_local_port_range": ['"1024 65535"', '"32768\\t60999"', '"  2000   3001"', '"5 1"', "5"],
    "net.ipv4.ip_local_reserved_ports": ['"8080"', '"1-3,2"', '"5,4,3"', '""', '"8080,8081-8082"'],
    "net.ipv4.tcp_rmem": ['"4096 131072 6291456"', '"4096\\t87380\\t1000000"', '"4096"', '"0x1000 0x2000 0x3000"'],
    "net.ipv4.ping_group_range": ['"0 10"', '"1 0"', '"0 4294967294"'],
    "net.ipv4.tcp_congestion_control": ['"reno"', '"cubic"', '"not-there"'],
    "net.ipv4.conf.eth0.rp_filter": ["0", "1", "2", '"+1"', '"-1"', "3"],
    "net.ipv4.conf.all.forwarding": BOOLEANS + ['"1"'],
    "net.ipv4.neigh.eth0.base_reachable_time_ms": ["30000", '"0x7530"', "1"],
    "net.ipv6.conf.eth0.accept_ra": ["0", "1", "2", '"2"'],
    "net.ipv6.conf.all.forwarding": ["0", "1"],
    "net.ipv6.conf.eth0.mtu": ["1280", "1400", "1500", "9000"],
    "net.ipv4.tcp_fin_timeout": ["60", '"1"', "0", "-5"],
    "net.core.somaxconn": ["1", "4096", "2147483647", "-1", "4294967296"],
    "net.ipv4.not_there": ["1"],
}
PORTS = ["80", "1", "65535", "0", "443"]


def optional(random, key, values, chance=0.4):
    return f"{key} = {random.choice(values)}\n" if random.random() < chance else ""


def some(random, values, most=3):
    return "[" + ", ".join(random.sample(values, random.randint(0, min(most, len(values))))) + "]"


def inline(random, choices, required=()):
    """A table in braces: the required keys and some of the others."""
    keys = [key for key in choices if key in required or random.random() < 0.4]
    return "{ " + ", ".join(f"{key} = {random.choice(choices[key])}" for key in keys) + " }"


def limits(random):
    # Few hosts have all controllers.
    text = "".join(optional(random, key, values, 0.01 if "huge" in key else 0.12) for key, values in LIMITS.items())
    if random.random() < 0.2:
        devices = random.sample(DEVICES, random.randint(0, 2))
        choices = {"rbps": RATES, "wbps": RATES, "riops": OPERATIONS, "wiops": OPERATIONS}
        rows = [inline(random, {"device": [f'"{device}"']} | choices, ("device",)) for device in devices]
        text += f"io.max = [{', '.join(rows)}]\n"
    return text


def link(random, name, addresses, peer):
    text = f"[partition.s.link.{name}]\naddress = {addresses}\n"
    text += optional(random, "kind", ['"veth"'], 0.2)
    text += optional(random, "mtu", MTUS, 0.2) + optional(random, "mac", MACS, 0.2) + optional(random, "up", BOOLEANS, 0.15)
    text += optional(random, "alias", ['""', '"a b"', '"' + "x" * 128 + '"', '"ümlaut: é"', '"partd:x/y"'], 0.2)
    extra = optional(random, "mtu", MTUS, 0.15) + optional(random, "mac", MACS, 0.15)
    extra += optional(random, "partition", ['"t"'], 0.1)
    name = optional(random, "name", [f'"s{name[-1]}"', f'"PV.{name}"', '"ü"'], 0.5)
    return text + "peer = { " + ", ".join([line for line in (name + extra).splitlines()] + [f"address = {peer}"]) + " }\n"


def network(random):
    text = link(random, "eth0", '["10.60.0.2/24", "fd00:60::2/64"]', '["10.60.0.1/24", "fd00:60::1/64"]')
    text += link(random, "eth1", some(random, ADDRESSES), '["10.61.0.1/24", "FD00:061::1/64"]')
    if random.random() < 0.3:
        text += f"[partition.s.link.lo]\naddress = {some(random, ADDRESSES)}\n"
    return text


def routes(random):
    to = PREFIXES + ['"default"', '"10.1.0.0/16"', '"FD01::/32"', '"127.8.0.0/16"', '"fd00:60::/64"', '"10.60.0.0/24"']
    via = ['"10.60.0.1"', '"FD00:60:0::0001"', '"fd00:60::1"', '"fe80::1"', '"10.60.0.2"', '"10.99.0.1"']
    hop = {"via": via, "dev": ['"eth0"', '"eth1"'], "weight": ["1", "2", "256"]}
    text = ""
    for _ in range(random.randint(0, 3)):
        text += f"[[partition.s.route]]\nto = {random.choice(to)}\n"
        text += optional(random, "via", via, 0.6) + optional(random, "dev", ['"eth0"', '"eth1"', '"lo"', '"no"'])
        text += optional(random, "src", ['"10.60.0.2"', '"FD00:60::2"', '"10.9.9.9"'], 0.2)
        text += optional(random, "metric", ["0", "1", "1024", "4294967295"]) + optional(random, "table", TABLES, 0.3)
        text += optional(random, "scope", ['"global"', '"site"', '"link"', '"host"'], 0.2)
        text += optional(random, "mtu", ["68", "1280", "1400", "65520"], 0.2)
        text += optional(random, "type", ['"unicast"', '"blackhole"', '"unreachable"', '"prohibit"'], 0.2)
        if random.random() < 0.1:
            text += "nexthop = [" + ", ".join(inline(random, hop) for _ in range(random.randint(0, 2))) + "]\n"
    return text


def rules(random):
    text = ""
    for _ in range(random.randint(0, 2)):
        text += "[[partition.s.rule]]\n" + optional(random, "from", PREFIXES, 0.7) + optional(random, "to", PREFIXES, 0.3)
        text += optional(random, "iif", ['"eth0"', '"lo"', '"not-there"'], 0.2) + optional(random, "oif", ['"eth1"'], 0.2)
        text += optional(random, "fwmark", ["1", "0x80000000", "4294967295"], 0.2)
        text += optional(random, "priority", ["1", "1000", "32765"], 0.3) + optional(random, "table", TABLES, 0.6)
    return text


def nat(random):
    translated = {"source": ['"10.60.0.0/24"', '"10.60.0.2/32"', '"FD00:60::/64"', '"fd00:60::2/128"'], "out": ['"out"', '"no-link"']}
    masquerade = BOOLEANS + ["[]", "[" + inline(random, translated) + "]"]
    text = "[partition.s.nat]\n" + optional(random, "masquerade", masquerade, 0.6)
    if random.random() < 0.3:
        to = {"to": ['"203.0.113.7"', '"2001:DB8::0007"']}
        text += f"snat = [{inline(random, translated | to, ('source', 'to'))}]\n"
    for _ in range(random.randint(0, 2)):
        protocol = random.choice(["tcp", "udp"])
        first = random.randint(1, 65500)
        last = first + random.choice([0, 0, 1, 9, 20])
        wide = last > first
        listen = f"{protocol}/{first}" + (f"-{last}" if wide else random.choice(["", f"-{first}"]))
        port = random.choice(["", f":{random.randint(1, 60000)}"])
        host = random.choice(["10.60.0.2", "[fd00:60::2]", "[FD00:0060:0:0:0:0:0:0002]"])
        text += f'[[partition.s.nat.forward]]\nlisten = "{listen}"\nto = "{host}{port}"\n'
        text += optional(random, "address", ["[]", '["10.62.0.1"]', '["127.0.0.1"]', '["2001:DB8::1"]', '["10.62.0.1", "10.62.0.2"]'], 0.3)
        text += optional(random, "from", ["[]", '["0.0.0.0/0"]', '["10.0.0.0/8", "10.1.0.0/16"]', '["::/0"]', '["fd00::/8"]'], 0.3)
    return text


def dns(random):
    if random.random() < 0.7:
        return ""
    text = "[partition.s.dns]\nnameserver = " + some(random, ['"9.9.9.9"', '"2620:FE::00FE"', '"::ffff:9.9.9.9"']) + "\n"
    text += "search = " + some(random, ['"example.org"', '"EXAMPLE.com."', '"a-b"']) + "\n"
    text += "options = " + some(random, ['"ndots:2"', '"edns0"', '"rotate"']) + "\n"
    return text + optional(random, "hosts", ['{ db = ["10.1.1.1"], "Web.Example" = ["FD00::0001", "10.1.1.2"] }', "{}", "{ x = [] }"])


def isolation(random):
    text = ""
    if random.random() < 0.2:
        text += "[partition.s.time]\n" + optional(random, "boottime", DURATIONS, 0.7) + optional(random, "monotonic", DURATIONS, 0.7)
    if random.random() < 0.2:
        maps = ["[{ inside = 0, outside = 100000, count = 65536 }]", "[{ inside = 0, outside = 100000 }]", "[]",
                "[{ inside = 0, outside = 100000, count = 1 }, { inside = 5, outside = 200000, count = 4000000000 }]",
                "[{ inside = 0, outside = 0, count = 4294967295 }]"]
        text += "[partition.s.user]\n" + optional(random, "uid_map", maps, 0.8) + optional(random, "gid_map", maps) + \
            optional(random, "auto", BOOLEANS, 0.2)
    return text


# A tree of files with busybox, which spellings_test.py makes. TREE belongs to the root of a user namespace, too.
TREE = "/srv/private/tree"
MOUNT_WORDS = [f'"{t}"' for t in (
    "defaults", "rw", "ro", "nodev", "dev", "nosuid", "suid", "noexec", "exec", "relatime", "noatime", "strictatime", "nodiratime",
    "nosymfollow", "bind", "rbind", "private", "slave", "shared", "idmap", "sync", "lazytime", "size=64k", "mode=0700", "uid=5",
    "nofail", "auto", "x-systemd.automount", "ro,nosuid", "")]
MOUNTS = {
    "source": [f'"{t}"' for t in ("/srv/private/data", "/srv/private/data/", "/srv/private/file", "/", "tmpfs", "/srv/private/none", "rel")],
    "target": [f'"{t}"' for t in ("/mnt", "/mnt/", "/mnt/below", "/new/deep", "/link/x", "/", "/proc", "/dev/shm", "/tmp/../mnt", "/etc/f")],
    "type": ['"bind"', '"tmpfs"', '"ext4"', '"proc"'],
    "read_only": BOOLEANS,
}


def mount(random):
    keys = [key for key in MOUNTS if key == "target" or random.random() < (0.8 if key == "source" else 0.3)]
    cells = [f"{key} = {random.choice(MOUNTS[key])}" for key in keys]
    if random.random() < 0.5:
        cells.append(f"options = {some(random, MOUNT_WORDS, 2)}")
    return "{ " + ", ".join(cells) + " }"


def machine(random):
    """A root directory of its own, and PID 1."""
    text = ""
    if random.random() < 0.3:
        paths = [f'"{TREE}"'] * 4 + [f'"{TREE}/"', f'"{TREE}/../tree"', '"/srv/private/none"', '"/srv/private/file"']
        text += f"[partition.s.rootfs]\npath = {random.choice(paths)}\n" + optional(random, "read_only", BOOLEANS, 0.3)
        text += optional(random, "overlay", BOOLEANS + ['"temporary"'], 0.4)
        text += f"mounts = [{', '.join(mount(random) for _ in range(random.randint(0, 2)))}]\n"
    if random.random() < 0.3:
        commands = ['["/bin/sleep", "1000"]', '["sleep", "1000"]', '["/bin/sh", "-c", "exec sleep 1000"]', '["/bin/none"]',
                    '["/bin/false"]', "[]", '[""]', '["sleep", "ü 1000"]']
        text += f"[partition.s.init]\ncommand = {random.choice(commands)}\n"
        text += optional(random, "environment", ["{}", '{ A = "b c", PATH = "/bin" }', '{ "a-b" = "" }', '{ A = "ü=é" }'], 0.4)
        text += optional(random, "working_directory", ['"/"', '"/tmp"', '"/tmp/"', '"/none"', '"tmp"', '"/../tmp"'], 0.4)
        text += rights(random)
    return text


def rights(random):
    """Of PID 1."""
    text = optional(random, "user", ['"root"', '"0"', '"0:0"', '"00"', '"nobody-at-all"', '"4294967295"', '""'], 0.2)
    text += optional(random, "umask", ['"0027"', '"027"', '"27"', '"0"', '"0999"', '"01777"', '""'], 0.2)
    text += optional(random, "nice", ["0", "5", "-5", "-20", "19", "20"], 0.2)
    text += optional(random, "oom_score_adj", ["0", "500", "-1000", "1000", "1001"], 0.2)
    text += optional(random, "no_new_privileges", BOOLEANS, 0.2)
    text += optional(random, "limits", ["{}", '{ nofile = "256:512", core = "0" }', '{ nofile = "64" }', '{ core = "unlimited" }',
                                       '{ core = "0:unlimited" }', '{ core = "1:0" }', '{ NOFILE = "64" }', '{ files = "64" }'], 0.3)
    text += optional(random, "capabilities", ["[]", '["CAP_NET_BIND_SERVICE"]', '["cap_net_raw"]', '["NET_ADMIN"]', '["CAP_NONE"]',
                                             '["CAP_CHOWN", "CAP_CHOWN"]'], 0.3)
    return text + optional(random, "stop_signal", ['"TERM"', '"SIGTERM"', '"sigint"', '"SIGRTMIN+3"', '"37"', '"RTMIN"', '"KILL"', '""'], 0.2)


def service(random):
    """Where systemd does not run that is told (tests/system/tests/service.sh has the rest)."""
    if random.random() < 0.9:
        return ""
    text = "[partition.t.service.web]\n" + optional(random, "unit", ['"nginx.service"', '"nginx"', '"a@b.service"'], 0.4)
    text += optional(random, "command", ['["/bin/sleep", "1000"]', '["sleep"]', "[]"], 0.6)
    text += optional(random, "environment", ["{}", '{ A = "b" }']) + optional(random, "user", ['"root"', '"nobody-at-all"'])
    return text + optional(random, "restart", ['"no"', '"on-failure"', '"always"'])


def template(random):
    """Two partitions of one template."""
    if random.random() < 0.7:
        return ""
    text = "[template.u]\n" + optional(random, "description", ['"{name}"', '"{index}{index}"', '"{other}"', '"{{name}}"', '"}"'], 0.6)
    text += optional(random, "hostname", ['"{name}"', '"h{index}"'], 0.4)
    text += optional(random, "reach", ["[]", '["host"]', '["t"]'], 0.3)
    address = random.choice(["10.80.{index}.2/24", "fd00:80:{index}::2/64", "10.80.{index}.{index}/24"])
    text += f'[template.u.link.eth0]\naddress = ["{address}"]\n' + optional(random, "mtu", MTUS, 0.3)
    for name in ("u1", "u2"):
        text += f'[partition.{name}]\nextends = {random.choice(["u", "u", "u", "none"])!r}\n'
        text += optional(random, "index", ["1", "2", "200", "0", "256", "-1"], 0.4) + optional(random, "reach", ['["outside"]'], 0.2)
    return text


def partition(random):
    kinds = ["net", "mnt", "pid", "uts", "ipc", "cgroup"]
    spaces = '["' + '", "'.join(["net"] + random.sample(kinds[1:], random.randint(0, 3))) + '"]'
    text = "[partition.s]\n" + optional(random, "description", ['""', '"what it is"', '"ünïcode"'], 0.3)
    text += optional(random, "enabled", BOOLEANS, 0.1)
    text += optional(random, "namespaces", [spaces, '["net", "net"]', '["net"]', "[]"], 0.4)
    text += optional(random, "hostname", ['"web"', '"WEB.Example.ORG"', '"' + "h" * 64 + '"', '"0"'], 0.2)
    text += optional(random, "domainname", ['"example.org"', '"A"'], 0.1)
    text += optional(random, "reach", ["[]", '["host"]', '["outside"]', '["any"]', '["t"]', '["s"]', '["host", "outside", "t"]', '["host", "host"]',
                                      '["10.0.0.0/8", "192.0.2.7", "FD00::/8"]', '[{ to = "outside", match = "tcp/443" }]',
                                      '[{ to = "host", match = ["udp/53", "tcp/53", "tcp/1-65535"] }, { to = "t" }]',
                                      '[{ to = "any", match = ["icmp", "icmpv6", "sctp", "sctp/7", "udp/5000-5010"] }]'])
    text += optional(random, "admit", ["[]", '["outside"]', '["any"]', '["t", "host"]', '["10.0.0.0/8", "fd00::1"]',
                                      '[{ from = "t", match = ["tcp/443", "tcp/443"] }, { from = "outside", match = "tcp" }]'])
    text += optional(random, "on_remove", ['"stop"', '"refuse"'], 0.2) + optional(random, "stop_timeout", DURATIONS, 0.3)
    return text


def document(random):
    """A partition s with a few things, a partition t to reach, a slice."""
    parts = [partition(random), network(random), routes(random), rules(random), nat(random), dns(random), isolation(random),
             machine(random)]
    if random.random() < 0.5:
        parts.append("[partition.s.cgroup]\n" + optional(random, "parent", ['"l"'], 0.3) + limits(random))
    if random.random() < 0.5:
        keys = random.sample(list(SYSCTLS), random.randint(1, 3))
        parts.append("[partition.s.sysctl]\n" + "".join(f"{key} = {random.choice(SYSCTLS[key])}\n" for key in keys))
    parts.append('[partition.t.link.eth0]\naddress = ["10.63.0.2/24"]\npeer = { name = "t0", address = ["10.63.0.1/24"] }\n')
    parts += [service(random), template(random)]
    parts.append("[slice.l]\n" + (limits(random) if random.random() < 0.4 else ""))
    return "".join(itertools.chain(parts))
