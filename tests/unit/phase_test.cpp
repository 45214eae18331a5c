// SPDX-License-Identifier: Apache-2.0
// The order of a partition's resources: each kind says it of its own alone.
#include "model/phase.h"

#include "config/document.h"
#include "config/objects.h"
#include "config/toml.h"
#include "kinds/firewall/gate.h"
#include "kinds/kinds.h"
#include "kinds/link/link.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd;

namespace {

TextFile read(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return {path.filename(), text.str()};
}

/// The declarations of a file, before compile() makes resources of them.
Declared declared_in(const std::filesystem::path& path) {
    Diagnostics problems;
    const auto grammar = config::make_grammar(pure_kinds());
    const auto parsed = config::parse_toml(read(path), problems);
    REQUIRE(parsed);
    const std::vector<Value> all = {*parsed};
    const Value merged = config::merge_files(all, grammar, problems);
    return config::read_objects(config::expand_templates(merged, problems), grammar, problems);
}

struct Said {
    Key key;
    Spec spec;
    std::vector<Key> depends_on;
    std::vector<Key> precedes;
    std::vector<Key> contained_in;
    std::vector<std::string> claims;
    bool operator==(const Said&) const = default;
};

std::vector<Said> of_others(const State& state, const Kind& kind) {
    std::vector<Said> all;
    for (const Resource& each : state.all()) {
        if (each.key.kind != &kind) {
            all.push_back({each.key, each.spec, each.depends_on, each.precedes, each.contained_in,
                           each.exclusive_names});
        }
    }
    return all;
}

}  // namespace

TEST_CASE("No kind completes a resource of another kind") {
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(PARTD_SOURCE_DIR "/tests/config/good")) {
        if (entry.path().extension() != ".toml") {
            continue;
        }
        INFO(entry.path());
        const Declared declared = declared_in(entry.path());
        State desired;
        Diagnostics problems;
        for (const Kind* kind : pure_kinds()) {
            if (kind->expand != nullptr) {
                kind->expand(declared, desired, problems);
            }
        }
        for (const Kind* kind : pure_kinds()) {
            if (kind->complete == nullptr) {
                continue;
            }
            INFO(kind->name);
            const auto before = of_others(desired, *kind);
            kind->complete(declared, desired, problems);
            const auto after = of_others(desired, *kind);
            // It may add some of others: a switch of the host's.
            CHECK(std::ranges::equal(before, std::span(after).first(before.size())));
        }
        ++files;
    }
    CHECK(files > 20);
}

TEST_CASE("What a resource precedes needs it") {
    State state;
    state.add({.key = {&kLink.kind, "a/eth0"}, .owner = "a"});
    state.add({.key = {&kLink.kind, "b/eth0"}, .owner = "b", .precedes = {{&kLink.kind, "a/eth0"}}});
    add_phase_needs(state);
    CHECK(state.find({&kLink.kind, "a/eth0"})->depends_on == std::vector<Key>{{&kLink.kind, "b/eth0"}});
    CHECK(state.find({&kLink.kind, "b/eth0"})->precedes.empty());
}

TEST_CASE("Phases order the resources of one partition, and not those of another") {
    State state;
    const auto add = [&](const char* name, const char* owner, Phase phase) {
        state.add({.key = {&kLink.kind, name}, .owner = owner, .phase = phase});
    };
    add("services", "a", Phase::Services);
    add("holder", "a", Phase::Holder);
    add("link", "a", Phase::HostLink);
    add("filter", "a", Phase::Filter);
    add("limits", "a", Phase::Limits);
    add("elsewhere", "b", Phase::Filter);
    add_phase_needs(state);
    const auto needs = [&](const char* name) {
        std::set<std::string> names;
        for (const Key& key : state.find({&kLink.kind, name})->depends_on) {
            names.insert(key.name);
        }
        return names;
    };
    using Names = std::set<std::string>;
    CHECK(needs("filter") == Names());
    CHECK(needs("link") == Names{"filter"});
    CHECK(needs("holder") == Names{"limits"});
    CHECK(needs("services") == Names{"filter", "holder", "limits", "link"});
}

TEST_CASE("A link that was found goes before what filters it") {
    State observed;
    observed.add({.key = {&kLink.kind, "a/eth0"}, .owner = "a"});
    observed.add({.key = {&kGate.kind, "a: eth0"}, .owner = "a"});
    observed.add({.key = {&kGate.kind, "b: eth0"}, .owner = "b"});
    add_removal_needs(observed);
    CHECK(observed.find({&kLink.kind, "a/eth0"})->depends_on == std::vector<Key>{{&kGate.kind, "a: eth0"}});
}
