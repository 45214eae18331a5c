// SPDX-License-Identifier: Apache-2.0
// Root of a partition against what is mounted for it: masks and read-only paths, the kernel's settings, its
// cgroup, partd's own directories, and mounts while it changes the paths below them.

#include "attacker.h"

#include <unistd.h>

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;
namespace fs = std::filesystem;

namespace {

Strings writable_in(const Prison& prison, const std::string& directory, const std::string& but = "") {
    return successes(prison.attack(but.empty() ? Arguments{"writable", directory}
                                               : Arguments{"writable", directory, but}));
}

}  // namespace

TEST_CASE("escape: masks and read-only paths cannot be taken away", "[escape][mount]") {
    Prison prison;
    const auto before = prison.exec({"cat", "/proc/self/mountinfo"}).out;
    const auto tried = prison.attack({"unmounts"});
    CHECK(tried.size() > 100);
    CHECK(successes(tried) == Strings{});
    CHECK(tried.at("umount:/proc/sys") == "EINVAL");
    CHECK(tried.at("remount:/proc/sys") == "EPERM");
    CHECK(tried.at("setattr:/sys") == "EPERM");
    CHECK(tried.at("below-remount:/proc/sys") == "EPERM");
    CHECK(prison.exec({"cat", "/proc/self/mountinfo"}).out == before);
    // its own mounts it can unmount: the right is there
    const auto own = prison.exec({"sh", "-c", "mkdir /m && mount -t tmpfs t /m && umount /m && echo done"});
    INFO(own.text());
    CHECK(own.out == "done\n");
}

TEST_CASE("escape: a fresh /proc or /sys shows no more", "[escape][mount]") {
    Prison prison;
    const auto tried = prison.attack({"fresh"});
    CHECK(tried.at("tmpfs") == "done");
    CHECK(tried.at("below-tmpfs") == "done");
    for (const auto& [attempt, result] : tried) {
        INFO(attempt);
        if (attempt.find(':') != std::string::npos) {
            CHECK(result != "done");
        }
    }
    for (const char* type : {"proc", "sysfs", "below-proc", "below-sysfs", "devtmpfs", "debugfs"}) {
        INFO(type);
        CHECK(tried.at(type) == "EPERM");
    }
}

TEST_CASE("escape: no setting of the host's kernel can be written", "[escape][sysctl]") {
    Prison prison;
    auto found = writable_in(prison, "/proc", "/proc/sys/net");
    // its triggers (PSI) every user of the host may set, for itself
    std::erase_if(found,
                  [](const std::string& file) { return file.find("/proc/pressure/") != std::string::npos; });
    CHECK(found == Strings{"looked"});
    CHECK(writable_in(prison, "/sys") == Strings{"looked"});
    const auto trigger = prison.exec({"sh", "-c", "echo h > /proc/sysrq-trigger"});
    CHECK(trigger.code != 0);
    const auto pattern = read_file("/proc/sys/kernel/core_pattern");
    CHECK(prison.exec({"sh", "-c", "echo '|/bin/attack' > /proc/sys/kernel/core_pattern"}).code != 0);
    CHECK(read_file("/proc/sys/kernel/core_pattern") == pattern);
    // the attempt finds what there is to find
    CHECK(successes(attack_outside({"writable", "/proc/sys/kernel"})).size() > 5);
}

TEST_CASE("escape: the network's settings are its own", "[escape][sysctl]") {
    Prison prison;
    const std::string forward = "/proc/sys/net/ipv4/ip_forward";
    write_file(forward, "0");
    const auto set = prison.exec({"sh", "-c", "echo 1 > " + forward + " && cat " + forward});
    INFO(set.text());
    CHECK(set.out == "1\n");
    CHECK(read_file(forward) == "0\n");
}

TEST_CASE("escape: its limits stay as they are", "[escape][cgroup]") {
    Prison prison;
    const std::string group = "partd.slice/partd-cell.slice";
    const auto limit = prison.sandbox.cgroups().limit(group, "pids.max");
    CHECK(limit == 64);
    const auto tried = prison.attack({"cgroups"});
    for (const auto& [attempt, result] : tried) {
        INFO(attempt);
        // to mount its own part is harmless
        if (attempt.find("mount:") == std::string::npos) {
            CHECK(result != "done");
        }
    }
    CHECK(prison.sandbox.cgroups().limit(group, "pids.max") == limit);
    // it stays where it is, in every hierarchy
    Background sleeper(Arguments{PARTCTL, "exec", "cell", "--", "sh", "-c",
                                 "for d in /tmp/*cgroup2 /tmp/*v1-*; do echo $$ > $d/../cgroup.procs; echo "
                                 "$$ > $d/cgroup.procs; done; "
                                 "exec sleep 26.0"});
    REQUIRE(eventually([&] { return prison.find("sleep 26.0") > 0; }));
    const auto processes = prison.sandbox.cgroups().processes(group);
    CHECK(std::count(processes.begin(), processes.end(), prison.find("sleep 26.0")) > 0);
    sleeper.stop();
    // what the same program finds as the host's root
    CHECK(successes(attack_outside({"writable", prison.sandbox.cgroups().places(group).front()})).size() > 2);
}

TEST_CASE("escape: partd's directories are not there", "[escape][mount]") {
    Prison prison;
    for (const char* path :
         {"/run/partd", "/run/netns", "/etc/partd", "/var/lib/partd", "/srv", "/run/scratch"}) {
        INFO(path);
        CHECK(fs::exists(path));
        CHECK(prison.exec({"ls", "-d", path}).code != 0);
    }
}

TEST_CASE("escape: mounting over partd's directories is seen by nobody else", "[escape][mount]") {
    Prison prison({.namespaces = R"(["mnt", "pid", "user", "net"])", .rootfs = false, .overlay = false});
    const auto before = mounts_of_host();
    const auto over = prison.exec({"sh", "-c",
                                   "for d in /run/partd /run/netns /etc/partd /var/lib /etc /tmp; do "
                                   "mount -t tmpfs owned $d && echo done; done; exec sleep 0.2"});
    INFO(over.text());
    CHECK(over.out == "done\ndone\ndone\ndone\ndone\ndone\n");
    CHECK(mounts_of_host() == before);
    CHECK(prison.sandbox.diff() == 0);
    CHECK(fs::exists("/etc/partd/cell.toml"));
    // nor can it write to them, or to the host's other files
    CHECK(prison.exec({"sh", "-c", "umount /etc; echo x > /etc/hostname"}).code != 0);
    for (const char* path : {"/run/partd", "/etc/partd", "/run/netns", "/usr/lib/partd-x"}) {
        INFO(path);
        CHECK(
            prison.exec({"sh", "-c", std::string("umount ") + path + " 2>/dev/null; mkdir -p " + path + "/x"})
                .code != 0);
    }
}

// CVE-2021-30465: the place of a mount is exchanged between the look at it and the mount.
TEST_CASE("escape: a mount's place that changes under it leads nothing outside", "[escape][race]") {
    Prison prison;
    const std::string victim = prison.sandbox.scratch() + "/victim";
    fs::create_directories(victim + "/inner");
    fs::create_directories("/srv/share/inner");
    for (const char* path : {"/srv/share", "/srv/share/inner"}) {
        require_call(::chown(path, 1'000'000, 1'000'000) == 0, path);
    }
    prison.cell.more_rootfs = "mounts = [{ source = \"/srv/share\", target = \"/share\" }]\n";
    prison.sandbox.write_config("cell.toml", cell_config(prison.cell));
    prison.sandbox.apply();
    const auto before = mounts_of_host();
    Background flipper(
        Arguments{PARTCTL, "exec", "cell", "--", "/bin/attack", "flip", "/share/x", victim, "15000"});
    REQUIRE(eventually([&] { return fs::exists("/srv/share/x.other"); }));
    make_tree("racer");
    const Cell racer{.name = "racer",
                     .outside = 3'000'000,
                     .more_rootfs =
                         "mounts = [{ source = \"/srv/share\", target = \"/share\" }, { target = "
                         "\"/share/x\", type = \"tmpfs\" }, { source = \"/srv/share/x\", target = "
                         "\"/y\" }]\n"};
    int made = 0;
    int refused = 0;
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (std::chrono::steady_clock::now() < end && (made == 0 || refused == 0 || made + refused < 30)) {
        prison.sandbox.write_config("racer.toml", cell_config(racer));
        const bool applied = prison.sandbox.partctl({"apply", "racer"}).code == 0;
        ++(applied ? made : refused);
        if (applied) {
            const auto inside =
                prison.sandbox.partctl({"exec", "racer", "--", "cat", "/proc/self/mountinfo"}).out;
            CHECK(inside.find(" /share/x") != std::string::npos);
            // the source of the other is what was named, not where a link leads
            CHECK(prison.sandbox.partctl({"exec", "racer", "--", "ls", "/y/inner"}).code != 0);
        }
        CHECK(mounts_of_host() == before);
        prison.sandbox.remove_config("racer.toml");
        prison.sandbox.partctl({"apply", "--allow-delete"});
    }
    INFO(made << " made, " << refused << " refused");
    CHECK(made + refused > 3);
    CHECK(refused > 0);  // the link was met
    write_file("/srv/share/x.enough", "");
    flipper.wait();
    CHECK(std::stol(attempts(flipper.written()).at("flips")) > 1000);
    CHECK(mounts_of_host() == before);
    CHECK(fs::is_empty(victim + "/inner"));
    CHECK(std::distance(fs::directory_iterator(victim), {}) == 1);
}
