// SPDX-License-Identifier: Apache-2.0
// The judges themselves: they must see what there is, and leave nothing on the machine.

#include "host_view.h"

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

namespace {

/// The state of the machine outside of any sandbox.
std::string machine() {
    std::string all =
        read_file("/proc/self/mountinfo") + output({"ip", "-j", "link"}) + read_file("/proc/self/cgroup");
    all += output({"readlink", "/proc/self/ns/net", "/proc/self/ns/mnt", "/proc/self/ns/cgroup"});
    for (const char* path : {"/etc/partd", "/etc/netns", "/usr/lib/partd", "/run/netns", "/run/partd"}) {
        all += fs::exists(path) ? path : "";
    }
    return all;
}

std::string own_cgroups(const std::string& mount_points) {
    // Groups of other tests come and go meanwhile; find(1) only complains of them.
    return run({"find", mount_points, "-name", "partd-test-" + std::to_string(::getpid())}).out;
}

}  // namespace

TEST_CASE("sandbox: a judge that is not installed is no judge", "[sandbox]") {
    const std::string message =
        "no-such-judge is not installed; its package belongs in packaging/packages.sh";
    CHECK_THROWS_WITH(run({"no-such-judge"}), message);
    CHECK_THROWS_WITH(Background(Arguments{"no-such-judge"}), message);
}

TEST_CASE("sandbox: leaves the machine as it was", "[sandbox]") {
    const auto before = machine();
    for (int round = 0; round < 2; ++round) {
        Sandbox sandbox;
        sandbox.outside();
        sandbox.write_config("a.toml", "");
        fs::create_directories("/etc/netns/a");
        fs::create_directories("/usr/lib/partd");
        ip({"netns", "add", "a"});
        for (const auto& hierarchy : sandbox.cgroups().hierarchies()) {
            ::mkdir((hierarchy.mount_point + "/partd.slice").c_str(), 0755);
        }
        CHECK(sandbox.cgroups().tree().size() == 2 * sandbox.cgroups().hierarchies().size());
        CHECK(sandbox.cgroups().places("partd.slice").size() == sandbox.cgroups().hierarchies().size());
    }
    CHECK(machine() == before);
    CHECK(own_cgroups("/sys/fs/cgroup") == "");
}

TEST_CASE("sandbox: also when a test throws, with processes in its cgroups", "[sandbox]") {
    const auto before = machine();
    Background sleeper;
    try {
        Sandbox sandbox;
        sleeper = Background(Arguments{"sleep", "30"});
        for (const auto& hierarchy : sandbox.cgroups().hierarchies()) {
            write_file(hierarchy.mount_point + "/cgroup.procs", std::to_string(sleeper.pid()));
        }
        CHECK(sandbox.cgroups().processes("") == std::vector{sleeper.pid()});
        throw std::runtime_error("a test fails");
    } catch (const std::runtime_error&) {
    }
    CHECK(sleeper.wait(2s) == 128 + 9);
    CHECK(machine() == before);
    CHECK(own_cgroups("/sys/fs/cgroup") == "");
}

TEST_CASE("sandbox: the comparison sees each kind of change", "[sandbox]") {
    Sandbox sandbox;
    sandbox.outside();
    const auto before = snapshot(sandbox);
    pid_t left = 0;
    CHECK(difference(before, snapshot(sandbox)) == "");
    SECTION("address") {
        ip({"addr", "add", "10.0.0.1/8", "dev", "lo"});
    }
    SECTION("route") {
        ip({"route", "add", "blackhole", "10.0.0.0/8", "table", "7"});
    }
    SECTION("IPv6 route") {
        ip({"-6", "route", "add", "blackhole", "fd00::/8"});
    }
    SECTION("rule") {
        ip({"rule", "add", "from", "10.0.0.0/8", "table", "7"});
    }
    SECTION("link") {
        ip({"link", "add", "lan", "type", "bridge"});
    }
    SECTION("alias") {
        ip({"link", "set", "uplink", "alias", "x"});
    }
    SECTION("table") {
        output({"nft", "add", "table", "inet", "partd"});
    }
    SECTION("namespace") {
        ip({"netns", "add", "a"});
    }
    SECTION("cgroup") {
        fs::create_directory(sandbox.cgroups().of("")->mount_point + "/partd.slice");
    }
    SECTION("pin") {
        fs::create_directories("/run/partd/ns/a");
    }
    SECTION("layer") {
        fs::create_directories("/var/lib/partd/layers/a");
    }
    SECTION("process that nobody waits for") {
        left = std::stoi(output({"sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"}));
    }
    CHECK(difference(before, snapshot(sandbox)) != "");
    if (left > 0) {
        ::kill(left, SIGKILL);
    }
}

TEST_CASE("sandbox: what ended is reaped, what lives is told", "[sandbox]") {
    Sandbox sandbox;
    // of a test before, if there was one in this process
    REQUIRE(eventually([] { return orphans().empty(); }));
    output({"sh", "-c", "sleep 0.3 >/dev/null 2>&1 &"});
    CHECK(orphans().find(" sleep ") != std::string::npos);
    Background ours(Arguments{"sleep", "5"});
    CHECK(eventually([] { return orphans().empty(); }));
    // what the test waits for itself is left to it
    ours.signal(SIGTERM);
    CHECK(eventually([&] {
        return read_file("/proc/" + std::to_string(ours.pid()) + "/stat").find(" Z ") != std::string::npos;
    }));
    CHECK(orphans() == "");
    CHECK(ours.wait(1s) == 128 + SIGTERM);
}

TEST_CASE("sandbox: traffic, with and without a way", "[sandbox]") {
    Sandbox sandbox;
    const auto& outside = sandbox.outside();
    const int wan = outside.netns.fd();
    CHECK(pings(kHere, Outside::kPeer4));
    CHECK(pings(wan, Outside::kHost6));
    CHECK(does_not_ping(wan, "203.0.113.99"));
    const Server tcp(wan, Outside::kPeer4, 80);
    const Server tcp6(wan, Outside::kPeer6, 80);
    const Server udp(wan, Outside::kPeer4, 53, Transport::udp);
    CHECK(seen_by(kHere, Outside::kPeer4, 80) == Outside::kHost4);
    CHECK(seen_by(kHere, Outside::kPeer6, 80) == Outside::kHost6);
    CHECK(seen_by(kHere, Outside::kPeer4, 53, Transport::udp) == Outside::kHost4);
    CHECK(out_of_reach(kHere, Outside::kPeer4, 81));
    CHECK(out_of_reach(kHere, Outside::kPeer4, 54, Transport::udp));
    const auto open = Connection::open(kHere, Outside::kPeer4, 80);
    REQUIRE(open);
    CHECK(open->alive());
    CHECK(open->alive());
}

TEST_CASE("sandbox: limits written by hand bite", "[sandbox][cgroup]") {
    Sandbox sandbox;
    const auto& cgroups = sandbox.cgroups();
    for (const char* controller : {"memory", "pids", "cpu"}) {
        if (cgroups.of(controller) == nullptr) {
            PARTD_CANNOT_RUN(std::string("no hierarchy has the controller ") + controller);
        }
        const auto& hierarchy = *cgroups.of(controller);
        if (hierarchy.version == 2) {
            write_file(hierarchy.mount_point + "/cgroup.subtree_control", std::string("+") + controller);
        }
        fs::create_directory(hierarchy.mount_point + "/x");
    }
    cgroups.set_limit("x", "memory.max", 64 << 20);
    cgroups.set_limit("x", "pids.max", 9);
    CHECK(cgroups.limit("x", "memory.max") == 64 << 20);
    const auto joined = [&](const char* controller, const std::string& option, const std::string& value) {
        const auto procs = cgroups.of(controller)->mount_point + "/x/cgroup.procs";
        return run(
            {"sh", "-c", "echo $$ > " + procs + " && exec " + this_program() + " " + option + " " + value});
    };
    CHECK(joined("memory", "--eat-memory", std::to_string(150 << 20)).code == 128 + 9);
    CHECK(joined("pids", "--fork", "40").out == "8\n");
}

TEST_CASE("sandbox: a controller can be hidden", "[sandbox][cgroup]") {
    Sandbox sandbox;
    if (!sandbox.cgroups().hide("pids")) {
        PARTD_CANNOT_RUN("the pids controller is not on a v1 hierarchy of its own");
    }
    CHECK(sandbox.cgroups().of("pids") == nullptr);
    CHECK(read_file("/proc/self/mountinfo").find("cgroup/pids") == std::string::npos);
}
