// SPDX-License-Identifier: Apache-2.0
// The root of a partition's user namespace stops what enters it: partd goes on.

#include "daemon_fixture.h"
#include "host_view.h"
#include "machine.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

std::string evil(const std::string& more) {
    return "[partition.evil]\nnamespaces = [\"net\", \"user\"" + more +
           "]\n[partition.evil.user]\nuid_map = [{ inside = 0, outside = 200000, count = 1000 }]\n";
}

}  // namespace

TEST_CASE("stop: a helper that is stopped inside a user namespace does not stop the daemon", "[stop][user]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    sandbox.write_config("evil.toml", evil(""));
    Daemon daemon;
    REQUIRE(eventually([&] { return answers(sandbox) && converged(sandbox); }, 20s));
    Background stopper = stay_in(
        sandbox, "evil",
        {"python3", "-c",
         "import os, signal\nwhile True:\n  try: os.kill(-1, signal.SIGSTOP)\n  except OSError: pass"});
    // A new namespace of a type is made by a helper that enters the user namespace; so is PID 1.
    const std::string more = GENERATE(", \"uts\", \"ipc\"", ", \"pid\", \"mnt\"");
    sandbox.write_config("evil.toml", evil(more));
    double slowest = 0;
    for (int i = 0; i < 4; ++i) {  // a fifth time would be a fight
        const auto begin = std::chrono::steady_clock::now();
        ip({"link", "set", "web0", "down"});
        CHECK(eventually([] { return is_up("web0"); }, 20s));
        slowest = std::max(slowest,
                           std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
        std::this_thread::sleep_for(1s);
    }
    INFO(slowest << " " << daemon.log());
    CHECK(slowest < 1.5);
    // And when nobody does so any more it is made.
    stopper.signal(SIGKILL);
    for (const pid_t each : sandbox.cgroups().processes(group_of("evil"))) {
        ::kill(each, SIGKILL);
    }
    sandbox.write_config("p1.toml", numbered_partition(1));  // everything has a new chance
    CHECK(converged(sandbox, 10s));
}
