// SPDX-License-Identifier: Apache-2.0
// From any host, and whatever was done to it by hand: an apply makes it as declared, a second one finds
// nothing to do, what others have stays, and without files nothing of ours is left.

#include "../kernel/support/host_view.h"
#include "check.h"
#include "damage.h"
#include "world.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>

#include <catch2/catch.hpp>

namespace partd::test {
namespace {

std::set<std::string> controllers(const Sandbox& sandbox) {
    std::set<std::string> all;
    for (const char* each : {"memory", "pids", "cpu"}) {
        if (sandbox.cgroups().of(each) != nullptr) {
            all.insert(each);
        }
    }
    return all;
}

/// One world for all cases; a new one after a failure that leaves something behind.
std::unique_ptr<World>& world() {
    static std::unique_ptr<World> one;
    if (!one) {
        one = std::make_unique<World>();
    }
    return one;
}

using Problems = std::vector<std::string>;
constexpr std::size_t kMostShown = 300;

void add(Problems& problems, const std::string& when, const Problems& more) {
    for (const auto& each : more) {
        problems.push_back(when + ": " + each);
    }
}

class Run {
public:
    Run(const Case& drawn, World& on)
        : world_(on),
          sandbox_(on.sandbox()),
          drawn_(drawn),
          before_(build(drawn, Side::Before, controllers(sandbox_))),
          after_(build(drawn, Side::After, controllers(sandbox_))) {}

    Problems run() {
        const auto foreign = world_.foreign();
        apply("applying the first", before_, {});
        if (!problems_.empty()) {
            return problems_;
        }
        const auto inodes = inodes_of_both();
        damage();
        const auto kept = foreign_links();
        apply("applying the second", after_, {.former_values = ledger_});
        for (const auto& [name, inode] : inodes) {
            if (!gone_.contains(name) && netns_inode(name) != inode) {
                problems_.push_back("the network namespace of " + name + " was made anew without need");
            }
        }
        for (const auto& [name, inode] : kept) {
            const auto* later = after_.find(name);
            if (later != nullptr && later->has("net") && netns_inode(name) == inode &&
                !has_foreign_link(name)) {
                problems_.push_back("the foreign link fx8 in " + name + " is gone");
            }
        }
        if (world_.foreign() != foreign) {
            problems_.push_back("what others have has changed:\n" + foreign + "is now\n" + world_.foreign());
        }
        if (problems_.empty()) {
            clean_up();
        }
        return problems_;
    }

private:
    void apply(const std::string& when, const Host& wanted, const Doubt& doubt) {
        sandbox_.write_config("host.toml", toml(wanted));
        const auto applied = sandbox_.partctl({"apply", "--allow-delete"});
        if (applied.code != 0) {
            problems_.push_back(when + ": partctl apply: " + applied.text());
        }
        const auto left = sandbox_.partctl({"diff"});
        if (left.code != 0) {
            problems_.push_back(when + ": partctl diff: " + left.text());
        }
        const auto different = differences(wanted, sandbox_, doubt);
        add(problems_, when, different);
        if (!different.empty()) {
            problems_.push_back(when + ": what partctl said: " + applied.text());
        }
    }

    /// Inodes of the namespaces that have to stay: both sides have them, in the same user namespace.
    [[nodiscard]] std::map<std::string, unsigned long> inodes_of_both() const {
        std::map<std::string, unsigned long> all;
        for (const auto& partition : before_.partitions) {
            const auto* later = after_.find(partition.name);
            if (later != nullptr && partition.has("net") && later->has("net") &&
                partition.user == later->user && partition.first_uid == later->first_uid) {
                all[partition.name] = netns_inode(partition.name);
            }
        }
        return all;
    }

    void damage() {
        std::vector<Deed> deeds;
        for (const auto& each : drawn_.damages) {
            deeds.push_back(deed(each, before_, sandbox_));
        }
        ledger_ = std::ranges::any_of(deeds, &Deed::ledger);
        for (const auto& each : deeds) {
            // with mark and ledger gone, it would be somebody else's
            if (each.act && !(ledger_ && each.mark)) {
                each.act();
                gone_.insert(each.netns_gone);
            }
        }
    }

    static bool has_foreign_link(const std::string& partition) {
        const Netns netns("/run/netns/" + partition);
        return has_link("fx8", netns.fd());
    }
    [[nodiscard]] std::map<std::string, unsigned long> foreign_links() const {
        std::map<std::string, unsigned long> all;
        for (const auto& name : netns_names()) {
            if (before_.find(name) != nullptr && has_foreign_link(name)) {
                all[name] = netns_inode(name);
            }
        }
        return all;
    }

    void clean_up() {
        sandbox_.remove_config("host.toml");
        const auto applied = sandbox_.partctl({"apply", "--allow-delete"});
        if (applied.code != 0) {
            problems_.push_back("without files: partctl apply: " + applied.text());
        }
        Snapshot now;
        // a namespace's link goes a moment after it
        eventually([&] { return difference(world_.before(), now = snapshot(sandbox_)).empty(); });
        if (const auto left = difference(world_.before(), now); !left.empty()) {
            problems_.push_back("without files this is left: " + left + applied.text());
        }
    }

    World& world_;
    Sandbox& sandbox_;
    const Case& drawn_;
    Host before_;
    Host after_;
    bool ledger_ = false;
    std::set<std::string> gone_;
    Problems problems_;
};

/// True if partd itself can clean up after a failure, which is faster than a new world.
bool is_clean_again(World& on) {
    try {
        on.sandbox().write_config("host.toml", toml({}));
        on.sandbox().partctl({"apply", "--allow-delete"});
        return eventually([&] { return difference(on.before(), snapshot(on.sandbox())).empty(); }, 300ms);
    } catch (const std::exception&) {
        return false;
    }
}

}  // namespace

void showValue(const Case& drawn, std::ostream& out) {
    const std::set<std::string> all = controllers(world()->sandbox());
    const Host before = build(drawn, Side::Before, all);
    out << "the first:\n" << toml(before) << "damage:\n";
    for (const auto& each : drawn.damages) {
        out << "  " << deed(each, before, world()->sandbox()).text << '\n';
    }
    out << "the second:\n" << toml(build(drawn, Side::After, all));
}

TEST_CASE("any host becomes any other", "[property]") {
    CHECK(rc::check("any host becomes any other, and then none", [] {
        const auto drawn = *arbitrary_case();
        Problems problems;
        try {
            problems = Run(drawn, *world()).run();
        } catch (const std::exception& error) {
            problems.push_back(error.what());
        }
        if (problems.empty()) {
            return;
        }
        // making it small takes a while: say what goes on
        std::cerr << "fails: " << problems.front().substr(0, kMostShown) << std::endl;
        if (!is_clean_again(*world())) {
            world().reset();
        }
        std::string text;
        for (const auto& each : problems) {
            text += each + "\n";
        }
        RC_FAIL(text);
    }));
    world().reset();
}

}  // namespace partd::test
