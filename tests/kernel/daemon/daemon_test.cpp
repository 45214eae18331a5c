// SPDX-License-Identifier: Apache-2.0
// partd in the foreground: what it does when files or the host change, and that it leaves everything when it
// goes.

#include "daemon_fixture.h"
#include "host_view.h"
#include "machine.h"

#include <csignal>
#include <filesystem>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

TEST_CASE("daemon: a file that is dropped, edited and removed", "[daemon]") {
    Sandbox sandbox;
    Daemon daemon;
    sandbox.write_config("web.toml", kWeb);
    CHECK(eventually([] { return exists("web"); }));
    CHECK(converged(sandbox));
    sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    CHECK(eventually([&] {
        return output({"ip", "-n", "web", "link", "show", "eth0"}).find("mtu 1400") != std::string::npos;
    }));
    // as an editor does it: another file takes the name
    {
        const auto draft = "/etc/partd/.web.toml.new";
        write_file(draft, std::string(kWeb) + "mtu = 1300\n");
        fs::rename(draft, "/etc/partd/web.toml");
    }
    CHECK(eventually([&] {
        return output({"ip", "-n", "web", "link", "show", "eth0"}).find("mtu 1300") != std::string::npos;
    }));
    sandbox.remove_config("web.toml");
    CHECK(eventually([] { return !exists("web"); }));
    INFO(daemon.log());
    CHECK(daemon.running());
}

TEST_CASE("daemon: what somebody else changes is put back", "[daemon][drift]") {
    Sandbox sandbox;
    sandbox.write_config(
        "web.toml", std::string(kWeb) +
                        "[partition.web.nat]\nmasquerade = true\n[partition.web.cgroup]\npids.max = 50\n");
    Daemon daemon;
    REQUIRE(eventually([] { return exists("web"); }));
    REQUIRE(converged(sandbox));
    const auto broken =
        GENERATE(as<Arguments>(), Arguments{"ip", "link", "set", "web0", "down"},
                 Arguments{"ip", "link", "del", "web0"}, Arguments{"nft", "flush", "ruleset"},
                 Arguments{"nft", "delete", "table", "inet", "partd"}, Arguments{"ip", "netns", "del", "web"},
                 Arguments{"ip", "addr", "del", "10.1.1.2/24", "dev", "web0"},
                 Arguments{"ip", "-n", "web", "addr", "flush", "dev", "eth0"});
    INFO(broken.front() << " " << broken.back());
    (void)run(broken);  // ip netns del may find that the name is back already
    const bool put_back = daemon.said("put back: ");
    INFO(daemon.log());
    CHECK(put_back);
    CHECK(converged(sandbox));
    CHECK(daemon.running());
}

TEST_CASE("daemon: an event about what all share makes it deaf for nothing", "[daemon][drift]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", std::string(kWeb) + "[partition.web.nat]\nmasquerade = true\n");
    Daemon daemon;
    REQUIRE(eventually([] { return exists("web"); }));
    REQUIRE(converged(sandbox));
    const auto table = [] { return run({"nft", "list", "table", "inet", "partd"}).code == 0; };
    for (int time = 0; time < 3; ++time) {
        const std::string stray = sandbox.cgroups().of("")->mount_point + "/partd.slice/stray";
        fs::create_directory(stray);
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        fs::remove(stray);
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        output({"nft", "flush", "ruleset"});
        INFO(daemon.log());
        CHECK(eventually(table));
    }
}

TEST_CASE("daemon: limits, PID 1 and host name are put back", "[daemon][drift]") {
    Sandbox sandbox;
    sandbox.write_config(
        "vm.toml",
        "[partition.vm]\nnamespaces = [\"pid\"]\nhostname = \"vm\"\n[partition.vm.cgroup]\npids.max = 50\n");
    Daemon daemon;
    REQUIRE(eventually([] { return init_of("vm").has_value(); }));
    REQUIRE(converged(sandbox));
    const auto init = init_of("vm");
    ::kill(*init, SIGKILL);
    CHECK(eventually([&] { return init_of("vm") && init_of("vm") != init; }));
    CHECK(converged(sandbox));
    CHECK(exec_in(sandbox, "vm", {"true"}).code == 0);
}

TEST_CASE("daemon: a broken file changes nothing, and is told once", "[daemon][files]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    Daemon daemon;
    REQUIRE(eventually([] { return exists("web"); }));
    sandbox.write_config("web.toml", "[partition.web\n");
    CHECK(daemon.said("web.toml:1:"));
    CHECK(exists("web"));
    // the directory goes and comes
    fs::rename("/etc/partd", "/etc/partd.away");
    CHECK(daemon.said("is missing or cannot be read"));
    CHECK(exists("web"));
    fs::create_directory("/etc/partd");
    sandbox.write_config("other.toml", "[partition.other]\n");
    CHECK(eventually([] { return exists("other"); }));
    CHECK(eventually([] { return !exists("web"); }));
    // and is something else for a while
    fs::remove_all("/etc/partd");
    write_file("/etc/partd", "no directory\n");
    CHECK(exists("other"));
    CHECK(daemon.running());
    fs::remove("/etc/partd");
    fs::create_directory("/etc/partd");
    sandbox.write_config("third.toml", "[partition.third]\n");
    CHECK(eventually([] { return exists("third"); }));
    INFO(daemon.log());
    CHECK(daemon.running());
}

TEST_CASE("daemon: partctl removes everything meanwhile", "[daemon]") {
    Sandbox sandbox;
    // So many that the daemon itself refuses to remove them.
    sandbox.write_config(
        "all.toml", "[partition.a]\n[partition.b]\n[partition.c]\n[partition.d]\nnamespaces = [\"uts\"]\n");
    Daemon daemon;
    REQUIRE(eventually([] { return exists("a") && fs::exists("/run/partd/ns/d/uts"); }));
    REQUIRE(converged(sandbox));
    sandbox.remove_config("all.toml");
    REQUIRE(sandbox.partctl({"apply", "--allow-delete"}).code == 0);
    REQUIRE_FALSE(fs::exists("/run/netns"));
    REQUIRE_FALSE(fs::exists("/run/partd/ns"));
    sandbox.write_config("other.toml", "[partition.e]\nnamespaces = [\"net\", \"uts\"]\n");
    REQUIRE(eventually([] { return exists("e"); }));
    const bool settled = converged(sandbox);
    INFO(daemon.log());
    CHECK(settled);
    CHECK(daemon.log().find("No such file") == std::string::npos);
}

TEST_CASE("daemon: everything stays when it stops or is killed", "[daemon]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", std::string(kWeb) + "[partition.vm]\nnamespaces = [\"pid\", \"uts\"]\n");
    const int number = GENERATE(SIGTERM, SIGKILL);
    {
        Daemon daemon;
        REQUIRE(eventually([] { return exists("web") && init_of("vm"); }));
        REQUIRE(converged(sandbox));
        const auto init = init_of("vm");
        daemon.signal(number);
        CHECK(daemon.wait() == (number == SIGTERM ? 0 : 128 + SIGKILL));
        CHECK(init_of("vm") == init);
    }
    CHECK(sandbox.diff() == 0);
    CHECK(run({"ping", "-c1", "-W1", "10.1.1.1"}).code == 0);
    Daemon again;
    CHECK(eventually([&] { return sandbox.diff() == 0; }));
    again.signal(SIGHUP);
    CHECK(again.running());
}

TEST_CASE("daemon: who fights is told, and fought less and less", "[daemon][drift]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    Daemon daemon;
    REQUIRE(eventually([] { return exists("web"); }));
    REQUIRE(converged(sandbox));
    for (int i = 0; i < 60; ++i) {
        output({"ip", "link", "set", "web0", "down"});
        std::this_thread::sleep_for(20ms);
    }
    CHECK(daemon.said("contested"));
    const auto count = [&] {
        std::size_t repairs = 0;
        const auto text = daemon.log();
        for (std::size_t at = text.find("put back: "); at != std::string::npos;
             at = text.find("put back: ", at + 1)) {
            ++repairs;
        }
        return repairs;
    };
    INFO(daemon.log());
    CHECK(count() < 30);
    // when the other one has gone, it is put back at last
    CHECK(eventually([&] { return sandbox.diff() == 0; }, 20s));
}

TEST_CASE("daemon: idle, it does nothing", "[daemon]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    Background daemon{Arguments{PARTD}};
    REQUIRE(eventually([] { return exists("web"); }));
    REQUIRE(converged(sandbox));
    std::this_thread::sleep_for(3s);  // until the kernel has probed its IPv6 addresses
    const auto switches = [&] {
        return output({"grep", "ctxt_switches", "/proc/" + std::to_string(daemon.pid()) + "/status"});
    };
    const auto before = switches();
    std::this_thread::sleep_for(2s);
    CHECK(switches() == before);
}
