// SPDX-License-Identifier: Apache-2.0
// Services where systemd does not run: the sandbox has a /run of its own. With systemd they are tried by
// tests/system.

#include "host_view.h"
#include "machine.h"

#include <filesystem>

#include <catch2/catch.hpp>

using namespace partd::test;

TEST_CASE("service: without systemd the example's services fail, and nothing else does",
          "[service][examples]") {
    Sandbox sandbox;
    const auto before = snapshot(sandbox);
    sandbox.example("service");
    CHECK(sandbox.partctl({"check"}).code == 0);
    const auto applied = sandbox.partctl_json({"apply"});
    INFO(plan_text(applied));
    REQUIRE(applied.at("failed").size() == 2);
    for (const auto& failed : applied.at("failed")) {
        const auto error = failed.at("error").get<std::string>();
        INFO(error);
        CHECK(error.find("service shopfront/") != std::string::npos);
        CHECK(error.find("systemd does not run here") != std::string::npos);
    }
    CHECK(applied.at("skipped").empty());
    CHECK(addresses("eth0", sandbox.netns("shopfront")) == std::vector<std::string>{"10.77.0.2/24"});
    CHECK(pings(sandbox.netns("shopfront"), "10.77.0.1"));
    CHECK_FALSE(std::filesystem::exists("/run/systemd"));
    sandbox.remove_config("service.toml");
    CHECK(sandbox.partctl({"apply"}).code == 0);
    CHECK(difference(before, snapshot(sandbox)) == "");
}

namespace {

const std::string kHold = "/etc/systemd/system/nginx.service.d/49-partd-web.conf";

std::string hold_of(const std::string& file) {
    return "# Made by partd for service web/nginx, declared in " + file +
           "; changes are put back.\n[Service]\nNetworkNamespacePath=/run/netns/web\n";
}

void put_hold(const std::string& text) {
    run({"mkdir", "-p", "/etc/systemd/system/nginx.service.d"});
    write_file(kHold, text);
}

}  // namespace

TEST_CASE("service: what holds a unit back after a reboot goes with its declaration", "[service]") {
    Sandbox sandbox;
    put_hold(hold_of("/etc/partd/web.toml"));
    sandbox.write_config("other.toml", "[partition.other]\n");
    CHECK(sandbox.partctl({"apply"}).code == 0);
    CHECK_FALSE(std::filesystem::exists(kHold));
    CHECK_FALSE(std::filesystem::exists("/etc/systemd/system/nginx.service.d"));
    sandbox.remove_config("other.toml");
    CHECK(sandbox.partctl({"apply"}).code == 0);
}

TEST_CASE("service: what holds a unit back that was not made again is known later, too", "[service]") {
    Sandbox sandbox;
    put_hold(hold_of("/etc/partd/web.toml"));
    sandbox.write_config("other.toml", "[partition.other]\n");
    sandbox.write_config("web.toml", "[partition.web.service.nginx]\nunit = \"nginx\"\n");
    // Its namespace's name is somebody else's: it is wanted, and nothing of it can be made.
    run({"ip", "netns", "add", "web"});
    CHECK(sandbox.partctl({"apply"}).code != 0);
    CHECK(std::filesystem::exists("/run/netns/other"));
    CHECK(std::filesystem::exists(kHold));
    sandbox.remove_config("web.toml");
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 0);
    CHECK_FALSE(std::filesystem::exists(kHold));
    run({"ip", "netns", "delete", "web"});
}

TEST_CASE("service: of a file that is wrong after a reboot the unit stays held back", "[service]") {
    Sandbox sandbox;
    put_hold(hold_of("/etc/partd/web.toml"));
    sandbox.write_config("other.toml", "[partition.other]\n");
    sandbox.write_config("web.toml", "[partition.web.service.nginx]\nunit = nginx\n");
    CHECK(sandbox.partctl({"apply", "--keep-going"}).code != 7);
    CHECK(std::filesystem::exists("/run/netns/other"));
    CHECK(read_file(kHold) == hold_of("/etc/partd/web.toml"));
    CHECK(sandbox.partctl({"apply", "--keep-going"}).code != 7);
    CHECK(read_file(kHold) == hold_of("/etc/partd/web.toml"));
    // The file is right again, and says nothing of the service.
    sandbox.write_config("web.toml", "[partition.web]\n");
    CHECK(sandbox.partctl({"apply"}).code == 0);
    CHECK_FALSE(std::filesystem::exists(kHold));
    sandbox.remove_config("other.toml");
    sandbox.remove_config("web.toml");
    CHECK(sandbox.partctl({"apply"}).code == 0);
}

TEST_CASE("service: a file of others' that has the place of a hold is a conflict", "[service]") {
    Sandbox sandbox;
    put_hold("[Service]\nNice=5\n");
    sandbox.write_config("w.toml", "[partition.web.service.nginx]\nunit = \"nginx\"\n");
    const auto result = sandbox.partctl_json({"apply"});
    INFO(plan_text(result));
    REQUIRE(result.at("conflicts").size() == 1);
    CHECK(result.at("conflicts")[0].dump().find(kHold) != std::string::npos);
    sandbox.remove_config("w.toml");
    CHECK(sandbox.partctl({"apply"}).code == 0);
    CHECK(read_file(kHold) == "[Service]\nNice=5\n");
}

TEST_CASE("service: a file of ours goes with its declaration, one of others' is a conflict", "[service]") {
    Sandbox sandbox;
    const std::string units = "/run/systemd/system";
    run({"mkdir", "-p", units + "/nginx.service.d"});
    write_file(units + "/nginx.service.d/50-partd-web.conf", "[Service]\nNice=5\n");
    write_file(units + "/partd-old-app.service",
               "# Made by partd for service old/app, declared in x; changes are put back.\n[Service]\n");
    sandbox.write_config("w.toml", "[partition.web.service.nginx]\nunit = \"nginx\"\n");
    const auto result = sandbox.partctl_json({"apply"});
    INFO(plan_text(result));
    CHECK(result.at("conflicts").size() == 1);
    CHECK(read_file(units + "/nginx.service.d/50-partd-web.conf") == "[Service]\nNice=5\n");
    // no ledger was there before: the first line alone told whose it was
    CHECK_FALSE(std::filesystem::exists(units + "/partd-old-app.service"));
    sandbox.remove_config("w.toml");
    CHECK(sandbox.partctl({"apply"}).code == 0);
    CHECK(std::filesystem::exists(units + "/nginx.service.d/50-partd-web.conf"));
}
