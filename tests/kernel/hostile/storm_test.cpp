// SPDX-License-Identifier: Apache-2.0
// The host changes faster than anybody can read: events are lost, dumps interrupted, things made and taken
// away between plan and apply. Rows 3, 5, 6 and 20 of the table in tests/faults.md.

#include "daemon_fixture.h"
#include "host_view.h"

#include <chrono>
#include <csignal>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

struct Kept {
    Sandbox sandbox;
    Daemon daemon;

    Kept() {
        sandbox.write_config("web.toml", std::string(kWeb) + "[partition.web.nat]\nmasquerade = true\n");
        REQUIRE(eventually([&] { return exists("web") && converged(sandbox) && answers(sandbox); }));
    }
    /// The number of plans that were carried out or checked so far.
    [[nodiscard]] double reconciled() const {
        const auto text = sandbox.partctl({"metrics"}).out;
        const std::string name = "\npartd_reconcile_seconds_count ";
        return std::stod(text.substr(text.find(name) + name.size()));
    }
};

/// Events that the kernel could not hand to sockets of this network namespace so far (proc_net(5)).
long lost_events() {
    std::istringstream lines(read_file("/proc/thread-self/net/netlink"));
    std::string line;
    std::getline(lines, line);
    constexpr int kDrops = 8;
    long all = 0;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string word;
        for (int i = 0; i <= kDrops; ++i) {
            words >> word;
        }
        all += std::stol(word);
    }
    return all;
}

/// `ip -batch -`, so many times the line; "#" stands for the number.
void batch(int times, const std::string& line) {
    std::string text;
    for (int i = 1; i <= times; ++i) {
        std::string each = line;
        for (auto at = each.find('#'); at != std::string::npos; at = each.find('#', at)) {
            each.replace(at, 1, std::to_string(i));
        }
        text += each + "\n";
    }
    const auto done = run({"ip", "-batch", "-"}, {.input = text, .timeout = 60s});
    INFO(done.text());
    REQUIRE(done.code == 0);
}

}  // namespace

TEST_CASE("storm: what lost events hide is found all the same", "[storm]") {
    Kept host;
    ip({"link", "add", "noise", "up", "type", "bridge"});  // the kernel tells of an alias when it is up
    const long before = lost_events();
    host.daemon.signal(SIGSTOP);
    for (int round = 0; round < 20 && lost_events() == before; ++round) {
        batch(2000, "link set noise alias " + std::string(240, 'x') + "#");
    }
    // These are lost: no buffer holds them.
    ip({"link", "set", "web0", "down"});
    output({"nft", "delete", "table", "inet", "partd"});
    const long lost = lost_events() - before;
    host.daemon.signal(SIGCONT);
    if (lost == 0) {
        PARTD_CANNOT_RUN("the kernel's buffers hold more events than a test should make");
    }
    CHECK(eventually([] { return is_up("web0"); }, 2s));
    CHECK(eventually([] { return has_partd_table(); }, 2s));
    CHECK(converged(host.sandbox));
    INFO(host.daemon.log());
    CHECK(host.daemon.running());
}

TEST_CASE("storm: a thousand links come, and that is few looks", "[storm]") {
    Kept host;
    const double before = host.reconciled();
    batch(1000, "link add s# group 7 type veth peer name t# group 7");
    ip({"link", "set", "web0", "down"});
    CHECK(eventually([] { return is_up("web0"); }, 2s));
    CHECK(converged(host.sandbox));
    const double looks = host.reconciled() - before;
    INFO(host.daemon.log());
    CHECK(looks >= 1);
    CHECK(looks <= 20);
    CHECK(host.daemon.megabytes() < 64);
}

TEST_CASE("storm: dumps that are interrupted are repeated", "[storm]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    sandbox.apply();
    // More than fit one answer of a dump, or none is ever interrupted.
    batch(200, "link add d# type bridge");
    Background churn([] {
        while (true) {
            (void)run({"ip", "link", "add", "churn", "type", "bridge"});
            (void)run({"ip", "link", "del", "churn"});
        }
        return 0;
    });
    const std::string trace = sandbox.scratch() + "/trace";
    std::size_t interrupted = 0;
    for (int round = 0; round < 40 && interrupted < 3; ++round) {
        const auto looked = run(
            {"strace", "-E", kNoLeaks, "-f", "-e", "trace=recvfrom,recvmsg", "-o", trace, PARTCTL, "diff"});
        INFO(looked.text());
        REQUIRE(looked.code == 0);
        interrupted += occurrences(read_file(trace), "NLM_F_DUMP_INTR");
    }
    CHECK(interrupted > 0);
}

TEST_CASE("storm: a racing mutator holds up nobody, and loses nothing of its own", "[storm][race]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    sandbox.write_config(
        "pair.toml",
        "[partition.a.link.eth0]\npeer = { partition = \"b\", name = \"eth0\" }\n[partition.b]\n");
    ip({"link", "add", "theirs", "type", "bridge"});
    const std::string script = R"(while :; do
ip netns add a; ip netns del a; ip link add web0 type bridge; ip link del web0; ip netns del web
ip link set web0 name odd; ip link set odd name web0; ip -n b link set eth0 netns web; ip -n web addr flush dev eth0
done 2>/dev/null)";
    int rounds = 0;
    {
        Background mutator(Arguments{"sh", "-c", script});
        const auto begin = std::chrono::steady_clock::now();
        const auto lasted = [&] { return std::chrono::steady_clock::now() - begin; };
        for (; lasted() < 2s || (rounds < 5 && lasted() < 20s); ++rounds) {
            const auto applied = sandbox.partctl({"apply"}, {.input = {}, .timeout = 10s});
            INFO(applied.text());
            CHECK_FALSE(applied.timed_out);
            // done, something failed, a name was held by the mutator's, or planned anew often enough
            CHECK((applied.code == 0 || (applied.code >= 6 && applied.code <= 8)));
        }
    }
    CHECK(rounds >= 5);
    CHECK(eventually([] { return orphans().empty(); }));  // its last command
    // Objects of the mutator under wanted names are foreign: remove them here.
    for (const char* name : {"odd", "web0"}) {
        if (has_link(name) && !link(name).contains("ifalias")) {
            (void)run({"ip", "link", "del", name});  // it may just be going with its namespace
        }
    }
    auto applied = sandbox.partctl({"apply"});
    for (const char* name : {"a", "b", "web"}) {
        if (applied.code == 7 && applied.text().find("netns " + std::string(name)) != std::string::npos) {
            (void)run({"ip", "netns", "del", name});
        }
    }
    // The kernel takes a namespace down after its name: till then the other end of its link is in the way.
    CHECK(eventually([&] { return sandbox.partctl({"apply"}).code == 0; }, 5s));
    CHECK(sandbox.diff() == 0);
    CHECK(pings(kHere, "10.1.1.1"));
    CHECK(has_link("theirs"));
}

TEST_CASE("storm: fifty ip netns add while partd starts", "[storm][race]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    std::vector<Background> others;
    for (int i = 0; i < 25; ++i) {
        others.emplace_back(Arguments{"ip", "netns", "add", "early-" + std::to_string(i)});
    }
    Daemon daemon;
    for (int i = 0; i < 25; ++i) {
        others.emplace_back(Arguments{"ip", "netns", "add", "late-" + std::to_string(i)});
    }
    for (auto& other : others) {
        INFO(other.written());
        CHECK(other.wait(5s) == 0);
    }
    REQUIRE(eventually([&] { return exists("blue") && exists("green") && converged(sandbox); }));
    CHECK(netns_names().size() == 52);
    for (const auto& name : netns_names()) {
        INFO(name);
        CHECK_NOTHROW(links(sandbox.netns(name)));
    }
    CHECK(pings(sandbox.netns("blue"), "10.10.0.2"));
    const auto mounts = output({"findmnt", "-n", "-o", "TARGET,PROPAGATION", "/run/netns"});
    INFO(mounts);
    CHECK(mounts.find("shared") != std::string::npos);
    CHECK(occurrences(mounts, "\n") == 1);
}
