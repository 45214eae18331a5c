// SPDX-License-Identifier: Apache-2.0
// One of everything that a file may declare, replaced by hand by its equal and by another one. Inside a
// partition it is drift, and put back. On the host it is somebody's: told with its holder and left alone, and
// put back when that is gone.

#include "host_view.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

constexpr const char* kAll = R"([partition.all.link.eth0]
address = ["10.5.0.2/24", "fd00:5::2/64"]
mtu = 1400
mac = "02:00:00:00:05:02"
alias = "front"
peer = { name = "h0", address = ["10.5.0.1/24", "fd00:5::1/64"], mac = "02:00:00:00:05:01" }
[partition.all.link.eth1]
address = ["10.6.0.2/24"]
mac = "02:00:00:00:06:02"
peer = { partition = "next", name = "back", address = ["10.6.0.1/24"], mac = "02:00:00:00:06:01" }
[partition.all.link.lo]
address = ["10.9.9.9/32", "127.0.0.53/8"]
[[partition.all.route]]
to = "default"
via = "10.5.0.1"
[[partition.all.route]]
to = "default"
via = "fd00:5::1"
[[partition.all.route]]
to = "10.10.0.0/16"
via = "10.6.0.1"
src = "10.6.0.2"
mtu = 1300
metric = 7
table = 100
[[partition.all.route]]
to = "10.11.0.0/16"
nexthop = [{ via = "10.5.0.1", weight = 2 }, { via = "10.6.0.1" }]
[[partition.all.route]]
to = "10.12.0.0/16"
type = "blackhole"
[[partition.all.route]]
to = "10.13.0.0/16"
type = "unreachable"
[[partition.all.route]]
to = "fd00:14::/64"
type = "prohibit"
[[partition.all.rule]]
from = "10.6.0.0/24"
table = 100
priority = 1000
[[partition.all.rule]]
fwmark = 7
table = 101
priority = 1001
[partition.all.sysctl]
net.ipv4.ip_default_ttl = 99
[partition.all.nat]
masquerade = true
[[partition.all.nat.forward]]
listen = "tcp/8080"
to = "10.5.0.2:80"
[partition.all.dns]
nameserver = ["9.9.9.9"]
hosts = { db = ["10.0.0.5"] }
[partition.all.cgroup]
pids.max = 50
[partition.next]
)";

/// Lines without what the kernel numbers anew.
std::string listed(const Arguments& command, int netns = kHere) {
    Strings lines;
    std::istringstream stream(output(command, {.input = {}, .netns = netns}));
    for (std::string line; std::getline(stream, line);) {
        // the kernel makes it a moment after the address
        if (!line.starts_with("local fe80:")) {
            lines.push_back(line);
        }
    }
    std::ranges::sort(lines);
    std::string all = command.back() + ":\n";
    for (const auto& line : lines) {
        all += line + "\n";
    }
    return all;
}

std::string end_of(const std::string& name, int netns) {
    const auto found = link(name, netns);
    if (!found.is_object()) {
        return name + " is not there\n";
    }
    std::string all = name + " " + found.at("linkinfo").at("info_kind").get<std::string>() + " " +
                      found.at("mtu").dump() + found.at("address").dump() + found.value("ifalias", "") +
                      (is_up(name, netns) ? " up" : " down");
    for (const auto& [address, protocol] : address_protocols(name, netns)) {
        all += " " + address + " " + std::to_string(protocol);
    }
    return all + "\n";
}

class Host {
public:
    Host() {
        sandbox.outside();
        sandbox.write_config("all.toml", kAll);
        sandbox.apply();
        inside = sandbox.netns("all");
        next = sandbox.netns("next");
        standing = everything();
    }
    [[nodiscard]] std::string everything() const {
        std::string all = end_of("eth0", inside) + end_of("eth1", inside) + end_of("back", next) +
                          end_of("h0", kHere) + partd_table();
        for (const int netns : {inside, next}) {
            for (const char* family : {"-4", "-6"}) {
                all += listed({"ip", family, "route", "show", "table", "all"}, netns) +
                       listed({"ip", family, "rule", "show"}, netns);
            }
        }
        return all + listed({"ip", "route", "show", "dev", "h0"}) +
               sysctl("net.ipv4.ip_default_ttl", inside) + read_file("/etc/netns/all/resolv.conf") +
               read_file("/etc/netns/all/hosts");
    }

    Sandbox sandbox;
    int inside = -1;
    int next = -1;
    std::string standing;
};

struct Replacement {
    std::string what;
    std::vector<Arguments> commands;  ///< of ip, in the namespace
    bool drift = true;                ///< nothing differs: it is as declared
};

const std::vector<Replacement>& inside_by_hand() {
    static const std::vector<Replacement> kDone = {
        {"mtu, equal", {{"link", "set", "eth0", "mtu", "1400"}}, false},
        {"mtu, another", {{"link", "set", "eth0", "mtu", "1300"}}},
        {"mac, another", {{"link", "set", "eth0", "address", "02:00:00:00:05:99"}}},
        {"alias, another", {{"link", "set", "eth0", "alias", "theirs"}}},
        {"down", {{"link", "set", "eth1", "down"}}},
        {"down and up", {{"link", "set", "eth0", "down"}, {"link", "set", "eth0", "up"}}},
        {"name, another", {{"link", "set", "eth1", "down"}, {"link", "set", "eth1", "name", "x"}}},
        {"link, by a bridge", {{"link", "del", "eth0"}, {"link", "add", "eth0", "type", "bridge"}}},
        {"link, by a veth",
         {{"link", "del", "eth1"}, {"link", "add", "eth1", "type", "veth", "peer", "name", "y"}}},
        {"link renamed, and another one in its place",
         {{"link", "set", "eth1", "down"},
          {"link", "set", "eth1", "name", "x"},
          {"link", "add", "eth1", "type", "bridge"}}},
        {"address, by its equal",
         {{"addr", "del", "10.5.0.2/24", "dev", "eth0"}, {"addr", "add", "10.5.0.2/24", "dev", "eth0"}}},
        {"address of IPv6, by its equal",
         {{"addr", "del", "fd00:5::2/64", "dev", "eth0"},
          {"addr", "add", "fd00:5::2/64", "dev", "eth0", "nodad"}}},
        {"address, by another one that goes again",
         {{"addr", "del", "10.5.0.2/24", "dev", "eth0"},
          {"addr", "add", "10.5.0.2/25", "dev", "eth0"},
          {"addr", "del", "10.5.0.2/25", "dev", "eth0"}}},
        {"lo's address, by its equal",
         {{"addr", "del", "10.9.9.9/32", "dev", "lo"}, {"addr", "add", "10.9.9.9/32", "dev", "lo"}}},
        {"route, by its equal",
         {{"route", "del", "default"}, {"route", "add", "default", "via", "10.5.0.1"}}},
        {"route, by another", {{"route", "replace", "default", "via", "10.6.0.1"}}},
        {"route of IPv6, by its equal", {{"-6", "route", "replace", "default", "via", "fd00:5::1"}}},
        {"route of IPv6, by another", {{"-6", "route", "replace", "default", "via", "fd00:5::9"}}},
        {"route with all attributes, by its equal",
         {{"route", "replace", "10.10.0.0/16", "via", "10.6.0.1", "src", "10.6.0.2", "mtu", "1300", "metric",
           "7", "table", "100"}}},
        {"route with all attributes, by another",
         {{"route", "replace", "10.10.0.0/16", "via", "10.6.0.1", "mtu", "1200", "metric", "7", "table",
           "100"}}},
        {"route of several ways, by one", {{"route", "replace", "10.11.0.0/16", "via", "10.5.0.1"}}},
        {"route of several ways, by its equal",
         {{"route", "replace", "10.11.0.0/16", "nexthop", "via", "10.5.0.1", "weight", "2", "nexthop", "via",
           "10.6.0.1"}}},
        {"blackhole, by its equal", {{"route", "replace", "blackhole", "10.12.0.0/16"}}},
        {"blackhole, by another type", {{"route", "replace", "prohibit", "10.12.0.0/16"}}},
        {"unreachable, by a way", {{"route", "replace", "10.13.0.0/16", "via", "10.5.0.1"}}},
        {"prohibit of IPv6, by its equal", {{"-6", "route", "replace", "prohibit", "fd00:14::/64"}}},
        {"prohibit of IPv6, by another type",
         {{"-6", "route", "del", "prohibit", "fd00:14::/64"},
          {"-6", "route", "add", "blackhole", "fd00:14::/64"}}},
        {"rule, by its equal",
         {{"rule", "del", "priority", "1000"},
          {"rule", "add", "from", "10.6.0.0/24", "table", "100", "priority", "1000"}}},
        {"rule, by another, which goes again",
         {{"rule", "del", "priority", "1001"},
          {"rule", "add", "fwmark", "8", "table", "101", "priority", "1001"},
          {"rule", "del", "priority", "1001"}}},
        {"all routes", {{"route", "flush", "table", "main"}, {"-6", "route", "flush", "table", "main"}}},
        {"all addresses of IPv4", {{"-4", "addr", "flush", "dev", "eth0"}, {"addr", "flush", "dev", "lo"}}},
    };
    return kDone;
}

struct Theirs {
    std::string what;
    std::vector<Arguments> commands;
    std::vector<Arguments> undone;
    std::string told;  ///< of a conflict; "" where it is put back
};

const std::vector<Theirs>& on_the_host_by_hand() {
    static const std::vector<Theirs> kDone = {
        {"link, by a bridge",
         {{"link", "del", "h0"}, {"link", "add", "h0", "type", "bridge"}},
         {{"link", "del", "h0"}},
         "host:h0 is an interface (bridge, index "},
        {"link, by a veth",
         {{"link", "del", "h0"}, {"link", "add", "h0", "type", "veth", "peer", "name", "y"}},
         {{"link", "del", "h0"}},
         "host:h0 is an interface (veth, index "},
        {"link renamed, and another one in its place",
         {{"link", "set", "h0", "down"},
          {"link", "set", "h0", "name", "x"},
          {"link", "add", "h0", "type", "bridge"}},
         {{"link", "del", "h0"}},
         "host:h0 is an interface (bridge, index "},
        {"address, by its equal",
         {{"addr", "del", "10.5.0.1/24", "dev", "h0"}, {"addr", "add", "10.5.0.1/24", "dev", "h0"}},
         {{"addr", "del", "10.5.0.1/24", "dev", "h0"}},
         "10.5.0.1/24 was added to host:h0 by somebody else: remove it (ip address del 10.5.0.1/24 dev h0)"},
        {"address, by none", {{"addr", "del", "10.5.0.1/24", "dev", "h0"}}, {}, ""},
        {"mac, another", {{"link", "set", "h0", "address", "02:00:00:00:05:99"}}, {}, ""},
        {"mtu, another", {{"link", "set", "h0", "mtu", "1300"}}, {}, ""},
        {"alias, another", {{"link", "set", "h0", "alias", "mine"}}, {}, ""},
        {"down", {{"link", "set", "h0", "down"}}, {}, ""},
        {"connected route, by another",
         {{"route", "replace", "10.5.0.0/24", "dev", "lo"}},
         {{"route", "del", "10.5.0.0/24", "dev", "lo"}},
         ""},
    };
    return kDone;
}

}  // namespace

TEST_CASE("replaced: inside, by an equal one or another: put back", "[drift][replaced]") {
    Host host;
    for (const Replacement& each : inside_by_hand()) {
        INFO(each.what);
        for (const Arguments& command : each.commands) {
            ip(command, host.inside);
        }
        const auto diff = host.sandbox.partctl({"diff"});
        INFO(diff.text());
        CHECK(diff.code == (each.drift ? 1 : 0));
        const auto applied = host.sandbox.partctl({"apply"});
        INFO(applied.text());
        CHECK(applied.code == 0);
        CHECK(host.sandbox.diff() == 0);
        CHECK(host.everything() == host.standing);
    }
}

TEST_CASE("replaced: on the host: somebody's is told and left, ours is put back", "[drift][replaced]") {
    Host host;
    for (const Theirs& each : on_the_host_by_hand()) {
        INFO(each.what);
        for (const Arguments& command : each.commands) {
            ip(command);
        }
        const auto theirs = each.told.empty() ? "" : end_of("h0", kHere);
        const auto applied = host.sandbox.partctl({"apply"});
        INFO(applied.text());
        if (each.told.empty()) {
            CHECK(applied.code == 0);
        } else {
            CHECK(applied.code != 0);
            CHECK(applied.text().find(each.told) != std::string::npos);
            CHECK(end_of("h0", kHere) == theirs);
        }
        for (const Arguments& command : each.undone) {
            ip(command);
        }
        host.sandbox.apply();
        CHECK(host.everything() == host.standing);
    }
}

TEST_CASE("replaced: parameters, elements, files and limits", "[drift][replaced]") {
    Host host;
    const auto put_back = [&](const std::string& what) {
        INFO(what);
        CHECK(host.sandbox.diff() == 1);
        host.sandbox.apply();
        CHECK(host.everything() == host.standing);
    };
    set_sysctl("net.ipv4.ip_default_ttl", "64", host.inside);
    put_back("sysctl");
    const auto resolv = read_file("/etc/netns/all/resolv.conf");
    write_file("/etc/netns/all/resolv.conf", resolv + "nameserver 1.1.1.1\n");
    put_back("resolv.conf edited");
    std::filesystem::remove("/etc/netns/all/hosts");
    put_back("hosts removed");
    for (const char* set : {"inside", "outward"}) {
        output({"nft", "flush", "set", "inet", "partd", set});
        put_back(set);
    }
    output({"nft", "delete", "table", "inet", "partd"});
    put_back("the table");
    if (host.sandbox.cgroups().of("pids") != nullptr) {
        host.sandbox.cgroups().set_limit("partd.slice/partd-all.slice", "pids.max", 7);
        put_back("pids.max");
        CHECK(host.sandbox.cgroups().limit("partd.slice/partd-all.slice", "pids.max") == 50);
    }
}
