// SPDX-License-Identifier: Apache-2.0
// A file edited, come or gone: what is taken over from it alone is what the whole document says.

#include "../unit/part_of_whole.h"
#include "genes.h"
#include "host.h"
#include "reconcile/incremental.h"

#include <rapidcheck.h>

#include <map>
#include <set>

#include <catch2/catch.hpp>

namespace partd::test {

namespace {

using Texts = std::map<std::string, std::string>;  // by path

Texts texts(const Host& host) {
    Texts all = {{"/etc/partd/all.toml", toml({.slices = host.slices})}};
    for (const auto& partition : host.partitions) {
        all["/etc/partd/" + partition.name + ".toml"] = toml({.partitions = {partition}});
    }
    return all;
}

std::vector<TextFile> files_of(const Texts& texts) {
    std::vector<TextFile> files;
    for (const auto& [path, text] : texts) {
        if (!text.empty()) {
            files.push_back({path, text});
        }
    }
    return files;
}

struct Count {
    int taken = 0;
    int whole = 0;
};

// One step from a document to another one; each that is right has to be the same both ways.
void step(Desired& desired, const Texts& now, Count& count) {
    auto whole = load_files(files_of(now));
    RC_ASSERT(whole.has_value());
    if (!whole->good()) {
        return;
    }
    DesiredIndex parts(desired.compiled.desired);
    const auto before = desired.compiled.desired;
    const auto changed = take_edit(desired, parts, files_of(now));
    ++(changed ? count.taken : count.whole);
    if (!changed) {
        RC_ASSERT(lines_of(desired.compiled.desired) == lines_of(before));
        desired = std::move(*whole);
        return;
    }
    const State& wanted = whole->compiled.desired;
    RC_ASSERT(lines_of(desired.compiled.desired) == lines_of(wanted));
    RC_ASSERT(unlike(desired.compiled.desired, wanted).empty());
    RC_ASSERT(lines_of(parts) == lines_of(DesiredIndex(wanted)));
    const Scope least = changed_scope(before, wanted);
    RC_ASSERT(!least.all || changed->all);
    RC_ASSERT(std::ranges::includes(changed->owners, least.owners));
    RC_ASSERT(std::ranges::includes(changed->in_channels, least.in_channels));
    RC_ASSERT(least.channels.empty());
}

}  // namespace

TEST_CASE("an edit taken alone is what the whole says", "[property]") {
    Count count;
    CHECK(rc::check("an edit taken alone is what the whole says", [&] {
        const auto drawn = *arbitrary_case();
        const std::set<std::string> controllers = {"cpu", "memory", "pids"};
        const Texts first = texts(build(drawn, Side::Before, controllers));
        const Texts then = texts(build(drawn, Side::After, controllers));
        auto desired = load_files(files_of(first));
        RC_ASSERT(desired.has_value());
        RC_PRE(desired->good());
        Texts now = first;
        std::set<std::string> paths;
        for (const auto* side : {&first, &then}) {
            for (const auto& [path, text] : *side) {
                paths.insert(path);
            }
        }
        for (const auto& path : paths) {
            const auto found = then.find(path);
            now[path] = found == then.end() ? "" : found->second;
            step(*desired, now, count);
        }
    }));
    INFO(count.taken << " taken alone, " << count.whole << " whole");
    CHECK(count.taken > count.whole / 20);
}

TEST_CASE("a part compiled alone is what the whole says", "[property]") {
    CHECK(rc::check("a part compiled alone is what the whole says", [] {
        const auto drawn = *arbitrary_case();
        const auto files = files_of(texts(build(drawn, Side::Before, {"cpu", "memory", "pids"})));
        const std::string unlike = unlike_whole(files);
        RC_LOG() << unlike;
        RC_ASSERT(unlike.empty());
    }));
}

}  // namespace partd::test
