// SPDX-License-Identifier: Apache-2.0
#include "kinds/machine/entrance.h"

#include "base/text.h"
#include "kinds/cgroup/cgroup.h"
#include "kinds/machine/init.h"
#include "kinds/namespace/membership.h"
#include "kinds/namespace/namespace.h"
#include "kinds/namespace/netns.h"
#include "kinds/partition.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace partd {

namespace {

// The namespaces of a partition that a resource stands for, and the root that its mount namespace shows.
struct Part {
    std::vector<NamespaceKind> types = {};
    std::optional<std::string> root = {};
};

Part part_of(const Resource& found) {
    if (found.key.kind == &kNetns.kind) {
        return {{NamespaceKind::Net}, {}};
    }
    if (found.key.kind == &kNamespace.kind) {
        const auto& ns = found.spec.as<PinnedNamespace>();
        return {{ns.type}, ns.root};
    }
    if (found.key.kind == &kInit.kind) {
        const Init& init = found.spec.as<Init>();
        return init.root.empty() ? Part{{NamespaceKind::Pid}, {}}
                                 : Part{{NamespaceKind::Pid, NamespaceKind::Mnt}, init.root};
    }
    return {};
}

bool is_there(const State& observed, const Key& key) {
    const Resource* found = observed.find(key);
    return found != nullptr && found->ownership == Ownership::Ours;
}

// A namespace that is declared and not there: without it a program would see more of the host than it may.
const Resource* missing_part(const State& desired, const State& observed, const std::string& partition) {
    for (const Resource& wanted : desired.all()) {
        const Kind* kind = wanted.key.kind;
        const bool isolates = kind == &kNetns.kind || kind == &kNamespace.kind || kind == &kInit.kind;
        if (wanted.owner == partition && isolates && !is_there(observed, wanted.key)) {
            return &wanted;
        }
    }
    return nullptr;
}

}  // namespace

std::span<const LiveKind* const> kinds_of_entry() {
    static constexpr std::array kKinds = {&kNetns, &kNamespace, &kInit, &kCgroup, &kPartition};
    return kKinds;
}

Result<kernel::Entry> open_entry(kernel::Host& host, const State& desired, const State& observed,
                                 const std::string& partition) {
    const Resource* init = observed.find(init_key(partition));
    if (init != nullptr && !init->spec.as<Init>().running) {
        return fail(
            fmt::format("PID 1 of partition {} has ended, and its pid namespace with it: partctl apply makes "
                        "it anew",
                        partition));
    }
    kernel::Entry entry{.group = {}, .namespaces = {}, .etc = host.paths().etc_netns() + "/" + partition};
    for (const Resource& found : observed.all()) {
        if (found.owner != partition || found.ownership != Ownership::Ours) {
            continue;
        }
        if (found.key.kind == &kCgroup.kind) {
            entry.group = found.key.name;
        }
        const Part part = part_of(found);
        entry.own_root = entry.own_root || (part.root && !shows_host_tree(*part.root));
        for (const NamespaceKind type : part.types) {
            auto opened = open_namespace(host, partition, type);
            PARTD_TRY(opened);
            entry.namespaces.push_back(std::move(*opened));
        }
    }
    if (!entry.group && entry.namespaces.empty()) {
        return fail(fmt::format("partition {} is not there: partctl apply makes it when a file declares it",
                                partition));
    }
    // A partition that no file declares any more keeps the isolation that it was made with.
    const Resource* made = observed.find({&kPartition.kind, partition});
    const std::string isolation = made == nullptr ? "" : made->spec.as<Partition>().isolation;
    for (const std::string_view word : words(isolation)) {
        const auto has_name = [&](const kernel::Namespace& ns) {
            return kernel::namespace_name(ns.type()) == word;
        };
        if (std::ranges::none_of(entry.namespaces, has_name)) {
            return fail(
                fmt::format("partition {} has lost its {} namespace: partctl apply", partition, word));
        }
    }
    if (const Resource* missing = missing_part(desired, observed, partition); missing != nullptr) {
        return fail(fmt::format("{} is not there, or not partd's: partctl apply tells ({})",
                                missing->key.text(), missing->source.place()));
    }
    return entry;
}

}  // namespace partd
