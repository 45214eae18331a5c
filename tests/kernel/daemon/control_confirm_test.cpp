// SPDX-License-Identifier: Apache-2.0
// apply --confirm: the host goes back by itself when nobody confirms, whatever happens to the daemon
// meanwhile.

#include "daemon_fixture.h"
#include "host_view.h"
#include "machine.h"

#include <csignal>
#include <filesystem>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kWindow = "2s";
constexpr auto kSoon = 6s;  // the window, and some time to go back

/// Partition web with an uplink of its own rules, beside something foreign, and a daemon that keeps it.
struct Confirming {
    Sandbox sandbox;
    std::unique_ptr<Daemon> daemon;
    Snapshot before;

    Confirming() {
        // The daemon would apply an edited file at once: it is to wait for partctl.
        sandbox.write_config("base.toml", "[daemon]\nsettle = \"30s\"\n");
        sandbox.write_config("web.toml", kWeb);
        ip({"link", "add", "foreign0", "type", "bridge"});
        ip({"link", "set", "foreign0", "alias", "another's"});
        output({"nft", "add table inet foreign"});
        start();
        REQUIRE(eventually([&] { return exists("web") && converged(sandbox); }));
        REQUIRE(eventually([&] { return generations(sandbox).size() == 1; }));
        eventually([] { return output({"ip", "-n", "web", "addr", "show", "tentative"}).empty(); });
        before = snapshot(sandbox);
    }
    void start() {
        daemon = std::make_unique<Daemon>();
        REQUIRE(eventually([&] { return answers(sandbox); }));
    }
    Outcome apply(const Arguments& more = {}) {
        Arguments all{"apply", "--confirm", kWindow};
        all.insert(all.end(), more.begin(), more.end());
        return sandbox.partctl(all);
    }
    /// Differences from the snapshot before, for a message;
    /// partd's own records aside.
    [[nodiscard]] std::string differing() {
        Snapshot now = snapshot(sandbox);
        before.erase("/var/lib");
        now.erase("/var/lib");
        return difference(before, now);
    }
    [[nodiscard]] bool goes_back(const std::function<bool()>& is_back) const {
        return eventually(is_back, kSoon) && daemon->said("nobody confirmed in time");
    }
};

std::string alias_in(const std::string& partition) {
    const Json shown = json({"ip", "-n", partition, "-j", "-d", "link", "show", "eth0"});
    return shown.at(0).value("ifalias", "");
}

}  // namespace

TEST_CASE("confirm: a value that the former files did not mention is as before", "[control][confirm]") {
    Confirming host;
    REQUIRE(mtu_of("web") == 1500);
    const auto alias = alias_in("web");
    host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\nalias = \"to be tried\"\n");
    const auto applied = host.apply();
    INFO(applied.text());
    REQUIRE(applied.code == 0);
    CHECK(applied.err.find("goes back in 2 s") != std::string::npos);
    CHECK(mtu_of("web") == 1400);
    CHECK(alias_in("web") != alias);
    CHECK(host.goes_back([] { return mtu_of("web") == 1500; }));
    INFO(host.daemon->log());
    CHECK(alias_in("web") == alias);
    CHECK(host.differing() == std::string());
    CHECK(host.daemon->log().find("and as it stood before") != std::string::npos);
    // The files still say 1400, and say nothing until they change.
    CHECK(as_in_force(host.sandbox));
    CHECK_FALSE(eventually([] { return mtu_of("web") != 1500; }, 500ms));
}

TEST_CASE("confirm: a value on the host goes back, too", "[control][confirm]") {
    Confirming host;
    const auto forwarding = sysctl("net.ipv4.ip_forward");
    const auto mac = link("web0").at("address");
    host.sandbox.write_config("web.toml", R"([partition.web.link.eth0]
address = ["10.1.1.1/24", "10.1.7.1/24"]
peer = { name = "web0", mac = "02:00:00:00:00:77", mtu = 1300, address = ["10.1.1.2/24", "10.1.7.2/24"] }
[[partition.web.route]]
to = "default"
via = "10.1.1.2"
[partition.web.sysctl]
net.ipv4.conf.eth0.rp_filter = 2
)");
    const auto applied = host.apply();
    INFO(applied.text());
    REQUIRE(applied.code == 0);
    REQUIRE(link("web0").at("mtu") == 1300);
    CHECK(host.goes_back([&] { return has_link("web0") && link("web0").at("mtu") == 1500; }));
    INFO(host.daemon->log());
    CHECK(link("web0").at("address") == mac);
    CHECK(sysctl("net.ipv4.ip_forward") == forwarding);
    CHECK(host.differing() == std::string());
    CHECK(host.daemon->log().find("not as it stood before") == std::string::npos);
}

TEST_CASE("confirm: what was made goes, what was removed comes back, the others' stays",
          "[control][confirm]") {
    Confirming host;
    host.sandbox.remove_config("web.toml");
    host.sandbox.write_config("p1.toml", numbered_partition(1) + "[partition.p1.nat]\nmasquerade = true\n");
    const auto applied = host.apply();
    INFO(applied.text());
    REQUIRE(applied.code == 0);
    REQUIRE_FALSE(exists("web"));
    REQUIRE(exists("p1"));
    ip({"link", "add", "foreign1", "type", "bridge"});
    CHECK(host.goes_back([] { return exists("web") && !exists("p1"); }));
    INFO(host.daemon->log());
    CHECK(has_link("web0"));
    CHECK_FALSE(has_link("h1"));
    CHECK(has_link("foreign0"));
    CHECK(has_link("foreign1"));
    CHECK(output({"nft", "list", "tables"}).find("table inet foreign") != std::string::npos);
    CHECK(as_in_force(host.sandbox));
    CHECK(run({"ping", "-c1", "-W1", "10.1.1.1"}).code == 0);
}

TEST_CASE("confirm: confirmed, it stays", "[control][confirm]") {
    Confirming host;
    host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    REQUIRE(host.apply().code == 0);
    const auto again = host.apply();
    INFO(again.text());
    CHECK(again.code == 7);
    CHECK(again.err.find("waits to be confirmed") != std::string::npos);
    const auto confirmed = host.sandbox.partctl({"confirm"});
    INFO(confirmed.text());
    CHECK(confirmed.code == 0);
    std::this_thread::sleep_for(3s);
    CHECK(mtu_of("web") == 1400);
    CHECK(host.daemon->log().find("nobody confirmed") == std::string::npos);
    CHECK(host.sandbox.partctl({"confirm"}).code == 2);
    CHECK(host.sandbox.diff() == 0);
}

TEST_CASE("confirm: rollback within the window goes back at once", "[control][confirm]") {
    Confirming host;
    host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    REQUIRE(host.apply().code == 0);
    const auto back = host.sandbox.partctl({"rollback"});
    INFO(back.text());
    CHECK(back.code == 0);
    CHECK(mtu_of("web") == 1500);
    CHECK(host.differing() == std::string());
    CHECK(host.sandbox.partctl({"confirm"}).code == 2);
    std::this_thread::sleep_for(2500ms);
    CHECK(host.daemon->log().find("nobody confirmed") == std::string::npos);
}

TEST_CASE("confirm: what partd applied by itself a moment ago waits, too", "[control][confirm]") {
    Confirming host;
    host.sandbox.write_config("base.toml", "[daemon]\nsettle = \"10ms\"\n");
    REQUIRE(host.sandbox.partctl({"apply"}).code == 0);
    host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    REQUIRE(eventually([] { return mtu_of("web") == 1400; }));
    REQUIRE(eventually([&] { return generations(host.sandbox).size() == 3; }));
    const auto applied = host.apply();
    INFO(applied.text());
    CHECK(applied.code == 0);
    CHECK(applied.err.find("goes back in 2 s") != std::string::npos);
    CHECK(host.goes_back([] { return mtu_of("web") == 1500; }));
}

TEST_CASE("confirm: what is confirmed is not waited for again", "[control][confirm]") {
    Confirming host;
    host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    REQUIRE(host.apply().code == 0);
    REQUIRE(host.sandbox.partctl({"confirm"}).code == 0);
    const auto again = host.apply();
    INFO(again.text());
    CHECK(again.code == 0);
    CHECK(again.err.find("there is nothing to confirm") != std::string::npos);
    CHECK(host.sandbox.partctl({"confirm"}).code == 2);
    std::this_thread::sleep_for(2500ms);
    CHECK(mtu_of("web") == 1400);
}

TEST_CASE("confirm: drift within the window is put back to what waits", "[control][confirm]") {
    Confirming host;
    host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    REQUIRE(host.apply().code == 0);
    ip({"-n", "web", "link", "set", "eth0", "mtu", "1444"});
    CHECK(eventually([] { return mtu_of("web") == 1400; }, 1s));
    CHECK(host.goes_back([] { return mtu_of("web") == 1500; }));
}

TEST_CASE("confirm: a daemon that was killed in the window goes back in time", "[control][confirm]") {
    Confirming host;
    host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    REQUIRE(host.apply().code == 0);
    host.daemon->crash();
    host.start();
    CHECK(mtu_of("web") == 1400);
    CHECK(host.goes_back([] { return mtu_of("web") == 1500; }));
    CHECK(host.differing() == std::string());
    CHECK(host.sandbox.partctl({"confirm"}).code == 2);
}

TEST_CASE("confirm: a daemon that was away for longer goes back as it starts", "[control][confirm]") {
    Confirming host;
    host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    REQUIRE(host.apply().code == 0);
    host.daemon->crash();
    std::this_thread::sleep_for(2500ms);
    REQUIRE(mtu_of("web") == 1400);
    host.start();
    CHECK(eventually([] { return mtu_of("web") == 1500; }, 2s));
    CHECK(host.daemon->said("nobody confirmed in time"));
    CHECK(host.differing() == std::string());
    CHECK(as_in_force(host.sandbox));
}

TEST_CASE("confirm: the time that is left is told on the bus", "[control][confirm][bus]") {
    Confirming host;
    const auto left = [] {
        const auto shown = output({"busctl", "--address=unix:path=/run/partd/bus", "get-property",
                                   "org.partd1", "/org/partd1", "org.partd1.Manager", "ConfirmIn"});
        return std::stol(shown.substr(2));
    };
    CHECK(left() == 0);
    host.sandbox.write_config("web.toml", std::string(kWeb) + "mtu = 1400\n");
    REQUIRE(host.apply().code == 0);
    CHECK(left() > 0);
    CHECK(left() <= 2000);
    REQUIRE(host.sandbox.partctl({"confirm"}).code == 0);
    CHECK(left() == 0);
}
