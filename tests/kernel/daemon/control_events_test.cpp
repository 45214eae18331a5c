// SPDX-License-Identifier: Apache-2.0
// The daemon's messages while it works: partctl events, and status --watch.

#include "daemon_fixture.h"
#include "host_view.h"

#include <algorithm>
#include <regex>
#include <set>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

/// A daemon that serves; Listener waits for it.
struct Listening {
    Sandbox sandbox;
    Daemon daemon;
    Listener listener;
};

}  // namespace

TEST_CASE("events: changed, repaired, files, failed", "[control][events]") {
    Listening host;
    host.sandbox.write_config("web.toml", kWeb);
    CHECK(host.listener.hears("changed", "link web/eth0"));
    REQUIRE(converged(host.sandbox));
    ip({"link", "set", "web0", "down"});
    CHECK(host.listener.hears("repaired", "link web/eth0"));
    host.sandbox.write_config("bad.toml", "[partition.bad\n");
    CHECK(host.listener.hears("files", "bad.toml:1:"));
    host.sandbox.remove_config("bad.toml");
    // a value that the kernel refuses
    host.sandbox.write_config(
        "p1.toml", numbered_partition(1) + "[partition.p1.sysctl]\nnet.ipv4.ip_forward = \"soon\"\n");
    CHECK(host.listener.hears("failed", "p1.toml:5"));
    INFO(host.daemon.log());
    for (const Json& each : host.listener.heard()) {
        INFO(each.dump());
        CHECK(each.at("schema") == 1);
        CHECK(std::regex_match(each.at("time").get<std::string>(),
                               std::regex(R"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)")));
        CHECK_FALSE(each.at("message").get<std::string>().empty());
        std::set<std::string> keys;
        for (const auto& [key, value] : each.items()) {
            keys.insert(key);
        }
        CHECK(keys == std::set<std::string>{"schema", "time", "event", "partition", "object", "message"});
    }
    const auto heard = host.listener.heard();
    const bool of_web = std::ranges::any_of(heard, [](const Json& each) {
        return each.at("event") == "repaired" && each.at("partition") == "web";
    });
    CHECK(of_web);
}

TEST_CASE("events: refused, told once", "[control][events]") {
    Listening host;
    for (int i = 1; i <= 5; ++i) {
        host.sandbox.write_config("p" + std::to_string(i) + ".toml", numbered_partition(i));
    }
    REQUIRE(eventually([&] { return exists("p5") && converged(host.sandbox); }));
    for (int i = 2; i <= 5; ++i) {
        host.sandbox.remove_config("p" + std::to_string(i) + ".toml");
    }
    CHECK(host.listener.hears("refused", "--allow-delete"));
    ip({"link", "set", "h1", "down"});
    CHECK(eventually([] { return is_up("h1"); }));
    std::this_thread::sleep_for(500ms);
    const auto heard = host.listener.heard();
    const auto told =
        std::ranges::count_if(heard, [](const Json& each) { return each.at("event") == "refused"; });
    INFO(host.daemon.log());
    CHECK(told == 1);
    CHECK(exists("p2"));
}

TEST_CASE("events: contested", "[control][events]") {
    Listening host;
    host.sandbox.write_config("web.toml", kWeb);
    REQUIRE(eventually([&] { return exists("web") && converged(host.sandbox); }));
    for (int i = 0; i < 100 && !host.listener.hears("contested", "link web/eth0", 0ms); ++i) {
        ip({"link", "set", "web0", "down"});
        std::this_thread::sleep_for(20ms);
    }
    CHECK(host.listener.hears("contested", "link web/eth0"));
    CHECK(eventually([&] { return state_of_partition(host.sandbox, "web") == "contested"; }));
}

TEST_CASE("events: rolled-back", "[control][events]") {
    Listening host;
    host.sandbox.write_config("web.toml", kWeb);
    REQUIRE(eventually([&] { return exists("web") && generations(host.sandbox).size() == 2; }));
    host.sandbox.write_config("base.toml", "[daemon]\nsettle = \"20s\"\n");
    REQUIRE(host.sandbox.partctl({"apply"}).code == 0);
    host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    REQUIRE(host.sandbox.partctl({"apply", "--confirm", "1s"}).code == 0);
    CHECK(host.listener.hears("rolled-back", "nobody confirmed in time"));
}

TEST_CASE("events: as lines of text, and the end of the daemon ends them", "[control][events]") {
    Sandbox sandbox;
    auto daemon = std::make_unique<Daemon>();
    REQUIRE(eventually([&] { return answers(sandbox); }));
    Listener beside;  // when this one hears it, the other one may, too
    Background events(Arguments{PARTCTL, "events"});
    std::this_thread::sleep_for(300ms);
    sandbox.write_config("bad.toml", "[partition.bad]\n\"\\u001b[31mred\" = 1\n");
    REQUIRE(beside.hears("files", "bad.toml:2:"));
    sandbox.write_config("web.toml", kWeb);
    CHECK(beside.hears("changed", "link web/eth0"));
    CHECK(eventually([&] { return events.written().find("changed + link web/eth0") != std::string::npos; }));
    CHECK(events.written().find('\033') == std::string::npos);
    daemon.reset();
    CHECK(events.wait(3s) == 4);
}

TEST_CASE("events: status --watch prints again when something changes", "[control][events]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("web") && converged(sandbox); }));
    Background watching(Arguments{PARTCTL, "status", "--watch"});
    REQUIRE(eventually([&] { return occurrences(watching.written(), "PARTITION") >= 1; }));
    CHECK(watching.written().find("p1") == std::string::npos);
    sandbox.write_config("p1.toml", numbered_partition(1));
    CHECK(eventually([&] { return watching.written().find("p1 ") != std::string::npos; }));
    CHECK(occurrences(watching.written(), "PARTITION") >= 2);
    CHECK(watching.running());
}
