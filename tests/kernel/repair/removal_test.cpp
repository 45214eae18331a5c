// SPDX-License-Identifier: Apache-2.0
#include "host_view.h"

#include <unistd.h>

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

std::string partition_p(const std::string& keys) {
    return "[partition.p]\n" + keys +
           "\n[partition.p.link.eth0]\naddress = [\"10.70.0.1/24\"]\npeer = { name = \"p0\", address = "
           "[\"10.70.0.2/24\"] }\n";
}

/// Partition p with those keys, applied, and a process that lives in it.
struct Inhabited {
    Sandbox sandbox;
    Background process;

    Inhabited(const std::string& keys, const Arguments& command) {
        sandbox.write_config("p.toml", partition_p(keys));
        sandbox.apply();
        Arguments all{PARTCTL, "exec", "p", "--"};
        all.insert(all.end(), command.begin(), command.end());
        process = Background(all);
        REQUIRE(eventually([&] { return status_of(sandbox, "p").at("processes").get<int>() > 0; }));
    }
    /// Processes of the partition's cgroup that are alive.
    std::size_t alive() { return sandbox.cgroups().processes("partd.slice/partd-p.slice").size(); }
};

const Arguments kSleep{"sleep", "60"};
/// Takes no notice of SIGTERM.
const Arguments kStubborn{
    "sh", "-c", "trap '' TERM; echo ready; i=0; while [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done"};

}  // namespace

TEST_CASE("on_remove: stop ends the processes", "[removal][on_remove]") {
    Inhabited partition("", kSleep);
    partition.sandbox.remove_config("p.toml");
    const auto plan = partition.sandbox.partctl_json({"diff"});
    INFO(plan_text(plan));
    CHECK(lists(plan, "changes", "partition", "p"));
    partition.sandbox.apply();
    CHECK(partition.process.wait(2s) != -1);
    CHECK(netns_names() == Strings{});
    CHECK_FALSE(has_link("p0"));
    CHECK(partition.sandbox.cgroups().places("partd.slice").empty());
}

TEST_CASE("on_remove: stop kills who does not listen, after stop_timeout", "[removal][on_remove]") {
    Inhabited partition("stop_timeout = \"1s\"", kStubborn);
    REQUIRE(eventually([&] { return partition.process.written().find("ready") != std::string::npos; }));
    partition.sandbox.remove_config("p.toml");
    const auto start = std::chrono::steady_clock::now();
    partition.sandbox.apply();
    const auto took = std::chrono::steady_clock::now() - start;
    CHECK(took > 900ms);
    CHECK(took < 6s);
    CHECK(partition.process.wait(2s) != -1);
    CHECK(netns_names() == Strings{});
}

TEST_CASE("on_remove: stop ends only processes of the partition", "[removal][on_remove]") {
    Inhabited partition("", kSleep);
    Background bystander(kSleep);
    partition.sandbox.write_config("q.toml", "[partition.q]\n");
    partition.sandbox.apply();
    Background neighbour(Arguments{PARTCTL, "exec", "q", "--", "sleep", "60"});
    REQUIRE(eventually([&] { return status_of(partition.sandbox, "q").at("processes").get<int>() > 0; }));
    partition.sandbox.remove_config("p.toml");
    partition.sandbox.apply();
    CHECK(bystander.running());
    CHECK(neighbour.running());
}

TEST_CASE("on_remove: refuse keeps it while processes live in it, and says so", "[removal][on_remove]") {
    Inhabited partition("on_remove = \"refuse\"", kSleep);
    auto& sandbox = partition.sandbox;
    const auto inode = netns_inode("p");
    sandbox.remove_config("p.toml");
    const auto refused = sandbox.partctl({"apply"});
    INFO(refused.text());
    CHECK(refused.code == 7);
    CHECK((refused.err + refused.out).find("process") != std::string::npos);
    CHECK(partition.process.running());
    CHECK(netns_inode("p") == inode);
    CHECK(pings(kHere, "10.70.0.1"));
    CHECK(sandbox.cgroups().places("partd.slice/partd-p.slice").size() >= 1);
    CHECK(status_of(sandbox, "p").at("state") == "undeclared");

    partition.process.stop();
    REQUIRE(eventually([&] { return partition.alive() == 0; }));
    sandbox.apply();
    CHECK(netns_names() == Strings{});
    CHECK_FALSE(has_link("p0"));
}

TEST_CASE("on_remove: keep lets go and leaves everything", "[removal][on_remove]") {
    Inhabited partition("on_remove = \"keep\"", kSleep);
    auto& sandbox = partition.sandbox;
    const auto inode = netns_inode("p");
    sandbox.remove_config("p.toml");
    sandbox.apply();
    CHECK(partition.process.running());
    CHECK(netns_inode("p") == inode);
    CHECK(pings(kHere, "10.70.0.1"));
    CHECK(status_of(sandbox, "p").value("state", "none") != "active");
    // and does not come back to it later
    std::filesystem::remove_all("/run/partd/ledger");
    CHECK(sandbox.diff() == 0);
    sandbox.apply();
    CHECK(netns_inode("p") == inode);
}

TEST_CASE("delete limit: more than half, and more than three", "[removal][delete-limit]") {
    Sandbox sandbox;
    const auto partitions = [&](int count) {
        std::string text;
        for (int i = 0; i < count; ++i) {
            text += "[partition.p" + std::to_string(i) + "]\n";
        }
        sandbox.write_config("p.toml", text);
    };
    partitions(8);
    sandbox.apply();
    SECTION("half of them: done") {
        partitions(4);
        sandbox.apply();
        CHECK(netns_names().size() == 4);
    }
    SECTION("more than half: refused, nothing removed") {
        partitions(3);
        const auto refused = sandbox.partctl({"apply"});
        INFO(refused.text());
        CHECK(refused.code == 7);
        CHECK(refused.err.find("--allow-delete") != std::string::npos);
        CHECK(netns_names().size() == 8);
        CHECK(sandbox.partctl({"apply", "--allow-delete"}).code == 0);
        CHECK(netns_names().size() == 3);
    }
    SECTION("all three of three: done") {
        partitions(4);
        sandbox.apply();
        partitions(3);
        sandbox.apply();
        sandbox.remove_config("p.toml");
        sandbox.apply();
        CHECK(netns_names() == Strings{});
    }
    SECTION("an emptied directory does not empty a host") {
        sandbox.remove_config("p.toml");
        CHECK(sandbox.partctl({"apply"}).code == 7);
        CHECK(netns_names().size() == 8);
    }
    SECTION("the namesake in another file is no removal") {
        auto text = read_file("/etc/partd/p.toml");
        sandbox.remove_config("p.toml");
        sandbox.write_config("q.toml", text);
        CHECK(sandbox.diff() == 0);
        sandbox.apply();
        CHECK(netns_names().size() == 8);
    }
}

TEST_CASE("a namespace that somebody keeps open does not hold removal up", "[removal]") {
    Sandbox sandbox;
    sandbox.write_config("p.toml", partition_p(""));
    sandbox.apply();
    const int held = sandbox.netns("p");
    sandbox.remove_config("p.toml");
    const auto start = std::chrono::steady_clock::now();
    const auto removed = sandbox.partctl({"apply"});
    const auto took = std::chrono::steady_clock::now() - start;
    INFO(removed.text());
    CHECK(removed.code == 0);
    CHECK(took < 2s);
    CHECK(netns_names() == Strings{});
    CHECK(links() == Strings{});
    CHECK(links(held) == Strings{});
}

TEST_CASE("a process that entered the namespace by ip netns exec does not hold removal up", "[removal]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    sandbox.write_config("p.toml", partition_p(""));
    sandbox.apply();
    Background visitor(Arguments{"ip", "netns", "exec", "p", "sleep", "60"});
    REQUIRE(eventually([&] { return output({"ip", "netns", "pids", "p"}).size() > 1; }));
    sandbox.remove_config("p.toml");
    sandbox.apply();
    CHECK(netns_names() == Strings{});
    CHECK_FALSE(has_link("p0"));
    CHECK(difference(before, snapshot(sandbox)) == "");
}
