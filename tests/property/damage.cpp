// SPDX-License-Identifier: Apache-2.0
#include "damage.h"

#include "../kernel/support/host_view.h"
#include "world.h"

#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace partd::test {
namespace {

namespace fs = std::filesystem;

/// Target of a deed.
struct Target {
    const Host& host;
    const Partition& partition;
    const Link* link;  ///< one of its links, if it has any
    unsigned detail;
    Sandbox& sandbox;
};

/// A program that may fail: what it is to damage may be gone already.
Deed command(const Arguments& arguments) {
    Deed deed;
    for (const auto& word : arguments) {
        deed.text += (deed.text.empty() ? "" : " ") + (word.empty() ? "''" : word);
    }
    deed.act = [arguments] { run(arguments); };
    return deed;
}

Deed inside(const Target& target, Arguments arguments) {
    arguments.insert(arguments.begin(), {"ip", "-n", target.partition.name});
    return command(arguments);
}

Deed on_link(const Target& target, const Arguments& change) {
    if (target.link == nullptr) {
        return {};
    }
    Arguments arguments = {"link", "set", "dev", target.link->self.name};
    arguments.insert(arguments.end(), change.begin(), change.end());
    return inside(target, arguments);
}

Deed on_host_end(const Target& target, const Arguments& before, const Arguments& after) {
    const auto name = target.link == nullptr || !target.link->partition.empty()
                          ? ""
                          : host_end(target.partition, *target.link);
    if (name.empty()) {
        return {};
    }
    Arguments arguments = before;
    arguments.push_back(name);
    arguments.insert(arguments.end(), after.begin(), after.end());
    return command(arguments);
}

Deed link_down(const Target& target) {
    return on_link(target, {"down"});
}
Deed link_resized(const Target& target) {
    return on_link(target, {"mtu", "1300"});
}
Deed link_renamed(const Target& target) {
    return on_link(target, {"name", "renamed" + std::to_string(target.detail % 3)});
}
Deed link_readdressed(const Target& target) {
    return on_link(target, {"address", "02:aa:bb:00:00:0" + std::to_string(target.detail % 10)});
}
Deed mark_lost(const Target& target) {
    Deed deed = on_link(target, {"alias", target.detail % 2 == 0 ? "" : "mine"});
    deed.mark = true;
    return deed;
}
Deed link_deleted(const Target& target) {
    return target.link == nullptr ? Deed() : inside(target, {"link", "del", "dev", target.link->self.name});
}
Deed host_end_deleted(const Target& target) {
    return on_host_end(target, {"ip", "link", "del", "dev"}, {});
}
Deed host_end_down(const Target& target) {
    return on_host_end(target, {"ip", "link", "set", "dev"}, {"down"});
}
Deed filter_deleted(const Target& target) {
    return on_host_end(target, {"tc", "qdisc", "del", "dev"}, {"clsact"});
}
Deed policies_flushed(const Target&) {
    return command({"ip", "xfrm", "policy", "flush"});
}
Deed address_deleted(const Target& target) {
    if (target.link == nullptr || target.link->self.addresses.empty()) {
        return {};
    }
    const auto& all = target.link->self.addresses;
    return inside(target, {"addr", "del", all[target.detail % all.size()], "dev", target.link->self.name});
}
Deed addresses_flushed(const Target& target) {
    return target.link == nullptr ? Deed() : inside(target, {"addr", "flush", "dev", target.link->self.name});
}
Deed routes_flushed(const Target& target) {
    return inside(target,
                  {target.detail % 2 == 0 ? "-4" : "-6", "route", "flush", "proto", "112", "table", "all"});
}
Deed rule_deleted(const Target& target) {
    const auto& all = target.partition.rules;
    return all.empty() ? Deed()
                       : inside(target, {all[0].v4 ? "-4" : "-6", "rule", "del", "priority",
                                         std::to_string(all[0].priority)});
}
Deed foreign_route(const Target& target) {
    return inside(target, {"route", "add", "198.18.64.0/24", "dev", "lo", "proto", "static"});
}
/// One of the partition's, replaced by hand.
Deed route_replaced(const Target& target) {
    if (target.partition.routes.empty()) {
        return {};
    }
    const auto& all = target.partition.routes;
    const Route& route = all[target.detail % all.size()];
    return inside(target, {route.v6 ? "-6" : "-4", "route", "replace", "unreachable", route.to, "metric",
                           std::to_string(route.metric.value_or(route.v6 ? 1024 : 0)), "table",
                           std::to_string(route.table), "proto", "static"});
}
Deed foreign_address(const Target& target) {
    return target.link == nullptr
               ? Deed()
               : inside(target, {"addr", "add", "192.0.2.1/32", "dev", target.link->self.name});
}
Deed foreign_link(const Target& target) {
    return inside(target, {"link", "add", "fx8", "type", "veth", "peer", "name", "fx9"});
}

Deed ruleset_reloaded(const Target&) {
    return {.text = "nft flush ruleset, and the table of others loaded again", .act = [] {
                output({"nft", "-f", "-"}, {.input = "flush ruleset\n" + std::string(kForeignTable)});
            }};
}
Deed table_deleted(const Target&) {
    return command({"nft", "delete", "table", "inet", "partd"});
}
Deed table_changed(const Target& target) {
    constexpr std::array kWays = {"flush set inet partd inside", "flush chain inet partd forward",
                                  "insert rule inet partd forward accept", "add chain inet partd mine",
                                  "delete rule inet partd forward handle 20"};
    const char* way = kWays[target.detail % kWays.size()];
    return {.text = std::string("nft ") + way, .act = [way] { run({"nft", "-f", "-"}, {.input = way}); }};
}

Deed netns_deleted(const Target& target) {
    Deed deed = command({"ip", "netns", "del", target.partition.name});
    deed.netns_gone = target.partition.name;
    return deed;
}
Deed pin_unmounted(const Target& target) {
    std::vector<std::string> types = target.partition.namespaces;
    std::erase(types, "net");
    if (types.empty()) {
        return {};
    }
    const auto& type = types[target.detail % types.size()];
    const auto pin = "/run/partd/ns/" + target.partition.name + "/" + type;
    Deed deed{.text = "umount " + pin, .act = [pin] { ::umount2(pin.c_str(), MNT_DETACH); }};
    // the user namespace owns the others, which are made anew with it
    deed.netns_gone = type == "user" ? target.partition.name : "";
    return deed;
}

std::string slice_of(const std::string& partition) {
    std::string all;
    for (const char each : partition) {
        all += each == '-' ? "\\x2d" : std::string(1, each);
    }
    return "partd.slice/partd-" + all + ".slice";
}

Deed processes_killed(const Target& target) {
    if (!target.partition.has("pid") || !target.partition.limits.parent.empty()) {
        return {};
    }
    const auto cgroup = slice_of(target.partition.name);
    auto* sandbox = &target.sandbox;
    return {.text = "kill -9 all in " + cgroup, .act = [cgroup, sandbox] {
                for (const pid_t pid : sandbox->cgroups().processes(cgroup)) {
                    ::kill(pid, SIGKILL);
                }
                eventually([&] { return sandbox->cgroups().processes(cgroup).empty(); });
            }};
}
Deed cgroup_removed(const Target& target) {
    if (!target.partition.limits.parent.empty()) {
        return {};
    }
    const auto cgroup = slice_of(target.partition.name);
    auto* sandbox = &target.sandbox;
    return {.text = "rmdir " + cgroup, .act = [cgroup, sandbox] {
                for (const auto& place : sandbox->cgroups().places(cgroup)) {
                    ::rmdir(place.c_str());
                }
            }};
}
Deed limit_changed(const Target& target) {
    const auto& limits = target.partition.limits;
    if (limits.numbers.empty() || !limits.parent.empty()) {
        return {};
    }
    const auto key = limits.numbers.begin()->first;
    const auto cgroup = slice_of(target.partition.name);
    auto* sandbox = &target.sandbox;
    const long value = key == "memory.max" ? 256L << 20 : 77;
    return {.text = key + " of " + cgroup + " set to " + std::to_string(value), .act = [=] {
                if (sandbox->cgroups().limit(cgroup, key)) {
                    sandbox->cgroups().set_limit(cgroup, key, value);
                }
            }};
}
Deed sysctl_changed(const Target& target) {
    const auto name = target.partition.name;
    return {.text = "sysctl net.ipv4.ip_default_ttl=200 in " + name,
            .act = [name, mine = target.partition.sysctls] {
                if (!fs::exists("/run/netns/" + name)) {
                    return;
                }
                const Netns netns("/run/netns/" + name);
                // one that no file declares is nobody's, and stays as it is set
                if (mine.contains("net.ipv4.ip_default_ttl")) {
                    set_sysctl("net.ipv4.ip_default_ttl", "200", netns.fd());
                }
            }};
}
Deed names_edited(const Target& target) {
    const auto path = "/etc/netns/" + target.partition.name + "/resolv.conf";
    const bool removed = target.detail % 2 == 0;
    return {.text = (removed ? "rm " : "a line more in ") + path,
            .act =
                [path, removed] {
                    if (removed) {
                        fs::remove(path);
                    } else if (fs::exists(path)) {
                        write_file(path, read_file(path) + "nameserver 1.1.1.1\n");
                    }
                },
            // without file and ledger nobody knows whose the empty directory is
            .mark = removed};
}

Deed ledger_cut(const Target& target) {
    const unsigned share = target.detail;
    return {.text = "the ledger cut off at " + std::to_string(share) + "/256",
            .act =
                [share] {
                    std::error_code absent;
                    const auto size = fs::file_size("/run/partd/ledger", absent);
                    if (!absent) {
                        fs::resize_file("/run/partd/ledger", size * share / 256);
                    }
                },
            .ledger = true};
}
Deed ledger_removed(const Target&) {
    return {.text = "rm /run/partd/ledger", .act = [] { fs::remove("/run/partd/ledger"); }, .ledger = true};
}
Deed accepted_removed(const Target&) {
    return {.text = "rm /run/partd/accepted", .act = [] { fs::remove_all("/run/partd/accepted"); }};
}

constexpr std::array kDeeds = {
    link_down,        link_deleted,   link_resized,    link_renamed,      link_readdressed, mark_lost,
    host_end_deleted, host_end_down,  address_deleted, addresses_flushed, routes_flushed,   rule_deleted,
    foreign_route,    route_replaced, foreign_address, foreign_link,      ruleset_reloaded, table_deleted,
    table_changed,    netns_deleted,  pin_unmounted,   processes_killed,  cgroup_removed,   limit_changed,
    sysctl_changed,   names_edited,   ledger_cut,      ledger_removed,    accepted_removed, filter_deleted,
    policies_flushed,
};

}  // namespace

Deed deed(const Damage& damage, const Host& host, Sandbox& sandbox) {
    std::vector<const Partition*> owners;
    for (const auto& partition : host.partitions) {
        if (partition.has("net")) {
            owners.push_back(&partition);
        }
    }
    if (owners.empty()) {
        return {};
    }
    const Partition& partition = *owners[damage.target % owners.size()];
    const auto& links = partition.links;
    const Link* link = links.empty() ? nullptr : &links[damage.target / owners.size() % links.size()];
    return kDeeds[damage.kind % kDeeds.size()]({host, partition, link, damage.detail, sandbox});
}

}  // namespace partd::test
