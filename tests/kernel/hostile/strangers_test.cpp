// SPDX-License-Identifier: Apache-2.0
// Other programs make and take away links, namespaces, tables and groups while partd works: none of theirs is
// ever touched, whatever number or name of partd's they get. Row 41 of the table in tests/faults.md.

#include "daemon_fixture.h"
#include "host_view.h"

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

/// All of a link that partd could have changed, as its maker left it.
std::string nature(const Json& link) {
    return Json{{"index", link.at("ifindex")},
                {"alias", link.value("ifalias", "")},
                {"altnames", link.value("altnames", Json::array())},
                {"mode", link.value("inet6_addr_gen_mode", "")},
                {"up", link.at("flags").dump().find("\"UP\"") != std::string::npos},
                {"mtu", link.at("mtu")},
                {"mac", link.at("address")}}
        .dump();
}

/// The natures of those links of this network namespace whose names begin so, by name.
std::map<std::string, std::string> natures(const std::string& prefix) {
    std::map<std::string, std::string> found;
    for (const Json& each : json({"ip", "-j", "-d", "link", "show"})) {
        const auto name = each.at("ifname").get<std::string>();
        if (name.starts_with(prefix)) {
            found.emplace(name, nature(each));
        }
    }
    return found;
}

/// A pair of links, a bridge, a namespace, a table and a group of another program's, with their natures.
class Strangers {
public:
    Strangers(const Sandbox& sandbox, int round)
        : suffix_(std::to_string(round)),
          group_(sandbox.cgroups().hierarchies().front().mount_point + "/stranger" + suffix_) {
        const std::string pair = "link add sa" + suffix_ + " type veth peer name sb" + suffix_ + "\n";
        const std::string bridge = "link add sc" + suffix_ + " type bridge\n";
        must(run({"ip", "-batch", "-"}, {.input = pair + bridge}));
        must(run({"ip", "netns", "add", "stranger" + suffix_}));
        must(run({"nft", "add table inet stranger" + suffix_ + " { comment \"theirs\"; }"}));
        std::filesystem::create_directory(group_);
        before_ = natures("s");
    }
    Strangers(const Strangers&) = delete;
    Strangers& operator=(const Strangers&) = delete;
    ~Strangers() {
        (void)run({"ip", "-batch", "-"},
                  {.input = "link del sa" + suffix_ + "\nlink del sc" + suffix_ + "\n"});
        (void)run({"ip", "netns", "del", "stranger" + suffix_});
        (void)run({"nft", "delete table inet stranger" + suffix_});
        std::error_code ignored;
        std::filesystem::remove(group_, ignored);
    }

    /// Throws with what is not as it was made.
    void check() const {
        const auto now = natures("s");
        for (const auto& [name, nature] : before_) {
            const auto found = now.find(name);
            if (found == now.end() || found->second != nature) {
                throw std::runtime_error(name + ": " + nature + " became " +
                                         (found == now.end() ? "nothing" : found->second));
            }
        }
        must(run({"ip", "-n", "stranger" + suffix_, "link", "show", "lo"}));
        must(run({"nft", "list table inet stranger" + suffix_}));
        if (!std::filesystem::is_directory(group_)) {
            throw std::runtime_error(group_ + " is gone");
        }
    }

private:
    static void must(const Outcome& done) {
        if (done.code != 0) {
            throw std::runtime_error(done.text());
        }
    }

    std::string suffix_;
    std::string group_;
    std::map<std::string, std::string> before_;
};

/// Strangers that come and go as fast as they can; ends with 1 and a word when one of theirs was changed.
Background come_and_go(const Sandbox& sandbox) {
    return Background([&sandbox] {
        try {
            for (int round = 0;; ++round) {
                const Strangers strangers(sandbox, round % 100);
                strangers.check();
            }
        } catch (const std::exception& error) {
            std::cerr << error.what() << '\n';
            return 1;
        }
    });
}

std::string with_nat(int number) {
    return numbered_partition(number) + "[partition.p" + std::to_string(number) +
           ".nat]\nmasquerade = true\n";
}

}  // namespace

TEST_CASE("strangers: links made while partd runs are not taken for its own", "[strangers]") {
    Sandbox sandbox;
    sandbox.write_config("p1.toml", with_nat(1));
    const Daemon daemon;
    REQUIRE(eventually([&] { return exists("p1") && converged(sandbox); }));
    ip({"link", "add", "sa", "type", "veth", "peer", "name", "sb"});
    ip({"link", "add", "sc", "type", "bridge"});
    const auto before = natures("s");
    sandbox.write_config("p2.toml", with_nat(2));
    CHECK(eventually([&] { return exists("p2") && converged(sandbox); }));
    INFO(daemon.log());
    CHECK(natures("s") == before);
    CHECK(has_link("h2"));
    sandbox.remove_config("p2.toml");
    CHECK(eventually([&] { return !exists("p2") && converged(sandbox); }, 10s));
    CHECK(natures("s") == before);
}

TEST_CASE("strangers: a pair that is refused gives nothing of its own to whoever has its name",
          "[strangers]") {
    Sandbox sandbox;
    sandbox.write_config("p1.toml", numbered_partition(1));
    ip({"link", "add", "sc", "type", "bridge"});
    const auto others = natures("s");
    // The name is taken after the look and before the request: partctl draws an index in between.
    Background taker({"sh", "-c", "while ! test -e /run/netns/p1; do :; done; ip link add h1 type bridge"});
    const auto applied = run({"strace", "-E", kNoLeaks, "-f", "-o", "/dev/null", "-e",
                              "inject=getrandom:delay_enter=700000", PARTCTL, "apply"});
    INFO(applied.text());
    REQUIRE(taker.wait() == 0);
    CHECK(applied.code == 7);
    CHECK(link("h1").at("linkinfo").at("info_kind") == "bridge");
    CHECK(link("h1").value("ifalias", "") == "");
    CHECK_FALSE(is_up("h1"));
    CHECK(natures("s") == others);
}

TEST_CASE("strangers: an empty file that another program is about to mount on is left to it", "[strangers]") {
    Sandbox sandbox;
    ip({"netns", "add", "other"});
    sandbox.write_config("p1.toml", numbered_partition(1));
    write_file("/run/netns/p1", "");
    // As ip-netns(8) does it, a little slower.
    Background maker({"sh", "-c", "sleep 0.2; unshare -n mount --bind /proc/self/ns/net /run/netns/p1"});
    const auto applied = sandbox.partctl({"apply"});
    INFO(applied.text());
    CHECK(applied.code == 7);
    CHECK(links(sandbox.netns("p1")).empty());
}

TEST_CASE("strangers: a namespace that another program gave the name meanwhile is not unmounted",
          "[strangers]") {
    Sandbox sandbox;
    sandbox.write_config("p1.toml", numbered_partition(1));
    sandbox.apply();
    sandbox.remove_config("p1.toml");
    // Each call that unmounts or unlinks comes late; the name is another namespace's by then.
    Background taker(
        {"sh", "-c", "sleep 0.5; ip netns del p1; ip netns add p1; ip -n p1 link add theirs type bridge"});
    const auto applied = run({"strace", "-E", kNoLeaks, "-f", "-o", "/dev/null", "-e",
                              "inject=umount2:delay_enter=1500000:when=1", PARTCTL, "apply"});
    INFO(applied.text());
    CHECK(taker.wait() == 0);
    REQUIRE(exists("p1"));
    CHECK(links(sandbox.netns("p1")) == std::vector<std::string>{"theirs"});
}

TEST_CASE("strangers: they come and go during many applies, and keep what is theirs", "[strangers][storm]") {
    Sandbox sandbox;
    const char* seconds = std::getenv("PARTD_STORM");
    const auto until =
        std::chrono::steady_clock::now() + std::chrono::seconds(seconds == nullptr ? 8 : std::stol(seconds));
    ip({"netns", "add", "first"});  // the shared mount is there
    Background strangers = come_and_go(sandbox);
    int applies = 0;
    SECTION("by partctl") {
        for (; std::chrono::steady_clock::now() < until && strangers.running(); ++applies) {
            sandbox.write_config("p1.toml", with_nat(1 + applies % 3));
            const auto applied = sandbox.partctl({"apply"});
            INFO(applied.text());
            CHECK(applied.code == 0);
        }
    }
    SECTION("by the daemon") {
        const Daemon daemon;
        for (; std::chrono::steady_clock::now() < until && strangers.running(); ++applies) {
            const int number = 1 + applies % 3;
            sandbox.write_config("p1.toml", with_nat(number));
            INFO(daemon.log());
            REQUIRE(
                eventually([&] { return exists("p" + std::to_string(number)) && converged(sandbox); }, 20s));
        }
    }
    INFO(applies << " applies; " << strangers.written());
    CHECK(strangers.running());
    CHECK(applies > 3);
    strangers.stop();
}
