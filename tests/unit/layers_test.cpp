// SPDX-License-Identifier: Apache-2.0
// Decisions about layers and about overlooked files that need no look at a host.

#include "config/compile.h"
#include "kernel/file/config_files.h"
#include "kernel/layer/layer_ids.h"
#include "kinds/machine/rootfs.h"

#include <catch2/catch.hpp>

using namespace partd;
using kernel::ids_fit;
using kernel::layer_ids;

TEST_CASE("Names of files that were meant to be read, maybe") {
    for (const char* name :
         {"web.tmol", "web.tom", "web.tml", "web.otml", "web.tomll", "web.TOML", "web.toml.bak",
          "web.toml.dpkg-new", "web.conf", "web.cfg", "web.ini", "web.toml2", ".toml.off.oml"}) {
        INFO(name);
        CHECK(kernel::is_near_config_name(name) == (*name != '.'));
    }
    for (const char* name :
         {"web.toml", "web.toml~", "#web.toml#", ".web.toml.swp", "README", "README.md", "ledger", "web.html",
          "partd.prom", "web.tar", "toml", "4913", "web.", "web.txt", "lock"}) {
        INFO(name);
        CHECK_FALSE(kernel::is_near_config_name(name));
    }
}

TEST_CASE("Whose a layer's files are under another map") {
    const auto maps = [](std::uint32_t outside, std::uint32_t count) {
        return kernel::UserMaps{.uids = {{0, outside, count}}, .gids = {{0, outside, count}}};
    };
    const kernel::UserMaps none;
    CHECK(layer_ids(true, maps(100000, 65536)) == "inside");
    CHECK(layer_ids(false, none) == "inside");
    const std::string stored = layer_ids(false, maps(100000, 65536));
    CHECK(stored == "0:100000:65536/0:100000:65536");
    CHECK(ids_fit("inside", true, maps(100000, 65536)));
    CHECK(ids_fit("inside", true, maps(200000, 65536)));
    CHECK(ids_fit("inside", false, none));
    CHECK_FALSE(ids_fit("inside", false, maps(100000, 65536)));
    CHECK(ids_fit(stored, false, maps(100000, 65536)));
    CHECK(ids_fit(stored, false, maps(100000, 100000)));
    CHECK(ids_fit(stored, false, none));
    CHECK_FALSE(ids_fit(stored, false, maps(100000, 1000)));
    CHECK_FALSE(ids_fit(stored, false, maps(200000, 65536)));
    CHECK_FALSE(ids_fit(stored, true, maps(100000, 65536)));
    // a user map that stayed does not make up for a group map that did not
    kernel::UserMaps half = maps(100000, 65536);
    half.gids.front().outside = 300000;
    CHECK_FALSE(ids_fit(stored, false, half));
}

TEST_CASE("overlay is true, false or \"temporary\"") {
    const auto layers = [](const std::string& value) {
        const std::vector<TextFile> files = {
            {"a.toml", "[partition.a.rootfs]\npath = \"/srv/a\"\noverlay = " + value + "\n"}};
        const auto compiled = config::compile(files, pure_kinds());
        INFO(value);
        CHECK(compiled.problems.empty() == (value == "true" || value == "false" || value == "\"temporary\""));
        const Resource* layer = compiled.desired.find(layer_key("a"));
        // what was mounted by an earlier version is not taken for something else
        const auto root = wanted_root(compiled.declared, "a");
        if (compiled.problems.empty()) {
            CHECK(root.text.contains("\"overlay\":" + value));
        }
        return layer != nullptr;
    };
    CHECK(layers("true"));
    CHECK_FALSE(layers("false"));
    CHECK_FALSE(layers("\"temporary\""));
    CHECK_FALSE(layers("\"kept\""));
    CHECK_FALSE(layers("1"));
}
