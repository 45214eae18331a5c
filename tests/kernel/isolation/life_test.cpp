// SPDX-License-Identifier: Apache-2.0
// Partitions that are started and stopped, and how their PID 1 ends.

#include "daemon_fixture.h"
#include "host_view.h"
#include "machine.h"

#include <sys/stat.h>

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr const char* kMachine =
    "[partition.web]\nnamespaces = [\"net\", \"pid\"]\nstop_timeout = \"1s\"\n"
    "[partition.web.link.eth0]\naddress = [\"10.1.1.1/24\"]\n"
    "peer = { name = \"pv-web\", address = [\"10.1.1.2/24\"] }\n"
    "[partition.web.init]\ncommand = [\"sleep\", \"1000\"]\n";

std::string state(const Sandbox& sandbox, const std::string& name = "web") {
    return status_of(sandbox, name).at("state");
}

bool says(const Outcome& outcome, const std::string& text) {
    return (outcome.out + outcome.err).find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("life: a stopped partition is gone and stays stopped until it is started", "[life]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kMachine);
    sandbox.write_config("other.toml", "[partition.other]\n");
    settle(sandbox);
    const pid_t init = init_of("web").value();
    const auto stopped = sandbox.partctl({"stop", "web"});
    INFO(stopped.text());
    CHECK(stopped.code == 0);
    CHECK_FALSE(alive(init));
    CHECK_FALSE(has_link("pv-web"));
    CHECK(netns_names() == std::vector<std::string>{"other"});
    CHECK(state(sandbox) == "stopped");
    CHECK(state(sandbox, "other") == "active");

    // Neither apply nor a repair starts it, and exec says why it cannot.
    settle(sandbox);
    CHECK(state(sandbox) == "stopped");
    CHECK(sandbox.partctl({"status", "--check"}).code == 0);
    const auto entered = sandbox.partctl({"exec", "web", "true"});
    CHECK(entered.code == 126);
    CHECK(says(entered, "web is stopped: partctl start web"));
    CHECK(sandbox.partctl({"stop", "web"}).code == 0);
    const auto checked = sandbox.partctl({"doctor"});
    CHECK(says(checked, "stopped until partctl start: web"));
    CHECK(says(checked, "they are declared, and neither apply nor a boot makes them"));

    const auto started = sandbox.partctl({"start", "web"});
    INFO(started.text());
    CHECK(started.code == 0);
    CHECK(init_of("web"));
    CHECK(has_link("pv-web"));
    CHECK(state(sandbox) == "active");
    CHECK(sandbox.diff() == 0);
}

TEST_CASE("life: stop outlives partd and a reboot", "[life][daemon]") {
    Configured host(kMachine);
    host.sandbox.write_config("web.toml", kMachine);
    {
        const Daemon daemon;
        REQUIRE(eventually([&] { return state(host.sandbox) == "active"; }));
        const auto stopped = host.sandbox.partctl({"stop", "web"});
        INFO(stopped.text());
        REQUIRE(stopped.code == 0);
        CHECK(state(host.sandbox) == "stopped");
        // An edit of its file does not start it.
        host.sandbox.write_config("web.toml", std::string(kMachine) + "environment = { A = \"1\" }\n");
        CHECK(remains([&] { return !init_of("web"); }, 500ms));
    }
    fs::remove_all("/run/partd");  // as a reboot leaves it
    const Daemon daemon;
    CHECK(remains([&] { return !init_of("web"); }, 500ms));
    CHECK(state(host.sandbox) == "stopped");
    CHECK(host.sandbox.partctl({"start", "web"}).code == 0);
    CHECK(eventually([&] { return init_of("web").has_value() && state(host.sandbox) == "active"; }));
    const pid_t before = init_of("web").value();
    CHECK(host.sandbox.partctl({"restart", "web"}).code == 0);
    CHECK_FALSE(alive(before));
    CHECK(init_of("web"));
    CHECK(state(host.sandbox) == "active");
}

TEST_CASE("life: apply --dry-run changes nothing and prints what diff prints", "[life]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kMachine);
    const auto dry = sandbox.partctl({"apply", "--dry-run"});
    const auto diff = sandbox.partctl({"diff"});
    CHECK(dry.code == 1);
    CHECK(dry.out == diff.out);
    CHECK(dry.out.find("+ init web sleep") != std::string::npos);
    CHECK_FALSE(init_of("web"));
    CHECK(sandbox.partctl({"apply", "--dry-run", "--confirm", "1s"}).code == 2);
    settle(sandbox);
    CHECK(sandbox.partctl({"apply", "--dry-run", "web"}).code == 0);
}

TEST_CASE("life: restart makes a new PID 1", "[life]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kMachine);
    settle(sandbox);
    const pid_t before = init_of("web").value();
    const auto restarted = sandbox.partctl({"restart", "web"});
    INFO(restarted.text());
    CHECK(restarted.code == 0);
    CHECK_FALSE(alive(before));
    CHECK(init_of("web").value() != before);
    CHECK(sandbox.diff() == 0);
}

TEST_CASE("life: enabled = false stops it, and start says so", "[life]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kMachine);
    settle(sandbox);
    std::string off = kMachine;
    off.replace(off.find("namespaces"), 0, "enabled = false\n");
    sandbox.write_config("web.toml", off);
    settle(sandbox);
    CHECK(state(sandbox) == "stopped");
    CHECK_FALSE(has_link("pv-web"));
    const auto refused = sandbox.partctl({"start", "web"});
    CHECK(refused.code == 7);
    CHECK(says(refused, "web is stopped by its file: /etc/partd/web.toml:2 has enabled = false"));
    CHECK(says(sandbox.partctl({"exec", "web", "true"}), "web is stopped: it has enabled = false"));
    sandbox.write_config("web.toml", kMachine);
    settle(sandbox);
    CHECK(state(sandbox) == "active");
}

TEST_CASE("life: who shares with a stopped partition stops with it, and links into it go", "[life]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kMachine);
    sandbox.write_config("guest.toml",
                         "[partition.guest]\nshare = { partition = \"web\", namespaces = [\"net\"] }\n");
    sandbox.write_config("db.toml",
                         "[partition.db.link.a]\naddress = [\"10.9.0.1/24\"]\npeer = { partition = \"web\", "
                         "name = \"b\", address = [\"10.9.0.2/24\"] }\n");
    settle(sandbox);
    REQUIRE(sandbox.partctl({"stop", "web"}).code == 0);
    sandbox.apply();
    CHECK(state(sandbox, "guest") == "stopped");
    CHECK(state(sandbox, "db") == "active");
    CHECK(links(sandbox.netns("db")).empty());
    sandbox.close_netns();
    REQUIRE(sandbox.partctl({"start", "web"}).code == 0);
    settle(sandbox);
    CHECK(state(sandbox, "guest") == "active");
    CHECK(links(sandbox.netns("db")) == std::vector<std::string>{"a"});
}

TEST_CASE("life: stop ends processes whatever on_remove says", "[life]") {
    Sandbox sandbox;
    const auto policy = GENERATE(std::string("refuse"), std::string("keep"));
    std::string text = kMachine;
    text.replace(text.find("stop_timeout"), 0, "on_remove = \"" + policy + "\"\n");
    sandbox.write_config("web.toml", text);
    settle(sandbox);
    const pid_t init = init_of("web").value();
    const auto stopped = sandbox.partctl({"stop", "web"});
    INFO(policy << stopped.text());
    CHECK(stopped.code == 0);
    CHECK_FALSE(alive(init));
    REQUIRE(sandbox.partctl({"start", "web"}).code == 0);
    // And the policy counts again.
    sandbox.remove_config("web.toml");
    CHECK(sandbox.partctl({"apply"}).code == (policy == "refuse" ? 7 : 0));
    CHECK(init_of("web"));
    sandbox.write_config("web.toml", kMachine);
    settle(sandbox);
}

TEST_CASE("life: a partition that nobody declares is neither stopped nor started", "[life]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kMachine);
    settle(sandbox);
    for (const char* verb : {"stop", "start", "restart"}) {
        const auto told = sandbox.partctl({verb, "wbe"});
        INFO(told.text());
        CHECK(told.code == 2);
        CHECK(says(told, "no file declares a partition \"wbe\"; did you mean \"web\"?"));
    }
    CHECK_FALSE(fs::exists("/var/lib/partd/stopped/wbe"));
}

TEST_CASE("life: processes that are killed just before do not hold a removal back", "[life]") {
    Sandbox sandbox;
    sandbox.write_config("p.toml", "[partition.p]\non_remove = \"refuse\"\n");
    settle(sandbox);
    for (int round = 0; round < 5; ++round) {
        std::vector<Background> some;
        for (int i = 0; i < 20; ++i) {
            some.push_back(stay_in(sandbox, "p"));
        }
        sandbox.remove_config("p.toml");
        CHECK(sandbox.partctl({"apply"}).code == 7);
        CHECK(sandbox.partctl({"kill", "p", "KILL"}).code == 0);
        const auto removed = sandbox.partctl({"apply"});
        INFO(removed.text());
        CHECK(removed.code == 0);
        sandbox.write_config("p.toml", "[partition.p]\non_remove = \"refuse\"\n");
        settle(sandbox);
    }
}

TEST_CASE("life: stop_signal goes to PID 1 alone, also one of real time", "[life][init]") {
    Sandbox sandbox;
    RootTree tree;
    const auto signal = GENERATE(std::string("SIGUSR1"), std::string("SIGRTMIN+3"));
    const std::string number = signal == "SIGUSR1" ? "10" : "37";
    sandbox.write_config(
        "m.toml",
        "[partition.m]\nnamespaces = [\"pid\"]\nstop_timeout = \"5s\"\n[partition.m.init]\n"
        "command = [\"bash\", \"-c\", \"trap 'echo heard >/run/scratch/heard; exit' " +
            number +
            "; (trap 'echo term >/run/scratch/term' TERM; while :; do sleep 0.05; done) & while :; "
            "do sleep 0.05; done\"]\nstop_signal = \"" +
            signal + "\"\n");
    fs::create_directories("/run/scratch");
    settle(sandbox);
    sandbox.remove_config("m.toml");
    const auto removed = sandbox.partctl({"apply"});
    INFO(signal << removed.text());
    CHECK(removed.code == 0);
    CHECK(fs::exists("/run/scratch/heard"));
    CHECK_FALSE(fs::exists("/run/scratch/term"));
    fs::remove("/run/scratch/heard");
}

TEST_CASE("life: a new stop_signal is no reason for a new PID 1", "[life][init]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kMachine);
    settle(sandbox);
    const pid_t before = init_of("web").value();
    sandbox.write_config("web.toml", std::string(kMachine) + "stop_signal = \"SIGINT\"\n");
    settle(sandbox);
    CHECK(init_of("web") == before);
}

TEST_CASE("life: status tells since when PID 1 runs, and that it has ended", "[life][status]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kMachine);
    settle(sandbox);
    const auto init = sandbox.partctl_json({"status", "web"}).at("init");
    CHECK(init.at("pid") == init_of("web").value());
    CHECK(init.at("command") == "sleep 1000");
    CHECK(says(sandbox.partctl({"status", "web"}), "(sleep 1000), for "));
    REQUIRE(sandbox.partctl({"kill", "web", "KILL"}).code == 0);
    CHECK(eventually([&] { return says(sandbox.partctl({"status", "web"}), "PID 1      has ended"); }));
}
