// SPDX-License-Identifier: Apache-2.0
// Each folder of cases/ has before.toml (what the host has), after.toml (what is wanted) and plan.txt (the
// plan that leads from one to the other). PARTD_UPDATE_PLANS=1 in the environment writes plan.txt anew.

#include "config/compile.h"
#include "kinds/kinds.h"
#include "kinds/stopped.h"
#include "plan/diff.h"
#include "plan/render.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd;

namespace {

const std::filesystem::path kCases = PARTD_PLAN_CASES;

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

State compile(const std::filesystem::path& folder, const char* name) {
    const std::vector<TextFile> files = {{name, read(folder / name)}};
    auto compiled = config::compile(files, pure_kinds());
    for (const Problem& problem : compiled.problems.problems()) {
        UNSCOPED_INFO(problem.at.text() << ": " << problem.message);
    }
    REQUIRE(compiled.problems.empty());
    drop_owners(compiled.desired, stopped_partitions(compiled.declared, {}));
    return std::move(compiled.desired);
}

}  // namespace

TEST_CASE("Plans are as they were written down") {
    const bool update = std::getenv("PARTD_UPDATE_PLANS") != nullptr;
    std::size_t count = 0;
    for (const auto& folder : std::filesystem::directory_iterator(kCases)) {
        INFO(folder.path().filename());
        const State before = compile(folder.path(), "before.toml");
        const State after = compile(folder.path(), "after.toml");
        const std::string text = plan::render(plan::diff(after, before), false);
        if (update) {
            std::ofstream(folder.path() / "plan.txt") << text;
        }
        CHECK(text == read(folder.path() / "plan.txt"));
        ++count;
    }
    CHECK(count >= 16);
}

TEST_CASE("What comes with the host's table has one line where that is made") {
    const std::filesystem::path folder = std::filesystem::path(kCases) / "lightvm";
    const State wanted = compile(folder, "after.toml");
    const Plan plan = plan::diff(wanted, State());
    const std::string text = plan::render(plan, false, plan::Lines::Folded);
    INFO(text);
    CHECK(text.find("+ the host's firewall: nftables inet partd  after.toml:") != std::string::npos);
    CHECK(text.find("+ gate ") == std::string::npos);
    CHECK(plan::folded(plan) > 0);
    CHECK(std::ranges::count(text, '\n') + static_cast<std::ptrdiff_t>(plan::folded(plan)) ==
          static_cast<std::ptrdiff_t>(plan.changes.size()));
    CHECK(plan::render(plan, false).find("+ gate ") != std::string::npos);
    // And its removal.
    const std::string gone = plan::render(plan::diff(State(), wanted), false, plan::Lines::Folded);
    INFO(gone);
    CHECK(gone.find("- the host's firewall: nftables inet partd\n") != std::string::npos);
    CHECK(gone.find("- gate ") == std::string::npos);
    // Without the table each has its own.
    Plan later = plan;
    std::erase_if(later.changes, [](const Change& change) { return change.key.kind->name == "nftables"; });
    CHECK(plan::folded(later) == 0);
    CHECK(plan::render(later, false, plan::Lines::Folded) == plan::render(later, false));
}

TEST_CASE("A plan's order satisfies its needs, its waves too") {
    for (const auto& folder : std::filesystem::directory_iterator(kCases)) {
        INFO(folder.path().filename());
        const Plan plan =
            plan::diff(compile(folder.path(), "after.toml"), compile(folder.path(), "before.toml"));
        for (std::size_t i = 0; i < plan.changes.size(); ++i) {
            for (const std::size_t before : plan.changes[i].after) {
                CHECK(before < i);
                CHECK(plan.changes[before].wave <= plan.changes[i].wave);
            }
        }
    }
}

TEST_CASE("The same state needs no plan, and a plan of one partition leaves the others") {
    for (const auto& folder : std::filesystem::directory_iterator(kCases)) {
        INFO(folder.path().filename());
        const State after = compile(folder.path(), "after.toml");
        CHECK(plan::diff(after, after).empty());
    }
    const State wanted = compile(kCases / "create", "after.toml");
    const Plan only = plan::diff(wanted, State(), {.only = "green"});
    REQUIRE_FALSE(only.changes.empty());
    for (const Change& change : only.changes) {
        CHECK((change.owner == "green" || change.owner.empty()));
    }
}

TEST_CASE("What is foreign is a conflict, and what needs it waits") {
    const State wanted = compile(kCases / "create", "after.toml");
    State host;
    for (const Resource& resource : wanted.all()) {
        if (resource.key.kind->name == "netns" && resource.key.name == "blue") {
            host.add({.key = resource.key,
                      .spec = resource.spec,
                      .ownership = Ownership::Foreign,
                      .holder = "somebody"});
        }
    }
    const Plan plan = plan::diff(wanted, host);
    REQUIRE(plan.conflicts.size() == 1);
    CHECK(plan.conflicts[0].holder == "somebody");
    const auto waits = [&](std::string_view kind) {
        return std::ranges::any_of(plan.blocked,
                                   [&](const Blocked& blocked) { return blocked.key.kind->name == kind; });
    };
    CHECK(waits("link"));
    CHECK(waits("address"));
    for (const Change& change : plan.changes) {
        CHECK(change.key.kind->name != "link");
    }
}

TEST_CASE("What a change ends is said with it") {
    Plan plan = plan::diff(State(), compile(kCases / "lightvm-init", "before.toml"));
    const auto find = [&](std::string_view kind) -> Change& {
        return *std::ranges::find_if(plan.changes,
                                     [&](const Change& change) { return change.key.kind->name == kind; });
    };
    CHECK(plan::render(plan, false).find("ends") == std::string::npos);
    find("partition").ends = 12;
    find("init").ends = 1;
    const std::string text = plan::render(plan, false);
    CHECK(text.find("- partition vm (ends 12 processes)\n") != std::string::npos);
    CHECK(text.find("- init vm partd-init in /srv/machines/vm (ends 1 process)\n") != std::string::npos);
    CHECK(plan::summary(plan).ends_with(", ends 13 processes"));
    const std::string json = to_json(plan::to_value(plan));
    CHECK(json.find(R"("ends_processes":12)") != std::string::npos);
    CHECK(json.find(R"("ends_processes":1})") != std::string::npos);
}

TEST_CASE("PID 1 ends when all that its successor needs is there") {
    const Plan plan = plan::diff(compile(kCases / "lightvm-init-needs", "after.toml"),
                                 compile(kCases / "lightvm-init-needs", "before.toml"));
    const auto at = [&](std::string_view kind, Action action) {
        return std::ranges::find_if(plan.changes,
                                    [&](const Change& change) {
                                        return change.key.kind->name == kind && change.action == action;
                                    }) -
               plan.changes.begin();
    };
    const auto ends = at("init", Action::Remove);
    REQUIRE(ends < std::ssize(plan.changes));
    CHECK(at("file", Action::Create) < ends);
    CHECK(at("address", Action::Create) < ends);
    CHECK(at("limit", Action::Update) < ends);
    CHECK(ends < at("init", Action::Create));
}

TEST_CASE("Observed containers that contain each other end the planning") {
    State observed = compile(kCases / "mtu", "before.toml");
    std::vector<Key> keys;
    for (const Resource& resource : observed.all()) {
        keys.push_back(resource.key);
    }
    for (Resource& resource : observed.all()) {
        resource.contained_in = keys;  // itself too
    }
    const State nothing;
    CHECK(plan::diff(nothing, observed).changes.size() == keys.size());
    const State wanted = compile(kCases / "mtu", "after.toml");
    CHECK_FALSE(plan::diff(wanted, observed).empty());
}

TEST_CASE("However many observed containers contain each other, a remainder is judged at once") {
    const State wanted = compile(kCases / "lightvm-init-needs", "before.toml");
    State observed = wanted;
    std::vector<Key> keys;
    for (const Resource& resource : observed.all()) {
        keys.push_back(resource.key);
    }
    for (Resource& resource : observed.all()) {
        resource.contained_in = keys;
    }
    const auto netns = std::ranges::find(keys, "netns", [](const Key& key) { return key.kind->name; });
    REQUIRE(netns != keys.end());
    observed.erase(std::span(netns, 1));  // so that all that stood in it is made anew
    CHECK_FALSE(plan::diff(wanted, observed).empty());
}
