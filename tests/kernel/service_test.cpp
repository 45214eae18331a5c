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
