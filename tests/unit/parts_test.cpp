// SPDX-License-Identifier: Apache-2.0
// Parts of a desired state: what a look at one partition alone has to see.

#include "config/compile.h"
#include "kinds/kinds.h"
#include "reconcile/desired_index.h"

#include <algorithm>

#include <catch2/catch.hpp>

using namespace partd;

namespace {

constexpr const char* kText = R"(
[partition.a.link.eth0]
address = ["10.1.1.1/24"]
peer = { address = ["10.1.1.2/24"] }
[partition.a.nat]
masquerade = true
[partition.b.link.x]
address = ["10.2.1.1/24"]
peer = { partition = "a", name = "y", address = ["10.2.1.2/24"] }
[partition.c]
[partition.c.cgroup]
pids.max = 10
)";

State desired_of(const std::string& text) {
    const std::vector<TextFile> files = {{"test.toml", text}};
    auto compiled = config::compile(files, pure_kinds());
    REQUIRE(compiled.problems.empty());
    return std::move(compiled.desired);
}

Scope only(const std::string& owner) {
    return {.all = false, .owners = {owner}};
}

bool has(const State& state, std::string_view text) {
    return std::ranges::any_of(state.all(),
                               [&](const Resource& resource) { return resource.key.text() == text; });
}

}  // namespace

TEST_CASE("A part holds what its owner wants and what that needs, and no channel's") {
    const State whole = desired_of(kText);
    const DesiredIndex parts(whole);
    const State part = parts.part(whole, only("a"));
    CHECK(has(part, "link a/eth0"));
    CHECK(has(part, "netns a"));
    CHECK(has(part, "cgroup partd.slice"));
    CHECK_FALSE(has(part, "link b/x"));
    CHECK_FALSE(has(part, "netns c"));
    CHECK_FALSE(has(part, "nftables inet partd"));
    for (const Resource& resource : part.all()) {
        CHECK(resource.key.kind->channel.empty());
    }
}

TEST_CASE("Whoever stands on an owner's objects is looked at with it") {
    const State whole = desired_of(kText);
    const DesiredIndex parts(whole);
    CHECK(parts.closed(only("a")).owners == std::set<std::string>{"a", "b"});
    CHECK(parts.closed(only("c")).owners == std::set<std::string>{"c"});
}

TEST_CASE("What a channel has is looked at as a whole") {
    const State whole = desired_of(kText);
    Scope scope = Scope::nothing();
    scope.channels.insert("nftables");
    const State part = DesiredIndex(whole).part(whole, scope);
    CHECK(has(part, "nftables inet partd"));
    CHECK_FALSE(has(part, "netns a"));
}

TEST_CASE("The scope of a change is whose objects are wanted differently") {
    const State before = desired_of(kText);
    std::string text = kText;
    SECTION("nothing") {
        const Scope scope = changed_scope(before, desired_of("# a remark\n" + text));
        CHECK(scope.empty());
    }
    SECTION("a limit") {
        text.replace(text.find("pids.max = 10"), 13, "pids.max = 11");
        const Scope scope = changed_scope(before, desired_of(text));
        CHECK_FALSE(scope.all);
        CHECK(scope.owners == std::set<std::string>{"c"});
        CHECK(scope.channels.empty());
    }
    SECTION("one more") {
        const Scope scope = changed_scope(before, desired_of(text + "[partition.d]\n"));
        CHECK_FALSE(scope.all);
        CHECK(scope.owners == std::set<std::string>{"d"});
    }
    SECTION("everything gone, and with it what all share") {
        CHECK(changed_scope(before, State()).all);
    }
}
