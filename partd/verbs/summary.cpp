// SPDX-License-Identifier: Apache-2.0
#include "verbs/summary.h"

#include "kernel/process/processes.h"
#include "kinds/cgroup/cgroup.h"
#include "kinds/link/link.h"
#include "kinds/namespace/membership.h"
#include "kinds/namespace/netns.h"
#include "kinds/nat/forward.h"
#include "kinds/nat/sources.h"
#include "kinds/net/address.h"
#include "kinds/partition.h"
#include "plan/order.h"
#include "reconcile/pause.h"
#include "reconcile/rest.h"

#include <algorithm>
#include <ctime>
#include <map>
#include <set>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace partd::verbs {

std::string time_text(std::chrono::system_clock::time_point time, bool exact) {
    using namespace std::chrono;
    const auto second = floor<seconds>(time);
    const auto rest = duration_cast<microseconds>(time - second).count();
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}{}Z", fmt::gmtime(system_clock::to_time_t(second)),
                       exact ? fmt::format(".{:06}", rest) : "");
}

std::string age_text(std::chrono::system_clock::duration age) {
    using namespace std::chrono;
    const auto passed = std::max(floor<seconds>(age), 0s);  // somebody may set the clock back
    return passed < 1min  ? fmt::format("{}s", passed.count())
           : passed < 1h  ? fmt::format("{}m", floor<minutes>(passed).count())
           : passed < 24h ? fmt::format("{}h", floor<hours>(passed).count())
                          : fmt::format("{}d", floor<days>(passed).count());
}

namespace {

class Summarizer {
public:
    Summarizer(Engine& engine, const Desired& document, const Inspection& view)
        : engine_(engine),
          ledger_(engine.last_ledger()),
          document_(document),
          view_(view),
          by_netns_(kernel::processes_by_namespace(std::array{kernel::NamespaceType::Net})
                        .value_or(std::multimap<ino_t, pid_t>())),
          desired_(document.compiled.desired),
          stopped_(not_running(engine.paths(), document.compiled.declared)),
          paused_(paused(engine.paths()).value_or(std::set<std::string>())) {}

    std::vector<Summary> run() {
        for (const Resource& wanted : desired_.all()) {
            if (wanted.key.kind == &kPartition.kind) {
                Summary& summary = at(wanted.owner);
                summary.source = wanted.source;
                summary.description = wanted.spec.as<Partition>().description.value_or("");
            }
        }
        for (const std::string& name : stopped_) {
            const DeclaredObject* declared = find_partition(document_.compiled.declared, name);
            Summary& summary = at(name);
            summary.source = declared->source;
            summary.description = declared->spec.as<Partition>().description.value_or("");
        }
        for (const Resource& found : view_.observed.all()) {
            if (found.key.kind == &kPartition.kind && found.ownership == Ownership::Ours) {
                at(found.owner);
            }
        }
        add_slices(desired_);
        add_slices(view_.observed);
        for (const Resource& found : view_.observed.all()) {
            count(found);
            count_in(found);
        }
        std::vector<Summary> all;
        for (auto& [name, summary] : summaries_) {
            const Inside& inside = inside_[network_of(name)];
            summary.links = inside.links;
            summary.addresses = inside.addresses;
            std::ranges::stable_sort(summary.addresses, {}, rank);
            summary.state = state_of(name);
            summary.processes = members_[name].size();
            all.push_back(std::move(summary));
        }
        return all;
    }

private:
    Summary& at(const std::string& name) {
        Summary& summary = summaries_[name];
        summary.name = name;
        return summary;
    }

    // Adds a summary for each owner of a control group that is not a partition.
    void add_slices(const State& state) {
        for (const Resource& each : state.all()) {
            const bool group = each.key.kind == &kCgroup.kind && each.ownership == Ownership::Ours;
            if (!group || each.owner.empty() || summaries_.contains(each.owner)) {
                continue;
            }
            Summary& summary = at(each.owner);
            summary.is_slice = true;
            summary.source = each.source;
        }
    }

    // Addresses that others would use come first.
    static int rank(const Address& address) {
        return address.ip.is_loopback() || address.ip.is_link_local() ? 2 : address.ip.v6() ? 1 : 0;
    }

    // The partition whose network namespace this one lives in; itself for its own.
    std::string network_of(const std::string& name) const {
        const Declared& declared = document_.compiled.declared;
        if (find_partition(declared, name) == nullptr) {
            return name;
        }
        const auto shared = membership_of(declared, name).shared;
        const auto with = shared.find(NamespaceKind::Net);
        return with == shared.end() ? name : with->second;
    }

    // Counts links and addresses by network namespace, whoever declared them.
    void count_in(const Resource& found) {
        if (found.ownership != Ownership::Ours) {
            return;
        }
        if (found.key.kind == &kLink.kind) {
            for (const LinkEnd* end : ends_of(found.spec)) {
                ++inside_[end->netns].links;
            }
        } else if (found.key.kind == &kAddress.kind) {
            const auto& address = found.spec.as<InterfaceAddress>();
            inside_[address.netns].addresses.push_back(address.address);
        }
    }

    void count(const Resource& found) {
        const auto entry = summaries_.find(found.owner);
        if (entry == summaries_.end() || found.ownership != Ownership::Ours) {
            return;
        }
        Summary& summary = entry->second;
        const std::string_view kind = found.key.kind->name;
        summary.forwards += found.key.kind == &kForward.kind ? 1 : 0;
        summary.masquerade |= found.key.kind == &kMasquerade.kind;
        present_.insert(found.owner);
        if (found.key.kind == &kCgroup.kind) {
            if (engine_.host().cgroups().frozen(found.key.name)) {
                frozen_.insert(found.owner);
            }
            summary.memory = engine_.host().cgroups().memory(found.key.name);
            members_[found.owner].merge(
                engine_.host().cgroups().processes(found.key.name).value_or(std::set<pid_t>()));
        } else if (found.key.kind == &kNetns.kind) {
            const auto netns = engine_.host().netns(found.key.name);
            for (auto [process, end] = by_netns_.equal_range(netns ? (*netns)->inode() : 0); process != end;
                 ++process) {
                members_[found.owner].insert(process->second);
            }
        }
        const LedgerEntry* known = ledger_.find({kind, found.key.name});
        if (known != nullptr && (found.key.kind == &kNetns.kind || found.key.kind == &kCgroup.kind)) {
            summary.since = std::min(summary.since.value_or(known->since), known->since);
        }
    }

    // The resource that stands for the partition, or for the slice.
    const Resource* wanted_of(const std::string& name) const {
        if (!summaries_.at(name).is_slice) {
            return desired_.find({&kPartition.kind, name});
        }
        const auto of_it = [&](const Resource& each) {
            return each.owner == name && each.key.kind == &kCgroup.kind;
        };
        const auto found = std::ranges::find_if(desired_.all(), of_it);
        return found == desired_.all().end() ? nullptr : &*found;
    }

    std::string state_of(const std::string& name) const {
        const auto owns = [&](const auto& entry) { return entry.owner == name; };
        const Resource* wanted = wanted_of(name);
        if (stopped_.contains(name)) {
            return std::ranges::any_of(view_.plan.changes, owns) ? "degraded" : "stopped";
        }
        if (wanted == nullptr) {
            return "undeclared";
        }
        if (document_.stale.contains(*wanted->source.file)) {
            return "invalid";
        }
        if (paused_.contains(name)) {
            return "paused";
        }
        if (engine_.contested().contains(name)) {
            return "contested";
        }
        if (std::ranges::any_of(view_.plan.conflicts, owns)) {
            return "conflict";
        }
        if (!present_.contains(name)) {
            return "missing";
        }
        const bool degraded = std::ranges::any_of(view_.plan.changes, owns) ||
                              std::ranges::any_of(view_.plan.blocked, owns) || lacks_shared(name);
        return degraded ? "degraded" : frozen_.contains(name) ? "frozen" : "active";
    }

    // True if a shared resource on which it depends has to change: a sysctl of the host, say.
    [[nodiscard]] bool lacks_shared(const std::string& name) const {
        const auto shared = [](const Change& change) { return change.owner.empty(); };
        if (std::ranges::none_of(view_.plan.changes, shared)) {
            return false;
        }
        const auto needed = plan::needs_of(desired_, name);
        return std::ranges::any_of(view_.plan.changes, [&](const Change& change) {
            return shared(change) && needed.contains(change.key);
        });
    }

    Engine& engine_;
    const Ledger& ledger_;
    const Desired& document_;
    const Inspection& view_;
    std::multimap<ino_t, pid_t> by_netns_;
    const State& desired_;
    std::set<std::string> stopped_;
    std::map<std::string, Summary> summaries_;
    struct Inside {
        std::size_t links = 0;
        std::vector<Address> addresses = {};
    };
    std::map<std::string, Inside> inside_;  // by network namespace
    std::map<std::string, std::set<pid_t>> members_;
    std::set<std::string> present_;
    std::set<std::string> frozen_;
    std::set<std::string> paused_;
};

}  // namespace

std::vector<Summary> summarize(Engine& engine, const Desired& desired, const Inspection& view) {
    return Summarizer(engine, desired, view).run();
}

}  // namespace partd::verbs
