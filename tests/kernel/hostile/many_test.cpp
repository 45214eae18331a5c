// SPDX-License-Identifier: Apache-2.0
// So many partitions at once that their network namespaces are made by two threads.

#include "daemon_fixture.h"
#include "host_view.h"

#include <catch2/catch.hpp>

using namespace partd::test;

namespace {

constexpr int kMany = 60;

std::string many() {
    std::string all;
    for (int i = 1; i <= kMany; ++i) {
        all += numbered_partition(i);
    }
    return all;
}

void check_all_there(const Sandbox& sandbox) {
    CHECK(netns_names().size() == kMany);
    CHECK(sandbox.diff() == 0);
}

}  // namespace

TEST_CASE("many: partctl makes them and takes them away", "[many]") {
    Sandbox sandbox;
    sandbox.write_config("all.toml", many());
    sandbox.apply();
    check_all_there(sandbox);
    sandbox.remove_config("all.toml");
    REQUIRE(sandbox.partctl({"apply", "--allow-delete"}).code == 0);
    CHECK(netns_names().empty());
}

TEST_CASE("many: partd makes them and takes them away", "[many][daemon]") {
    Sandbox sandbox;
    sandbox.write_config("all.toml", "[daemon]\ndelete_limit = \"100%\"\n" + many());
    Daemon daemon;
    REQUIRE(eventually([] { return netns_names().size() == kMany; }, 20s));
    REQUIRE(converged(sandbox, 10s));
    check_all_there(sandbox);
    sandbox.write_config("all.toml", "[daemon]\ndelete_limit = \"100%\"\n");
    CHECK(eventually([] { return netns_names().empty(); }, 20s));
    CHECK(daemon.running());
}

TEST_CASE("many: where no second thread can be had, one makes them all", "[many]") {
    Sandbox sandbox;
    sandbox.write_config("all.toml", many());
    const auto applied = run({"strace", "-E", kNoLeaks, "-f", "-qq", "-o", "/dev/null", "-e", "trace=clone3",
                              "-e", "inject=clone3:error=EAGAIN", PARTCTL, "apply"},
                             {.input = {}, .timeout = 60s});
    INFO(applied.text());
    CHECK(applied.code == 0);
    check_all_there(sandbox);
}
