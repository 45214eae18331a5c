// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kinds/link/live.h"
#include "kinds/link/type.h"

#include <set>

#include <fmt/format.h>

namespace partd {

namespace {

// Interfaces of the host, by name and by index.
struct Selected {
    std::set<std::string> names;
    std::set<int> indexes;
};

// Selects the interfaces that the wanted links name.
void select_wanted(const Observation& observation, Selected& selected) {
    observation.for_wanted(kLink.kind, [&](const Resource& wanted) {
        for (const LinkEnd* end : ends_of(wanted.spec)) {
            if (end->netns.empty()) {
                selected.names.insert(end->name);
            }
            if (const Lower* lower = end->lower(); lower != nullptr && lower->on_host()) {
                selected.names.insert(lower->name());
            }
        }
    });
}

// Selects those that the ledger knows: their other ends may have gone out of sight.
void select_known(const Observation& observation, const kernel::Netns& host, Selected& selected) {
    const std::string here = fmt::format("{}:", host.cookie());
    observation.for_known(kLink.kind, [&](const auto&, const LedgerEntry& entry) {
        for (const std::string_view word : words(entry.identity)) {
            if (const auto index =
                    word.starts_with(here) ? parse_number(word.substr(here.size())) : std::nullopt) {
                selected.indexes.insert(static_cast<int>(*index));
            }
        }
    });
}

// Selects those that interfaces in the partitions name as their other ends.
Result<> select_others(Observation& observation, Selected& selected) {
    for (const std::string& netns : observation.netns) {
        const auto links = observation.host.links(netns);
        PARTD_TRY(links);
        for (const kernel::Link& link : **links) {
            const LinkType* type = find_link_type(link.kind);
            if (type != nullptr && type->ops.peer_info != 0 && link.peer_index != 0) {
                selected.indexes.insert(link.peer_index);
            }
        }
    }
    return {};
}

}  // namespace

Result<> limit_view(Observation& observation) {
    const auto host = observation.host.netns("");
    PARTD_TRY(host);
    Selected selected;
    select_wanted(observation, selected);
    select_known(observation, **host, selected);
    PARTD_TRY(select_others(observation, selected));
    return observation.host.view_only(selected.names, selected.indexes);
}

}  // namespace partd
