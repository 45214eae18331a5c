// SPDX-License-Identifier: Apache-2.0
// Too little of something: memory, descriptors, space; and partitions in great numbers. Rows 25, 33, 38 and
// 40 of the table in tests/faults.md.

#include "daemon_fixture.h"
#include "host_view.h"
#include "machine.h"

#include <sys/mount.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::string numbered(int count) {
    std::string all;
    for (int i = 1; i <= count; ++i) {
        const auto n = std::to_string(i);
        const auto net = "10." + std::to_string(100 + i / 4096) + "." + std::to_string(i / 16 % 256) + ".";
        const int host = i % 16 * 16;
        all += "[partition.p" + n + ".link.eth0]\naddress = [\"" + net + std::to_string(host + 1) +
               "/28\"]\npeer = { name = \"h" + n + "\", address = [\"" + net + std::to_string(host + 2) +
               "/28\"] }\n";
    }
    return all;
}

/// Resource usage of a program, from the kernel: /usr/bin/time would be another package.
struct Taken {
    double user = 0;       ///< seconds of processors in the program itself
    double system = 0;     ///< in the kernel for it
    double megabytes = 0;  ///< at most
    int code = -1;
};

Taken taken_by(const Arguments& command, Milliseconds timeout) {
    const std::string script = R"(import json, resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([used.ru_utime, used.ru_stime, used.ru_maxrss / 1024, code])))";
    Arguments words{"/usr/bin/python3", "-c", script};
    words.insert(words.end(), command.begin(), command.end());
    const Json told = json(words, {.input = {}, .timeout = timeout});
    return {told.at(0).get<double>(), told.at(1).get<double>(), told.at(2).get<double>(),
            told.at(3).get<int>()};
}

struct Scale {
    Taken made, looked, removed;
};

Scale scale(int partitions) {
    Sandbox sandbox;
    sandbox.write_config("all.toml", numbered(partitions));
    constexpr auto kLong = 1200s;
    Scale all;
    all.made = taken_by({PARTCTL, "apply", "--no-legend"}, kLong);
    REQUIRE(all.made.code == 0);
    REQUIRE(netns_names().size() == static_cast<std::size_t>(partitions));
    all.looked = taken_by({PARTCTL, "diff"}, kLong);
    REQUIRE(all.looked.code == 0);
    sandbox.remove_config("all.toml");
    all.removed = taken_by({PARTCTL, "apply", "--allow-delete", "--no-legend"}, kLong);
    REQUIRE(all.removed.code == 0);
    REQUIRE(links().empty());
    for (const auto& [what, taken] :
         {std::pair{"made", all.made}, {"looked", all.looked}, {"removed", all.removed}}) {
        std::cout << partitions << " " << what << ": " << taken.user << " s itself, " << taken.system
                  << " s in the kernel, " << taken.megabytes << " MB\n";
    }
    return all;
}

/// `times` as many partitions may take that many times as much, and half of that again; in the kernel, whose
/// own lists of links, mounts and namespaces grow with them, three times that.
void compare(const Scale& few, const Scale& many, double times) {
    constexpr double kGrain = 0.02;  // as exact as the kernel's account of so short a run is
    for (const auto& [small, large] :
         {std::pair{few.made, many.made}, {few.looked, many.looked}, {few.removed, many.removed}}) {
        CHECK(large.user < (small.user + kGrain) * times * 1.5);
        CHECK(large.system < (small.system + kGrain) * times * 3);
        CHECK(large.megabytes < small.megabytes * times * 1.5);
    }
}

}  // namespace

TEST_CASE("scarce: with any amount of memory it ends with a sentence, and the next run finishes",
          "[scarce][memory]") {
#if defined(PARTD_SANITIZED)
    PARTD_CANNOT_RUN("a sanitizer's shadow takes more address space than there is");
#endif
    Sandbox sandbox;
    sandbox.write_config("all.toml", numbered(200));
    bool begins = false;
    bool told = false;
    bool done = false;
    for (long kilobytes = 13'000; kilobytes <= 120'000 && !done; kilobytes += 250) {
        const auto limit = std::to_string(kilobytes << 10);
        const auto with_limit = [&](const char* verb) {
            return run({"prlimit", "--as=" + limit + ":" + limit, "--", PARTCTL, verb});
        };
        begins =
            begins || with_limit("--version").code < 127;  // else the linker or C++ ended it before main()
        if (!begins) {
            continue;
        }
        const auto applied = with_limit("apply");
        INFO(kilobytes << " KB: " << applied.text());
        CHECK_FALSE(applied.timed_out);
        CHECK(applied.code < 127);
        CHECK((applied.code == 0 || !applied.err.empty()));
        done = applied.code == 0;
        told =
            told || (applied.code == 6 && applied.err.find("there is no memory left") != std::string::npos);
    }
    CHECK(told);
    CHECK(done);
    sandbox.apply();
}

TEST_CASE("scarce: partctl with any number of descriptors", "[scarce][limits]") {
    Sandbox sandbox;
    sandbox.write_config("all.toml", numbered(8));
    int failed = 0;
    int done = 0;
    for (int descriptors = 3; descriptors <= 64 && done < 2; ++descriptors) {
        const auto limit = std::to_string(descriptors);
        const auto applied = run({"prlimit", "--nofile=" + limit + ":" + limit, "--", PARTCTL, "apply"});
        INFO(descriptors << ": " << applied.text());
        CHECK_FALSE(applied.timed_out);
        CHECK(applied.code < 128);
        CHECK((applied.code == 0 || !applied.err.empty()));
        ++(applied.code == 0 ? done : failed);
    }
    CHECK(failed > 0);
    CHECK(done > 0);
    sandbox.apply();
}

TEST_CASE("scarce: /run is full from the beginning", "[scarce][limits]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    require_call(::mount(nullptr, "/run", nullptr, MS_REMOUNT | MS_NOSUID | MS_NODEV, "size=64k") == 0,
                 "remount /run");
    REQUIRE(run({"dd", "if=/dev/zero", "of=/run/scratch/fill", "bs=4k", "count=100"}).code != 0);
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 6);
    CHECK(applied.err.find("No space left on device") != std::string::npos);
    fs::remove("/run/scratch/fill");
    sandbox.apply();
    CHECK(pings(kHere, "10.1.1.1"));
}

TEST_CASE("scarce: a fork bomb in a partition that is removed", "[scarce][removal]") {
    Sandbox sandbox;
    if (sandbox.cgroups().of("pids") == nullptr) {
        PARTD_CANNOT_RUN("no pids controller");
    }
    const bool pid = GENERATE(true, false);
    sandbox.write_config("bomb.toml", std::string("[partition.bomb]\nstop_timeout = \"1s\"\n") +
                                          (pid ? "namespaces = [\"net\", \"pid\"]\n" : "") +
                                          "[partition.bomb.cgroup]\npids.max = 60\n");
    sandbox.apply();
    // The limit keeps the machine safe.
    REQUIRE(sandbox.cgroups().limit(group_of("bomb"), "pids.max") == 60);
    // Each makes two others before it ends, and ignores every signal that can be ignored.
    const std::string bomb =
        "import os, signal, time\n"
        "for n in (1, 2, 3, 15): signal.signal(n, signal.SIG_IGN)\n"
        "end = time.time() + 60\n"
        "made = 0\n"
        "while time.time() < end and made < 2:\n"
        "    try:\n"
        "        if os.fork() == 0:\n"
        "            os.setsid()\n"
        "            made = 0\n"
        "        else: made += 1\n"
        "    except OSError: time.sleep(0.002)\n"
        "    try: os.waitpid(-1, os.WNOHANG)\n"
        "    except OSError: pass\n"
        "os._exit(0)\n";
    Background guest(Arguments{PARTCTL, "exec", "bomb", "--", "/usr/bin/python3", "-c", bomb});
    const auto crowd = [&] { return sandbox.cgroups().processes(group_of("bomb")).size(); };
    REQUIRE(eventually([&] { return status_of(sandbox, "bomb").at("processes").get<int>() > 20; }));
    sandbox.remove_config("bomb.toml");
    const auto begin = Clock::now();
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 0);
    CHECK(seconds_since(begin) < 8);
    CHECK(crowd() == 0);
    CHECK_FALSE(exists("bomb"));
    CHECK(sandbox.cgroups().places(group_of("bomb")).empty());
    guest.stop();
    CHECK(eventually([] { return orphans().empty(); }));
}

TEST_CASE("scarce: sets and chains of more than 64 KiB", "[scarce][nat]") {
    Sandbox sandbox;
    sandbox.outside();
    constexpr int kForwards = 3000;
    std::string many =
        "[partition.many.link.eth0]\naddress = [\"10.21.0.2/24\"]\npeer = { address = [\"10.21.0.1/24\"] }\n";
    for (int i = 0; i < kForwards; ++i) {
        many += "[[partition.many.nat.forward]]\nlisten = \"tcp/" + std::to_string(10'000 + i) +
                "\"\nto = \"10.21.0.2:" + std::to_string(20'000 + i) + "\"\n";
    }
    sandbox.write_config("many.toml", many);
    sandbox.apply();
    const auto elements = [] {
        return occurrences(output({"nft", "-n", "list", "table", "inet", "partd"}), " : 10.21.0.2 . 2");
    };
    CHECK(elements() >= kForwards);
    CHECK(output({"nft", "-n", "list", "table", "inet", "partd"}).find(" . 22999") != std::string::npos);
    // the last ten go again
    auto fewer = many.size();
    for (int i = 0; i < 10; ++i) {
        fewer = many.rfind("[[", fewer - 1);
    }
    sandbox.write_config("many.toml", many.substr(0, fewer));
    sandbox.apply();
    CHECK(elements() >= kForwards - 10);
    CHECK(output({"nft", "-n", "list", "table", "inet", "partd"}).find(" . 22999") == std::string::npos);
}

TEST_CASE("scale: five times as many take five times as much", "[scale]") {
    const Scale few = scale(60);
    compare(few, scale(300), 5);
}

// Half a minute, and gigabytes of the kernel's: only when asked for by its tag, `partd_kernel_tests
// "[long]"`.
TEST_CASE("scale: four thousand partitions", "[.][long]") {
    const Scale few = scale(1000);
    compare(few, scale(4000), 4);
}
