// SPDX-License-Identifier: Apache-2.0
#pragma once
// Partitions with an overlay, and what they wrote.

#include "host_view.h"
#include "machine.h"

#include <filesystem>

#include <catch2/catch.hpp>

namespace partd::test {

inline const std::string kLayers = "/var/lib/partd/layers";
inline const std::string kNotes = kLayers + "/r/upper/root/notes";

inline std::string layered(const std::string& name, const std::string& overlay = "true",
                           const std::string& more = {}) {
    return "[partition." + name + "]\nnamespaces = [\"pid\"]\nstop_timeout = \"200ms\"\n[partition." + name +
           ".rootfs]\npath = \"/srv/machines/lightvm\"\noverlay = " + overlay + "\n" + more;
}

/// Partition r over a tree, with something written to its layer.
struct Written {
    Sandbox sandbox;
    RootTree tree;

    explicit Written(const std::string& more = {}) {
        sandbox.write_config("r.toml", layered("r", "true", more));
        settle(sandbox);
        REQUIRE(exec_in(sandbox, "r", {"sh", "-c", "echo precious > /root/notes"}).code == 0);
        REQUIRE(read_file(kNotes) == "precious\n");
    }
    std::string notes() {
        const auto shown = exec_in(sandbox, "r", {"cat", "/root/notes"});
        return shown.code == 0 ? shown.out : shown.err;
    }
    void remove() {
        sandbox.remove_config("r.toml");
        sandbox.apply();
    }
    Outcome purge(const std::string& name = "r") { return sandbox.partctl({"purge", name, "--yes"}); }
};

inline Json layer(const Sandbox& sandbox, const std::string& name) {
    const Json listed = sandbox.partctl_json({"status", "--layers"});
    for (const auto& each : listed.at("layers")) {
        if (each.at("name") == name) {
            return each;
        }
    }
    return {};
}

}  // namespace partd::test
