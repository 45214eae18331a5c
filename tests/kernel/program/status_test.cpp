// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <unistd.h>

#include <map>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

/// Namespaces by inode as lsns and partctl show them: type, number of processes.
using Namespaces = std::map<unsigned long, std::pair<std::string, int>>;

Namespaces by_lsns() {
    Namespaces all;
    const auto listed = json({"lsns", "-J", "-o", "NS,TYPE,NPROCS"});
    for (const auto& entry : listed.at("namespaces")) {
        all[entry.at("ns")] = {entry.at("type"), entry.at("nprocs")};
    }
    return all;
}

Namespaces by_partctl(const Json& listed) {
    Namespaces all;
    for (const auto& entry : listed.at("namespaces")) {
        all[entry.at("ns")] = {entry.at("type"), entry.at("nprocs")};
    }
    return all;
}

std::string state(const Sandbox& sandbox, const std::string& partition) {
    const auto entry = status_of(sandbox, partition);
    return entry.is_null() ? "none" : entry.at("state").get<std::string>();
}

}  // namespace

TEST_CASE("ns: the same namespaces as lsns, with names", "[ns]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();
    Background sleeper(Arguments{PARTCTL, "exec", "blue", "--", "sleep", "30"});
    REQUIRE(eventually([&] { return status_of(sandbox, "blue").at("processes").get<int>() > 0; }));

    const auto before = by_lsns();
    const auto listed = sandbox.partctl_json({"ns"});
    const auto after = by_lsns();
    CHECK(listed.at("schema") == 1);
    const auto ours = by_partctl(listed);
    int compared = 0;
    for (const auto& [inode, type_and_count] : before) {
        const auto still = after.find(inode);
        // others may come and go on the machine meanwhile
        if (still == after.end()) {
            continue;
        }
        INFO(inode << " " << type_and_count.first);
        const auto found = ours.find(inode);
        REQUIRE(found != ours.end());
        CHECK(found->second.first == type_and_count.first);
        ++compared;
    }
    CHECK(compared >= 8);
    const auto blue = ours.find(netns_inode("blue"));
    REQUIRE(blue != ours.end());
    CHECK(blue->second == before.at(netns_inode("blue")));
}

TEST_CASE("ns: which partition, and what holds it", "[ns]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();
    ip({"netns", "add", "byhand"});
    Background sleeper(Arguments{PARTCTL, "exec", "blue", "--", "sleep", "30"});
    REQUIRE(eventually([&] { return status_of(sandbox, "blue").at("processes").get<int>() > 0; }));
    std::map<unsigned long, Json> entries;
    const auto listed = sandbox.partctl_json({"ns"});
    for (const auto& entry : listed.at("namespaces")) {
        if (entry.at("type") == "net") {
            entries[entry.at("ns")] = entry;
        }
    }
    const auto& blue = entries.at(netns_inode("blue"));
    INFO(blue.dump());
    CHECK(blue.at("partition") == "blue");
    CHECK(blue.at("path") == "/run/netns/blue");
    CHECK(blue.at("nprocs").get<int>() >= 1);
    CHECK(blue.at("command").get<std::string>().find("sleep") != std::string::npos);
    const auto& green = entries.at(netns_inode("green"));
    CHECK(green.at("partition") == "green");
    CHECK(green.at("nprocs") == 0);
    const auto& foreign = entries.at(netns_inode("byhand"));
    CHECK(foreign.at("partition").is_null());
    CHECK(foreign.at("path") == "/run/netns/byhand");
    const auto text = sandbox.partctl({"ns"});
    CHECK(text.code == 0);
    CHECK(text.out.find(std::to_string(netns_inode("green"))) != std::string::npos);
}

TEST_CASE("status: one line a partition, with the numbers of now", "[status]") {
    Sandbox sandbox;
    sandbox.outside();
    for (const char* name : {"blue-green", "routed-nat", "limits", "tenants"}) {
        sandbox.example(name);
    }
    sandbox.apply();
    const auto net = status_of(sandbox, "test_net");
    INFO(net.dump());
    CHECK(net.at("state") == "active");
    CHECK(net.at("links") == 1);
    CHECK(net.at("forwards") == 1);
    CHECK(net.at("masquerade") == true);
    CHECK(net.at("since").get<std::string>().ends_with("Z"));
    const auto blue = status_of(sandbox, "blue");
    CHECK(blue.at("kind") == "partition");
    for (const char* either : {"blue", "green"}) {
        CHECK(status_of(sandbox, either).at("links") == 1);
        CHECK(status_of(sandbox, either).at("addresses") == 2);
    }
    for (const char* slice : {"batch", "interactive"}) {
        CHECK(status_of(sandbox, slice).at("kind") == "slice");
        CHECK(status_of(sandbox, slice).at("state") == "active");
    }
    CHECK(blue.at("masquerade") == false);
    CHECK(blue.at("memory").is_number());
    CHECK(blue.at("processes") == 0);

    const auto text = sandbox.partctl({"status"});
    INFO(text.text());
    CHECK(text.code == 0);
    for (const char* name : {"blue", "green", "test_net", "crunch", "acme", "globex", "initech"}) {
        CHECK(text.out.find(name) != std::string::npos);
    }
    const auto bare = sandbox.partctl({"status", "--no-legend"});
    std::istringstream lines(bare.out);
    int count = 0;
    for (std::string line; std::getline(lines, line);) {
        ++count;
    }
    CHECK(count == 9);
    const auto one = sandbox.partctl({"status", "test_net"});
    INFO(one.text());
    CHECK(one.out.find("172.16.99.100/24") != std::string::npos);
    CHECK(one.out.find("8080") != std::string::npos);
    CHECK(one.out.find("routed network with a web server") != std::string::npos);
}

TEST_CASE("status: a pod's members have the links of the one that they share them with", "[status]") {
    Sandbox sandbox;
    sandbox.write_config("pod.toml", R"([partition.pod]
[partition.pod.link.eth0]
address = ["10.88.0.2/24", "fd00:88::2/64"]
peer = { address = ["10.88.0.1/24", "fd00:88::1/64"] }
[partition.member]
share = { partition = "pod", namespaces = ["net"] }
namespaces = ["uts"]
[slice.apart]
pids.max = 10
)");
    CHECK(status_of(sandbox, "apart").at("state") == "missing");
    sandbox.apply();
    for (const char* each : {"pod", "member"}) {
        INFO(each);
        CHECK(status_of(sandbox, each).at("links") == 1);
        CHECK(status_of(sandbox, each).at("addresses") == 2);
    }
    CHECK(status_of(sandbox, "apart").at("state") == "active");
    sandbox.write_config("pod.toml", "[partition.pod]\n");
    CHECK(status_of(sandbox, "apart").at("state") == "undeclared");
    sandbox.apply();
    CHECK(status_of(sandbox, "apart").is_null());
}

TEST_CASE("status: processes and memory as the kernel counts them", "[status]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();
    Background one(Arguments{PARTCTL, "exec", "blue", "--", "sleep", "30"});
    Background two(Arguments{PARTCTL, "exec", "blue", "--", "sleep", "30"});
    CHECK(eventually([&] { return status_of(sandbox, "blue").at("processes") == 2; }));
    CHECK(sandbox.cgroups().processes("partd.slice/partd-blue.slice").size() == 2);
    if (sandbox.cgroups().of("memory") == nullptr) {
        PARTD_CANNOT_RUN("no hierarchy has the memory controller");
    }
    CHECK(status_of(sandbox, "blue").at("memory").get<long>() > 0);
}

TEST_CASE("status: every state", "[status]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    CHECK(state(sandbox, "workshop") == "missing");
    sandbox.apply();
    CHECK(state(sandbox, "workshop") == "active");

    SECTION("degraded") {
        ip({"link", "set", "veth0", "down"});
        CHECK(state(sandbox, "workshop") == "degraded");
        sandbox.apply();
        CHECK(state(sandbox, "workshop") == "active");
    }
    SECTION("missing again") {
        ip({"netns", "del", "workshop"});
        CHECK(eventually([&] { return !has_link("veth0"); }));
        const auto now = state(sandbox, "workshop");
        CHECK((now == "missing" || now == "degraded"));
    }
    SECTION("undeclared") {
        sandbox.remove_config("workshop.toml");
        CHECK(state(sandbox, "workshop") == "undeclared");
        sandbox.apply();
        CHECK(state(sandbox, "workshop") == "none");
    }
    SECTION("invalid") {
        sandbox.write_config("workshop.toml", "[partition.workshop\n");
        CHECK(state(sandbox, "workshop") == "invalid");
    }
    SECTION("conflict") {
        ip({"netns", "add", "other"});
        sandbox.write_config("other.toml", "[partition.other]\n");
        CHECK(state(sandbox, "other") == "conflict");
        CHECK(state(sandbox, "workshop") == "active");
    }
}

TEST_CASE("status: since when, and it does not move", "[status]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    const auto since = status_of(sandbox, "workshop").at("since");
    ::usleep(1'100'000);
    sandbox.apply();
    CHECK(status_of(sandbox, "workshop").at("since") == since);
}

TEST_CASE("list and show", "[status]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.example("limits");
    sandbox.apply();
    const auto names = sandbox.partctl({"list", "--no-legend"});
    INFO(names.text());
    CHECK(names.code == 0);
    for (const char* name : {"blue", "green", "crunch"}) {
        CHECK(names.out.find(name) != std::string::npos);
    }
    const auto shown = sandbox.partctl({"show", "green"});
    INFO(shown.text());
    CHECK(shown.code == 0);
    CHECK(shown.out.find("pids.max") != std::string::npos);
    CHECK(shown.out.find("128") != std::string::npos);
    CHECK(sandbox.partctl({"show", "nobody"}).code != 0);
    CHECK_NOTHROW(sandbox.partctl_json({"show", "green"}));
    CHECK_NOTHROW(sandbox.partctl_json({"list"}));
}
