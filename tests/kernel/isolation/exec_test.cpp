// SPDX-License-Identifier: Apache-2.0
#include "daemon_fixture.h"
#include "host_view.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

Outcome exec(const Sandbox& sandbox, const std::string& partition, const Arguments& command,
             RunOptions options = {}) {
    Arguments all{"exec", partition, "--"};
    all.insert(all.end(), command.begin(), command.end());
    return sandbox.partctl(all, options);
}

}  // namespace

TEST_CASE("exec: the command's own exit code", "[exec]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    CHECK(exec(sandbox, "workshop", {"true"}).code == 0);
    CHECK(exec(sandbox, "workshop", {"sh", "-c", "exit 42"}).code == 42);
    CHECK(exec(sandbox, "workshop", {"sh", "-c", "kill -TERM $$"}).code == 128 + 15);
    CHECK(exec(sandbox, "workshop", {"sh", "-c", "kill -KILL $$"}).code == 128 + 9);
    const auto absent = exec(sandbox, "workshop", {"/no/such/program"});
    INFO(absent.text());
    CHECK(absent.code == 127);
    CHECK(absent.err.find("/no/such/program") != std::string::npos);
}

TEST_CASE("exec: words are passed as they are, input and output too", "[exec]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    CHECK(exec(sandbox, "workshop", {"printf", "%s|", "a b", "$HOME", "--json", "-c", "*"}).out ==
          "a b|$HOME|--json|-c|*|");
    CHECK(exec(sandbox, "workshop", {"cat"}, {.input = "through\n"}).out == "through\n");
    CHECK(exec(sandbox, "workshop", {"sh", "-c", "echo no >&2"}).err == "no\n");
}

TEST_CASE("exec: in the partition's network namespace", "[exec]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    const auto expected = "net:[" + std::to_string(netns_inode("workshop")) + "]\n";
    CHECK(exec(sandbox, "workshop", {"readlink", "/proc/self/ns/net"}).out == expected);
    CHECK(exec(sandbox, "workshop", {"ip", "-br", "link"}).out.find("veth1@") != std::string::npos);
    // /sys shows the partition's own devices, as ip netns exec has it
    const auto devices = exec(sandbox, "workshop", {"ls", "/sys/class/net"});
    INFO(devices.text());
    CHECK(devices.out.find("veth1") != std::string::npos);
    CHECK(devices.out.find("veth0") == std::string::npos);
}

TEST_CASE("exec: in the partition's cgroup, in every hierarchy that has it", "[exec][cgroup]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();
    const auto seen = exec(sandbox, "blue", {"cat", "/proc/self/cgroup"});
    INFO(seen.text());
    const auto places = static_cast<long>(sandbox.cgroups().places("partd.slice/partd-blue.slice").size());
    std::istringstream lines(seen.out);
    long within = 0;
    for (std::string line; std::getline(lines, line);) {
        within += line.ends_with("/partd.slice/partd-blue.slice") ? 1 : 0;
    }
    CHECK(within == places);
    CHECK(within >= 1);
}

TEST_CASE("exec: a partition without limits has a cgroup too, for its processes", "[exec][cgroup]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    Background sleeper(Arguments{PARTCTL, "exec", "workshop", "--", "sleep", "30"});
    CHECK(eventually([&] { return status_of(sandbox, "workshop").at("processes") == 1; }));
    CHECK(sandbox.cgroups().processes("partd.slice/partd-workshop.slice").size() >= 1);
    sleeper.stop();
    CHECK(eventually([&] { return status_of(sandbox, "workshop").at("processes") == 0; }));
}

TEST_CASE("exec: cgroupfs stays visible at /sys/fs/cgroup", "[exec][cgroup]") {
    Sandbox sandbox;
    sandbox.example("blue-green");
    sandbox.apply();
    for (const auto& place : sandbox.cgroups().places("partd.slice/partd-blue.slice")) {
        const auto procs = exec(sandbox, "blue", {"cat", place + "/cgroup.procs"});
        INFO(place << ": " << procs.text());
        CHECK(procs.code == 0);
        CHECK(procs.out != "");
    }
    const auto host = output({"ls", "/sys/fs/cgroup"});
    CHECK(exec(sandbox, "blue", {"ls", "/sys/fs/cgroup"}).out == host);
}

TEST_CASE("exec: nothing leaks in: descriptors, mounts", "[exec][leak]") {
    Sandbox sandbox;
    sandbox.write_config("d.toml", "[partition.d.dns]\nnameserver = [\"9.9.9.9\"]\n");
    sandbox.apply();
    // one that the caller left open
    const int leaked = ::dup(0);
    REQUIRE(leaked > 2);
    const auto listed = exec(sandbox, "d", {"ls", "-l", "/proc/self/fd"});
    ::close(leaked);
    INFO(listed.text());
    // 0, 1, 2, and the one that ls opens
    CHECK(std::count(listed.out.begin(), listed.out.end(), '>') == 4);
    // and its mounts stay inside
    const auto before = read_file("/proc/self/mountinfo");
    exec(sandbox, "d", {"true"});
    CHECK(read_file("/proc/self/mountinfo") == before);
}

TEST_CASE("exec: the working directory is kept", "[exec]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    const auto where = run({"sh", "-c", "cd /run/scratch && " PARTCTL " exec workshop -- pwd"});
    INFO(where.text());
    CHECK(where.out == "/run/scratch\n");
}

TEST_CASE("exec: signals reach the command", "[exec]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    sandbox.apply();
    Background waiting(Arguments{
        PARTCTL, "exec", "workshop", "--", "sh", "-c",
        "trap 'exit 9' TERM; echo ready; i=0; while [ $i -lt 200 ]; do sleep 0.1; i=$((i+1)); done"});
    REQUIRE(eventually([&] { return waiting.written().find("ready") != std::string::npos; }));
    waiting.signal(SIGTERM);
    CHECK(waiting.wait(3s) == 9);
}

TEST_CASE("exec: what cannot be entered is said", "[exec]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    const auto check = [&](const std::string& name) {
        const auto refused = exec(sandbox, name, {"echo", "inside"});
        INFO(refused.text());
        CHECK(refused.code != 0);
        CHECK(refused.out.empty());
        CHECK(refused.err.find(name) != std::string::npos);
    };
    check("workshop");
    check("nobody");
    check("../../etc");
    sandbox.apply();
    CHECK(sandbox.partctl({"exec", "workshop"}).code == 2);
}

TEST_CASE("exec: whatever call fails, it says so or does without", "[exec][failure]") {
    Sandbox sandbox;
    sandbox.write_config("iso.toml", "[partition.iso]\nnamespaces = [\"net\", \"pid\", \"mnt\", \"uts\"]\n");
    sandbox.apply();
    const auto trace = sandbox.scratch() + "/trace";
    for (const std::string call : {"clone", "setns", "socketpair", "signalfd4", "pidfd_open", "close_range",
                                   "fchdir", "openat2", "open_tree", "mount_setattr", "fsopen", "mount",
                                   "setsid", "prctl", "keyctl", "execveat", "prlimit64"}) {
        // strace counts the calls of each process for itself.
        for (int nth = 1; nth < 20; ++nth) {
            const auto done = run({"strace", "-E", kNoLeaks, "-f", "-qq", "-o", trace, "-e", "trace=" + call,
                                   "-e", "inject=" + call + ":error=EMFILE:when=" + std::to_string(nth),
                                   PARTCTL, "exec", "iso", "--", "sh", "-c", "echo begun; exit 41"},
                                  {.input = {}, .timeout = 10s});
            if (occurrences(read_file(trace), "(INJECTED)") == 0) {
                break;
            }
            INFO(call << " " << nth << ": " << done.code << " " << done.text() << read_file(trace));
            CHECK_FALSE(done.timed_out);
            // As if nothing had been, or with the kernel's words before the program began.
            CHECK(((done.code == 41 && done.out == "begun\n") ||
                   (done.code > 0 && done.code <= 127 && done.out.empty() && !done.err.empty())));
        }
    }
}

TEST_CASE("exec: into a partition that has no network namespace of its own", "[exec]") {
    Sandbox sandbox;
    sandbox.write_config("n.toml", "[partition.n]\nnamespaces = []\ncgroup.pids.max = 20\n");
    sandbox.apply();
    CHECK(netns_names() == Strings{});
    const auto here = std::to_string([] {
        struct stat status{};
        ::stat("/proc/self/ns/net", &status);
        return status.st_ino;
    }());
    const auto seen = exec(sandbox, "n", {"readlink", "/proc/self/ns/net"});
    INFO(seen.text());
    CHECK(seen.out == "net:[" + here + "]\n");
}
