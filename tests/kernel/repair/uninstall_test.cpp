// SPDX-License-Identifier: Apache-2.0
// The manual's commands that remove partd (partd(8), UNINSTALL), run as they stand there.

#include "daemon_fixture.h"
#include "host_view.h"

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

// The commands of the first example below "# UNINSTALL" in partd(8).
Arguments steps() {
    std::istringstream manual(read_file(PARTD_EXAMPLES "/../packaging/man/partd.8.scd"));
    Arguments commands;
    bool below = false;
    bool inside = false;
    for (std::string line; std::getline(manual, line);) {
        below |= line == "# UNINSTALL";
        if (below && line == "```") {
            if (inside) {
                break;
            }
            inside = true;
        } else if (inside && line.starts_with("# ")) {
            commands.push_back(line.substr(2));
        }
    }
    return commands;
}

bool is_for_systemd(const std::string& command) {
    return command.starts_with("systemctl ");
}

void carry_out_steps(Daemon& daemon) {
    const std::string path = fs::path(PARTCTL).parent_path();
    for (const std::string& command : steps()) {
        INFO(command);
        if (is_for_systemd(command)) {
            daemon.signal(SIGTERM);
            CHECK(daemon.wait() == 0);
            continue;
        }
        const auto result =
            run({"env", "PATH=" + path + ":/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c", command});
        INFO(result.text());
        CHECK(result.code == 0);
    }
}

std::string mounts_of_ours() {
    std::istringstream mounts(read_file("/proc/self/mountinfo"));
    std::string found;
    for (std::string line; std::getline(mounts, line);) {
        if (line.find(" /run/netns") != std::string::npos || line.find("partd/") != std::string::npos) {
            found += line + "\n";
        }
    }
    return found;
}

}  // namespace

TEST_CASE("uninstall: the manual's steps leave nothing in /run and /etc, and no mount", "[uninstall]") {
    CHECK(std::ranges::count_if(steps(), is_for_systemd) == 1);
    REQUIRE(steps().size() == 6);
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    const auto mounts = mounts_of_ours();
    sandbox.example("pod");
    sandbox.example("routed-nat");
    sandbox.write_config("names.toml",
                         "[partition.names]\nnamespaces = [\"net\", \"uts\"]\n[partition.names.dns]\n"
                         "nameserver = [\"9.9.9.9\"]\n[partition.names.link.eth0]\npeer.name = \"veth9\"\n");
    {
        Daemon daemon;
        REQUIRE(eventually([&] { return sandbox.diff() == 0; }));
        CHECK(fs::exists("/etc/netns/names/resolv.conf"));
        carry_out_steps(daemon);
    }
    CHECK(mounts_of_ours() == mounts);
    for (const char* gone : {"/run/partd", "/etc/partd", "/etc/netns"}) {
        INFO(gone);
        CHECK_FALSE(fs::exists(gone));
    }
    CHECK((!fs::exists("/run/netns") || fs::is_empty("/run/netns")));
    // The manual names this directory as left behind.
    for (const auto& left : fs::directory_iterator("/var/lib")) {
        CHECK(left.path() == "/var/lib/partd");
    }
    // The guard stays as long as the switches that partd has turned on.
    output({"nft", "delete", "table", "inet", "partd"});
    CHECK(difference(before, snapshot(sandbox)) == "");
}

TEST_CASE("uninstall: others' names in /run/netns stay", "[uninstall]") {
    Sandbox sandbox;
    sandbox.example("workshop");
    REQUIRE(run({"ip", "netns", "add", "theirs"}).code == 0);
    {
        Daemon daemon;
        REQUIRE(eventually([&] { return sandbox.diff() == 0; }));
        carry_out_steps(daemon);
    }
    CHECK(run({"ip", "netns", "exec", "theirs", "true"}).code == 0);
    CHECK_FALSE(fs::exists("/run/netns/workshop"));
    CHECK(run({"ip", "netns", "delete", "theirs"}).code == 0);
}
