// SPDX-License-Identifier: Apache-2.0
// PID 1 of a partition: partd-init or the file's own, its life, its death, and what on_remove says about
// both.

#include "host_view.h"
#include "machine.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Strings = std::vector<std::string>;

namespace {

const std::string kGroup = group_of("i");
const std::string kTrace = "/run/scratch/trace";

void declare(const Sandbox& sandbox, const std::string& keys = {}, const std::string& tables = {}) {
    sandbox.write_config("i.toml", "[partition.i]\nnamespaces = [\"pid\", \"mnt\"]\n" + keys + "\n" + tables);
}

std::string trace() {
    return fs::exists(kTrace) ? read_file(kTrace) : "";
}

bool traced(const std::string& word, Milliseconds within = 5s) {
    return eventually([&] { return trace().find(word) != std::string::npos; }, within);
}

/// A guest that writes "ready", and runs the commands on the signal.
Background guest_with_trap(Sandbox& sandbox, const std::string& signal, const std::string& commands) {
    auto guest = stay_in(sandbox, "i",
                         {"sh", "-c",
                          "trap '" + commands + "' " + signal + "; echo ready >> " + kTrace +
                              "; i=0; while [ $i -lt 400 ]; do sleep 0.05; i=$((i+1)); done"});
    REQUIRE(traced("ready"));
    return guest;
}

std::string state(const Sandbox& sandbox) {
    const auto entry = status_of(sandbox, "i");
    return entry.is_null() ? "none" : entry.at("state").get<std::string>();
}

/// The parent process, from /proc/PID/status; 0 when the process is gone.
pid_t parent_of(pid_t process) {
    std::istringstream lines(read_file("/proc/" + std::to_string(process) + "/status"));
    for (std::string word; lines >> word;) {
        if (word == "PPid:") {
            lines >> word;
            return std::stoi(word);
        }
    }
    return 0;
}

/// A change that only another PID 1 can bring.
const std::string kOtherInit = "[partition.i.init]\ncommand = [\"sleep\", \"1000\"]\n";

}  // namespace

TEST_CASE("init: partd-init holds the partition, in its cgroup, after partctl has gone", "[init]") {
    Sandbox sandbox;
    declare(sandbox);
    settle(sandbox);
    const auto init = init_of("i");
    REQUIRE(init);
    CHECK(comm_of(*init) == "partd-init");
    CHECK(inhabitants("i") == std::vector{*init});
    // nobody's but the host's PID 1, for which this test stands; in a session of its own
    CHECK(parent_of(*init) == ::getpid());
    CHECK(::getsid(*init) == *init);
    for (const auto& place : sandbox.cgroups().places(kGroup)) {
        INFO(place);
        CHECK(read_file(place + "/cgroup.procs") == std::to_string(*init) + "\n");
    }
    CHECK(sandbox.cgroups().places(kGroup).size() >= 1);
    // nothing of partctl's: descriptors, environment, working directory
    std::string descriptors;
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(*init) + "/fd")) {
        descriptors += fs::read_symlink(entry.path()).string() + " ";
    }
    CHECK(descriptors == "/dev/null /dev/null /dev/null ");
    CHECK(read_file("/proc/" + std::to_string(*init) + "/environ").find("container=partd") !=
          std::string::npos);
    CHECK(output({"readlink", "/proc/" + std::to_string(*init) + "/cwd"}) == "/\n");
    // as everybody can see it
    CHECK(output({"ps", "-o", "comm=", "-p", std::to_string(*init)}) == "partd-init\n");
    CHECK(state(sandbox) == "active");
}

TEST_CASE("init: PID 1 has the usual bounds, whatever partctl was started with", "[init]") {
    Sandbox sandbox;
    declare(sandbox);
    REQUIRE(run({"prlimit", "--nofile=15000:15000", "nice", "-n", "5", PARTCTL, "apply"}).code == 0);
    const auto init = init_of("i");
    REQUIRE(init);
    const std::string process = "/proc/" + std::to_string(*init);
    // the hard one is that of the host's PID 1, as far as partd may raise it (CAP_SYS_RESOURCE)
    const auto bounds = output({"prlimit", "--noheadings", "--raw", "--nofile", "--output=SOFT,HARD", "--pid",
                                std::to_string(*init)});
    INFO(bounds);
    CHECK(bounds.starts_with("1024 "));
    CHECK(std::stol(bounds.substr(5)) >= 15000);
    CHECK(output({"ps", "-o", "ni=", "-p", std::to_string(*init)}) == "  0\n");
    CHECK(read_file(process + "/oom_score_adj") == "0\n");
}

TEST_CASE("init: partd-init reaps orphans", "[init]") {
    Sandbox sandbox;
    declare(sandbox);
    settle(sandbox);
    const auto init = init_of("i");
    REQUIRE(init);
    const auto started = exec_in(sandbox, "i", {"sh", "-c", "sleep 1 >/dev/null 2>&1 & exit 3"});
    INFO(started.text());
    CHECK(started.code == 3);
    auto all = inhabitants("i");
    std::erase(all, *init);
    REQUIRE(all.size() == 1);
    CHECK(comm_of(all.front()) == "sleep");
    CHECK(parent_of(all.front()) == *init);
    CHECK(eventually([&] { return inhabitants("i") == std::vector{*init}; }));
    CHECK(state_of(all.front()) == '\0');

    // many at once
    REQUIRE(exec_in(sandbox, "i",
                    {"sh", "-c", "i=0; while [ $i -lt 50 ]; do sleep 0.2 >/dev/null 2>&1 & i=$((i+1)); done"})
                .code == 0);
    CHECK(eventually([&] { return inhabitants("i") == std::vector{*init}; }));
    CHECK(zombies("i") == 0);
    CHECK(init_of("i") == init);
}

TEST_CASE("init: partd-init passes signals on, and stays", "[init][signal]") {
    Sandbox sandbox;
    declare(sandbox);
    settle(sandbox);
    const auto init = init_of("i");
    REQUIRE(init);
    const std::string name = GENERATE("USR1", "HUP", "WINCH", "USR2");
    INFO(name);
    auto guest = guest_with_trap(sandbox, name, "echo got-" + name + " >> " + kTrace);
    output({"kill", "-" + name, std::to_string(*init)});
    CHECK(traced("got-" + name));
    CHECK(guest.running());
    CHECK(init_of("i") == init);
}

TEST_CASE("init: partd-init goes last", "[init][signal]") {
    Sandbox sandbox;
    declare(sandbox);
    settle(sandbox);
    const auto init = init_of("i");
    REQUIRE(init);
    const std::string name = GENERATE("TERM", "INT", "PWR");
    INFO(name);
    auto guest = guest_with_trap(sandbox, name, "sleep 0.7; echo bye >> " + kTrace + "; exit 5");
    output({"kill", "-" + name, std::to_string(*init)});
    // as long as somebody takes leave it is there
    CHECK(remains([&] { return alive(*init); }, 400ms));
    CHECK(guest.running());
    CHECK(guest.wait(5s) == 5);
    CHECK(trace().find("bye") != std::string::npos);
    CHECK(eventually([&] { return !alive(*init); }));
}

TEST_CASE("init: removal lets everybody finish within stop_timeout", "[init][on_remove]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    declare(sandbox, "stop_timeout = \"8s\"");
    settle(sandbox);
    auto guest = guest_with_trap(sandbox, "TERM", "sleep 1.2; echo bye >> " + kTrace + "; exit 0");
    sandbox.remove_config("i.toml");
    const auto start = Clock::now();
    sandbox.apply();
    const auto took = Clock::now() - start;
    CHECK(took > 1s);
    CHECK(took < 6s);
    CHECK(trace().find("bye") != std::string::npos);
    CHECK(guest.wait(1s) == 0);
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("init: removal does not wait for who will not go", "[init][on_remove]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    declare(sandbox, "stop_timeout = \"1s\"");
    settle(sandbox);
    auto guest = guest_with_trap(sandbox, "TERM", "true");
    sandbox.remove_config("i.toml");
    const auto start = Clock::now();
    sandbox.apply();
    const auto took = Clock::now() - start;
    CHECK(took > 900ms);
    CHECK(took < 5s);
    CHECK(guest.wait(1s) == 128 + SIGKILL);
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("init: however many live in it, each is counted and asked to go", "[init][on_remove]") {
    Sandbox sandbox;
    declare(sandbox, "stop_timeout = \"8s\"");
    settle(sandbox);
    constexpr int kGuests = 40;
    auto guests =
        stay_in(sandbox, "i",
                {"sh", "-c",
                 "i=0; while [ $i -lt " + std::to_string(kGuests) + " ]; do (trap 'echo bye >> " + kTrace +
                     "; exit 0' TERM; echo ready >> " + kTrace +
                     "; while :; do sleep 0.1; done) & i=$((i+1)); done; trap 'wait; exit 0' TERM; wait"});
    const auto said = [](const std::string& word) {
        const auto text = trace();
        long count = 0;
        for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
            ++count;
        }
        return count;
    };
    REQUIRE(eventually([&] { return said("ready") == kGuests; }, 10s));
    CHECK(status_of(sandbox, "i").at("processes").get<int>() >= kGuests + 2);
    sandbox.remove_config("i.toml");
    sandbox.apply();
    // A shell's child that has not become sleep yet says it, too.
    CHECK(said("bye") >= kGuests);
    CHECK(guests.wait(1s) != -1);
}

TEST_CASE("init: an empty partition goes at once", "[init][on_remove]") {
    Sandbox sandbox;
    declare(sandbox);
    settle(sandbox);
    sandbox.remove_config("i.toml");
    const auto start = Clock::now();
    sandbox.apply();
    CHECK(Clock::now() - start < 2s);
    CHECK_FALSE(fs::exists("/run/partd/ns"));
    CHECK(eventually([] { return orphans().empty(); }, 1s));
}

TEST_CASE("init: a command of the file's own, with environment and working directory", "[init][command]") {
    Sandbox sandbox;
    const RootTree tree;
    fs::create_directories(tree.path() + "/opt/app");
    sandbox.write_config("i.toml", R"([partition.i]
namespaces = ["pid", "mnt", "uts"]
hostname = "box"
[partition.i.rootfs]
path = "/srv/machines/lightvm"
[partition.i.init]
command = ["sh", "-c", "(pwd; echo $GREETING; env; hostname; echo $$ \"$0\") > /root/out; exec sleep 500", "an argument"]
environment = { GREETING = "good day", PATH = "/usr/bin:/bin:/opt/app" }
working_directory = "/opt/app"
)");
    settle(sandbox);
    const auto init = init_of("i");
    REQUIRE(init);
    REQUIRE(eventually([&] { return comm_of(*init) == "sleep"; }));
    const auto out = read_file(tree.path() + "/root/out");
    INFO(out);
    CHECK(out.starts_with("/opt/app\ngood day\n"));
    CHECK(out.find("\nPATH=/usr/bin:/bin:/opt/app\n") != std::string::npos);
    CHECK(out.find("\ncontainer=partd\n") != std::string::npos);
    CHECK(out.ends_with("box\n1 an argument\n"));
    // nothing of the caller's
    CHECK(out.find("SUDO") == std::string::npos);
    CHECK(out.find("PWD=" + fs::current_path().string()) == std::string::npos);
    CHECK(sandbox.cgroups().processes(kGroup) == std::vector{*init});

    // another environment is another PID 1
    auto text = read_file("/etc/partd/i.toml");
    text.replace(text.find("good day"), 8, "good night");
    sandbox.write_config("i.toml", text);
    CHECK(sandbox.diff() == 1);
    settle(sandbox);
    const auto again = init_of("i");
    REQUIRE(again);
    CHECK(*again != *init);
    CHECK(eventually(
        [&] { return read_file(tree.path() + "/root/out").find("good night") != std::string::npos; }));
}

TEST_CASE("init: a command finds its partition complete", "[init][command]") {
    Sandbox sandbox;
    const RootTree tree;
    sandbox.write_config("i.toml", R"([partition.i]
namespaces = ["net", "pid", "mnt"]
cgroup.pids.max = 33
[partition.i.link.eth0]
address = ["10.4.0.2/24"]
peer = { address = ["10.4.0.1/24"] }
[[partition.i.route]]
to = "default"
via = "10.4.0.1"
[partition.i.dns]
nameserver = ["192.0.2.9"]
[partition.i.rootfs]
path = "/srv/machines/lightvm"
[partition.i.init]
command = ["sh", "-c", "(ip addr; ip route; cat /etc/resolv.conf) > /root/out; exec sleep 500"]
)");
    settle(sandbox);
    REQUIRE(eventually([&] { return init_of("i") && comm_of(*init_of("i")) == "sleep"; }));
    const auto out = read_file(tree.path() + "/root/out");
    INFO(out);
    CHECK(out.find("10.4.0.2/24") != std::string::npos);
    CHECK(out.find("default via 10.4.0.1") != std::string::npos);
    CHECK(out.find("192.0.2.9") != std::string::npos);
}

TEST_CASE("init: a command that cannot be run is an error with its place, and leaves no pin",
          "[init][command]") {
    Sandbox sandbox;
    const RootTree tree;
    write_file(tree.path() + "/root/no-program", "text");
    const auto declare_command = [&](const std::string& command) {
        sandbox.write_config("i.toml",
                             "[partition.i]\nnamespaces = [\"uts\"]\n[partition.i.rootfs]\npath = "
                             "\"/srv/machines/lightvm\"\n\n[partition.i.init]\ncommand = " +
                                 command + "\n");
    };
    const auto [command, word] =
        GENERATE(table<std::string, std::string>({{R"(["/no/such/program"])", "/no/such/program"},
                                                  {R"(["nowhere-in-path"])", "nowhere-in-path"},
                                                  {R"(["/root/no-program"])", "/root/no-program"},
                                                  {R"(["/bin/sh"])"
                                                   "\nworking_directory = \"/nowhere\"",
                                                   "/nowhere"}}));
    declare_command(command);
    const auto failed = sandbox.partctl({"apply"});
    INFO(failed.text());
    CHECK(failed.code == 6);
    CHECK(failed.err.find(word) != std::string::npos);
    const std::string place = word == "/nowhere" ? "i.toml:8" : "i.toml:7";
    CHECK((failed.out + failed.err).find(place) != std::string::npos);
    CHECK_FALSE(fs::exists(pin("i", "pid")));
    CHECK_FALSE(fs::exists(pin("i", "mnt")));
    // what does not depend on it stands
    CHECK(is_namespace(pin("i", "uts")));
    CHECK(eventually([] { return orphans().empty(); }, 1s));
    CHECK(sandbox.cgroups().processes(kGroup).empty());
    CHECK(state(sandbox) == "degraded");
    // fixed
    declare_command(R"(["sleep", "1000"])");
    settle(sandbox);
    CHECK(init_of("i"));
}

TEST_CASE("init: what is no command is refused before anything is done", "[init][command]") {
    Sandbox sandbox;
    for (const std::string init :
         {"command = []", "command = [\"\"]", "environment = { A = \"b\" }",
          "command = [\"a\"]\nenvironment = { \"A=B\" = \"c\" }", "command = \"sleep\"",
          "command = [\"a\"]\nworking_directory = \"here\""}) {
        sandbox.write_config("i.toml", "[partition.i]\n[partition.i.init]\n" + init + "\n");
        const auto checked = sandbox.partctl({"check"});
        INFO(init << checked.text());
        CHECK(checked.code == 3);
        CHECK(checked.err.find("i.toml:") != std::string::npos);
    }
}

TEST_CASE("init: PID 1 killed: seen, said, and made anew", "[init][heal]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    const std::string tables = GENERATE(std::string(), kOtherInit);
    declare(sandbox, "", tables);
    settle(sandbox);
    const auto init = init_of("i");
    REQUIRE(init);
    auto guest = stay_in(sandbox, "i");
    REQUIRE(::kill(*init, SIGKILL) == 0);
    // the kernel ends everybody in the namespace
    CHECK(guest.wait(5s) == 128 + SIGKILL);
    REQUIRE(eventually([&] { return !init_of("i"); }));

    CHECK(state(sandbox) == "degraded");
    CHECK(wanted_changes(sandbox).find("init i\n") != std::string::npos);
    const auto diff = sandbox.partctl({"diff"});
    INFO(diff.text());
    CHECK(diff.out.find("running") != std::string::npos);
    CHECK(sandbox.partctl({"status", "i"}).out.find("degraded") != std::string::npos);
    const auto refused = exec_in(sandbox, "i", {"echo", "inside"});
    INFO(refused.text());
    CHECK(refused.code == 126);
    CHECK(refused.out.empty());
    CHECK(refused.err.find("PID 1") != std::string::npos);

    settle(sandbox);
    const auto again = init_of("i");
    REQUIRE(again);
    CHECK(*again != *init);
    CHECK(state(sandbox) == "active");
    CHECK(said_in(sandbox, "i", {"echo", "inside"}) == "inside");
    sandbox.remove_config("i.toml");
    sandbox.apply();
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("init: a command that ends by itself is no different", "[init][heal]") {
    Sandbox sandbox;
    declare(sandbox, "", "[partition.i.init]\ncommand = [\"sleep\", \"0.3\"]\n");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    REQUIRE(eventually([&] { return !init_of("i"); }));
    CHECK(state(sandbox) == "degraded");
    declare(sandbox);
    settle(sandbox);
    CHECK(comm_of(init_of("i").value_or(0)) == "partd-init");
}

TEST_CASE("init: another PID 1 waits while processes live in it: on_remove refuse", "[init][on_remove]") {
    Sandbox sandbox;
    declare(sandbox, "on_remove = \"refuse\"");
    settle(sandbox);
    const auto init = init_of("i");
    REQUIRE(init);
    auto guest = stay_in(sandbox, "i");
    const auto mnt = inode_at(pin("i", "mnt"));

    declare(sandbox, "on_remove = \"refuse\"", kOtherInit);
    const auto refused = sandbox.partctl({"apply"});
    INFO(refused.text());
    CHECK(refused.code == 7);
    CHECK((refused.err + refused.out).find("refuse") != std::string::npos);
    CHECK(guest.running());
    CHECK(init_of("i") == init);
    CHECK(inode_at(pin("i", "mnt")) == mnt);
    CHECK(sandbox.diff() == 1);
    CHECK(said_in(sandbox, "i", {"echo", "inside"}) == "inside");

    // the holder alone is nobody to wait for
    guest.stop();
    REQUIRE(eventually([&] { return inhabitants("i").size() == 1; }));
    settle(sandbox);
    CHECK(comm_of(init_of("i").value_or(0)) == "sleep");
}

TEST_CASE("init: another PID 1 ends the processes of the first: on_remove stop", "[init][on_remove]") {
    Sandbox sandbox;
    declare(sandbox, "stop_timeout = \"5s\"");
    settle(sandbox);
    auto guest = guest_with_trap(sandbox, "TERM", "sleep 0.3; echo bye >> " + kTrace + "; exit 6");
    declare(sandbox, "stop_timeout = \"5s\"", kOtherInit);
    settle(sandbox);
    CHECK(guest.wait(1s) == 6);
    CHECK(trace().find("bye") != std::string::npos);
    CHECK(comm_of(init_of("i").value_or(0)) == "sleep");
    CHECK(inhabitants("i").size() == 1);
}

TEST_CASE("init: another PID 1 waits while processes live in it: on_remove keep", "[init][on_remove]") {
    Sandbox sandbox;
    declare(sandbox, "on_remove = \"keep\"");
    settle(sandbox);
    const auto init = init_of("i");
    REQUIRE(init);
    auto guest = stay_in(sandbox, "i");
    declare(sandbox, "on_remove = \"keep\"", kOtherInit);
    const auto refused = sandbox.partctl({"apply"});
    INFO(refused.text());
    CHECK(refused.code == 7);
    CHECK((refused.err + refused.out).find("keep") != std::string::npos);
    CHECK(guest.running());
    CHECK(init_of("i") == init);
    guest.stop();
    REQUIRE(eventually([&] { return inhabitants("i").size() == 1; }));
    settle(sandbox);
    CHECK(comm_of(init_of("i").value_or(0)) == "sleep");
}

TEST_CASE("init: removal of an inhabited partition: on_remove refuse", "[init][on_remove]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    declare(sandbox, "on_remove = \"refuse\"");
    settle(sandbox);
    const auto init = init_of("i");
    auto guest = stay_in(sandbox, "i");
    sandbox.remove_config("i.toml");
    const auto refused = sandbox.partctl({"apply"});
    INFO(refused.text());
    CHECK(refused.code == 7);
    CHECK(guest.running());
    CHECK(init_of("i") == init);
    CHECK(is_namespace(pin("i", "mnt")));
    guest.stop();
    REQUIRE(eventually([&] { return inhabitants("i").size() == 1; }));
    sandbox.apply();
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("init: removal of an inhabited partition: on_remove keep", "[init][on_remove]") {
    Sandbox sandbox;
    declare(sandbox, "on_remove = \"keep\"");
    settle(sandbox);
    const auto init = init_of("i");
    REQUIRE(init);
    auto guest = stay_in(sandbox, "i");
    const auto inode = inode_at(pin("i", "pid"));
    sandbox.remove_config("i.toml");
    sandbox.apply();
    CHECK(guest.running());
    CHECK(alive(*init));
    CHECK(inode_at(pin("i", "pid")) == inode);
    CHECK(is_namespace(pin("i", "mnt")));
    CHECK(state(sandbox) != "active");
    CHECK(nsenter({"--pid=/run/partd/ns/i/pid", "--mount=/run/partd/ns/i/mnt", "cat", "/proc/1/comm"}) ==
          "partd-init");
    // it does not come back to it later
    fs::remove_all("/run/partd/ledger");
    CHECK(sandbox.diff() == 0);
    sandbox.apply();
    CHECK(alive(*init));
}
