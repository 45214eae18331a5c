// SPDX-License-Identifier: Apache-2.0
// Groups that programs make below a partition's: they go with it, whoever made
// them; nothing else does.

#include "daemon_fixture.h"
#include "host_view.h"
#include "machine.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kGroup = "partd.slice/partd-p.slice";

std::string partition(const std::string& more = {}) {
    return "[partition.p]\nstop_timeout = \"300ms\"\n" + more;
}

const std::string kLimits = "[partition.p.cgroup]\npids.max = 500\nmemory.max = \"512M\"\n";

/// Moves a process that this test started.
void move_to(const std::string& group, pid_t process) {
    write_file(group + "/cgroup.procs", std::to_string(process));
}

struct Made {
    Sandbox sandbox;

    explicit Made(const std::string& text = partition(kLimits)) {
        sandbox.write_config("p.toml", text);
        sandbox.apply();
        REQUIRE_FALSE(places().empty());
    }
    std::vector<std::string> places() { return sandbox.cgroups().places(kGroup); }
    void check_gone() {
        sandbox.remove_config("p.toml");
        sandbox.apply();
        CHECK(sandbox.cgroups().places("partd.slice").empty());
    }
};

}  // namespace

TEST_CASE("Groups below a partition's go with it", "[cgroup][inner]") {
    Made host;
    for (const auto& place : host.places()) {
        INFO(place);
        for (const char* name : {"/a/b/c", "/a/d", "/wide.slice", "/ \xff\x01*?", "/.partd-new", "/-rf"}) {
            fs::create_directories(place + name);
        }
    }
    const auto empty = GENERATE(true, false);
    std::vector<Background> inside;
    if (!empty) {
        for (const auto& place : host.places()) {
            inside.emplace_back(Arguments{"sleep", "60"});
            for (const auto& each : host.places()) {
                move_to(each, inside.back().pid());
            }
            // in one hierarchy deeper than in the others
            if (!fs::exists(place + "/cpuset.cpus")) {
                move_to(place + "/a/b", inside.back().pid());
            }
        }
    }
    Background bystander(Arguments{"sleep", "60"});
    host.check_gone();
    for (auto& each : inside) {
        CHECK(each.wait(2s) != -1);
    }
    CHECK(bystander.running());
}

TEST_CASE("Who left a partition's group, but not that of a controller, ends with it", "[cgroup][inner]") {
    Made host;
    const auto places = host.places();
    if (places.size() < 2) {
        PARTD_CANNOT_RUN("all controllers are in one hierarchy here");
    }
    Background straggler(Arguments{"sleep", "60"});
    const auto only = places.back();
    fs::create_directories(only + "/deep/er");
    move_to(only + "/deep/er", straggler.pid());
    host.check_gone();
    CHECK(straggler.wait(2s) != -1);
}

TEST_CASE("Groups deeper than a path is long", "[cgroup][inner]") {
    Made host(partition());
    const auto place = host.places().front();
    const int top = ::open(place.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    require_call(top >= 0, place);
    int here = ::dup(top);
    const std::string name(100, 'g');
    for (int depth = 0; depth < 100; ++depth) {
        require_call(::mkdirat(here, name.c_str(), 0755) == 0, "mkdirat");
        const int inner = ::openat(here, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        require_call(inner >= 0, "openat");
        ::close(here);
        here = inner;
    }
    Background inside(Arguments{"sleep", "60"});
    const int procs = ::openat(here, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    const auto pid = std::to_string(inside.pid());
    require_call(procs >= 0 && ::write(procs, pid.data(), pid.size()) > 0, "cgroup.procs");
    ::close(procs);
    ::close(here);
    ::close(top);
    host.check_gone();
    CHECK(inside.wait(2s) != -1);
}

TEST_CASE("A process that makes groups all the time does not hold up the removal", "[cgroup][inner]") {
    const bool daemon = GENERATE(false, true);
    INFO((daemon ? "with partd" : "without partd"));
    Made host(partition());
    const auto place = host.places().front();
    // it ignores TERM, forks and makes groups, in groups of its own
    Background storm(std::function<int()>([place]() -> int {
        ::signal(SIGTERM, SIG_IGN);
        ::signal(SIGCHLD, SIG_IGN);
        std::string path = place;
        for (unsigned i = 0;; ++i) {
            path = i % 50 == 0 ? place : path + "/" + std::to_string(i % 7);
            (void)::mkdir((path + "/g" + std::to_string(i)).c_str(), 0755);
            (void)::mkdir(path.c_str(), 0755);
            if (i % 100 == 0 && ::fork() == 0) {
                ::usleep(300'000);
                ::_exit(0);
            }
        }
    }));
    move_to(place, storm.pid());
    REQUIRE(eventually([&] { return fs::exists(place + "/g50"); }));
    if (!daemon) {
        host.check_gone();
    } else {
        host.sandbox.write_config("daemon.toml", "[daemon]\nsettle_removal = \"100ms\"\n");
        Daemon partd;
        REQUIRE(eventually([&] { return answers(host.sandbox); }));
        host.sandbox.remove_config("p.toml");
        CHECK(eventually([&] { return host.sandbox.cgroups().places("partd.slice").empty(); }, 40s));
        CHECK(answers(host.sandbox));
    }
    CHECK(storm.wait(2s) != -1);
}

TEST_CASE("A process outside that makes groups in one that goes", "[cgroup][inner]") {
    Made host(partition());
    const auto place = host.places().front();
    Background storm(std::function<int()>([place]() -> int {
        for (unsigned i = 0;; ++i) {
            (void)::mkdir((place + "/g" + std::to_string(i)).c_str(), 0755);
            ::usleep(200);
        }
    }));
    REQUIRE(eventually([&] { return fs::exists(place + "/g100"); }));
    host.check_gone();
}

TEST_CASE("Groups can be made where a killed removal, or somebody inside, forbade it", "[cgroup][inner]") {
    Made host("[slice.s]\n[partition.p]\n");
    std::string slice;
    for (const auto& place : host.sandbox.cgroups().places("partd.slice/partd-s.slice")) {
        slice = fs::exists(place + "/cgroup.max.descendants") ? place : slice;
    }
    if (slice.empty()) {
        PARTD_CANNOT_RUN("no cgroup2 is mounted");
    }
    SECTION("by a removal, which has noted what was allowed") {
        REQUIRE(::setxattr(slice.c_str(), "trusted.partd.closed", "7", 1, 0) == 0);
        write_file(slice + "/cgroup.max.descendants", "0");
        CHECK(host.sandbox.diff() == 1);
        host.sandbox.apply();
        CHECK(read_file(slice + "/cgroup.max.descendants") == "7\n");
        CHECK(::getxattr(slice.c_str(), "trusted.partd.closed", nullptr, 0) < 0);
    }
    SECTION("by somebody") {
        const auto file = GENERATE("/cgroup.max.descendants", "/cgroup.max.depth");
        write_file(slice + file, "0");
        host.sandbox.write_config("p.toml",
                                  "[slice.s]\n[partition.p]\n[partition.q]\ncgroup.parent = \"s\"\n");
        host.sandbox.apply();
        CHECK(fs::exists(slice + "/partd-s-q.slice"));
    }
    host.check_gone();
}

TEST_CASE("What others have below a slice stays, and is named", "[cgroup][inner]") {
    Sandbox sandbox;
    sandbox.write_config("s.toml", "[slice.s]\n");
    sandbox.apply();
    const std::string below = GENERATE(std::string("partd.slice/partd-s.slice"), std::string("partd.slice"));
    INFO(below);
    const auto foreign = sandbox.cgroups().places(below).front() + "/mine";
    fs::create_directories(foreign);
    Background process(Arguments{"sleep", "60"});
    const bool lived_in = GENERATE(false, true);
    if (lived_in) {
        move_to(foreign, process.pid());
    }
    sandbox.remove_config("s.toml");
    const auto refused = sandbox.partctl({"apply"});
    INFO(refused.text());
    CHECK(refused.code == 6);
    CHECK(refused.err.find("mine") != std::string::npos);
    CHECK(fs::exists(foreign));
    CHECK(process.running());
    // nothing was switched off for them
    const auto limit = fs::path(foreign).parent_path() / "cgroup.max.descendants";
    if (fs::exists(limit)) {
        CHECK(read_file(limit) == "max\n");
    }
    if (lived_in) {
        const auto shown = sandbox.partctl({"status"});
        INFO(shown.text());
        CHECK(shown.err.find("/mine: process " + std::to_string(process.pid()) + " (sleep) lives there") !=
              std::string::npos);
        process.stop();
    }
    fs::remove(foreign);
    sandbox.apply();
    CHECK(sandbox.cgroups().places("partd.slice").empty());
}

TEST_CASE("What is mounted on a group below stays, and is named", "[cgroup][inner]") {
    Made host(partition());
    const auto inner = host.places().front() + "/inner";
    fs::create_directories(inner);
    fs::create_directories("/srv/others");
    write_file("/srv/others/file", "not yours\n");
    output({"mount", "--bind", "/srv/others", inner});
    host.sandbox.remove_config("p.toml");
    const auto refused = host.sandbox.partctl({"apply"});
    INFO(refused.text());
    CHECK(refused.code == 6);
    CHECK(refused.err.find("inner: something is mounted there") != std::string::npos);
    CHECK(read_file("/srv/others/file") == "not yours\n");
    output({"umount", inner});
    host.sandbox.apply();
    CHECK(host.sandbox.cgroups().places("partd.slice").empty());
}

TEST_CASE("status names who is in a partition that nobody declares any more", "[cgroup][inner]") {
    Made host(partition("on_remove = \"refuse\"\n"));
    const auto inner = host.places().front() + "/inner";
    fs::create_directories(inner);
    Background process(Arguments{"sleep", "60"});
    move_to(inner, process.pid());
    host.sandbox.remove_config("p.toml");
    CHECK(host.sandbox.partctl({"apply"}).code == 7);
    CHECK(process.running());
    const auto words = "inner: process " + std::to_string(process.pid()) + " (sleep) lives there";
    CHECK(host.sandbox.partctl({"status", "p"}).out.find(words) != std::string::npos);
    CHECK(host.sandbox.partctl_json({"status"}).at("in_the_way").at(0).get<std::string>().find(words) !=
          std::string::npos);
    process.stop();
    host.sandbox.apply();
    CHECK(host.sandbox.cgroups().places("partd.slice").empty());
}
