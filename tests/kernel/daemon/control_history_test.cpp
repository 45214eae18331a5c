// SPDX-License-Identifier: Apache-2.0
// Generations: what was applied, when and by whom; going back to one of them, and staying there.

#include "daemon_fixture.h"
#include "host_view.h"

#include <csignal>
#include <filesystem>
#include <regex>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kHistory = "/var/lib/partd/history";

std::string web_with(int mtu) {
    return std::string(kWeb) + "mtu = " + std::to_string(mtu) + "\n";
}

/// The file of a generation.
std::string file_of(int generation) {
    const auto number = std::to_string(generation);
    return std::string(kHistory) + "/" + std::string(8 - number.size(), '0') + number;
}

/// A host with generations 1 (mtu 1300), 2 (1350) and 3 (1400), and a daemon.
struct Three : Configured {
    Daemon daemon;

    Three() : Configured(web_with(1300)) {
        await(1, 1300);
        for (const int mtu : {1350, 1400}) {
            sandbox.write_config("web.toml", web_with(mtu));
            await(static_cast<std::size_t>((mtu - 1250) / 50), mtu);
        }
    }

    void await(std::size_t wanted, int mtu) const {
        REQUIRE(eventually([&] { return mtu_of("web") == mtu && converged(sandbox); }));
        REQUIRE(eventually([&] { return generations(sandbox).size() == wanted; }));
    }
};

}  // namespace

TEST_CASE("history: generations with time, origin and outcome", "[control][history]") {
    Three host;
    host.sandbox.write_config("other.toml", "[partition.other]\n");
    REQUIRE(host.sandbox.partctl({"apply"}).code == 0);
    const auto all = generations(host.sandbox);
    REQUIRE(all.size() >= 4);
    const std::regex time("20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]Z");
    for (std::size_t i = 0; i < all.size(); ++i) {
        INFO(all[i].dump());
        CHECK(all[i].at("generation") == i + 1);
        CHECK(std::regex_match(all[i].at("time").get<std::string>(), time));
        CHECK(all[i].at("outcome") == "converged");
    }
    CHECK(all[0].at("origin") == "the files");
    CHECK(all[0].at("files") == Json::array({"/etc/partd/web.toml"}));
    CHECK(all.back().at("files").size() == 2);
    const auto text = host.sandbox.partctl({"history"});
    CHECK(text.out.find("GENERATION") == 0);
    CHECK(occurrences(text.out, "\n") == all.size() + 1);
    CHECK(fs::status(kHistory).permissions() == fs::perms::owner_all);
}

TEST_CASE("history: who applied it", "[control][history]") {
    Sandbox sandbox;
    sandbox.write_config("base.toml", "[daemon]\nsettle = \"3s\"\n");
    Daemon daemon;
    REQUIRE(eventually([&] { return generations(sandbox).size() == 1; }));
    sandbox.write_config("web.toml", kWeb);
    REQUIRE(sandbox.partctl({"apply"}).code == 0);
    const auto all = generations(sandbox);
    INFO(all.back().dump());
    CHECK(all.back().at("origin") == "partctl apply by uid 0");
}

TEST_CASE("history: what failed is remembered as that, and corrected when it is mended",
          "[control][history]") {
    Sandbox sandbox;
    ip({"link", "add", "web0", "type", "bridge"});
    sandbox.write_config("web.toml", kWeb);
    Daemon daemon;
    REQUIRE(eventually([&] { return !generations(sandbox).empty(); }));
    CHECK(generations(sandbox).back().at("outcome").get<std::string>().find("in conflict") !=
          std::string::npos);
    ip({"link", "del", "web0"});
    REQUIRE(sandbox.partctl({"apply"}).code == 0);
    CHECK(generations(sandbox).size() == 1);
    CHECK(generations(sandbox).back().at("outcome") == "converged");
}

TEST_CASE("history: diff --generation shows the way back", "[control][history]") {
    Three host;
    const auto way = host.sandbox.partctl({"diff", "--generation", "1"});
    INFO(way.text());
    CHECK(way.code == 1);
    CHECK(way.out.find("mtu 1400 → 1300") != std::string::npos);
    CHECK(host.sandbox.partctl({"diff", "--generation", "3"}).code == 0);
    const auto unknown = host.sandbox.partctl({"diff", "--generation", "99"});
    CHECK(unknown.code == 2);
    CHECK(unknown.err.find("there is no generation 99") != std::string::npos);
    CHECK(host.sandbox.diff() == 0);  // nothing of it was done
}

TEST_CASE("history: rollback goes one back, or to the one that is named", "[control][history]") {
    Three host;
    const auto back = host.sandbox.partctl({"rollback"});
    INFO(back.text() << host.daemon.log());
    CHECK(back.code == 0);
    CHECK(mtu_of("web") == 1350);
    CHECK(as_in_force(host.sandbox));
    CHECK(host.sandbox.diff() == 1);  // what partctl apply would do
    const auto first = host.sandbox.partctl({"rollback", "1"});
    INFO(first.text());
    CHECK(first.code == 0);
    CHECK(mtu_of("web") == 1300);
    const auto unknown = host.sandbox.partctl({"rollback", "99"});
    INFO(unknown.text());
    CHECK(unknown.code == 2);
    CHECK(unknown.err.find("there is no generation 99") != std::string::npos);
    CHECK(mtu_of("web") == 1300);
}

TEST_CASE("history: a file set that was rolled back stays so until a file changes", "[control][history]") {
    Three host;
    REQUIRE(host.sandbox.partctl({"rollback", "1"}).code == 0);
    REQUIRE(mtu_of("web") == 1300);
    SECTION("drift is put back to the earlier generation") {
        ip({"-n", "web", "link", "set", "eth0", "mtu", "1444"});
        CHECK(eventually([] { return mtu_of("web") == 1300; }));
        ip({"link", "del", "web0"});
        CHECK(eventually([] { return mtu_of("web") == 1300; }));
    }
    SECTION("a reload does not bring the files back") {
        host.daemon.signal(SIGHUP);
        CHECK_FALSE(eventually([] { return mtu_of("web") != 1300; }, 500ms));
        CHECK(host.daemon.log().find("were rolled back") != std::string::npos);
    }
    SECTION("nor does a restart") {
        host.daemon.signal(GENERATE(SIGTERM, SIGKILL));
        REQUIRE(host.daemon.wait() != -1);
        Daemon again;
        REQUIRE(eventually([&] { return answers(host.sandbox); }));
        CHECK_FALSE(eventually([] { return mtu_of("web") != 1300; }, 500ms));
        CHECK(as_in_force(host.sandbox));
        ip({"-n", "web", "link", "set", "eth0", "mtu", "1444"});
        CHECK(eventually([] { return mtu_of("web") == 1300; }));
    }
    SECTION("nor a look without the daemon") {
        CHECK(host.sandbox.partctl({"--no-daemon", "status", "--check"}).code == 0);
    }
    CHECK(state_of_partition(host.sandbox, "web") == "active");
    SECTION("a changed file does") {
        host.sandbox.write_config("web.toml", web_with(1450));
        CHECK(eventually([] { return mtu_of("web") == 1450; }));
    }
    SECTION("partctl apply does") {
        REQUIRE(host.sandbox.partctl({"apply"}).code == 0);
        CHECK(mtu_of("web") == 1400);
        host.daemon.signal(SIGHUP);
        CHECK_FALSE(eventually([] { return mtu_of("web") != 1400; }, 500ms));
    }
}

TEST_CASE("history: a rolled-back partition that is new goes, one that was removed comes back",
          "[control][history]") {
    Sandbox sandbox;
    sandbox.write_config("p1.toml", numbered_partition(1));
    Daemon daemon;
    REQUIRE(eventually([&] { return exists("p1") && generations(sandbox).size() == 1; }));
    fs::rename("/etc/partd/p1.toml", "/etc/partd/.away");
    sandbox.write_config("p2.toml", numbered_partition(2));
    REQUIRE(sandbox.partctl({"apply"}).code == 0);
    REQUIRE((!exists("p1") && exists("p2")));
    const auto back = sandbox.partctl({"rollback", "1"});
    INFO(back.text() << daemon.log());
    CHECK(back.code == 0);
    CHECK(exists("p1"));
    CHECK_FALSE(exists("p2"));
    CHECK(as_in_force(sandbox));
}

TEST_CASE("history: it keeps as many as declared, and the one in force", "[control][history]") {
    Sandbox sandbox;
    const std::string few = "[daemon]\nhistory = 2\n";
    Daemon daemon;
    for (const int mtu : {1300, 1350, 1400}) {
        sandbox.write_config("web.toml", web_with(mtu) + few);
        REQUIRE(eventually([&] { return mtu_of("web") == mtu && converged(sandbox); }));
    }
    REQUIRE(eventually(
        [&] { return !generations(sandbox).empty() && generations(sandbox).back().at("generation") == 3; }));
    CHECK(generations(sandbox).size() == 2);
    CHECK(output({"ls", kHistory}) == "00000002\n00000003\nway-back\n");
    // Going back to the oldest makes a new one, which must not cost it.
    REQUIRE(sandbox.partctl({"rollback", "2"}).code == 0);
    CHECK(mtu_of("web") == 1350);
    const auto settled = sandbox.partctl({"status", "--check"});
    INFO(settled.text() << daemon.log());
    CHECK(settled.code == 0);
    daemon.signal(SIGHUP);
    ip({"-n", "web", "link", "set", "eth0", "mtu", "1444"});
    CHECK(eventually([] { return mtu_of("web") == 1350; }));
    INFO(daemon.log());
    CHECK(daemon.log().find("there is no generation") == std::string::npos);
}

TEST_CASE("history: a damaged file is told, the others work", "[control][history]") {
    Three host;
    const auto whole = read_file(file_of(2));
    const bool cut = GENERATE(true, false);
    if (cut) {
        write_file(file_of(2), whole.substr(0, whole.size() / 2));
    } else {
        std::string spoilt = whole;
        spoilt[spoilt.size() - 3] ^= 1;
        write_file(file_of(2), spoilt);
    }
    const auto listed = host.sandbox.partctl({"history"});
    INFO(listed.text());
    CHECK(listed.code == 0);
    CHECK(listed.err.find("generation 2 is damaged") != std::string::npos);
    CHECK(generations(host.sandbox).size() == 2);
    const auto to_damaged = host.sandbox.partctl({"rollback", "2"});
    INFO(to_damaged.text());
    CHECK(to_damaged.code != 0);
    CHECK(mtu_of("web") == 1400);
    CHECK(host.sandbox.partctl({"rollback", "1"}).code == 0);
    CHECK(mtu_of("web") == 1300);
    // a new one gets a number of its own
    host.sandbox.write_config("web.toml", web_with(1450));
    CHECK(eventually([] { return mtu_of("web") == 1450; }));
    REQUIRE(converged(host.sandbox));
    CHECK(generations(host.sandbox).back().at("generation").get<int>() == 5);
}

TEST_CASE("history: the generation in force is damaged: it is told, the files are not torn down",
          "[control][history]") {
    Three host;
    REQUIRE(host.sandbox.partctl({"rollback", "1"}).code == 0);
    for (const auto& entry : fs::directory_iterator(kHistory)) {
        write_file(entry.path(), "rubbish\n");
    }
    host.daemon.signal(SIGHUP);
    std::this_thread::sleep_for(300ms);
    INFO(host.daemon.log());
    CHECK(exists("web"));
    CHECK(host.daemon.running());
    host.sandbox.write_config("web.toml", web_with(1450));
    CHECK(eventually([] { return mtu_of("web") == 1450; }));
}
