// SPDX-License-Identifier: Apache-2.0
// File systems that pretend to be the kernel's, and a configuration directory that goes with its mount. Rows
// 18 and 23 of the table in tests/faults.md.

#include "daemon_fixture.h"
#include "host_view.h"

#include <sys/mount.h>

#include <filesystem>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kLimited = "[partition.a.cgroup]\npids.max = 20\n[partition.b]\n";

/// The mount point of the hierarchy of the pids controller.
std::string pids_at(const Sandbox& sandbox) {
    const Hierarchy* found = sandbox.cgroups().of("pids");
    return found == nullptr ? "" : found->mount_point;
}

void mount_tmpfs(const std::string& where) {
    require_call(::mount("tmpfs", where.c_str(), "tmpfs", 0, "mode=0755") == 0, where);
}

std::vector<std::string> entries(const std::string& directory) {
    std::vector<std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
        all.push_back(entry.path());
    }
    return all;
}

}  // namespace

TEST_CASE("pretender: a directory tree is no cgroup hierarchy", "[pretender][cgroup]") {
    Sandbox sandbox;
    const auto place = pids_at(sandbox);
    if (place.empty()) {
        PARTD_CANNOT_RUN("no pids controller");
    }
    sandbox.write_config("a.toml", kLimited);
    mount_tmpfs(place);
    // what it would write, if it believed
    fs::create_directories(place + "/partd.slice/partd-a.slice");
    write_file(place + "/cgroup.controllers", "cpu memory pids\n");
    for (const char* file :
         {"/partd.slice/partd-a.slice/pids.max", "/partd.slice/partd-a.slice/cgroup.procs"}) {
        write_file(place + file, "");
    }
    const auto before = entries(place);
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code != 0);
    CHECK(applied.text().find("a.toml:1") != std::string::npos);
    CHECK(entries(place) == before);
    CHECK(read_file(place + "/partd.slice/partd-a.slice/pids.max").empty());
    CHECK(exists("b"));
    require_call(::umount2(place.c_str(), MNT_DETACH) == 0, place);
    sandbox.apply();
    CHECK(sandbox.cgroups().limit("partd.slice/partd-a.slice", "pids.max") == 20);
}

TEST_CASE("pretender: a /proc that is none ends it before anything is done", "[pretender]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    mount_tmpfs("/proc");
    SECTION("empty") {}
    SECTION("with files that lead elsewhere") {
        fs::create_directories("/proc/thread-self/ns");
        fs::create_directories("/proc/self/ns");
        write_file("/proc/thread-self/ns/net", "");
        write_file("/proc/self/ns/net", "");
        write_file("/proc/self/mountinfo", "");
    }
    const auto applied = sandbox.partctl({"apply"});
    require_call(::umount2("/proc", MNT_DETACH) == 0, "umount /proc");
    INFO(applied.text());
    CHECK(applied.code >= 1);
    CHECK(applied.code < 128);
    CHECK(applied.err.find("/proc") != std::string::npos);
    CHECK(links().empty());
    CHECK(netns_names().empty());
    sandbox.apply();
}

TEST_CASE("pretender: settings below another mount are not the kernel's", "[pretender][sysctl]") {
    Sandbox sandbox;
    sandbox.outside();
    sandbox.example("routed-nat");
    mount_tmpfs("/proc/sys");
    fs::create_directories("/proc/sys/net/ipv4/conf/all");
    write_file("/proc/sys/net/ipv4/ip_forward", "0\n");
    const auto applied = sandbox.partctl({"apply"});
    const auto written = read_file("/proc/sys/net/ipv4/ip_forward");
    require_call(::umount2("/proc/sys", MNT_DETACH) == 0, "umount /proc/sys");
    INFO(applied.text());
    CHECK(applied.code == 6);
    CHECK(written == "0\n");
    sandbox.apply();
    CHECK(sysctl("net.ipv4.ip_forward") == "1");
}

TEST_CASE("pretender: a configuration directory that is unmounted tears nothing down", "[pretender][files]") {
    Sandbox sandbox;
    mount_tmpfs("/etc/partd");
    for (int i = 1; i <= 4; ++i) {
        sandbox.write_config("p" + std::to_string(i) + ".toml", numbered_partition(i));
    }
    const std::string aside = sandbox.scratch() + "/aside";
    fs::create_directory(aside);
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("p4") && converged(sandbox); }));
    require_call(::mount("/etc/partd", aside.c_str(), nullptr, MS_BIND, nullptr) == 0, aside);
    require_call(::umount2("/etc/partd", MNT_DETACH) == 0, "umount /etc/partd");
    CHECK(remains([] { return netns_names().size() == 4; }, 700ms));
    ip({"link", "set", "h1", "down"});
    CHECK(eventually([] { return is_up("h1"); }));
    // edited while it is away, found when it is there again
    write_file(aside + "/p1.toml", numbered_partition(1, "mtu = 1400\n"));
    require_call(::mount(aside.c_str(), "/etc/partd", nullptr, MS_BIND, nullptr) == 0, "mount /etc/partd");
    CHECK(eventually([] { return mtu_of("p1") == 1400; }));
    sandbox.write_config("p2.toml", numbered_partition(2, "mtu = 1300\n"));
    CHECK(eventually([] { return mtu_of("p2") == 1300; }));
    INFO(daemon.log());
    CHECK(converged(sandbox));
    CHECK(netns_names().size() == 4);
}
