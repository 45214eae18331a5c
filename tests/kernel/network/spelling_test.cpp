// SPDX-License-Identifier: Apache-2.0
// A file may write a value in another form than the kernel shows. After an apply the second plan is empty, a
// value that is gone is put back, and nothing is left of one that is no longer declared. The judge is
// iproute2.

#include "host_view.h"
#include "machine.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

/// Partition s with eth0 10.60.0.2/24 fd00:60::2/64 and eth1 10.61.0.2/24 fd00:61::2/64, and what else is
/// given.
std::string spelled(const std::string& more) {
    return R"(
[partition.s.link.eth0]
address = ["10.60.0.2/24", "fd00:60::2/64"]
peer = { name = "s0", address = ["10.60.0.1/24", "fd00:60::1/64"] }
[partition.s.link.eth1]
address = ["10.61.0.2/24", "fd00:61::2/64"]
peer = { name = "s1", address = ["10.61.0.1/24", "fd00:61::1/64"] }
)" + more;
}

std::string sorted(const std::string& text) {
    Strings lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    std::ranges::sort(lines);
    std::string all;
    for (const auto& line : lines) {
        all += line + "\n";
    }
    return all;
}

/// Output of `ip` for both families, sorted.
std::string listed(int netns, const Arguments& what) {
    std::string text;
    for (const char* family : {"-4", "-6"}) {
        Arguments command = {"ip", family};
        command.insert(command.end(), what.begin(), what.end());
        text += family + ("\n" + sorted(output(command, {.input = {}, .netns = netns})));
    }
    return text;
}

/// Each of the spellings, declared together: stands after one apply, comes back, and goes without a trace.
void walk(Sandbox& sandbox, const std::string& more, const Arguments& judge, const Arguments& destroy) {
    sandbox.write_config("s.toml", spelled(""));
    sandbox.apply();
    const int inside = sandbox.netns("s");
    const auto before = listed(inside, judge);
    sandbox.write_config("s.toml", spelled(more));
    sandbox.apply();
    const auto standing = listed(inside, judge);
    CHECK(standing != before);
    for (const char* family : {"-4", "-6"}) {
        Arguments command = {"ip", family};
        command.insert(command.end(), destroy.begin(), destroy.end());
        run(command, {.input = {}, .netns = inside});
    }
    CHECK(listed(inside, judge) != standing);
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(listed(inside, judge) == standing);
    sandbox.write_config("s.toml", spelled(""));
    sandbox.apply();
    CHECK(listed(inside, judge) == before);
}

std::string tables(const std::string& kind, const Strings& bodies) {
    std::string text;
    for (const auto& body : bodies) {
        text += "[[partition.s." + kind + "]]\n" + body + "\n";
    }
    return text;
}

}  // namespace

TEST_CASE("spelling: rules, of every prefix, mark and table", "[spelling][rule]") {
    Sandbox sandbox;
    walk(sandbox,
         tables("rule",
                {"from = \"0.0.0.0/0\"\ntable = 100", "to = \"::/0\"\ntable = 100",
                 "from = \"::/0\"\nto = \"FD00:0AB::/32\"\ntable = 101",
                 "from = \"0.0.0.0/0\"\nto = \"10.0.0.0/8\"\ntable = \"main\"",
                 "from = \"0.0.0.0/0\"\niif = \"eth0\"\nfwmark = 1\ntable = 253",
                 "from = \"10.60.0.2/32\"\ntable = \"default\"", "to = \"fd00::1/128\"\ntable = 255",
                 "from = \"224.0.0.0/4\"\ntable = \"local\"", "iif = \"lo\"\ntable = 4294967295",
                 "oif = \"not-there\"\ntable = 256\npriority = 1", "fwmark = 4294967295\npriority = 32765",
                 "fwmark = 0x80000000\ntable = 1", "to = \"::ffff:0:0/96\"\ntable = 7\npriority = 32764"}),
         {"rule"}, {"rule", "flush", "protocol", "112"});
}

TEST_CASE("spelling: a rule for everything of a family takes no other's place, and goes alone",
          "[spelling][rule]") {
    Sandbox sandbox;
    const Strings special = {"from = \"10.60.0.0/24\"\ntable = 100\npriority = 1000",
                             "fwmark = 7\ntable = 100\npriority = 1000",
                             "from = \"10.60.0.0/24\"\niif = \"eth0\"\ntable = 100\npriority = 1000"};
    sandbox.write_config("s.toml", spelled(tables("rule", special)));
    sandbox.apply();
    const int inside = sandbox.netns("s");
    const auto before = listed(inside, {"rule"});
    Strings all = special;
    all.emplace_back("from = \"0.0.0.0/0\"\ntable = 100\npriority = 1000");
    sandbox.write_config("s.toml", spelled(tables("rule", all)));
    sandbox.apply();
    CHECK(listed(inside, {"rule"}) != before);
    sandbox.write_config("s.toml", spelled(tables("rule", special)));
    sandbox.apply();
    CHECK(listed(inside, {"rule"}) == before);
    // of two that go, neither takes the third along
    sandbox.write_config("s.toml", spelled(tables("rule", all)));
    sandbox.apply();
    sandbox.write_config("s.toml", spelled(tables("rule", {special[2]})));
    sandbox.apply();
    CHECK(rules(1000, inside).size() == 1);
    CHECK(rules(1000, inside).at(0).at("iif") == "eth0");
    CHECK(rules(1000, inside, "-6").empty());
}

TEST_CASE("spelling: a rule that only looks like the declared one is another one", "[spelling][rule]") {
    Sandbox sandbox;
    sandbox.write_config("s.toml", spelled(""));
    sandbox.apply();
    const int inside = sandbox.netns("s");
    for (const Arguments& more :
         {Arguments{"not", "from", "10.60.0.0/24", "table", "100"},
          Arguments{"from", "10.60.0.0/24", "ipproto", "tcp", "table", "100"},
          Arguments{"from", "10.60.0.0/24", "table", "100", "suppress_prefixlength", "0"},
          Arguments{"from", "10.60.0.0/24", "prohibit"}}) {
        Arguments add = {"rule", "add"};
        add.insert(add.end(), more.begin(), more.end());
        add.insert(add.end(), {"priority", "1000"});
        ip(add, inside);
    }
    const auto others = listed(inside, {"rule"});
    sandbox.write_config("s.toml",
                         spelled(tables("rule", {"from = \"10.60.0.0/24\"\ntable = 100\npriority = 1000"})));
    sandbox.apply();
    CHECK(rules(1000, inside).size() == 5);
    sandbox.write_config("s.toml", spelled(""));
    sandbox.apply();
    CHECK(listed(inside, {"rule"}) == others);
}

TEST_CASE("spelling: routes, of every prefix, metric, table, scope and size", "[spelling][route]") {
    Sandbox sandbox;
    walk(
        sandbox,
        tables(
            "route",
            {"to = \"0.0.0.0/0\"\nvia = \"10.60.0.1\"\nmetric = 0",
             "to = \"default\"\ndev = \"eth1\"\nmetric = 4294967295",
             "to = \"default\"\nvia = \"FD00:60:0::0001\"\nmetric = 0",
             "to = \"::/0\"\nvia = \"fd00:61::1\"\nmetric = 4294967295",
             "to = \"::/0\"\ntype = \"unreachable\"\nmetric = 1\ntable = \"default\"",
             "to = \"10.1.0.0/16\"\nvia = \"10.60.0.1\"\nscope = \"site\"\nmtu = 68",
             "to = \"10.2.0.0/16\"\ndev = \"eth0\"\nscope = \"global\"\nmtu = 65520",
             "to = \"10.3.0.0/16\"\ndev = \"eth0\"\nscope = \"host\"\ntable = 255",
             "to = \"10.4.0.0/16\"\ntype = \"blackhole\"\nscope = \"link\"\nmtu = 1400\ntable = 254",
             "to = \"10.5.0.0/16\"\ntype = \"prohibit\"\nsrc = \"10.61.0.2\"\ntable = 4294967295",
             "to = \"10.6.6.6/32\"\nnexthop = [{ via = \"10.60.0.1\", weight = 256 }]",
             "to = \"10.7.0.0/16\"\nnexthop = [{ via = \"10.60.0.1\" }, { via = \"10.60.0.1\" }]",
             "to = \"10.8.0.0/16\"\nnexthop = [{ via = \"10.61.0.1\", weight = 2 }, { dev = \"eth0\" }]",
             "to = \"FD01::/32\"\ntype = \"blackhole\"\nmtu = 1280\ntable = \"main\"\nmetric = 1024",
             "to = \"fd02::1/128\"\ndev = \"eth0\"\nsrc = \"FD00:61::2\"\nmtu = 65520\ntable = \"local\"",
             "to = \"::ffff:10.0.0.0/104\"\nvia = \"fd00:60::1\"\ntable = 256",
             "to = \"fd03::/64\"\nvia = \"fe80::1\"\ndev = \"eth0\"",
             "to = \"fd04::/64\"\nnexthop = [{ via = \"fd00:60::1\", weight = 9 }, { via = \"fd00:61::1\" }]",
             "to = \"fd05::/64\"\nnexthop = [{ via = \"fd00:60::1\", weight = 9 }]",
             "to = \"224.1.0.0/16\"\ndev = \"eth0\"",
             "to = \"127.8.0.0/16\"\ntype = \"prohibit\""}),
        {"route", "show", "table", "all", "proto", "112"},
        {"route", "flush", "table", "all", "proto", "112"});
}

TEST_CASE("spelling: what a route does not say any more is taken off it", "[spelling][route]") {
    Sandbox sandbox;
    const auto with = [&](const std::string& four, const std::string& six) {
        sandbox.write_config("s.toml",
                             spelled(tables("route", {"to = \"10.1.0.0/16\"\nvia = \"10.60.0.1\"" + four,
                                                      "to = \"fd01::/64\"\nvia = \"fd00:60::1\"" + six})));
        sandbox.apply();
        return listed(sandbox.netns("s"), {"route", "show", "proto", "112"});
    };
    const auto bare = with("", "");
    CHECK(with("\nsrc = \"10.61.0.2\"\nmtu = 1400\nscope = \"site\"", "\nsrc = \"fd00:61::2\"\nmtu = 1400") !=
          bare);
    CHECK(with("", "") == bare);
    ip({"route", "change", "10.1.0.0/16", "via", "10.60.0.1", "mtu", "1300", "proto", "112"},
       sandbox.netns("s"));
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(listed(sandbox.netns("s"), {"route", "show", "proto", "112"}) == bare);
}

TEST_CASE("spelling: routes that the kernel would change or refuse are told by their lines",
          "[spelling][route]") {
    Sandbox sandbox;
    for (const std::string body :
         {"to = \"10.1.0.0/16\"\nvia = \"10.60.0.1\"\nmtu = 65521",
          "to = \"fd01::/64\"\nnexthop = [{ via = \"fd00:60::1\" }, { via = \"fd00:60::1\", dev = \"eth0\" "
          "}]",
          "to = \"fd02::/64\"\nnexthop = [{ via = \"fd00:60::1\" }, { dev = \"eth0\" }]"}) {
        sandbox.write_config("s.toml", spelled(tables("route", {body})));
        const auto checked = sandbox.partctl({"check"});
        INFO(checked.text());
        CHECK(checked.code == 3);
        CHECK((checked.err.find("s.toml:10:") != std::string::npos ||
               checked.err.find("s.toml:11:") != std::string::npos));
    }
}

TEST_CASE("spelling: addresses, of every length and form", "[spelling][address]") {
    Sandbox sandbox;
    walk(sandbox, R"(
[partition.s.link.lo]
address = ["127.0.0.2/8", "10.9.9.9/32", "FD00:00AB:0::0001/128", "::FFFF:10.1.2.3/128"]
[partition.s.link.eth2]
address = ["10.62.0.0/24", "10.63.0.255/23", "10.64.0.1/31", "10.65.0.1/32", "240.0.0.1/30", "169.254.7.7/16",
           "FE80::00AB/64", "fd00:62:0:0::/64", "fd00:63::1:0:0/127", "2001:DB8::10.0.0.1/120", "0.1.2.3/8"]
peer = { name = "s2", address = ["10.62.0.1/24", "FE80::2/10"] }
)",
         {"-o", "addr", "show", "scope", "global"}, {"addr", "flush", "dev", "eth2"});
}

TEST_CASE("spelling: attributes of links", "[spelling][link]") {
    Sandbox sandbox;
    const std::string long_alias(128, 'a');
    sandbox.write_config("s.toml", R"(
[partition.s.link.eth0]
mac = "0A:bC:00:00:00:FF"
mtu = 68
alias = ""
peer = { name = "s0", mac = "fe:FF:ff:ff:ff:01", mtu = 65535 }
[partition.s.link.eth1]
mtu = 65535
alias = "  a  b "
peer = { name = "s1", mtu = 68 }
[partition.s.link.eth2]
up = false
alias = "ü partd:s/eth0 \"x\""
peer = { name = "s2" }
[partition.s.link.eth3]
alias = ")" + long_alias + R"("
peer = { name = "s3" }
)");
    sandbox.apply();
    const int inside = sandbox.netns("s");
    CHECK(link("eth0", inside).at("address") == "0a:bc:00:00:00:ff");
    CHECK(link("eth1", inside).at("mtu") == 65535);
    ip({"link", "set", "eth0", "address", "0a:bc:00:00:00:01"}, inside);
    ip({"link", "set", "eth1", "mtu", "1500"}, inside);
    ip({"link", "set", "eth3", "alias", "x"}, inside);
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(link("eth0", inside).at("address") == "0a:bc:00:00:00:ff");
    CHECK(link("eth1", inside).at("mtu") == 65535);
    sandbox.close_netns();
    sandbox.remove_config("s.toml");
    sandbox.apply();
    CHECK(links().empty());
}

TEST_CASE("spelling: translations and forwards", "[spelling][nat]") {
    Sandbox sandbox;
    sandbox.outside();
    forward_everything();
    sandbox.write_config("s.toml", spelled(""));
    sandbox.apply();
    const auto before = sorted(partd_table());
    const std::vector<std::string> spellings = {
        "masquerade = true",
        "masquerade = [{ source = \"0.0.0.0/0\", out = \"uplink\" }, { source = \"FD00:60::/64\" }]",
        "masquerade = [{ source = \"10.60.0.2/32\" }, { source = \"10.60.0.0/24\" }, { source = \"::/0\" }]",
        "snat = [{ source = \"10.60.0.2/32\", to = \"203.0.113.9\", out = \"not-there\" },\n"
        "{ source = \"FD00:60::2/128\", to = \"2001:DB8::0009\" }]",
        "[[partition.s.nat.forward]]\nlisten = \"tcp/8080-8080\"\nto = \"[FD00:60::0002]:80\"\n"
        "address = [\"2001:DB8:FF::1\"]\nfrom = [\"::/0\"]",
        "[[partition.s.nat.forward]]\nlisten = \"udp/1-3\"\nto = \"10.60.0.2\"\nfrom = [\"0.0.0.0/0\"]",
        "[[partition.s.nat.forward]]\nlisten = \"tcp/65535\"\nto = \"10.60.0.2:1\"\n"
        "from = [\"10.0.0.0/8\", \"10.1.0.0/16\", \"10.1.2.3/32\"]\naddress = [\"203.0.113.1\", "
        "\"127.0.0.1\"]",
    };
    for (const auto& body : spellings) {
        INFO(body);
        sandbox.write_config("s.toml", spelled("[partition.s.nat]\n" + body + "\n"));
        sandbox.apply();
        const auto standing = sorted(partd_table());
        CHECK(standing != before);
        output({"nft", "flush", "ruleset"});
        CHECK(sandbox.diff() == 1);
        sandbox.apply();
        CHECK(sorted(partd_table()) == standing);
        sandbox.write_config("s.toml", spelled(""));
        sandbox.apply();
        CHECK(sorted(partd_table()) == before);
    }
}

TEST_CASE("spelling: names, maps, clocks and mounts of a machine", "[spelling][machine]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    sandbox.write_config("s.toml", R"(
[partition.s]
namespaces = ["net", "mnt", "pid", "uts", "user", "time"]
hostname = "A.b-9"
domainname = "EXAMPLE.org"
[partition.s.user]
uid_map = [{ inside = 7, outside = 300007 }, { inside = 0, outside = 300000, count = 7 },
           { inside = 1000, outside = 200000, count = 1 }, { inside = 8, outside = 300008, count = 2 },
           { inside = 10, outside = 300010 }, { inside = 11, outside = 300011 }, { inside = 4294967294, outside = 5 }]
gid_map = [{ inside = 0, outside = 300000, count = 0x10 }]
[partition.s.time]
boottime = "1.5h"
monotonic = "0.0015s"
[partition.s.dns]
nameserver = ["2620:FE::00FE", "9.9.9.9", "9.9.9.9"]
search = ["A.example", "A.example"]
options = ["ndots:2", "edns0"]
hosts = { "x.Y" = ["FD00::0005", "10.0.0.5", "10.0.0.5"], empty = [] }
)");
    sandbox.apply();
    CHECK(sandbox.partctl({"exec", "s", "--", "hostname"}).out == "A.b-9\n");
    write_file("/etc/netns/s/resolv.conf", "nameserver 1.1.1.1\n");
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    sandbox.remove_config("s.toml");
    sandbox.apply();
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("spelling: values of control groups", "[spelling][cgroup]") {
    Sandbox sandbox;
    struct Spelling {
        const char* controller;
        const char* line;
    };
    constexpr std::array kSpellings = {
        Spelling{"cpu", "cpu.max = \"1%\""},
        Spelling{"cpu", "cpu.max = \"max\""},
        Spelling{"cpu", "cpu.max = \"max 50000\""},
        Spelling{"cpu", "cpu.max = \"1000  1000\""},
        Spelling{"cpu", "cpu.max = \"33%\""},
        Spelling{"cpu", "cpu.weight = 1"},
        Spelling{"cpu", "cpu.weight = 10000"},
        Spelling{"cpu", "cpu.weight = 101"},
        Spelling{"cpu", "cpu.idle = true"},
        Spelling{"cpuset", "cpuset.cpus = \"0,1\"\ncpuset.mems = \"0\""},
        Spelling{"cpuset", "cpuset.cpus = \"1,0-1,0\"\ncpuset.mems = \"00\""},
        Spelling{"memory", "memory.max = 10000001"},
        Spelling{"memory", "memory.max = \"1.3M\""},
        Spelling{"memory", "memory.max = \"max\""},
        Spelling{"memory", "memory.max = 9223372036854775807"},
        Spelling{"memory", "memory.max = \"8388607T\""},
        Spelling{"pids", "pids.max = 0"},
        Spelling{"pids", "pids.max = 4194304"},
        Spelling{"pids", "pids.max = \"max\""},
        Spelling{"hugetlb", "hugetlb.2MB.max = \"3M\""},
        Spelling{"hugetlb", "hugetlb.2MB.max = 1"},
        Spelling{"", "freeze = true"},
        Spelling{"", "freeze = false"},
    };
    int tried = 0;
    std::string text;
    for (const auto& [controller, line] : kSpellings) {
        if (sandbox.cgroups().of(controller) != nullptr) {
            text += "[slice.k" + std::to_string(++tried) + "]\n" + line + "\n";
        }
    }
    sandbox.write_config("s.toml", text);
    sandbox.apply();
    const auto each = [&](const std::string& key, const auto& visit) {
        int number = 0;
        for (const auto& [controller, line] : kSpellings) {
            if (sandbox.cgroups().of(controller) != nullptr) {
                ++number;
                if (std::string(line).starts_with(key)) {
                    INFO(line);
                    visit(group_of("k" + std::to_string(number)));
                }
            }
        }
    };
    each("pids.max", [&](const auto& group) { sandbox.cgroups().set_limit(group, "pids.max", 33); });
    each("memory.max",
         [&](const auto& group) { sandbox.cgroups().set_limit(group, "memory.max", 77 << 20); });
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    std::string bare;
    for (int number = 1; number <= tried; ++number) {
        bare += "[slice.k" + std::to_string(number) + "]\n";
    }
    sandbox.write_config("s.toml", bare);
    sandbox.apply();
    constexpr auto kUnlimited = std::int64_t{1} << 62;  // so v1 says it
    each("cpu.max", [&](const auto& group) { CHECK_FALSE(sandbox.cgroups().processor_percent(group)); });
    each("pids.max", [&](const auto& group) { CHECK_FALSE(sandbox.cgroups().limit(group, "pids.max")); });
    each("memory.max", [&](const auto& group) {
        CHECK(sandbox.cgroups().limit(group, "memory.max").value_or(kUnlimited) >= kUnlimited);
    });
}
