// Each folder of cases/ has before.toml (what the host has), after.toml (what is wanted) and plan.txt (the
// plan that leads from one to the other). PARTD_UPDATE_PLANS=1 in the environment writes plan.txt anew.

#include "config/compile.h"
#include "kinds/kinds.h"
#include "plan/diff.h"
#include "plan/render.h"

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
                      .standing = Standing::Foreign,
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
    CHECK(waits("veth"));
    CHECK(waits("address"));
    for (const Change& change : plan.changes) {
        CHECK(change.key.kind->name != "veth");
    }
}
