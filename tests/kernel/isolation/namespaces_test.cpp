// SPDX-License-Identifier: Apache-2.0
// Every kind of namespace(7), alone and together: pinned, owned, named, mapped, and as lsns and nsenter see
// it.

#include "host_view.h"
#include "machine.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

namespace {

std::string list_text(const Strings& types) {
    std::string text;
    for (const auto& type : types) {
        text += (text.empty() ? "\"" : ", \"") + type + "\"";
    }
    return "[" + text + "]";
}

std::string partition(const std::string& name, const Strings& types, const std::string& more = {}) {
    return "[partition." + name + "]\nnamespaces = " + list_text(types) + "\n" + more + "\n";
}

bool has(const Strings& types, const std::string& type) {
    return std::ranges::find(types, type) != types.end();
}

void give_ids(const std::string& subuid, const std::string& subgid) {
    write_file("/etc/subuid", subuid);
    write_file("/etc/subgid", subgid);
}

/// Each declared type has a pin of the right kind that is not the host's, and no other type has one.
void check_pins(const std::string& name, const Strings& types) {
    for (const std::string type : kNamespaceTypes) {
        INFO(name << ": " << type);
        CHECK(is_namespace(pin(name, type)) == has(types, type));
        CHECK(fs::exists(pin(name, type)) == has(types, type));
        if (has(types, type)) {
            CHECK(inode_at(pin(name, type)) != host_namespace(type));
        }
    }
}

/// The first line of the map: inside, outside, count.
std::array<long, 3> map_of(const std::string& text) {
    std::array<long, 3> line{};
    std::istringstream(text) >> line[0] >> line[1] >> line[2];
    return line;
}

std::array<long, 3> map_in(const Sandbox& sandbox, const std::string& name, const std::string& map) {
    return map_of(said_in(sandbox, name, {"cat", "/proc/self/" + map}));
}

using Map = std::array<long, 3>;

/// Seconds and nanoseconds by clock, as in /proc/PID/timens_offsets.
std::map<std::string, std::pair<long, long>> offsets_of(const std::string& text) {
    std::istringstream words(text);
    std::map<std::string, std::pair<long, long>> offsets;
    for (std::string clock; words >> clock;) {
        words >> offsets[clock].first >> offsets[clock].second;
    }
    return offsets;
}

}  // namespace

TEST_CASE("namespaces: a helper that gets no memory in the partition's group says so",
          "[namespaces][limits]") {
    Sandbox sandbox;
    const std::string limit = "[partition.m.cgroup]\nmemory.max = 0\n";
    sandbox.write_config("m.toml", "[partition.m]\n" + limit);
    if (sandbox.partctl({"apply"}).code != 0) {
        PARTD_CANNOT_RUN("no hierarchy has the memory controller");
    }
    sandbox.write_config("m.toml", "[partition.m]\nnamespaces = [\"net\", \"cgroup\"]\n" + limit);
    const auto applied = sandbox.partctl({"apply"});
    CHECK(applied.code == 6);
    CHECK(applied.err.find(
              "create namespace m/cgroup: a helper process gave no answer: it was killed by SIGKILL") !=
          std::string::npos);
    CHECK(applied.err.find("raise memory.max") != std::string::npos);
}

TEST_CASE("namespaces: each kind alone is pinned, and what runs in it is in it", "[namespaces]") {
    Sandbox sandbox;
    give_ids("partd:1000000:655360\n", "partd:1000000:655360\n");
    std::string text;
    for (const std::string type : kNamespaceTypes) {
        text += partition("only-" + type, {type});
    }
    sandbox.write_config("p.toml", text);
    settle(sandbox);
    for (const std::string type : kNamespaceTypes) {
        const auto name = "only-" + type;
        INFO(name);
        check_pins(name, {type});
        auto process = stay_in(sandbox, name);
        // in the partition's cgroup, but not its PID 1 nor the waiting partctl
        const auto group = sandbox.cgroups().processes(group_of(name));
        const auto sleeper = std::ranges::find_if(group, [](pid_t each) { return comm_of(each) == "sleep"; });
        REQUIRE(sleeper != group.end());
        CHECK(namespace_of(*sleeper, type) == inode_at(pin(name, type)));
        for (const std::string other : kNamespaceTypes) {
            INFO("its " << other);
            // without a mount namespace of its own, what runs in a network namespace sees /sys of that one
            const bool same = other != type && !(type == "net" && other == "mnt");
            CHECK((namespace_of(*sleeper, other) == host_namespace(other)) == same);
        }
    }
    CHECK(sandbox.diff() == 0);
}

TEST_CASE("namespaces: nsenter with a single pin leads to what it says", "[namespaces][nsenter]") {
    Sandbox sandbox;
    sandbox.write_config("w.toml", partition("web", {kNamespaceTypes.begin(), kNamespaceTypes.end()},
                                             "hostname = \"web.example\"\ndomainname = \"example.org\"\n"
                                             "[partition.web.user]\n"
                                             "uid_map = [{ inside = 0, outside = 500000, count = 1000 }]\n"
                                             "[partition.web.time]\nboottime = \"240h\"\n"
                                             "[partition.web.link.eth0]\naddress = [\"10.5.0.2/24\"]\n"));
    settle(sandbox);
    const auto host_name = output({"hostname"});
    CHECK(nsenter({"--uts=/run/partd/ns/web/uts", "hostname"}) == "web.example");
    CHECK(nsenter({"--uts=/run/partd/ns/web/uts", "cat", "/proc/sys/kernel/domainname"}) == "example.org");
    CHECK(output({"hostname"}) == host_name);
    CHECK(nsenter({"--net=/run/netns/web", "ip", "-br", "-4", "addr", "show", "eth0"}).find("10.5.0.2/24") !=
          std::string::npos);
    CHECK(map_of(nsenter({"--user=/run/partd/ns/web/user", "cat", "/proc/self/uid_map"})) ==
          Map{0, 500000, 1000});
    CHECK(nsenter({"--user=/run/partd/ns/web/user", "id", "-u"}) == "0");
    // objects of System V in it are nobody else's
    const auto queue = nsenter({"--ipc=/run/partd/ns/web/ipc", "ipcmk", "-Q"});
    CHECK(queue.find("id") != std::string::npos);
    CHECK(nsenter({"--ipc=/run/partd/ns/web/ipc", "ipcs", "-q"}).find("0x") != std::string::npos);
    CHECK(said_in(sandbox, "web", {"ipcs", "-q"}).find("0x") != std::string::npos);
    CHECK(output({"ipcs", "-q"}).find("0x") == std::string::npos);
    CHECK(nsenter({"--pid=/run/partd/ns/web/pid", "--mount=/run/partd/ns/web/mnt", "cat", "/proc/1/comm"}) ==
          "partd-init");
    CHECK(nsenter({"--cgroup=/run/partd/ns/web/cgroup", "readlink", "/proc/self/ns/cgroup"}) ==
          "cgroup:[" + std::to_string(inode_at(pin("web", "cgroup"))) + "]");
    CHECK(offsets_of(nsenter({"--time=/run/partd/ns/web/time", "sh", "-c", "cat /proc/self/timens_offsets"}))
              .at("boottime") == std::pair(864000L, 0L));
}

TEST_CASE("namespaces: every combination there is", "[namespaces][combinations]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    give_ids("partd:1000000:16777216\n", "partd:1000000:16777216\n");
    const auto with_ids = snapshot(sandbox);
    CHECK(difference(before, with_ids) == "");
    std::map<std::string, Strings> all;
    std::string text;
    for (unsigned bits = 0; bits < 256; ++bits) {
        Strings types;
        std::string name = "c";
        for (std::size_t i = 0; i < kNamespaceTypes.size(); ++i) {
            if ((bits >> i & 1) != 0) {
                types.emplace_back(kNamespaceTypes[i]);
                name += std::string("-") + kNamespaceTypes[i];
            }
        }
        all[name] = types;
        text += partition(name, types);
    }
    sandbox.write_config("all.toml", text);
    const auto applied = sandbox.partctl({"apply"}, {.input = {}, .timeout = 60s});
    INFO(applied.text());
    REQUIRE(applied.code == 0);
    CHECK(sandbox.diff() == 0);

    std::set<unsigned long> inodes;
    std::size_t pins = 0;
    const auto listed = sandbox.partctl_json({"ns"});
    for (const auto& [name, types] : all) {
        INFO(name);
        check_pins(name, types);
        const auto owner = has(types, "user") ? inode_at(pin(name, "user")) : host_namespace("user");
        for (const auto& type : types) {
            INFO(type);
            const auto inode = inode_at(pin(name, type));
            inodes.insert(inode);
            ++pins;
            const auto entry = ns_entry(listed, inode);
            REQUIRE(!entry.is_null());
            CHECK(entry.at("type") == type);
            CHECK(entry.at("partition") == name);
            CHECK(entry.at("owner") == (type == "user" ? host_namespace("user") : owner));
        }
        CHECK(init_of(name).has_value() == has(types, "pid"));
    }
    // no two are the same
    CHECK(inodes.size() == pins);
    CHECK(pins == 1024);

    sandbox.remove_config("all.toml");
    const auto removed = sandbox.partctl({"apply", "--allow-delete"}, {.input = {}, .timeout = 60s});
    INFO(removed.text());
    CHECK(removed.code == 0);
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("namespaces: several together are entered together", "[namespaces][combinations]") {
    Sandbox sandbox;
    give_ids("partd:1000000:655360\n", "partd:1000000:655360\n");
    const Strings types =
        GENERATE(Strings{"uts", "ipc"}, Strings{"net", "uts", "user"}, Strings{"pid", "mnt"},
                 Strings{"user", "pid"}, Strings{"user", "pid", "mnt"}, Strings{"cgroup", "time"},
                 Strings{"user", "mnt"}, Strings{"net", "user", "pid", "ipc", "cgroup", "time"},
                 Strings{kNamespaceTypes.begin(), kNamespaceTypes.end()});
    sandbox.write_config("p.toml", partition("p", types));
    settle(sandbox);
    check_pins("p", types);
    for (const std::string type : kNamespaceTypes) {
        INFO(list_text(types) << ": " << type);
        const auto link = said_in(sandbox, "p", {"readlink", "/proc/self/ns/" + type});
        const auto in_pin = type + ":[" + std::to_string(inode_at(pin("p", type))) + "]";
        if (has(types, type)) {
            CHECK(link == in_pin);
        } else if (type != "mnt") {
            CHECK(link == type + ":[" + std::to_string(host_namespace(type)) + "]");
        }
    }
    if (has(types, "user")) {
        CHECK(said_in(sandbox, "p", {"id", "-u"}) == "0");
        CHECK(map_in(sandbox, "p", "uid_map") == Map{0, 1000000, 65536});
    }
    if (has(types, "pid") && has(types, "mnt")) {
        CHECK(said_in(sandbox, "p", {"cat", "/proc/1/comm"}) == "partd-init");
    }
    CHECK(sandbox.diff() == 0);
}

TEST_CASE("namespaces: lsns, /proc and partctl ns agree", "[namespaces][ns]") {
    Sandbox sandbox;
    sandbox.write_config("m.toml",
                         partition("m", {kNamespaceTypes.begin(), kNamespaceTypes.end()},
                                   "[partition.m.user]\n"
                                   "uid_map = [{ inside = 0, outside = 700000, count = 65536 }]\n") +
                             partition("plain", {"uts", "pid", "ipc"}));
    settle(sandbox);
    auto process = stay_in(sandbox, "m");
    auto other = stay_in(sandbox, "plain");
    const auto init = init_of("m");
    REQUIRE(init);
    const auto listed = sandbox.partctl_json({"ns"});
    std::map<unsigned long, Json> by_lsns;
    const auto lsns_all = json({"lsns", "-J", "-o", "NS,TYPE,NPROCS,PID,PNS,ONS"});
    for (const auto& entry : lsns_all.at("namespaces")) {
        by_lsns[entry.at("ns").get<unsigned long>()] = entry;
    }
    const auto number = [](const Json& value) {
        return value.is_null()     ? 0UL
               : value.is_string() ? std::stoul(value.get<std::string>())
                                   : value.get<unsigned long>();
    };
    for (const std::string name : {"m", "plain"}) {
        for (const std::string type : kNamespaceTypes) {
            if (!is_namespace(pin(name, type))) {
                continue;
            }
            const auto inode = inode_at(pin(name, type));
            INFO(name << " " << type << " " << inode);
            const auto ours = ns_entry(listed, inode);
            REQUIRE(!ours.is_null());
            REQUIRE(by_lsns.contains(inode));
            const auto& theirs = by_lsns.at(inode);
            CHECK(ours.at("type") == theirs.at("type"));
            CHECK(ours.at("nprocs") == theirs.at("nprocs"));
            CHECK(ours.at("pid") == theirs.at("pid"));
            CHECK(number(ours.at("owner")) == number(theirs.at("ons")));
            CHECK(number(ours.at("parent")) == number(theirs.at("pns")));
            CHECK(ours.at("partitions") == Json::array({name}));
            CHECK(ours.at("paths") == Json::array({pin(name, type)}));
            CHECK(ours.at("owner_uid") == 0);
            if (type == "pid" || type == "user") {
                CHECK(ours.at("parent") == host_namespace(type));
            } else {
                CHECK(ours.at("parent").is_null());
            }
        }
    }
    for (const std::string type : kNamespaceTypes) {
        INFO(type);
        CHECK(namespace_of(*init, type) == inode_at(pin("m", type)));
    }
    CHECK(ns_entry(listed, inode_at(pin("m", "net"))).at("owner") == inode_at(pin("m", "user")));
    CHECK(ns_entry(listed, inode_at(pin("plain", "uts"))).at("owner") == host_namespace("user"));
}

TEST_CASE("namespaces: names of the host and of its domain", "[namespaces][uts]") {
    Sandbox sandbox;
    const auto write = [&](const std::string& keys) {
        sandbox.write_config("n.toml", "[partition.n]\nnamespaces = []\n" + keys);
    };
    const auto name = [] { return nsenter({"--uts=/run/partd/ns/n/uts", "hostname"}); };
    const auto domain = [] {
        return nsenter({"--uts=/run/partd/ns/n/uts", "cat", "/proc/sys/kernel/domainname"});
    };
    write("hostname = \"first\"\n");
    settle(sandbox);
    const auto inode = inode_at(pin("n", "uts"));
    CHECK(name() == "first");

    write("hostname = \"second\"\ndomainname = \"example.net\"\n");
    CHECK(wanted_changes(sandbox) == "update namespace n/uts\n");
    settle(sandbox);
    CHECK(name() == "second");
    CHECK(domain() == "example.net");
    CHECK(said_in(sandbox, "n", {"hostname"}) == "second");

    // what is not declared any more is not managed: it stays as it is
    write("domainname = \"example.net\"\n");
    settle(sandbox);
    output({"nsenter", "--uts=/run/partd/ns/n/uts", "hostname", "by-hand"});
    CHECK(sandbox.diff() == 0);
    CHECK(name() == "by-hand");
    CHECK(inode_at(pin("n", "uts")) == inode);
    CHECK(read_file("/proc/sys/kernel/domainname") != "example.net\n");

    write("hostname = \"" + std::string(64, 'x') + "\"\n");
    settle(sandbox);
    CHECK(name() == std::string(64, 'x'));
}

TEST_CASE("namespaces: maps are what /proc shows, several lines and groups of their own",
          "[namespaces][user]") {
    Sandbox sandbox;
    sandbox.write_config("u.toml", R"([partition.u]
namespaces = ["user", "uts"]
[partition.u.user]
uid_map = [{ inside = 0, outside = 200000, count = 1000 }, { inside = 1000, outside = 1000 }]
gid_map = [{ inside = 0, outside = 300000, count = 5 }]
)");
    settle(sandbox);
    std::istringstream uids(said_in(sandbox, "u", {"cat", "/proc/self/uid_map"}));
    Strings lines;
    for (std::string line; std::getline(uids, line);) {
        const auto map = map_of(line);
        lines.push_back(std::to_string(map[0]) + " " + std::to_string(map[1]) + " " + std::to_string(map[2]));
    }
    CHECK(lines == Strings{"0 200000 1000", "1000 1000 1"});
    CHECK(map_in(sandbox, "u", "gid_map") == Map{0, 300000, 5});
    // who is root inside is nobody on the host
    auto process = stay_in(sandbox, "u");
    long outside = 0;
    for (const pid_t each : sandbox.cgroups().processes(group_of("u"))) {
        if (comm_of(each) == "sleep") {
            const auto owner = output({"stat", "-c", "%u:%g", "/proc/" + std::to_string(each)});
            CHECK(owner == "200000:300000\n");
            ++outside;
        }
    }
    CHECK(outside == 1);
    CHECK(exec_in(sandbox, "u", {"hostname", "renamed"}).code == 0);
    CHECK(output({"hostname"}) != "renamed\n");
}

TEST_CASE("namespaces: what cannot be a map is an error with its place", "[namespaces][user]") {
    Sandbox sandbox;
    const auto refused = [&](const std::string& user, const std::string& words) {
        sandbox.write_config("u.toml", "[partition.u]\nnamespaces = [\"user\"]\n[partition.u.user]\n" + user);
        const auto checked = sandbox.partctl({"check"});
        INFO(user << checked.text());
        CHECK(checked.code == 3);
        CHECK(checked.err.find("u.toml:4:") != std::string::npos);
        CHECK(checked.err.find(words) != std::string::npos);
        CHECK(sandbox.partctl({"apply"}).code == 3);
        CHECK_FALSE(fs::exists("/run/partd/ns/u"));
    };
    refused("uid_map = [{ inside = 1, outside = 5, count = 5 }]\n", "does not map 0");
    refused("uid_map = [{ inside = 0, outside = 5, count = 9 }, { inside = 3, outside = 90 }]\n",
            "two ranges");
    refused("uid_map = [{ inside = 0, outside = 4294967000, count = 900 }]\n", "beyond");
    refused("gid_map = [{ inside = 0, outside = 5, count = 5 }]\n", "uid_map");
    refused("auto = false\n", "uid_map");
    refused("uid_map = [{ inside = 0, outside = -1 }]\n", "outside");
}

TEST_CASE("namespaces: automatic ranges do not overlap, stay, and are freed", "[namespaces][user][auto]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    give_ids("somebody:100000:65536\npartd:1000000:262144\n",
             "somebody:100000:65536\npartd:3000000:262144\n");
    sandbox.write_config("fixed.toml", R"([partition.fixed]
[partition.fixed.user]
uid_map = [{ inside = 0, outside = 1065536, count = 10 }]
gid_map = [{ inside = 0, outside = 3000005, count = 10 }]
)");
    const auto automatic = [&](const std::string& name) {
        sandbox.write_config(name + ".toml", "[partition." + name + "]\nnamespaces = [\"user\"]\n");
    };
    automatic("a");
    automatic("b");
    settle(sandbox);
    const auto check_apart = [&](const Strings& names) {
        for (const char* which : {"uid_map", "gid_map"}) {
            std::vector<Map> maps;
            for (const auto& name : names) {
                maps.push_back(map_in(sandbox, name, which));
            }
            std::ranges::sort(maps, {}, [](const Map& map) { return map[1]; });
            for (std::size_t i = 1; i < maps.size(); ++i) {
                INFO(which << ": " << maps[i - 1][1] << " and " << maps[i][1]);
                CHECK(maps[i - 1][1] + maps[i - 1][2] <= maps[i][1]);
            }
        }
    };
    check_apart({"a", "b", "fixed"});
    const auto a = map_in(sandbox, "a", "uid_map");
    const auto b = map_in(sandbox, "b", "uid_map");
    CHECK(a[2] == 65536);
    for (const auto& each : {a, b}) {
        CHECK(each[1] >= 1000000);
        CHECK(each[1] + each[2] <= 1262144);
    }
    CHECK(map_in(sandbox, "a", "gid_map")[1] >= 3000000);

    // the file of the ranges may change: who has one keeps it
    give_ids("partd:5000000:65536\n", "partd:5000000:65536\n");
    settle(sandbox);
    CHECK(map_in(sandbox, "a", "uid_map") == a);
    give_ids("partd:1000000:262144\n", "partd:1000000:262144\n");

    // freed: the next one can have it
    sandbox.remove_config("a.toml");
    settle(sandbox);
    automatic("c");
    settle(sandbox);
    CHECK(map_in(sandbox, "c", "uid_map") == a);
    CHECK(map_in(sandbox, "b", "uid_map") == b);
    check_apart({"b", "c", "fixed"});

    for (const char* file : {"b.toml", "c.toml", "fixed.toml"}) {
        sandbox.remove_config(file);
    }
    settle(sandbox);
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("namespaces: an explicit map that comes later does not share an automatic range",
          "[namespaces][user][auto]") {
    Sandbox sandbox;
    give_ids("partd:1000000:262144\n", "partd:1000000:262144\n");
    sandbox.write_config("a.toml", "[partition.a]\nnamespaces = [\"user\"]\n");
    settle(sandbox);
    const auto a = map_in(sandbox, "a", "uid_map");
    // declared over what is taken: an administrator's word, but then the other one has to be told about it or
    // moved; never silently both
    sandbox.write_config("f.toml", "[partition.f]\n[partition.f.user]\nuid_map = [{ inside = 0, outside = " +
                                       std::to_string(a[1]) + ", count = 10 }]\n");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    const bool apart = applied.code == 0 && map_in(sandbox, "a", "uid_map")[1] >= a[1] + 10;
    CHECK((applied.code != 0 || apart || applied.err.find("overlap") != std::string::npos));
}

TEST_CASE("namespaces: no range to give is said, with the mend", "[namespaces][user][auto]") {
    Sandbox sandbox;
    sandbox.write_config("a.toml", "[partition.a]\nnamespaces = [\"user\"]\n");
    const auto refused = [&](const std::string& file) {
        const auto applied = sandbox.partctl({"apply"});
        INFO(applied.text());
        CHECK(applied.code == 6);
        CHECK(applied.err.find(file) != std::string::npos);
        CHECK(applied.err.find("partd:1000000:") != std::string::npos);
        CHECK(applied.err.find("a.toml:1") != std::string::npos);
        CHECK_FALSE(fs::exists("/run/partd/ns/a/user"));
    };
    SECTION("no files") {
        fs::remove("/etc/subuid");
        fs::remove("/etc/subgid");
        refused("/etc/subuid");
    }
    SECTION("only for others") {
        give_ids("somebody:100000:655360\n", "somebody:100000:655360\n");
        refused("/etc/subuid");
    }
    SECTION("too few") {
        give_ids("partd:100000:65535\n", "partd:100000:655360\n");
        refused("/etc/subuid");
    }
    SECTION("no groups") {
        give_ids("partd:100000:65536\n", "");
        refused("/etc/subgid");
    }
    SECTION("used up") {
        give_ids("partd:1000000:65536\n", "partd:1000000:65536\n");
        settle(sandbox);
        sandbox.write_config("a2.toml", "[partition.second]\nnamespaces = [\"user\"]\n");
        const auto applied = sandbox.partctl({"apply"});
        INFO(applied.text());
        CHECK(applied.code == 6);
        CHECK(applied.err.find("/etc/subuid") != std::string::npos);
        CHECK(is_namespace(pin("a", "user")));
        fs::remove("/etc/partd/a2.toml");
    }
    // root's lines serve where partd has none
    give_ids("root:2000000:65536\n", "root:2000000:65536\n");
    if (!is_namespace(pin("a", "user"))) {
        settle(sandbox);
        CHECK(map_in(sandbox, "a", "uid_map") == Map{0, 2000000, 65536});
    }
}

TEST_CASE("namespaces: clocks of its own", "[namespaces][time]") {
    Sandbox sandbox;
    const auto write = [&](const std::string& keys) {
        sandbox.write_config("t.toml", "[partition.t]\nnamespaces = []\n[partition.t.time]\n" + keys);
    };
    const auto uptime = [](const std::string& text) { return std::stod(text); };
    write("boottime = \"1000h\"\nmonotonic = \"90s\"\n");
    settle(sandbox);
    const auto host = uptime(read_file("/proc/uptime"));
    const auto inside = uptime(said_in(sandbox, "t", {"cat", "/proc/uptime"}));
    CHECK(inside - host >= 3600000);
    CHECK(inside - host < 3600000 + 20);
    auto process = stay_in(sandbox, "t");
    long found = 0;
    for (const pid_t each : sandbox.cgroups().processes(group_of("t"))) {
        const auto path = "/proc/" + std::to_string(each) + "/";
        const auto offsets = offsets_of(read_file(path + "timens_offsets"));
        CHECK(offsets.at("monotonic") == std::pair(90L, 0L));
        CHECK(offsets.at("boottime") == std::pair(3600000L, 0L));
        ++found;
    }
    CHECK(found == 1);
    process.stop();

    const Hold hold("t");
    const auto inode = inode_at(pin("t", "time"));
    write("boottime = \"1500ms\"\n");
    // offsets are for good once somebody is in: another namespace
    CHECK(sandbox.diff() == 1);
    settle(sandbox);
    CHECK(inode_at(pin("t", "time")) != inode);
    CHECK(said_in(sandbox, "t", {"cat", "/proc/self/timens_offsets"}).find("500000000") != std::string::npos);
}

TEST_CASE("namespaces: one more, one less", "[namespaces][edit]") {
    Sandbox sandbox;
    sandbox.write_config("p.toml", partition("p", {"net", "uts", "ipc"}));
    settle(sandbox);
    const auto net = inode_at(pin("p", "net"));
    const auto uts = inode_at(pin("p", "uts"));
    sandbox.write_config("p.toml", partition("p", {"net", "uts", "cgroup", "time"}));
    settle(sandbox);
    check_pins("p", {"net", "uts", "cgroup", "time"});
    CHECK(inode_at(pin("p", "net")) == net);
    CHECK(inode_at(pin("p", "uts")) == uts);
    // a user namespace owns all the others: they are made anew
    const Hold hold("p");
    sandbox.write_config("p.toml",
                         partition("p", {"net", "uts", "user"},
                                   "[partition.p.user]\nuid_map = [{ inside = 0, outside = 9000 }]\n"));
    settle(sandbox);
    check_pins("p", {"net", "uts", "user"});
    CHECK(inode_at(pin("p", "uts")) != uts);
    const auto listed = sandbox.partctl_json({"ns"});
    CHECK(ns_entry(listed, inode_at(pin("p", "net"))).at("owner") == inode_at(pin("p", "user")));
    sandbox.write_config("p.toml", "[partition.p]\nnamespaces = []\n");
    settle(sandbox);
    check_pins("p", {});
    CHECK_FALSE(fs::exists("/run/partd/ns"));
}
