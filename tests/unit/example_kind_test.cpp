// SPDX-License-Identifier: Apache-2.0
// The worked example of CONTRIBUTING.md, "Adding a kind": it compiles, and does what the text says.

#include "config/compile.h"
#include "kernel/file/files.h"
#include "kinds/cgroup/cgroup.h"
#include "kinds/kinds.h"
#include "kinds/namespace/netns.h"
#include "kinds/partition.h"
#include "plan/diff.h"
#include "plan/render.h"

#include <array>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

using namespace partd;

// The listing stands in CONTRIBUTING.md as it stands here.
// [example]
namespace partd {

// [partition.NAME.motto]: a sentence that stands on the partition's cgroup, for whoever looks there.
struct Motto {
    std::string partition = {};
    std::string group = {};
    std::string text = {};
    static const Table table;
};

extern const LiveKind kMotto;

namespace {

// `partition` and `group` are attributes of the resource alone; `text` is a key of the language as well.
constexpr Field kFields[] = {
    field<&Motto::partition>("partition", "whose it is", {.role = Role::Identity, .live = true}),
    field<&Motto::group>("group", "the cgroup that carries it", {.role = Role::Replace, .live = true}),
    field<&Motto::text>("text", "the sentence", {.required = true}),
};

constexpr Declaration kLanguage[] = {declaration<Motto>("partition.*.motto")};

constexpr char kAttribute[] = "trusted.partd.motto";

Resource motto_of(const std::string& partition, const std::string& group, const std::string& text) {
    const Key cgroup{&kCgroup.kind, group};
    return {.key = {&kMotto.kind, partition},
            .spec = Spec(Motto{partition, group, text}),
            .owner = partition,
            .depends_on = {cgroup},     // made after the cgroup
            .contained_in = {cgroup}};  // and gone with it
}

void expand(const Declared& declared, State& desired, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<Motto>()) {
        const std::string& text = object->spec.as<Motto>().text;
        if (text.empty()) {
            problems.error(object->place("text"), "a motto needs at least one word");
        }
        Resource motto = motto_of(object->owner, group_of(declared, object->owner), text);
        motto.source = object->source;
        motto.places = object->places;
        desired.add(std::move(motto));
    }
}

// Observation::add decides if it is ours, by the mark (here the attribute's own name) and the ledger.
Result<> observe(Observation& observation) {
    const auto& cgroups = observation.host.cgroups();
    const auto groups = observation.groups();
    PARTD_TRY(groups);
    for (const kernel::MarkedGroup& group : *groups) {
        const std::string text = kernel::get_xattr(cgroups.home(group.path), kAttribute);
        if (!text.empty()) {
            Resource motto = motto_of(group.owner, group.path, text);
            motto.marked = true;
            observation.add(std::move(motto));
        }
    }
    return {};
}

Result<> apply(ApplyContext& context, const Change& change, std::size_t) {
    const bool removal = change.action == Action::Remove;
    const Motto& motto = (removal ? change.found : change.wanted).as<Motto>();
    const std::string path = context.host.cgroups().home(motto.group);
    context.batch.count_write();
    if (removal) {
        kernel::remove_xattr(path, kAttribute);
        return {};
    }
    return kernel::set_xattr(path, kAttribute, motto.text);
}

}  // namespace

constinit const Table Motto::table = {"motto", "A sentence on the partition's cgroup.", kFields};

constinit const LiveKind kMotto = {
    .kind = {.name = "motto",
             .language = kLanguage,
             .expand = expand,
             .summary = [](const Spec& spec) { return "\"" + spec.as<Motto>().text + "\""; }},
    .observe = observe,
    .apply = apply,
};

}  // namespace partd
// [/example]

namespace {

constexpr std::array<const Kind*, 4> kKinds = {&kNetns.kind, &kCgroup.kind, &kPartition.kind, &kMotto.kind};

config::Compiled compile(const std::string& motto) {
    const std::array files = {TextFile{"web.toml", "[partition.web]\n[partition.web.motto]\n" + motto}};
    return config::compile(files, kKinds);
}

std::string read(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// The text between the lines of the markers; "" when they are missing.
std::string listing(const std::string& text) {
    const std::string begin = "// [example]\n";
    const std::size_t first = text.find(begin);
    const std::size_t last = text.find("// [/example]");
    const bool there = first != std::string::npos && last != std::string::npos;
    return there ? text.substr(first + begin.size(), last - first - begin.size()) : "";
}

}  // namespace

TEST_CASE("The example kind: its key is read") {
    const auto compiled = compile("text = \"less is more\"\n");
    REQUIRE(compiled.problems.empty());
    const Resource* motto = compiled.desired.find({&kMotto.kind, "web"});
    REQUIRE(motto != nullptr);
    CHECK(motto->spec.as<Motto>().text == "less is more");
    CHECK(motto->spec.as<Motto>().group == "partd.slice/partd-web.slice");
    CHECK(motto->owner == "web");
    CHECK(motto->source.text() == "web.toml:2:1");
    CHECK(compiled.desired.find(motto->depends_on.at(0)) != nullptr);
}

TEST_CASE("The example kind: what is wrong is reported with its place") {
    const auto problem = [](const std::string& motto) {
        const auto compiled = compile(motto);
        REQUIRE(compiled.problems.problems().size() == 1);
        const Problem& only = compiled.problems.problems()[0];
        return only.at.text() + ": " + only.message;
    };
    CHECK(problem("text = \"a\"\ntextt = \"b\"\n") ==
          "web.toml:4:1: unknown key \"textt\" in motto; did you mean \"text\"?");
    CHECK(problem("") == "web.toml:2:1: motto needs the key \"text\"");
    CHECK(problem("text = 1\n") == "web.toml:3:8: expected a string, got an integer");
    CHECK(problem("text = \"\"\n") == "web.toml:3:8: a motto needs at least one word");
}

TEST_CASE("The example kind: the JSON Schema has it") {
    const std::string schema = to_json(config::schema(kKinds));
    CHECK(schema.contains(
        R"("motto":{"type":"object","description":"A sentence on the partition's cgroup.",)"
        R"("additionalProperties":false,"properties":{"text":{"type":"string","description":"the sentence"}},)"
        R"("required":["text"]})"));
}

TEST_CASE("The example kind: another text is one update") {
    const auto before = compile("text = \"less is more\"\n");
    const auto after = compile("text = \"more is less\"\n");
    const Plan plan = plan::diff(after.desired, before.desired);
    REQUIRE(plan.changes.size() == 1);
    CHECK(plan.changes[0].action == Action::Update);
    CHECK(plan::render(plan, false) == "~ motto web: text less is more → more is less  web.toml:3\n");
    CHECK(plan::diff(after.desired, after.desired).empty());
}

TEST_CASE("The example kind: it is made after its cgroup, with its summary") {
    const Plan plan = plan::diff(compile("text = \"less is more\"\n").desired, State());
    const auto line = plan::render(plan, false).find("+ motto web \"less is more\"  web.toml:2\n");
    CHECK(line != std::string::npos);
    CHECK(plan::render(plan, false).find("+ cgroup partd.slice/partd-web.slice") < line);
}

TEST_CASE("CONTRIBUTING.md shows the example as it is compiled") {
    const std::string here = listing(read(PARTD_SOURCE_DIR "/tests/unit/example_kind_test.cpp"));
    REQUIRE_FALSE(here.empty());
    CHECK(listing(read(PARTD_SOURCE_DIR "/CONTRIBUTING.md")) == here);
}
