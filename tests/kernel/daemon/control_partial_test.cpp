// SPDX-License-Identifier: Apache-2.0
// Only what an event names is looked at again; and whatever kind of thing changes is put back among many.

#include "daemon_fixture.h"
#include "host_view.h"
#include "machine.h"

#include <chrono>
#include <filesystem>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

struct Spent {
    double seconds = 0;
    double times = 0;
};

Spent spent(const Sandbox& sandbox) {
    const auto text = sandbox.partctl({"metrics"}).out;
    const auto value = [&](const std::string& name) {
        const auto at = text.find("\n" + name + " ");
        return std::stod(text.substr(at + name.size() + 2));
    };
    return {value("partd_reconcile_seconds_sum"), value("partd_reconcile_seconds_count")};
}

std::string many(int count) {
    std::string all;
    for (int i = 1; i <= count; ++i) {
        all += numbered_partition(i);
    }
    return all;
}

/// Milliseconds that a repair of one link takes among so many partitions, the least of several rounds: others
/// use the machine, too.
double milliseconds_of_a_repair(int partitions) {
    constexpr int kRepairs = 20;
    Sandbox sandbox;
    sandbox.write_config("all.toml", many(partitions));
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("p" + std::to_string(partitions)); }, 30s));
    REQUIRE(converged(sandbox, 20s));
    std::this_thread::sleep_for(3s);  // until the kernel has probed the addresses
    double least = 1e9;
    for (int round = 0; round < 2; ++round) {
        const Spent before = spent(sandbox);
        for (int i = 0; i < kRepairs; ++i) {
            // another one each time, or it would be contested
            const auto name = "h" + std::to_string((round * kRepairs + i) % partitions + 1);
            ip({"link", "set", name, "down"});
            REQUIRE(eventually([&] { return is_up(name); }));
        }
        const Spent after = spent(sandbox);
        INFO(daemon.log());
        CHECK(after.times - before.times >= kRepairs);
        least = std::min(least, (after.seconds - before.seconds) / kRepairs * 1000);
    }
    return least;
}

struct Among {
    Sandbox sandbox;
    std::unique_ptr<Daemon> daemon;

    Among() {
        sandbox.write_config("many.toml", many(29));
        sandbox.write_config("all.toml", R"([partition.all]
namespaces = ["net", "uts"]
hostname = "all"
[partition.all.link.eth0]
address = ["10.1.1.1/24", "fd00:1::1/64"]
peer = { name = "all0", address = ["10.1.1.2/24", "fd00:1::2/64"] }
[[partition.all.route]]
to = "default"
via = "10.1.1.2"
[[partition.all.rule]]
priority = 700
from = "10.1.1.0/24"
table = 77
[partition.all.sysctl]
net.ipv4.conf.eth0.rp_filter = 2
[partition.all.nat]
masquerade = true
[partition.all.cgroup]
pids.max = 50
[partition.all.dns]
nameserver = ["10.9.9.9"]
)");
        daemon = std::make_unique<Daemon>();
        REQUIRE(eventually([&] { return exists("all") && exists("p29"); }, 20s));
        REQUIRE(converged(sandbox, 20s));
    }
};

struct Break {
    const char* what;
    std::function<void(Among&)> how;
    const char* put_back;  // in the log
};

std::string group() {
    return group_of("all");
}

const std::vector<Break>& breaks() {
    const auto inside = [](Arguments arguments) {
        return [arguments = std::move(arguments)](Among&) {
            Arguments all{"-n", "all"};
            all.insert(all.end(), arguments.begin(), arguments.end());
            ip(all);
        };
    };
    static const std::vector<Break> kAll = {
        {"a link on the host goes down", [](Among&) { ip({"link", "set", "all0", "down"}); },
         "link all/eth0"},
        {"a link inside goes down", inside({"link", "set", "eth0", "down"}), "link all/eth0"},
        {"a link is deleted", [](Among&) { ip({"link", "del", "all0"}); }, "link all/eth0"},
        {"lo goes down", inside({"link", "set", "lo", "down"}), "all"},
        {"an address on the host", [](Among&) { ip({"addr", "del", "10.1.1.2/24", "dev", "all0"}); },
         "address host:all0"},
        {"an IPv6 address on the host", [](Among&) { ip({"addr", "del", "fd00:1::2/64", "dev", "all0"}); },
         "address host:all0"},
        {"an address inside", inside({"addr", "del", "10.1.1.1/24", "dev", "eth0"}), "address all/eth0"},
        {"a route inside", inside({"route", "del", "default"}), "route all"},
        {"a rule inside", inside({"rule", "del", "priority", "700"}), "rule all"},
        {"the nft table", [](Among&) { output({"nft", "delete table inet partd"}); }, "nftables inet partd"},
        {"the elements of an nft set", [](Among&) { output({"nft", "flush set inet partd inside"}); }, "all"},
        {"a cgroup's limit", [](Among& host) { host.sandbox.cgroups().set_limit(group(), "pids.max", 77); },
         "limit"},
        {"a cgroup",
         [](Among& host) {
             for (const std::string& place : host.sandbox.cgroups().places(group())) {
                 fs::remove(place);
             }
         },
         "cgroup"},
        {"resolv.conf",
         [](Among&) {
             const std::string path = "/etc/netns/all/resolv.conf";
             write_file(path, read_file(path) + "nameserver 10.6.6.6\n");
         },
         "file all/resolv.conf"},
        {"resolv.conf is gone", [](Among&) { fs::remove("/etc/netns/all/resolv.conf"); },
         "file all/resolv.conf"},
        {"a pin is unmounted", [](Among&) { output({"umount", "/run/partd/ns/all/uts"}); }, "all/uts"},
        {"the network namespace is deleted", [](Among&) { run({"ip", "netns", "del", "all"}); }, "netns all"},
        {"the network namespace's pin is unmounted", [](Among&) { run({"umount", "/run/netns/all"}); },
         "netns all"},
    };
    return kAll;
}

}  // namespace

TEST_CASE("partial: a repair costs the same among 10 and among 150", "[control][partial]") {
    const double few = milliseconds_of_a_repair(10);
    const double much = milliseconds_of_a_repair(150);
    INFO(few << " ms among 10, " << much << " ms among 150");
    CHECK(much < few * 2 + 1);
}

TEST_CASE("partial: drift of every kind is put back among 30 partitions", "[control][partial][drift]") {
    Among host;
    for (const Break& each : breaks()) {
        const auto before = host.daemon->log().size();
        INFO(each.what);
        each.how(host);
        const bool mended = eventually([&] {
            const auto log = host.daemon->log().substr(before);
            const auto at = log.find("put back: ");
            return at != std::string::npos && log.find(each.put_back, at) != std::string::npos;
        });
        INFO(host.daemon->log().substr(before));
        CHECK(mended);
        CHECK(converged(host.sandbox));
    }
    CHECK(exists("p29"));
    CHECK(host.daemon->running());
}

TEST_CASE("partial: two partitions at once, and one that a neighbour needs", "[control][partial][drift]") {
    Sandbox sandbox;
    sandbox.write_config("pair.toml", many(5) + R"([partition.blue]
[partition.green]
[partition.blue.link.eth0]
address = ["10.5.0.1/24"]
peer = { partition = "green", name = "eth0", address = ["10.5.0.2/24"] }
)");
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("green") && exists("p5"); }));
    REQUIRE(converged(sandbox));
    run({"ip", "netns", "del", "green"});  // partd may be there before its file is gone
    run({"ip", "netns", "del", "p3"});
    ip({"link", "set", "h4", "down"});
    CHECK(eventually([&] { return exists("green") && exists("p3") && is_up("h4"); }));
    CHECK(converged(sandbox));
    CHECK(run({"ip", "netns", "exec", "blue", "ping", "-c1", "-W1", "10.5.0.2"}).code == 0);
    ip({"-n", "green", "link", "set", "eth0", "down"});
    CHECK(eventually(
        [] { return run({"ip", "netns", "exec", "blue", "ping", "-c1", "-W1", "10.5.0.2"}).code == 0; }));
    CHECK(converged(sandbox));
}
