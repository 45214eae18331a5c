// SPDX-License-Identifier: Apache-2.0
// Killed at each of its changing calls, partctl converges at the next run: nothing orphaned, nothing lost.

#include "host_view.h"

#include <unistd.h>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

constexpr int kKilled = 128 + 9;
constexpr int kMostCalls = 200;

/// A partition with something of each kind.
constexpr const char* kWhole = R"(
[partition.whole]
[partition.whole.link.eth0]
address = ["10.90.0.2/24", "fd00:90::2/64"]
peer = { name = "whole0", address = ["10.90.0.1/24", "fd00:90::1/64"] }
[[partition.whole.route]]
to = "default"
via = "10.90.0.1"
[[partition.whole.rule]]
from = "10.90.0.0/24"
table = 100
priority = 1000
[partition.whole.dns]
nameserver = ["9.9.9.9"]
[partition.whole.cgroup]
pids.max = 50
[partition.whole.nat]
masquerade = true
[[partition.whole.nat.forward]]
listen = "tcp/8080"
to = "10.90.0.2:80"
)";

/// `partctl apply`, killed as it enters its nth call of that name; false when it came to its end before.
bool killed_at(const std::string& call, int nth) {
    const auto inject = "inject=" + call + ":signal=KILL:when=" + std::to_string(nth);
    const auto outcome = run({"strace", "-E", kNoLeaks, "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call,
                              "-e", inject, PARTCTL, "apply"});
    INFO(call << " " << nth << ": " << outcome.text());
    CHECK((outcome.code == 0 || outcome.code == kKilled));
    return outcome.code == kKilled;
}

void remove_all(Sandbox& sandbox) {
    sandbox.remove_config("whole.toml");
    sandbox.apply();
    CHECK(links() == Strings{Outside::kLink});
    CHECK(netns_names() == Strings{});
    CHECK_FALSE(has_partd_table());
    CHECK(sandbox.cgroups().places("partd.slice").empty());
}

enum class While { Making, Removing };

/// A partition made, or one removed, by runs of apply that are killed at every call of that name, each
/// followed by one that is not. How many were killed.
int kill_at_each(const std::string& call, While what) {
    Sandbox sandbox;
    sandbox.outside();
    forward_everything();
    const auto before = snapshot(sandbox);
    int kills = 0;
    bool killed = true;
    for (int nth = 1; killed && nth < kMostCalls; ++nth) {
        INFO((what == While::Making ? "making" : "removing") << ", killed at " << call << " number " << nth);
        sandbox.write_config("whole.toml", kWhole);
        if (what == While::Removing) {
            REQUIRE_NOTHROW(sandbox.apply());
            sandbox.remove_config("whole.toml");
        }
        killed = killed_at(call, nth);
        kills += killed ? 1 : 0;
        if (what == While::Making) {
            REQUIRE_NOTHROW(sandbox.apply());
        } else {
            sandbox.write_config("whole.toml", "");
        }
        REQUIRE_NOTHROW(remove_all(sandbox));
    }
    CHECK(difference(before, snapshot(sandbox)) == "");
    return kills;
}

/// Some of the names may be unknown to the machine or unused by the program, but not all.
void kill_at_each_of(std::initializer_list<const char*> calls,
                     std::initializer_list<While> all = {While::Making, While::Removing}) {
    int kills = 0;
    for (const char* call : calls) {
        for (const While what : all) {
            kills += kill_at_each(call, what);
        }
    }
    CHECK(kills > 2);
}

}  // namespace

TEST_CASE("crash: at each message to the kernel as a partition is made", "[crash]") {
    kill_at_each_of({"sendto", "sendmsg"}, {While::Making});
}

TEST_CASE("crash: at each message to the kernel as one is removed", "[crash]") {
    kill_at_each_of({"sendto", "sendmsg"}, {While::Removing});
}

TEST_CASE("crash: at each mark of a cgroup", "[crash]") {
    kill_at_each_of({"setxattr", "fsetxattr"});
}

TEST_CASE("crash: at each write", "[crash]") {
    kill_at_each_of({"write", "pwrite64"});
}

TEST_CASE("crash: at each mount and each new namespace", "[crash]") {
    kill_at_each_of({"mount", "open_tree", "move_mount", "umount2", "unshare"});
}

TEST_CASE("crash: at each directory made or removed", "[crash]") {
    kill_at_each_of({"mkdir", "mkdirat", "rmdir"});
}

TEST_CASE("crash: at each name given or taken", "[crash]") {
    kill_at_each_of({"unlink", "unlinkat", "rename", "renameat2"});
}
