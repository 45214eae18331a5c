// SPDX-License-Identifier: Apache-2.0
// Root of a partition with a user namespace against the host's processes, namespaces, keys and rights. Each
// attempt is first shown to work where it may.

#include "attacker.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
using Strings = std::vector<std::string>;

namespace {

/// Sees the host's processes and tree, and is nobody there.
const Cell kWithoutWalls{
    .namespaces = R"(["user", "mnt", "net", "ipc", "uts", "cgroup"])", .rootfs = false, .overlay = false};

Strings failing(Attempts all, const std::string& with) {
    std::erase_if(all, [&](const auto& entry) { return entry.second == with; });
    Strings names;
    for (const auto& [name, result] : all) {
        names.push_back(name + " " + result);
    }
    return names;
}

}  // namespace

TEST_CASE("escape: processes of the host cannot be signalled", "[escape]") {
    Prison prison;
    auto target = bystander();
    const auto pid = std::to_string(target.pid());
    CHECK(successes(prison.attack({"signals", pid, pid_namespace()})) == Strings{});
    CHECK(target.running());
    // nobody but PID 1 and the attacker is in its namespace, so there is nobody to reach
    CHECK(prison.attack({"signals", pid, pid_namespace()}).at("everybody") == "ESRCH");
    // the same from outside
    auto other = bystander();
    CHECK(attack_outside({"signals", std::to_string(other.pid()), pid_namespace()}).at("kill") == "done");
    CHECK(other.wait() == 128 + SIGTERM);
}

TEST_CASE("escape: without a pid namespace the host's processes are seen, and not reached", "[escape]") {
    Prison prison(kWithoutWalls);
    auto target = bystander();
    const auto pid = std::to_string(target.pid());
    CHECK(prison.exec({"cat", "/proc/" + pid + "/comm"}).out == "sleep\n");
    const auto tried = prison.attack({"signals", pid, pid_namespace()});
    CHECK(tried.at("kill") == "EPERM");
    CHECK(tried.at("tgkill") == "EPERM");
    CHECK(tried.at("pidfd") == "EPERM");
    CHECK(successes(tried) == Strings{});
    CHECK(target.running());
}

TEST_CASE("escape: the process tree has its own processes only", "[escape]") {
    Prison prison;
    Background target(Arguments{"sleep", "31.4159"});
    REQUIRE(eventually(
        [&] { return read_file("/proc/" + std::to_string(target.pid()) + "/comm") == "sleep\n"; }));
    const auto seen = prison.exec({"sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"});
    INFO(seen.text());
    CHECK(seen.out.find("partd-init") == 0);
    CHECK(seen.out.find("31.4159") == std::string::npos);
    // itself, its children and PID 1
    CHECK(std::stoi(prison.exec({"sh", "-c", "ls -d /proc/[0-9]* | wc -l"}).out) <= 4);
    CHECK(prison.exec({"cat", "/proc/1/comm"}).out == "partd-init\n");
}

TEST_CASE("escape: processes of the host cannot be traced or looked into", "[escape]") {
    auto target = bystander();
    const auto pid = std::to_string(target.pid());
    {
        Prison prison;
        CHECK(successes(prison.attack({"traces", pid})) == Strings{});
    }
    {
        // where they are visible
        Prison prison(kWithoutWalls);
        const auto tried = prison.attack({"traces", pid});
        CHECK(tried.at("seize") == "EPERM");
        CHECK(tried.at("environ") == "EACCES");
        CHECK(tried.at("root/") == "EACCES");
        CHECK(tried.at("getfd") == "EPERM");
        CHECK(successes(tried) == Strings{});
    }
    const auto outside = attack_outside({"traces", pid});
    for (const char* way : {"seize", "mem", "environ", "root/", "cwd/", "fd", "exe", "setns", "priority"}) {
        INFO(way);
        CHECK(outside.at(way) == "done");
    }
    CHECK(target.running());
}

// CVE-2016-9962: a process of the host that enters is not yet one of the partition's.
TEST_CASE("escape: what just enters cannot be caught", "[escape][race]") {
    Prison prison;
    const std::string place = prison.sandbox.scratch() + "/secret";
    std::filesystem::create_directory(place);
    write_file(place + "/marker", "");
    Background hunter(Arguments{PARTCTL, "exec", "cell", "--", "/bin/attack", "wait", "20000", "HUNTED=1",
                                place + "/marker"});
    REQUIRE(eventually([&] { return hunter.written().find("waiting done") != std::string::npos; }));
    // with a directory of the host open, another one to work in, and a secret in the environment
    const std::string bait =
        "cd " + place + " && HUNTED=1 exec " PARTCTL " exec cell -- /bin/true 9<" + place;
    const auto end = std::chrono::steady_clock::now() + 5s;
    int entered = 0;
    while (std::chrono::steady_clock::now() < end && entered < 100) {
        const auto outcome = run({"sh", "-c", bait});
        INFO(outcome.text());
        REQUIRE(outcome.code == 0);
        ++entered;
    }
    REQUIRE(prison.exec({"touch", "/tmp/enough"}).code == 0);
    REQUIRE(hunter.wait() == 0);
    auto prey = attempts(hunter.written());
    INFO(hunter.written());
    // it did see them on their way in
    CHECK(std::stol(prey.at("refused")) > 0);
    for (const auto& [name, times] : prey) {
        CHECK_FALSE(name.starts_with("caught"));
    }
}

TEST_CASE("escape: no namespace of the host or of another partition can be entered", "[escape]") {
    Prison prison(kWithoutWalls);
    prison.sandbox.write_config("other.toml", "[partition.other]\nnamespaces = [\"net\", \"uts\"]\n");
    prison.sandbox.apply();
    auto target = bystander();
    Arguments ways = {"enters", "/run/netns/other", "/run/netns/cell"};
    for (const char* type : {"net", "mnt", "pid", "uts", "ipc", "user", "cgroup", "time"}) {
        ways.push_back("/proc/" + std::to_string(target.pid()) + "/ns/" + type);
    }
    auto tried = prison.attack(ways);
    CHECK(tried.at("open:/run/netns/other") == "done");  // a name that everybody can read
    CHECK(tried.at("setns:/run/netns/other") == "EPERM");
    CHECK(tried.at("setns:/run/netns/cell") == "done");  // its own
    CHECK(successes(tried) ==
          Strings{"open:/run/netns/cell", "open:/run/netns/other", "setns:/run/netns/cell"});
    CHECK(attack_outside({"enters", "/run/netns/other"}).at("setns:/run/netns/other") == "done");
    // the pins are not in sight
    CHECK(prison.exec({"ls", "/run/partd/ns/other"}).code != 0);
    CHECK(std::filesystem::exists("/run/partd/ns/other/uts"));
}

TEST_CASE("escape: what only the host's root may ask of the kernel is refused", "[escape]") {
    Prison prison;
    const auto inside = prison.attack({"privileges"});
    const auto outside = attack_outside({"privileges"});
    for (const auto& [call, result] : inside) {
        INFO(call << ": " << result << ", outside " << outside.at(call));
        const bool refused =
            result == "EPERM" || result == "EACCES" || result == "ENOENT" || result == "ENOSYS";
        // its own pid namespace it may restart: a test of its own
        CHECK((refused || call == "reboot-by-no-magic"));
    }
    CHECK(inside.at("swapon") == "EPERM");
    CHECK(outside.at("swapon") != "EPERM");
    CHECK(inside.at("acct") == "EPERM");
    CHECK(outside.at("acct") != "EPERM");
    CHECK(failing(prison.attack({"self-service"}), "EPERM") == Strings{"nice EACCES", "oom EACCES"});
}

TEST_CASE("escape: reboot ends the partition, not the host", "[escape]") {
    Prison prison;
    const auto rebooted = prison.exec({"/bin/attack", "reboots", pid_namespace()});
    INFO(rebooted.text());
    // the kernel ends the caller by exit(0), and PID 1 by a signal; nobody has come back from it
    CHECK(rebooted.out.empty());
    CHECK(rebooted.code != 1);
    // PID 1 is gone, and made anew
    CHECK(eventually([&] { return prison.sandbox.diff() == 1; }));
    prison.sandbox.apply();
    CHECK(prison.exec({"true"}).code == 0);
}

TEST_CASE("escape: the host's name is the host's", "[escape]") {
    Prison prison;
    const auto before = output({"hostname"});
    CHECK(prison.exec({"hostname", "owned"}).code == 0);
    CHECK(prison.exec({"hostname"}).out == "owned\n");
    CHECK(output({"hostname"}) == before);
}

TEST_CASE("escape: the caller's keys stay outside", "[escape]") {
    Prison prison;
    const Arguments keys = {PARTD_ATTACK, "with-key", "partd-test", PARTD_ATTACK,
                            "keys",       "KEY",      "partd-test"};
    const auto control = run(keys);
    INFO(control.text());
    if (control.code == 1) {
        PARTD_CANNOT_RUN("no key can be added here: " + control.out);
    }
    auto outside = attempts(control.out);
    CHECK(outside.at("read") == "done");
    CHECK(outside.at("search-session") == "done");
    const auto inside = output({PARTD_ATTACK, "with-key", "partd-test", PARTCTL, "exec", "cell", "--",
                                "/bin/attack", "keys", "KEY", "partd-test"});
    INFO(inside);
    CHECK(attempts(inside).size() == outside.size());
    CHECK(successes(attempts(inside)) == Strings{});
}

TEST_CASE("escape: it is nobody outside, and brings no group along", "[escape]") {
    Prison prison;
    Background sleeper(Arguments{PARTCTL, "exec", "cell", "--", "sleep", "27.1828"});
    REQUIRE(eventually([&] { return prison.find("sleep 27.1828") > 0; }));
    const auto status = read_file("/proc/" + std::to_string(prison.find("sleep 27.1828")) + "/status");
    INFO(status);
    CHECK(status.find("Uid:\t1000000\t1000000\t1000000\t1000000\n") != std::string::npos);
    CHECK(status.find("Gid:\t1000000\t1000000\t1000000\t1000000\n") != std::string::npos);
    CHECK(status.find("Groups:\t \n") != std::string::npos);
    CHECK(status.find("SigIgn:\t0000000000000000\n") != std::string::npos);
    CHECK(status.find("SigBlk:\t0000000000000000\n") != std::string::npos);
    sleeper.stop();
}

TEST_CASE("escape: partitions with different maps do not reach each other", "[escape]") {
    Prison prison(kWithoutWalls);
    Cell other{.name = "other", .namespaces = R"(["user", "pid", "mnt"])", .outside = 2'000'000};
    make_tree("other");
    prison.sandbox.write_config("other.toml", cell_config(other));
    prison.sandbox.apply();
    Background victim(Arguments{PARTCTL, "exec", "other", "--", "sleep", "16.1803"});
    REQUIRE(eventually([&] { return prison.find("sleep 16.1803", "other") > 0; }));
    const auto pid = std::to_string(prison.find("sleep 16.1803", "other"));
    CHECK(successes(prison.attack({"traces", pid})) == Strings{});
    CHECK(successes(prison.attack({"signals", pid, pid_namespace()})) == Strings{});
    CHECK(victim.running());
    // nor the other's files
    CHECK(prison.sandbox.partctl({"exec", "other", "--", "touch", "/root/mine"}).code == 0);
    const std::string mine = "/var/lib/partd/layers/other/upper/root/mine";
    CHECK(std::filesystem::exists(mine));
    const auto read = prison.exec({"cat", mine});
    CHECK(read.code != 0);
    CHECK(read.err.find("Permission denied") != std::string::npos);
    CHECK(prison.exec({"ls", "/srv/cells/other"}).code != 0);
    victim.stop();
}
