// SPDX-License-Identifier: Apache-2.0
// Kernel parameters: the text of a file and the kernel's own are compared by their meaning, and a parameter
// that is not declared any more has what it had before partd.

#include "host_view.h"

#include <array>
#include <filesystem>
#include <map>

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

/// Partition y with eth0 10.66.0.2/24, more addresses, and these parameters.
std::string with(const std::string& sysctls, const std::string& more_addresses = "",
                 const std::string& link = "eth0") {
    return "[partition.y.link.\"" + link + "\"]\naddress = [\"10.66.0.2/24\"" + more_addresses +
           "]\npeer = { name = \"y0\", address = [\"10.66.0.1/24\"] }\n[partition.y.sysctl]\n" + sysctls;
}

void declare(Sandbox& sandbox, const std::string& text) {
    sandbox.write_config("y.toml", text);
    sandbox.apply();
}

/// As `sysctl` shows it, with blanks for tabs.
std::string shown(const std::string& key, int inside) {
    auto text = sysctl(key, inside);
    for (char& c : text) {
        c = c == '\t' ? ' ' : c;
    }
    return text;
}

constexpr const char* kDefault6 = "net.ipv6.conf.default.disable_ipv6";
constexpr const char* kAll6 = "net.ipv6.conf.all.disable_ipv6";
constexpr const char* kEth6 = "net.ipv6.conf.eth0.disable_ipv6";

}  // namespace

TEST_CASE("sysctls: every spelling stands, is put back, and goes", "[sysctl][spelling]") {
    struct Spelling {
        const char* key;
        const char* written;
        const char* is;
    };
    constexpr std::array kSpellings = {
        Spelling{"net.ipv4.ip_default_ttl", "\"0x37\"", "55"},
        Spelling{"net.ipv4.tcp_keepalive_probes", "\"011\"", "9"},
        Spelling{"net.ipv4.tcp_keepalive_time", "0x1000", "4096"},
        Spelling{"net.ipv4.tcp_syn_retries", "\"  5 \"", "5"},
        Spelling{"net.ipv4.ip_nonlocal_bind", "true", "1"},
        Spelling{"net.ipv4.ip_local_reserved_ports", "\"8081,8080,9000-9010,9011\"", "8080-8081,9000-9011"},
        Spelling{"net.ipv4.ip_local_port_range", "\"20000   0x7530\"", "20000 30000"},
        Spelling{"net.ipv4.ping_group_range", "\"0    100\"", "0 100"},
        Spelling{"net.ipv4.tcp_rmem", "\"8192\"", nullptr},
        Spelling{"net.ipv4.tcp_wmem", "\"0x1000 16384 4194304\"", "4096 16384 4194304"},
        Spelling{"net.ipv4.tcp_congestion_control", "\"reno\"", "reno"},
        Spelling{"net.ipv4.tcp_fastopen_key", "\"0-0-0-AB\"", "00000000-00000000-00000000-000000ab"},
        Spelling{"net.ipv4.conf.eth0.rp_filter", "\"0x2\"", "2"},
        Spelling{"net.ipv4.conf.default.log_martians", "true", "1"},
        Spelling{"net.ipv4.neigh.eth0.gc_stale_time", "\"0x3d\"", "61"},
        Spelling{"net.ipv6.conf.all.accept_ra", "\"00\"", "0"},
        Spelling{"net.ipv6.conf.eth0.hop_limit", "\"0x40\"", "64"},
        Spelling{"net.core.somaxconn", "\"0x80\"", "128"},
    };
    Sandbox sandbox;
    declare(sandbox, with(""));
    const int inside = sandbox.netns("y");
    std::map<std::string, std::string> before;
    std::string text;
    for (const auto& [key, written, is] : kSpellings) {
        before[key] = sysctl(key, inside);
        text += std::string(key) + " = " + written + "\n";
    }
    declare(sandbox, with(text));
    for (const auto& [key, written, is] : kSpellings) {
        INFO(key);
        CHECK((is == nullptr || shown(key, inside) == is));
        set_sysctl(key, before[key].empty() ? "\n" : before[key], inside);
    }
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    for (const auto& [key, written, is] : kSpellings) {
        INFO(key);
        CHECK((is == nullptr || shown(key, inside) == is));
    }
    declare(sandbox, with(""));
    for (const auto& [key, value] : before) {
        INFO(key);
        CHECK(sysctl(key, inside) == value);
    }
}

TEST_CASE("sysctls: an empty text is a value", "[sysctl][spelling]") {
    Sandbox sandbox;
    declare(sandbox, with(""));
    const int inside = sandbox.netns("y");
    set_sysctl("net.ipv4.ip_local_reserved_ports", "7000", inside);
    declare(sandbox, with("net.ipv4.ip_local_reserved_ports = \"\"\n"));
    CHECK(sysctl("net.ipv4.ip_local_reserved_ports", inside).empty());
    declare(sandbox, with(""));
    CHECK(sysctl("net.ipv4.ip_local_reserved_ports", inside) == "7000");
}

TEST_CASE("sysctls: a value of which the kernel makes another is told, and taken back",
          "[sysctl][spelling]") {
    Sandbox sandbox;
    declare(sandbox, with(""));
    const int inside = sandbox.netns("y");
    sandbox.write_config("y.toml", with("net.ipv4.ip_default_ttl = \"55 66\"\n"));
    for (int time = 0; time < 2; ++time) {
        const auto applied = sandbox.partctl({"apply"});
        INFO(applied.text());
        CHECK(applied.code == 6);
        CHECK(applied.err.find("took \"55 66\" and has \"55\"") != std::string::npos);
        CHECK(applied.err.find("y.toml:5") != std::string::npos);
    }
    declare(sandbox, with(""));
    CHECK(sysctl("net.ipv4.ip_default_ttl", inside) == "64");
}

TEST_CASE("sysctls: what the kernel refused was not changed, and needs no way back", "[sysctl]") {
    Sandbox sandbox;
    const bool at_once = GENERATE(false, true);
    if (!at_once) {
        declare(sandbox, with(""));
    }
    sandbox.write_config("y.toml", with("net.ipv4.ip_default_ttl = 4096\nnet.ipv4.route.flush = 1\n"
                                        "net.ipv4.tcp_congestion_control = \"no-such\"\n"
                                        "net.ipv4.tcp_available_congestion_control = \"reno\"\n"));
    const auto applied = sandbox.partctl_json({"apply"});
    INFO(plan_text(applied));
    CHECK(applied.at("failed").size() == 4);
    CHECK(sandbox.partctl({"apply"}).code == 6);
    const int inside = sandbox.netns("y");
    set_sysctl("net.ipv4.ip_default_ttl", "99", inside);
    const auto congestion = sysctl("net.ipv4.tcp_congestion_control", inside);
    declare(sandbox, with(""));
    CHECK(sysctl("net.ipv4.ip_default_ttl", inside) == "99");
    CHECK(sysctl("net.ipv4.tcp_congestion_control", inside) == congestion);
}

TEST_CASE("sysctls: what partd's own default brought about was not there before", "[sysctl]") {
    Sandbox sandbox;
    const std::string both = std::string(kDefault6) + " = 1\n" + kEth6 + " = 0\n";
    const std::string address = ", \"fd00:66::2/64\"";
    SECTION("both at once, with the link") {
        declare(sandbox, with(both, address));
    }
    SECTION("in the other order") {
        declare(sandbox, with(std::string(kEth6) + " = 0\n" + kDefault6 + " = 1\n", address));
    }
    SECTION("one after the other") {
        declare(sandbox, with(std::string(kDefault6) + " = 1\n"));
        CHECK(sysctl(kEth6, sandbox.netns("y")) == "1");
        declare(sandbox, with(both, address));
    }
    SECTION("for all") {
        declare(sandbox, with(std::string(kAll6) + " = 1\n"));
        declare(sandbox, with(std::string(kAll6) + " = 1\n" + kEth6 + " = 0\n", address));
    }
    const int inside = sandbox.netns("y");
    CHECK(sysctl(kEth6, inside) == "0");
    declare(sandbox, with("", address));
    CHECK(sysctl(kEth6, inside) == "0");
    CHECK(sysctl(kDefault6, inside) == "0");
    CHECK(sysctl(kAll6, inside) == "0");
    CHECK(addresses("eth0", inside).size() == 2);
    ip({"addr", "del", "fd00:66::2/64", "dev", "eth0"}, inside);
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
}

TEST_CASE("sysctls: without its own parameter an interface has what the default says", "[sysctl]") {
    Sandbox sandbox;
    declare(sandbox, with("net.ipv4.conf.default.rp_filter = 1\nnet.ipv4.conf.eth0.rp_filter = 2\n"));
    const int inside = sandbox.netns("y");
    declare(sandbox, with("net.ipv4.conf.default.rp_filter = 1\n"));
    CHECK(sysctl("net.ipv4.conf.eth0.rp_filter", inside) == "1");
}

TEST_CASE("sysctls: links that were made under a default go back with it", "[sysctl]") {
    Sandbox sandbox;
    declare(sandbox, with(std::string(kDefault6) + " = 1\nnet.ipv6.conf.default.accept_ra = 0\n"));
    const int inside = sandbox.netns("y");
    CHECK(sysctl(kEth6, inside) == "1");
    // by hand, and it stays
    set_sysctl("net.ipv6.conf.eth0.accept_ra", "2", inside);
    SECTION("edited first") {
        declare(sandbox, with(std::string(kDefault6) + " = 0\n"));
        CHECK(sysctl(kEth6, inside) == "0");
        declare(sandbox, with(std::string(kDefault6) + " = 1\n"));
        CHECK(sysctl(kEth6, inside) == "1");
    }
    SECTION("at once") {}
    declare(sandbox, with("", ", \"fd00:66::2/64\""));
    CHECK(sysctl(kEth6, inside) == "0");
    CHECK(sysctl("net.ipv6.conf.eth0.accept_ra", inside) == "2");
}

TEST_CASE("sysctls: an address comes with what lets it", "[sysctl][address]") {
    Sandbox sandbox;
    const std::string off = std::string(kDefault6) + " = 1\n" + kEth6 + " = 1\n";
    const std::string address = ", \"fd00:66::2/64\"";
    declare(sandbox, with(off));
    SECTION("by a parameter less") {
        declare(sandbox, with("", address));
    }
    SECTION("by another value") {
        declare(sandbox, with(std::string(kEth6) + " = 0\n" + kDefault6 + " = 1\n", address));
    }
    CHECK(addresses("eth0", sandbox.netns("y")).size() == 2);
}

TEST_CASE("sysctls: what somebody else had set comes back", "[sysctl]") {
    Sandbox sandbox;
    declare(sandbox, with(""));
    const int inside = sandbox.netns("y");
    set_sysctl("net.ipv4.ip_default_ttl", "70", inside);
    set_sysctl("net.ipv4.conf.eth0.rp_filter", "2", inside);
    declare(sandbox, with("net.ipv4.ip_default_ttl = 80\nnet.ipv4.conf.eth0.rp_filter = 1\n"));
    declare(sandbox, with("net.ipv4.ip_default_ttl = 81\nnet.ipv4.conf.eth0.rp_filter = 0\n"));
    declare(sandbox, with(""));
    CHECK(sysctl("net.ipv4.ip_default_ttl", inside) == "70");
    CHECK(sysctl("net.ipv4.conf.eth0.rp_filter", inside) == "2");
}

TEST_CASE("sysctls: of one parameter with two names", "[sysctl]") {
    Sandbox sandbox;
    declare(sandbox, with("net.ipv4.conf.all.forwarding = 1\n"));
    const int inside = sandbox.netns("y");
    CHECK(sysctl("net.ipv4.conf.eth0.forwarding", inside) == "1");
    sandbox.write_config("y.toml", with("net.ipv4.ip_forward = true\n"));
    CHECK(sandbox.diff() == 0);
    sandbox.write_config("y.toml", with("net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.forwarding = 0\n"));
    const auto checked = sandbox.partctl({"check"});
    INFO(checked.text());
    CHECK(checked.code == 3);
    CHECK(checked.err.find("y.toml:6:") != std::string::npos);
    declare(sandbox, with(""));
    CHECK(sysctl("net.ipv4.ip_forward", inside) == "0");
    CHECK(sysctl("net.ipv4.conf.eth0.forwarding", inside) == "0");
    CHECK(sysctl("net.ipv4.conf.all.accept_redirects", inside) ==
          sysctl("net.ipv4.conf.all.accept_redirects", Netns().fd()));
}

TEST_CASE("sysctls: the special one beside the general one, whichever is written first", "[sysctl]") {
    Sandbox sandbox;
    const std::string off = "net.ipv4.conf.eth0.forwarding = 0\n";
    const std::string redirects = "net.ipv4.conf.all.accept_redirects = 1\n";
    const std::string on = "net.ipv4.ip_forward = 1\n";
    declare(sandbox, GENERATE_COPY(with(off + redirects + on), with(on + redirects + off)));
    const int inside = sandbox.netns("y");
    CHECK(sysctl("net.ipv4.conf.eth0.forwarding", inside) == "0");
    CHECK(sysctl("net.ipv4.conf.all.accept_redirects", inside) == "1");
    CHECK(sandbox.partctl_json({"apply"}).at("changes").empty());
    declare(sandbox, with(""));
    CHECK(sysctl("net.ipv4.conf.eth0.forwarding", inside) == "0");
    CHECK(sysctl("net.ipv4.ip_forward", inside) == "0");
    CHECK(sysctl("net.ipv4.conf.all.accept_redirects", inside) == "1");
}

TEST_CASE("sysctls: of an interface with a dot in its name", "[sysctl][spelling]") {
    Sandbox sandbox;
    const std::string key = "net/ipv4/conf/eth0.5/rp_filter";
    declare(sandbox, with("net.ipv4.conf.\"eth0.5\".rp_filter = 2\n", "", "eth0.5"));
    const int inside = sandbox.netns("y");
    const auto value = [&] { return output({"cat", "/proc/sys/" + key}, {.input = {}, .netns = inside}); };
    CHECK(value() == "2\n");
    ip({"link", "del", "eth0.5"}, inside);
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(value() == "2\n");
    declare(sandbox, with("", "", "eth0.5"));
    CHECK(value() == "0\n");
}

TEST_CASE("sysctls: killed around a write, the value before is still known", "[sysctl][crash]") {
    Sandbox sandbox;
    const bool anew = GENERATE(true, false);
    int kills = 0;
    for (const std::string call : {"openat", "write", "close"}) {
        int code = -1;
        for (int nth = 1; code != 0; ++nth) {
            REQUIRE(nth < 20);
            if (!anew) {
                declare(sandbox, with(""));
            }
            sandbox.write_config("y.toml", with("net.ipv4.ip_default_ttl = 55\n"));
            const auto outcome =
                run({"strace", "-E", kNoLeaks, "-f", "-qq", "-o", "/dev/null", "-P",
                     "/proc/sys/net/ipv4/ip_default_ttl", "-e", "trace=" + call, "-e",
                     "inject=" + call + ":signal=KILL:when=" + std::to_string(nth), PARTCTL, "apply"});
            INFO(call << " " << nth << ": " << outcome.text());
            code = outcome.code;
            CHECK((code == 0 || code == 128 + 9));
            kills += code == 0 ? 0 : 1;
            if (nth % 2 == 0) {
                sandbox.apply();
                CHECK(sysctl("net.ipv4.ip_default_ttl", sandbox.netns("y")) == "55");
            }
            declare(sandbox, with(""));
            CHECK(sysctl("net.ipv4.ip_default_ttl", sandbox.netns("y")) == "64");
            sandbox.close_netns();
            sandbox.remove_config("y.toml");
            sandbox.apply();
        }
    }
    CHECK(kills > 5);
}

TEST_CASE("sysctls: one that stood already, changed by hand, is as it was before partd", "[sysctl][drift]") {
    Sandbox sandbox;
    declare(sandbox, with(""));
    declare(sandbox, with("net.ipv4.ip_default_ttl = 64\n"));
    const int inside = sandbox.netns("y");
    set_sysctl("net.ipv4.ip_default_ttl", "70", inside);
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    declare(sandbox, with(""));
    CHECK(sysctl("net.ipv4.ip_default_ttl", inside) == "64");
}

TEST_CASE("sysctls: without the ledger, a partition's parameter goes back to what a new one has",
          "[sysctl]") {
    Sandbox sandbox;
    declare(sandbox, with("net.ipv4.ip_default_ttl = 55\nnet.ipv4.conf.eth0.rp_filter = 2\n"));
    const int inside = sandbox.netns("y");
    std::filesystem::remove("/run/partd/ledger");
    sandbox.apply();
    declare(sandbox, with(""));
    CHECK(sysctl("net.ipv4.ip_default_ttl", inside) == "64");
    CHECK(sysctl("net.ipv4.conf.eth0.rp_filter", inside) == "0");
}

TEST_CASE("sysctls: one that had no value before", "[sysctl]") {
    Sandbox sandbox;
    declare(sandbox, with("net.ipv6.conf.eth0.stable_secret = \"FD00::1\"\n"));
    const int inside = sandbox.netns("y");
    CHECK(sysctl("net.ipv6.conf.eth0.stable_secret", inside) == "fd00:0000:0000:0000:0000:0000:0000:0001");
    CHECK(sandbox.partctl_json({"apply"}).at("changes").empty());
    declare(sandbox, with(""));
}

TEST_CASE("sysctls: the host's, for a forward at its loopback", "[sysctl][nat]") {
    Sandbox sandbox;
    const auto forward = [](const std::string& name, const std::string& number, bool local) {
        return "[partition." + name + ".link.eth0]\naddress = [\"10.66." + number +
               ".2/24\"]\npeer = { name = \"" + name + "0\", address = [\"10.66." + number + ".1/24\"] }\n" +
               (local ? "[[partition." + name + ".nat.forward]]\nlisten = \"tcp/80" + number +
                            "\"\naddress = [\"127.0.0.1\"]\nto = \"10.66." + number + ".2:80\"\n"
                      : "");
    };
    const char* const one = "net.ipv4.conf.y0.route_localnet";
    const char* const two = "net.ipv4.conf.z0.route_localnet";
    declare(sandbox, forward("y", "1", false) + forward("z", "2", false));
    declare(sandbox, forward("y", "1", true) + forward("z", "2", true));
    CHECK(sysctl(one) == "1");
    CHECK(sysctl(two) == "1");
    set_sysctl(one, "0");
    CHECK(sandbox.diff() == 1);
    sandbox.apply();
    CHECK(sysctl(one) == "1");
    declare(sandbox, forward("y", "1", false) + forward("z", "2", true));
    CHECK(sysctl(one) == "0");
    CHECK(sysctl(two) == "1");
    declare(sandbox, forward("y", "1", false) + forward("z", "2", false));
    CHECK(sysctl(two) == "0");
}

TEST_CASE("sysctls: an MTU of IPv6 is given back to a link that is smaller by then", "[sysctl][spelling]") {
    Sandbox sandbox;
    const auto link = [](const char* mtu) {
        return "[partition.y.link.eth0]\nmtu = " + std::string(mtu) + "\naddress = [\"fd00:66::2/64\"]\n";
    };
    declare(sandbox, link("9000") + "[partition.y.sysctl]\nnet.ipv6.conf.eth0.mtu = 1400\n");
    const int inside = sandbox.netns("y");
    REQUIRE(sysctl("net.ipv6.conf.eth0.mtu", inside) == "1400");
    declare(sandbox, link("1500") + "[partition.y.sysctl]\nnet.ipv6.conf.eth0.mtu = 1400\n");
    declare(sandbox, link("1500"));
    CHECK(sysctl("net.ipv6.conf.eth0.mtu", inside) == "1500");
    CHECK(sandbox.diff() == 0);
}
