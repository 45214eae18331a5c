// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

/// Partition r with eth0 10.50.0.2/24 fd00:50::2/64, eth1 10.51.0.2/24, and what else is given.
std::string routed(const std::string& more) {
    return R"(
[partition.r.link.eth0]
address = ["10.50.0.2/24", "fd00:50::2/64"]
peer = { name = "r0", address = ["10.50.0.1/24", "fd00:50::1/64"] }
[partition.r.link.eth1]
address = ["10.51.0.2/24"]
peer = { name = "r1", address = ["10.51.0.1/24"] }
)" + more;
}

}  // namespace

TEST_CASE("routes: every type and attribute", "[route]") {
    Sandbox sandbox;
    sandbox.write_config("r.toml", routed(R"(
[[partition.r.route]]
to = "default"
via = "10.50.0.1"
metric = 50
[[partition.r.route]]
to = "10.100.0.0/16"
dev = "eth1"
[[partition.r.route]]
to = "10.101.0.0/16"
via = "10.51.0.1"
dev = "eth1"
src = "10.51.0.2"
mtu = 1400
table = 200
[[partition.r.route]]
to = "10.102.0.0/16"
type = "blackhole"
[[partition.r.route]]
to = "10.103.0.0/16"
type = "unreachable"
[[partition.r.route]]
to = "10.104.0.0/16"
type = "prohibit"
[[partition.r.route]]
to = "10.105.0.0/16"
nexthop = [{ via = "10.50.0.1", weight = 3 }, { via = "10.51.0.1", dev = "eth1" }]
[[partition.r.route]]
to = "10.106.0.1/32"
dev = "eth0"
scope = "link"
[[partition.r.route]]
to = "default"
via = "fd00:50::1"
[[partition.r.route]]
to = "fd00:107::/64"
type = "unreachable"
)"));
    sandbox.apply();
    const int inside = sandbox.netns("r");
    const auto one = [&](const std::string& to, const std::string& table = "main",
                         const std::string& family = "-4") {
        INFO(to);
        const auto found = routes(to, inside, table, family);
        REQUIRE(found.size() == 1);
        CHECK(found.at(0).at("protocol") == "112");
        return found.at(0);
    };
    const auto standard = one("default");
    CHECK(standard.at("gateway") == "10.50.0.1");
    CHECK(standard.at("metric") == 50);
    CHECK(one("10.100.0.0/16").at("dev") == "eth1");
    const auto full = one("10.101.0.0/16", "200");
    CHECK(full.at("gateway") == "10.51.0.1");
    CHECK(full.at("prefsrc") == "10.51.0.2");
    CHECK(full.at("metrics").at(0).at("mtu") == 1400);
    CHECK(one("10.102.0.0/16").at("type") == "blackhole");
    CHECK(one("10.103.0.0/16").at("type") == "unreachable");
    CHECK(one("10.104.0.0/16").at("type") == "prohibit");
    const auto hops = one("10.105.0.0/16").at("nexthops");
    REQUIRE(hops.size() == 2);
    CHECK(hops.at(0).at("gateway") == "10.50.0.1");
    CHECK(hops.at(0).at("weight") == 3);
    CHECK(hops.at(1).at("dev") == "eth1");
    CHECK(hops.at(1).at("weight") == 1);
    CHECK(one("10.106.0.1/32").at("scope") == "link");
    CHECK(one("default", "main", "-6").at("gateway") == "fd00:50::1");
    CHECK(one("fd00:107::/64", "main", "-6").at("type") == "unreachable");
    CHECK(run({"ping", "-c", "1", "-W", "1", "10.104.0.1"}, {.input = {}, .netns = inside}).code != 0);
}

TEST_CASE("routes: an edit changes, a removal removes, others stay", "[route][edit]") {
    Sandbox sandbox;
    const auto with_route = [](const std::string& keys) {
        return routed("[[partition.r.route]]\nto = \"10.100.0.0/16\"\n" + keys);
    };
    sandbox.write_config("r.toml", with_route("via = \"10.50.0.1\"\n"));
    sandbox.apply();
    const int inside = sandbox.netns("r");
    ip({"route", "add", "10.99.0.0/16", "via", "10.50.0.1"}, inside);
    sandbox.write_config("r.toml", with_route("via = \"10.51.0.1\"\n"));
    sandbox.apply();
    REQUIRE(routes("10.100.0.0/16", inside).size() == 1);
    CHECK(routes("10.100.0.0/16", inside).at(0).at("gateway") == "10.51.0.1");
    sandbox.write_config("r.toml", with_route("type = \"blackhole\"\n"));
    sandbox.apply();
    CHECK(routes("10.100.0.0/16", inside).at(0).at("type") == "blackhole");
    sandbox.write_config("r.toml", routed(""));
    sandbox.apply();
    CHECK(routes("10.100.0.0/16", inside).empty());
    CHECK(routes("10.99.0.0/16", inside).size() == 1);
}

TEST_CASE("routes: two to one destination, by metric", "[route]") {
    Sandbox sandbox;
    sandbox.write_config("r.toml", routed(R"(
[[partition.r.route]]
to = "default"
via = "10.50.0.1"
metric = 100
[[partition.r.route]]
to = "default"
via = "10.51.0.1"
metric = 200
)"));
    sandbox.apply();
    const int inside = sandbox.netns("r");
    CHECK(routes("default", inside).size() == 2);
    ip({"route", "del", "default", "metric", "100"}, inside);
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(routes("default", inside).size() == 2);
}

TEST_CASE("rules: every selector", "[rule]") {
    Sandbox sandbox;
    sandbox.write_config("r.toml", routed(R"(
[[partition.r.rule]]
from = "10.50.0.0/24"
table = 200
priority = 1000
[[partition.r.rule]]
to = "10.51.0.0/24"
iif = "eth0"
table = 201
priority = 1001
[[partition.r.rule]]
oif = "eth1"
fwmark = 7
table = 202
priority = 1002
[[partition.r.rule]]
from = "fd00:50::/64"
table = 203
priority = 1003
[[partition.r.route]]
to = "default"
via = "10.51.0.1"
table = 200
)"));
    sandbox.apply();
    const int inside = sandbox.netns("r");
    const auto one = [&](int priority, const std::string& family = "-4") {
        INFO(priority);
        const auto found = rules(priority, inside, family);
        REQUIRE(found.size() == 1);
        CHECK(found.at(0).at("protocol") == "112");
        return found.at(0);
    };
    CHECK(one(1000).at("src") == "10.50.0.0");
    CHECK(one(1000).at("srclen") == 24);
    CHECK(one(1000).at("table") == "200");
    CHECK(one(1001).at("dst") == "10.51.0.0");
    CHECK(one(1001).at("iif") == "eth0");
    CHECK(one(1002).at("oif") == "eth1");
    CHECK(one(1002).at("fwmark") == "0x7");
    CHECK(one(1003, "-6").at("src") == "fd00:50::");
    CHECK(rules(1003, inside).empty());
    const auto chosen =
        output({"ip", "route", "get", "192.0.2.1", "from", "10.50.0.2"}, {.input = {}, .netns = inside});
    CHECK(chosen.find("via 10.51.0.1") != std::string::npos);

    sandbox.write_config("r.toml", routed(""));
    sandbox.apply();
    CHECK(rules(1000, inside).empty());
    CHECK(rules(1003, inside, "-6").empty());
}

TEST_CASE("sysctls: set in the partition only, put back when they are no longer declared", "[sysctl]") {
    Sandbox sandbox;
    const auto host_before = sysctl("net.ipv4.ip_default_ttl");
    sandbox.write_config("r.toml", routed(""));
    sandbox.apply();
    const int inside = sandbox.netns("r");
    const auto before = sysctl("net.ipv4.ip_default_ttl", inside);
    sandbox.write_config(
        "r.toml", routed("[partition.r.sysctl]\nnet.ipv4.ip_default_ttl = 55\nnet.ipv4.conf.eth0.rp_filter = "
                         "2\nnet.ipv4.ip_local_port_range = \"20000 30000\"\n"));
    sandbox.apply();
    CHECK(sysctl("net.ipv4.ip_default_ttl", inside) == "55");
    CHECK(sysctl("net.ipv4.conf.eth0.rp_filter", inside) == "2");
    CHECK(sysctl("net.ipv4.ip_local_port_range", inside) == "20000\t30000");
    CHECK(sysctl("net.ipv4.ip_default_ttl") == host_before);
    sandbox.write_config("r.toml", routed(""));
    sandbox.apply();
    CHECK(sysctl("net.ipv4.ip_default_ttl", inside) == before);
}

TEST_CASE("DNS: what the partition's programs see", "[dns]") {
    Sandbox sandbox;
    const auto host_file = read_file("/etc/resolv.conf");
    const auto before = snapshot(sandbox);
    sandbox.write_config("d.toml", R"(
[partition.d.dns]
nameserver = ["9.9.9.9", "2620:fe::fe"]
search = ["lab.example", "example"]
options = ["ndots:2"]
hosts = { db = ["10.0.0.5", "fd00::5"], cache = ["10.0.0.6"] }
)");
    sandbox.apply();
    const auto by_exec = sandbox.partctl({"exec", "d", "--", "cat", "/etc/resolv.conf"});
    const auto by_ip = run({"ip", "netns", "exec", "d", "cat", "/etc/resolv.conf"});
    INFO(by_exec.text() << by_ip.text());
    CHECK(by_exec.out == by_ip.out);
    for (const char* line : {"nameserver 9.9.9.9\n", "nameserver 2620:fe::fe\n",
                             "search lab.example example\n", "options ndots:2\n"}) {
        CHECK(by_exec.out.find(line) != std::string::npos);
    }
    const auto hosts = sandbox.partctl({"exec", "d", "--", "getent", "hosts", "db", "cache"});
    INFO(hosts.text());
    CHECK(hosts.out.find("fd00::5") != std::string::npos);
    CHECK(hosts.out.find("10.0.0.6") != std::string::npos);
    const auto localhost = sandbox.partctl({"exec", "d", "--", "getent", "hosts", "localhost"});
    INFO(localhost.text());
    CHECK(localhost.code == 0);
    CHECK(read_file("/etc/resolv.conf") == host_file);

    sandbox.remove_config("d.toml");
    sandbox.apply();
    CHECK_FALSE(std::filesystem::exists("/etc/netns/d"));
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("DNS: a file by somebody else is a conflict", "[dns][conflict]") {
    Sandbox sandbox;
    std::filesystem::create_directories("/etc/netns/d");
    write_file("/etc/netns/d/resolv.conf", "nameserver 192.0.2.53\n");
    sandbox.write_config("d.toml", "[partition.d.dns]\nnameserver = [\"9.9.9.9\"]\n");
    const auto plan = sandbox.partctl_json({"apply"});
    INFO(plan_text(plan));
    CHECK(lists(plan, "conflicts", "file"));
    CHECK(read_file("/etc/netns/d/resolv.conf") == "nameserver 192.0.2.53\n");
    sandbox.remove_config("d.toml");
    sandbox.apply();
    CHECK(read_file("/etc/netns/d/resolv.conf") == "nameserver 192.0.2.53\n");
}
