// SPDX-License-Identifier: Apache-2.0
// Going back: only to what can be read as a whole, and not past the limit for removals.

#include "daemon_fixture.h"
#include "host_view.h"

#include <filesystem>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

std::string web_with(int mtu) {
    return std::string(kWeb) + "mtu = " + std::to_string(mtu) + "\n";
}

}  // namespace

TEST_CASE("rollback: files of any name come back", "[control][history]") {
    Sandbox sandbox;
    const std::vector<std::string> names{"a\nb.toml", "a b.toml",      "-f.toml",   "a..b.toml",
                                         "\\n.toml",  "\xff\xfe.toml", "12 \n.toml"};
    for (const int mtu : {1300, 1350}) {
        for (std::size_t i = 0; i < names.size(); ++i) {
            sandbox.write_config(
                names[i], numbered_partition(static_cast<int>(i + 1), "mtu = " + std::to_string(mtu) + "\n"));
        }
        sandbox.apply();
    }
    REQUIRE(generations(sandbox).size() == 2);
    CHECK(generations(sandbox).back().at("files").size() == names.size());
    const auto back = sandbox.partctl({"rollback"});
    INFO(back.text());
    CHECK(back.code == 0);
    for (std::size_t i = 1; i <= names.size(); ++i) {
        CHECK(mtu_of("p" + std::to_string(i)) == 1300);
    }
    CHECK(as_in_force(sandbox));
    // and a daemon stays there
    const Daemon daemon;
    REQUIRE(eventually([&] { return answers(sandbox); }));
    CHECK(mtu_of("p1") == 1300);
    CHECK(mtu_of("p7") == 1300);
}

TEST_CASE("rollback: a generation that cannot be read as a whole is refused", "[control][history]") {
    Sandbox sandbox;
    for (const int mtu : {1300, 1350}) {
        sandbox.write_config("web.toml", web_with(mtu));
        sandbox.apply();
    }
    const std::string first = "/var/lib/partd/history/00000001";
    const std::string whole = read_file(first);
    SECTION("cut off") {
        write_file(first, whole.substr(0, whole.size() - 5));
    }
    SECTION("empty") {
        write_file(first, "");
    }
    SECTION("without the files that it had") {
        // as a partd before wrote a name with the end of a line in it: the checksum is right
        write_file(first, read_file("/etc/partd/web.toml"));
    }
    const auto before = snapshot(sandbox);
    for (const Arguments& how : {Arguments{"rollback"}, Arguments{"rollback", "1"}}) {
        const auto back = sandbox.partctl(how);
        INFO(back.text());
        CHECK(back.code != 0);
        CHECK(back.err.find("generation 1") != std::string::npos);
        CHECK(back.err.find("damaged") != std::string::npos);
    }
    CHECK(difference(before, snapshot(sandbox)).empty());
    CHECK(mtu_of("web") == 1350);
    CHECK(sandbox.diff() == 0);
}

TEST_CASE("rollback: the limit for removals holds", "[control][history]") {
    Sandbox sandbox;
    sandbox.write_config("web.toml", kWeb);
    sandbox.apply();
    std::string many;
    for (int i = 1; i <= 6; ++i) {
        many += numbered_partition(i);
    }
    sandbox.write_config("many.toml", many);
    sandbox.apply();
    const auto check_refused = [&] {
        const auto back = sandbox.partctl({"rollback"});
        INFO(back.text());
        CHECK(back.code == 7);
        CHECK(back.err.find("delete limit") != std::string::npos);
        CHECK(exists("p6"));
        // the files count as before
        CHECK(sandbox.diff() == 0);
        CHECK_FALSE(fs::exists("/var/lib/partd/rolled-back"));
    };
    SECTION("by partctl alone") {
        check_refused();
        CHECK(sandbox.partctl({"rollback", "--allow-delete"}).code == 0);
    }
    SECTION("by partd, which goes on with the files") {
        const Daemon daemon;
        REQUIRE(eventually([&] { return answers(sandbox); }));
        check_refused();
        ip({"link", "set", "h3", "down"});
        CHECK(eventually([] { return is_up("h3"); }));
        (void)run({"ip", "netns", "del", "p4"});  // partd may give it its name again before ip is done
        CHECK(eventually([] { return exists("p4"); }));
        CHECK(converged(sandbox));
        CHECK(sandbox.partctl({"rollback", "--allow-delete"}).code == 0);
    }
    CHECK_FALSE(exists("p1"));
    CHECK(exists("web"));
    CHECK(as_in_force(sandbox));
}

TEST_CASE("history: several partctl beside partd", "[control][history]") {
    Configured host("[partition.web]\n");
    host.sandbox.write_config("base.toml", "[daemon]\nhistory = 200\nsettle = \"1ms\"\n");
    const Daemon daemon;
    REQUIRE(eventually([&] { return answers(host.sandbox); }));
    std::vector<Background> all;
    for (int writer = 0; writer < 3; ++writer) {
        const std::string file = host.sandbox.scratch() + "/" + std::to_string(writer);
        all.emplace_back(Arguments{"sh", "-c",
                                   "for i in $(seq 12); do printf '[partition.w" + std::to_string(writer) +
                                       "]\\ndescription = \"%s\"\\n' $i >" + file + "; " + PARTCTL +
                                       " --no-daemon apply -f " + file + " >/dev/null || exit 1; done"});
    }
    for (int i = 0; i < 12; ++i) {
        host.sandbox.write_config("web.toml",
                                  "[partition.web]\ndescription = \"" + std::to_string(i) + "\"\n");
        std::this_thread::sleep_for(100ms);
    }
    for (Background& writer : all) {
        const int code = writer.wait(60s);
        INFO(writer.written());
        CHECK(code == 0);
    }
    const auto shown = host.sandbox.partctl({"history"});
    INFO(shown.text() << daemon.log());
    CHECK(shown.err.find("damaged") == std::string::npos);
    CHECK(generations(host.sandbox).size() >= 36);
    CHECK(daemon.log().find("history") == std::string::npos);
    for (const auto& entry : fs::directory_iterator("/var/lib/partd/history")) {
        CHECK(entry.path().extension() != ".new");
    }
}
