// SPDX-License-Identifier: Apache-2.0
// pause and resume: an administrator works by hand on one partition, and partd keeps the others.

#include "daemon_fixture.h"
#include "host_view.h"

#include <csignal>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

struct Paused {
    Sandbox sandbox;
    std::unique_ptr<Daemon> daemon;

    Paused() {
        sandbox.write_config("web.toml", kWeb);
        sandbox.write_config("p1.toml", numbered_partition(1));
        daemon = std::make_unique<Daemon>();
        REQUIRE(eventually([&] { return exists("web") && exists("p1") && converged(sandbox); }));
        const auto paused = sandbox.partctl({"pause", "web"});
        INFO(paused.text());
        REQUIRE(paused.code == 0);
        ip({"link", "set", "web0", "down"});
    }
};

}  // namespace

TEST_CASE("pause: drift stays there, and is put back elsewhere", "[control][pause]") {
    Paused host;
    ip({"link", "set", "h1", "down"});
    CHECK(eventually([] { return is_up("h1"); }));
    ip({"addr", "flush", "dev", "h1"});
    CHECK(eventually([] { return addresses("h1").size() == 1; }));
    CHECK_FALSE(is_up("web0"));
    CHECK(state_of_partition(host.sandbox, "web") == "paused");
    CHECK(state_of_partition(host.sandbox, "p1") == "active");
    // also when all is looked at
    host.daemon->signal(SIGHUP);
    CHECK_FALSE(eventually([] { return is_up("web0"); }, 500ms));
}

TEST_CASE("pause: apply leaves it, and refuses to apply just it", "[control][pause]") {
    Paused host;
    const auto all = host.sandbox.partctl({"apply"});
    INFO(all.text());
    CHECK(all.code == 0);
    CHECK_FALSE(is_up("web0"));
    const auto one = host.sandbox.partctl({"apply", "web"});
    INFO(one.text());
    CHECK(one.code == 7);
    CHECK(one.err.find("web is paused: partctl resume web") != std::string::npos);
    CHECK_FALSE(is_up("web0"));
    // an edit of its file waits as well, one of another does not
    host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    host.sandbox.write_config("p1.toml", numbered_partition(1, "mtu = 1350\n"));
    CHECK(eventually([] { return mtu_of("p1") == 1350; }));
    CHECK(mtu_of("web") == 1500);
    // so does the other way to apply
    CHECK(host.sandbox.partctl({"--no-daemon", "apply"}).code == 0);
    CHECK(mtu_of("web") == 1500);
}

TEST_CASE("pause: a removed file waits until it is resumed", "[control][pause]") {
    Paused host;
    host.sandbox.remove_config("web.toml");
    CHECK_FALSE(eventually([] { return !exists("web"); }, 500ms));
    REQUIRE(host.sandbox.partctl({"resume", "web"}).code == 0);
    CHECK(eventually([] { return !exists("web"); }));
    CHECK(eventually([] { return !has_link("web0"); }));  // the kernel takes it a moment later
    CHECK(converged(host.sandbox));
}

TEST_CASE("pause: resume shows what differs, and has it put back", "[control][pause]") {
    Paused host;
    const auto shown = host.sandbox.partctl({"resume", "web", "--check"});
    INFO(shown.text());
    CHECK(shown.code == 1);
    CHECK(shown.out.find("link web/eth0") != std::string::npos);
    CHECK(state_of_partition(host.sandbox, "web") == "paused");
    CHECK_FALSE(is_up("web0"));
    const auto resumed = host.sandbox.partctl({"resume", "web"});
    INFO(resumed.text());
    CHECK(resumed.code == 0);
    CHECK(resumed.out.find("link web/eth0") != std::string::npos);
    CHECK(eventually([] { return is_up("web0"); }));
    CHECK(converged(host.sandbox));
    CHECK(state_of_partition(host.sandbox, "web") == "active");
    const auto again = host.sandbox.partctl({"resume", "web"});
    CHECK(again.code == 2);
    CHECK(again.err.find("not paused") != std::string::npos);
}

TEST_CASE("pause: a daemon that starts again leaves it paused", "[control][pause]") {
    Paused host;
    host.daemon->signal(GENERATE(SIGTERM, SIGKILL));
    REQUIRE(host.daemon->wait() != -1);
    host.daemon = std::make_unique<Daemon>();
    REQUIRE(eventually([&] { return answers(host.sandbox); }));
    CHECK_FALSE(eventually([] { return is_up("web0"); }, 500ms));
    CHECK(state_of_partition(host.sandbox, "web") == "paused");
    REQUIRE(host.sandbox.partctl({"resume", "web"}).code == 0);
    CHECK(eventually([] { return is_up("web0"); }));
}

TEST_CASE("pause: without a daemon", "[control][pause]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    sandbox.apply();
    REQUIRE(sandbox.partctl({"pause", "web"}).code == 0);
    ip({"link", "set", "web0", "down"});
    CHECK(sandbox.partctl({"apply"}).code == 0);
    CHECK_FALSE(is_up("web0"));
    const auto nobody = sandbox.partctl({"pause", "nobody"});
    CHECK(nobody.code == 2);
    CHECK(nobody.err.find("nobody") != std::string::npos);
    const auto resumed = sandbox.partctl({"resume", "web"});
    INFO(resumed.text());
    CHECK(resumed.code == 0);
    REQUIRE(sandbox.partctl({"apply"}).code == 0);
    CHECK(is_up("web0"));
}
