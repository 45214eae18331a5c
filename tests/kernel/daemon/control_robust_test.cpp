// SPDX-License-Identifier: Apache-2.0
// The daemon under hard conditions: processes that will not end, no descriptors, no space, crashes at any
// moment, a second one; and idle, when nothing happens.

#include "daemon_fixture.h"
#include "host_view.h"
#include "machine.h"

#include <sys/mount.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <iterator>
#include <random>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

const Arguments kStubborn{
    "sh", "-c", "trap '' TERM; echo ready; i=0; while [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done"};

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Processor time it has used, in hundredths of a second.
long ticks_of(pid_t process) {
    const auto stat = read_file("/proc/" + std::to_string(process) + "/stat");
    std::istringstream words(stat.substr(stat.rfind(')') + 2));
    const std::vector<std::string> fields{std::istream_iterator<std::string>(words), {}};
    return std::stol(fields.at(11)) + std::stol(fields.at(12));
}

}  // namespace

TEST_CASE("robust: a process that ignores SIGTERM holds up nobody else", "[control][removal]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    sandbox.write_config("old.toml", "[partition.old]\nstop_timeout = \"3s\"\n" + numbered_partition(1));
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("old") && exists("web") && converged(sandbox); }));
    Background stubborn = stay_in(sandbox, "old", kStubborn);
    REQUIRE(eventually([&] { return stubborn.written().find("ready") != std::string::npos; }));
    sandbox.write_config("old.toml", numbered_partition(1));
    const auto begin = Clock::now();
    std::this_thread::sleep_for(300ms);
    CHECK(exists("old"));
    ip({"link", "set", "web0", "down"});
    CHECK(eventually([] { return is_up("web0"); }, 1s));
    CHECK(answers(sandbox));
    ip({"addr", "flush", "dev", "h1"});
    CHECK(eventually([] { return addresses("h1").size() == 1; }, 1s));
    sandbox.write_config("p2.toml", numbered_partition(2));
    CHECK(eventually([] { return exists("p2"); }, 1s));
    CHECK(stubborn.running());
    CHECK(seconds_since(begin) < 2.9);
    CHECK(eventually([] { return !exists("old"); }, 4s));
    CHECK(seconds_since(begin) > 2.5);
    CHECK(stubborn.wait(1s) != -1);
    INFO(daemon.log());
    CHECK(converged(sandbox));
    CHECK(daemon.log().find("failed") == std::string::npos);
}

TEST_CASE("robust: a partition that is wanted again while its processes end", "[control][removal]") {
    Sandbox sandbox;
    const std::string old = "[partition.old]\nstop_timeout = \"2s\"\n";
    sandbox.write_config("daemon.toml", "[daemon]\nsettle_removal = \"0ms\"\n");
    sandbox.write_config("old.toml", old);
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("old") && converged(sandbox); }));
    Background stubborn = stay_in(sandbox, "old", kStubborn);
    REQUIRE(eventually([&] { return stubborn.written().find("ready") != std::string::npos; }));
    sandbox.remove_config("old.toml");
    std::this_thread::sleep_for(500ms);
    sandbox.write_config("old.toml", old);
    CHECK(converged(sandbox));
    CHECK(exists("old"));
    std::this_thread::sleep_for(2s);
    INFO(daemon.log());
    CHECK(exists("old"));
    CHECK(sandbox.diff() == 0);
}

TEST_CASE("robust: more partitions than descriptors: it is told, the others stand", "[control][limits]") {
    Sandbox sandbox;
    std::string all;
    for (int i = 1; i <= 40; ++i) {
        all += numbered_partition(i);
    }
    sandbox.write_config("all.toml", all);
    Daemon daemon({"prlimit", "--nofile=64:64", "--"});
    CHECK(daemon.said("Too many open files"));
    CHECK(eventually([] { return exists("p1"); }));
    CHECK(eventually([&] { return answers(sandbox); }));
    INFO(daemon.log());
    // with fewer it recovers by itself
    std::string some;
    for (int i = 1; i <= 10; ++i) {
        some += numbered_partition(i);
    }
    sandbox.write_config("all.toml", "[daemon]\ndelete_limit = \"100%\"\n" + some);
    CHECK(converged(sandbox, 10s));
    CHECK(netns_names().size() == 10);
    CHECK(daemon.running());
}

TEST_CASE("robust: out of descriptors because of clients", "[control][limits]") {
    Sandbox sandbox;
    std::string all;
    for (int i = 1; i <= 10; ++i) {
        all += numbered_partition(i);
    }
    sandbox.write_config("all.toml", all);
    Daemon daemon({"prlimit", "--nofile=64:64", "--"});
    REQUIRE(eventually([] { return exists("p10"); }));
    REQUIRE(converged(sandbox));
    {
        // more connections than it has descriptors
        Background crowd(Arguments{"/usr/bin/python3", "-c", R"(
import socket, time
kept = []
for i in range(120):
    s = socket.socket(socket.AF_UNIX); s.setblocking(False)
    try: s.connect("/run/partd/bus")
    except BlockingIOError: pass
    kept.append(s)
print("all", flush=True)
time.sleep(20)
)"});
        REQUIRE(eventually([&] { return crowd.written().find("all") != std::string::npos; }));
        // partctl works by itself when it is not let in, and does not hang
        const auto asked = sandbox.partctl({"status"}, {.input = {}, .timeout = 5s});
        INFO(asked.text());
        CHECK(asked.code == 0);
        // what it keeps, it goes on keeping
        ip({"link", "set", "h7", "down"});
        CHECK(eventually([] { return is_up("h7"); }));
        // without running in circles
        const long before = ticks_of(daemon.pid());
        std::this_thread::sleep_for(1s);
        CHECK(ticks_of(daemon.pid()) - before < 30);  // of 100 in a second
    }
    CHECK(eventually([&] { return answers(sandbox); }, 3s));
    ip({"link", "set", "h8", "down"});
    CHECK(eventually([] { return is_up("h8"); }));
    CHECK(converged(sandbox));
    CHECK(daemon.running());
}

TEST_CASE("robust: what waits for something that failed is not told as done", "[control][events]") {
    Sandbox sandbox;
    sandbox.write_config("bad.toml", R"([partition.bad.link.eth0]
address = ["10.2.0.1/24"]
peer = { name = "bad0" }
[partition.bad.sysctl]
net.ipv4.conf.eth0.rp_filter = 2
net.ipv4.ip_forward = "soon"
)");
    sandbox.write_config("web.toml", kWeb);
    Daemon daemon;
    REQUIRE(daemon.said("bad.toml:"));
    REQUIRE(eventually([&] { return exists("web"); }));
    for (int i = 0; i < 3; ++i) {
        ip({"link", "set", "bad0", "down"});
        std::this_thread::sleep_for(400ms);
    }
    INFO(daemon.log());
    CHECK(daemon.log().find("put back: ~ sysctl bad net.ipv4.ip_forward") == std::string::npos);
    CHECK(daemon.log().find("+ sysctl bad net.ipv4.ip_forward") == std::string::npos);
    CHECK(state_of_partition(sandbox, "bad") == "degraded");
    const auto state = output({"busctl", "--address=unix:path=/run/partd/bus", "get-property", "org.partd1",
                               "/org/partd1", "org.partd1.Manager", "State"});
    CHECK(state == "s \"degraded\"\n");
    CHECK(generations(sandbox).back().at("outcome") == "1 changes failed");
}

TEST_CASE("robust: /run is full for a while", "[control][limits]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("web") && converged(sandbox); }));
    require_call(::mount(nullptr, "/run", nullptr, MS_REMOUNT | MS_NOSUID | MS_NODEV, "size=1M") == 0,
                 "remount /run");
    const auto filled = run({"dd", "if=/dev/zero", "of=/run/scratch/fill", "bs=4k", "count=1000"});
    REQUIRE(filled.code != 0);
    // changes that need no file are repaired, the others are reported
    sandbox.write_config("p1.toml", numbered_partition(1));
    CHECK(daemon.said("No space left on device"));
    std::this_thread::sleep_for(500ms);
    CHECK(daemon.running());
    CHECK(exists("web"));
    const auto asked = sandbox.partctl({"status"}, {.input = {}, .timeout = 5s});
    INFO(asked.text());
    CHECK(asked.code == 0);
    CHECK(daemon.times("No space left on device") < 20);
    fs::remove("/run/scratch/fill");
    CHECK(eventually([] { return exists("p1"); }, 10s));
    const bool settled = converged(sandbox);
    INFO(daemon.log());
    CHECK(settled);
    ip({"link", "set", "web0", "down"});
    CHECK(eventually([] { return is_up("web0"); }));
}

TEST_CASE("robust: killed at twenty random moments while files change", "[control][crash]") {
    Sandbox sandbox;
    forward_everything();
    std::mt19937 random(4711);  // NOLINT(cert-msc51-cpp): the same moments each time
    std::uniform_int_distribution<int> moment(1, 120);
    std::uniform_int_distribution<int> which(1, 6);
    auto daemon = std::make_unique<Daemon>();
    for (int round = 0; round < 20; ++round) {
        const int i = which(random);
        const auto name = "p" + std::to_string(i) + ".toml";
        if (fs::exists("/etc/partd/" + name) && round % 3 != 0) {
            sandbox.remove_config(name);
        } else {
            sandbox.write_config(name, numbered_partition(i, "mtu = " + std::to_string(1400 + round) + "\n") +
                                           "[partition.p" + std::to_string(i) + ".nat]\nmasquerade = true\n");
        }
        std::this_thread::sleep_for(Milliseconds(50 + moment(random)));
        daemon->crash();
        daemon = std::make_unique<Daemon>();
    }
    REQUIRE(eventually([&] { return answers(sandbox); }));
    const bool settled = converged(sandbox, 8s);
    INFO(daemon->log());
    REQUIRE(settled);
    for (int i = 1; i <= 6; ++i) {
        const bool wanted = fs::exists("/etc/partd/p" + std::to_string(i) + ".toml");
        INFO(i);
        CHECK(exists("p" + std::to_string(i)) == wanted);
        CHECK(has_link("h" + std::to_string(i)) == wanted);
    }
    // and nothing is left when nothing is wanted
    for (const auto& entry : fs::directory_iterator("/etc/partd")) {
        fs::remove(entry.path());
    }
    REQUIRE(sandbox.partctl({"apply", "--allow-delete"}).code == 0);
    CHECK(links().empty());
    CHECK(netns_names().empty());
    CHECK_FALSE(has_partd_table());
    CHECK(sandbox.cgroups().places("partd.slice").empty());
    CHECK(orphans().empty());
}

TEST_CASE("robust: whatever call of its start fails, it works, or says so and ends", "[control][start]") {
    Configured host(kWeb);
    const auto trace = host.sandbox.scratch() + "/trace";
    int tried = 0;
    for (const std::string call :
         {"epoll_create1", "inotify_init1", "inotify_add_watch", "socket", "bind", "listen", "timerfd_create",
          "epoll_ctl", "accept4", "flock", "mkdirat", "fcntl"}) {
        for (int nth = 1;; ++nth) {
            // -D: strace is not the parent.
            Daemon daemon({"strace", "-E", kNoLeaks, "-D", "-f", "-o", trace, "-e", "trace=" + call, "-e",
                           "inject=" + call + ":error=EMFILE:when=" + std::to_string(nth)});
            const bool judged = eventually(
                [&] { return !daemon.running() || (answers(host.sandbox) && exists("web")); }, 10s);
            const bool injected = occurrences(read_file(trace), "(INJECTED)") > 0;
            INFO(call << " " << nth << ": " << daemon.log() << read_file(trace));
            CHECK(judged);
            if (!daemon.running()) {
                CHECK(daemon.wait() == 6);
                CHECK(daemon.log().find("Too many open files") != std::string::npos);
            }
            if (!injected) {
                break;
            }
            ++tried;
        }
    }
    CHECK(tried > 20);
    Daemon daemon;
    CHECK(eventually([&] { return answers(host.sandbox) && converged(host.sandbox); }));
}

TEST_CASE("robust: a second daemon says that one runs", "[control][start]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    Daemon first;
    REQUIRE(eventually([&] { return exists("web") && answers(sandbox); }));
    Daemon second;
    CHECK(second.wait() == 6);
    CHECK(second.log().find("partd runs already") != std::string::npos);
    CHECK(answers(sandbox));  // the first one's socket is still there
    CHECK(first.running());
    // without rights
    const Outcome nobody =
        run({"setpriv", "--reuid", "65534", "--clear-groups", "--", "sh", "-c", "exec \"$0\"", PARTD});
    INFO(nobody.text());
    CHECK(nobody.code != 0);
    CHECK(run({PARTD, "--nonsense"}).code == 2);
}

TEST_CASE("robust: idle, it makes no system call", "[control][idle]") {
    Sandbox sandbox;
    std::string all;
    for (int i = 1; i <= 50; ++i) {
        all += numbered_partition(i);
    }
    sandbox.write_config("all.toml", all);
    Daemon daemon;
    REQUIRE(eventually([] { return exists("p50"); }, 20s));
    REQUIRE(converged(sandbox, 10s));
    std::this_thread::sleep_for(
        3s);  // until the kernel has probed the addresses, and the figures are written
    const std::string trace = sandbox.scratch() + "/trace";
    const auto traced =
        run({"timeout", "-s", "INT", "3", "strace", "-f", "-o", trace, "-p", std::to_string(daemon.pid())});
    INFO(traced.text());
    if (traced.err.find("Operation not permitted") != std::string::npos) {
        PARTD_CANNOT_RUN("strace may not attach to another process");
    }
    const auto calls = read_file(trace);
    INFO(calls);
    // nothing but the wait that it was in all the time
    CHECK(occurrences(calls, "\n") == 1);
    CHECK(calls.find("epoll_wait(") != std::string::npos);
}
