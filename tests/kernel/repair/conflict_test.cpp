// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

namespace {

/// The entry of plan["conflicts"] of the kind; null when there is none.
Json conflict(const Json& plan, const std::string& kind) {
    for (const auto& entry : plan.at("conflicts")) {
        if (entry.at("kind") == kind) {
            return entry;
        }
    }
    return {};
}

/// diff and apply name the holder and exit with 7.
void check_refused(const Sandbox& sandbox, const std::string& kind, const std::string& name) {
    const auto plan = sandbox.partctl_json({"apply"});
    INFO(plan_text(plan));
    const auto found = conflict(plan, kind);
    REQUIRE(found.is_object());
    CHECK(found.at("name").get<std::string>().find(name) != std::string::npos);
    CHECK(found.at("holder").get<std::string>() != "");
    CHECK(found.at("line").get<int>() > 0);
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 7);
    const auto diff = sandbox.partctl({"diff"});
    INFO(diff.text());
    CHECK(diff.out.find("! " + kind + " ") != std::string::npos);
    CHECK(diff.out.find("conflict: ") != std::string::npos);
}

}  // namespace

TEST_CASE("conflict: a network namespace of that name", "[conflict][netns]") {
    Sandbox sandbox;
    sandbox.outside();
    ip({"netns", "add", "workshop"});
    const auto inode = netns_inode("workshop");
    const auto before = snapshot(sandbox);
    sandbox.example("workshop");
    check_refused(sandbox, "netns", "workshop");
    CHECK(sandbox.partctl({"diff"}).code == 7);
    CHECK(links() == Strings{Outside::kLink});
    CHECK(netns_inode("workshop") == inode);
    CHECK(links(sandbox.netns("workshop")) == Strings{});
    CHECK_FALSE(is_up("lo", sandbox.netns("workshop")));

    // removing the file does not remove what was never ours
    sandbox.remove_config("workshop.toml");
    sandbox.apply();
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("conflict: the namespace is freed, the next run finishes", "[conflict][netns]") {
    Sandbox sandbox;
    ip({"netns", "add", "workshop"});
    sandbox.example("workshop");
    CHECK(sandbox.partctl({"apply"}).code == 7);
    ip({"netns", "del", "workshop"});
    sandbox.apply();
    CHECK(pings(kHere, "10.1.1.1"));
}

TEST_CASE("conflict: a link of that name", "[conflict][veth]") {
    Sandbox sandbox;
    SECTION("a bridge") {
        ip({"link", "add", "veth0", "type", "bridge"});
    }
    SECTION("a veth of somebody else's") {
        ip({"link", "add", "veth0", "type", "veth", "peer", "name", "other"});
    }
    SECTION("one with a mark like ours, which the ledger does not know") {
        sandbox.write_config("other.toml", "[partition.other]\n");
        sandbox.apply();
        ip({"link", "add", "veth0", "type", "bridge"});
        ip({"link", "set", "veth0", "alias", "partd:workshop/veth1:peer"});
    }
    const auto before = link("veth0");
    sandbox.example("workshop");
    check_refused(sandbox, "link", "workshop/veth1");
    CHECK(link("veth0") == before);
    CHECK(addresses("veth0").empty());
    sandbox.remove_config("workshop.toml");
    sandbox.apply();
    CHECK(link("veth0") == before);
}

TEST_CASE("conflict: one partition's does not hold back another", "[conflict]") {
    Sandbox sandbox;
    ip({"link", "add", "veth0", "type", "bridge"});
    sandbox.example("workshop");
    sandbox.example("blue-green");
    CHECK(sandbox.partctl({"apply"}).code == 7);
    CHECK(pings(sandbox.netns("blue"), "10.10.0.2"));
    CHECK(status_of(sandbox, "workshop").at("state") == "conflict");
    CHECK(status_of(sandbox, "blue").at("state") == "active");
}

TEST_CASE("conflict: a table inet partd of somebody else's", "[conflict][nftables]") {
    Sandbox sandbox;
    sandbox.outside();
    output({"nft", "-f", "-"},
           {.input = "table inet partd { set theirs { type ipv4_addr; elements = { 192.0.2.1 }; }; chain c { "
                     "type filter hook input priority 5; counter; }; }"});
    const auto before = partd_table();
    sandbox.example("routed-nat");
    check_refused(sandbox, "nftables", "");
    CHECK(partd_table() == before);
    // the network stands, but nothing is let through: the way out is closed before it is open
    sandbox.remove_config("routed-nat.toml");
    sandbox.apply();
    CHECK(partd_table() == before);
}

TEST_CASE("conflict: a cgroup of that name", "[conflict][cgroup]") {
    Sandbox sandbox;
    const auto make = [&](const std::string& cgroup) {
        for (const auto& hierarchy : sandbox.cgroups().hierarchies()) {
            fs::create_directories(hierarchy.mount_point + "/" + cgroup);
        }
    };
    SECTION("the partition's own, below a partd.slice of ours") {
        sandbox.write_config("other.toml", "[partition.other]\ncgroup.pids.max = 5\n");
        sandbox.apply();
        make("partd.slice/partd-blue.slice");
    }
    SECTION("with the whole partd.slice") {
        make("partd.slice/partd-blue.slice");
    }
    const auto before = sandbox.cgroups().tree();
    sandbox.example("blue-green");
    check_refused(sandbox, "cgroup", "partd.slice");
    for (const auto& place : sandbox.cgroups().places("partd.slice/partd-blue.slice")) {
        CHECK_FALSE(attribute(place, "trusted.partd").has_value());
    }
    CHECK(sandbox.cgroups().limit("partd.slice/partd-blue.slice", "pids.max").value_or(-1) == -1);
    sandbox.remove_config("blue-green.toml");
    CHECK(sandbox.partctl({"apply"}).code == 0);
    CHECK(sandbox.cgroups().tree() == before);
}

TEST_CASE("foreign addresses and routes on our links stay", "[foreign]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    const int inside = sandbox.netns("workshop");
    ip({"addr", "add", "10.99.0.1/24", "dev", "veth0"});
    ip({"addr", "add", "10.98.0.1/24", "dev", "veth1"}, inside);
    ip({"route", "add", "10.97.0.0/16", "via", "10.1.1.1"});
    ip({"route", "add", "10.96.0.0/16", "via", "10.1.1.2"}, inside);
    ip({"rule", "add", "from", "10.1.1.0/24", "table", "77", "priority", "500"}, inside);
    ip({"link", "add", "mine", "type", "bridge"}, inside);
    CHECK(sandbox.diff() == 0);

    sandbox.write_config("workshop.toml",
                         "[partition.workshop.link.veth1]\naddress = [\"10.1.1.3/24\"]\npeer = { name = "
                         "\"veth0\", address = [\"10.1.1.2/24\"] }\n");
    sandbox.apply();
    CHECK(addresses("veth0") == Strings{"10.1.1.2/24", "10.99.0.1/24"});
    CHECK(addresses("veth1", inside) == Strings{"10.1.1.3/24", "10.98.0.1/24"});
    CHECK(routes("10.96.0.0/16", inside).size() == 1);
    CHECK(rules(500, inside).size() == 1);
    CHECK(has_link("mine", inside));
}

TEST_CASE("an address that was there before us is not ours to remove", "[foreign][address]") {
    Sandbox sandbox;
    sandbox.write_config("w.toml",
                         "[partition.w.link.eth0]\naddress = [\"10.5.0.1/24\"]\npeer = { name = \"w0\" }\n");
    sandbox.apply();
    ip({"addr", "add", "10.5.0.2/24", "dev", "w0"});
    sandbox.write_config("w.toml",
                         "[partition.w.link.eth0]\naddress = [\"10.5.0.1/24\"]\npeer = { name = \"w0\", "
                         "address = [\"10.5.0.2/24\"] }\n");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK((applied.code == 0 || applied.code == 7));
    sandbox.write_config("w.toml",
                         "[partition.w.link.eth0]\naddress = [\"10.5.0.1/24\"]\npeer = { name = \"w0\" }\n");
    sandbox.apply();
    CHECK(addresses("w0") == Strings{"10.5.0.2/24"});
}

TEST_CASE("foreign nftables tables stay as they are", "[foreign][nftables]") {
    Sandbox sandbox;
    forward_everything();
    sandbox.outside();
    output({"nft", "-f", "-"}, {.input = R"(
table ip partd { chain c { type filter hook forward priority 5; policy accept; ip daddr 192.0.2.1 drop; }; }
table inet filter { set s { type ipv4_addr; elements = { 192.0.2.2, 192.0.2.3 }; }; chain input { type filter hook input priority 0; ip saddr @s drop; }; }
)"});
    const auto theirs = [] {
        return output({"nft", "list", "table", "ip", "partd"}) +
               output({"nft", "list", "table", "inet", "filter"});
    };
    const auto before = theirs();
    const auto all = output({"nft", "list", "ruleset"});
    sandbox.example("routed-nat");
    sandbox.apply();
    CHECK(theirs() == before);
    sandbox.remove_config("routed-nat.toml");
    sandbox.apply();
    CHECK(output({"nft", "list", "ruleset"}) == all);
}

TEST_CASE("attributes that no file mentions are not managed", "[foreign][veth]") {
    Sandbox sandbox;
    sandbox.write_config("w.toml", "[partition.w.link.eth0]\npeer = { name = \"w0\" }\n");
    sandbox.apply();
    ip({"link", "set", "w0", "mtu", "1300"});
    ip({"link", "set", "w0", "txqueuelen", "77"});
    CHECK(sandbox.diff() == 0);
    sandbox.apply();
    CHECK(link("w0").at("mtu") == 1300);
}
