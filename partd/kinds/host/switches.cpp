// SPDX-License-Identifier: Apache-2.0
#include "kinds/host/switches.h"

#include "kernel/events/topics.h"
#include "kinds/host/uplinks.h"
#include "kinds/sysctl/text.h"

namespace partd {

namespace {

bool is_on(const Sysctl& sysctl, std::string_view path) {
    return sysctl.netns.empty() && sysctl.path == path && sysctl.value != "0";
}

}  // namespace

bool stays_on(const Sysctl& sysctl) {
    return sysctl.netns.empty() && (sysctl.path == kForwarding4 || sysctl.path == kForwarding6);
}

std::optional<bool> was_off(const LedgerEntry* entry) {
    const auto record = entry == nullptr ? std::nullopt : SysctlRecord::parse(entry->identity);
    return record ? std::optional(record->before == "0") : std::nullopt;
}

Result<Sysctl> with_links(kernel::Host& host, Sysctl found, bool by_others) {
    if (is_on(found, kForwarding6) && !by_others) {
        auto deaf = deaf_uplinks(host, true);
        PARTD_TRY(deaf);
        found.deaf.names = std::move(*deaf);
    }
    if (is_on(found, kForwarding4)) {
        auto stalled = stalled_links(host);
        PARTD_TRY(stalled);
        found.stalled.names = std::move(*stalled);
    }
    return found;
}

Result<> bring_links_along(ApplyContext& context, const Change& change) {
    if (!change.wanted || !stays_on(change.wanted.as<Sysctl>())) {
        return {};
    }
    const Sysctl found = change.found ? change.found.as<Sysctl>() : Sysctl();
    PARTD_TRY(let_forward(found.stalled.names));
    if (!is_on(change.wanted.as<Sysctl>(), kForwarding6)) {
        return {};
    }
    auto deaf = is_on(found, kForwarding6) ? Result<std::vector<std::string>>(found.deaf.names)
                                           : deaf_uplinks(context.host, false);
    PARTD_TRY(deaf);
    return keep_learning(*deaf);
}

void watch_switch(const Resource& wanted, kernel::Host&, std::vector<std::string>& topics) {
    const Sysctl& sysctl = wanted.spec.as<Sysctl>();
    if (stays_on(sysctl)) {
        topics.emplace_back(kernel::kSwitches);
    }
    if (sysctl.netns.empty() && sysctl.path == kForwarding6) {
        topics.emplace_back(kernel::kStrangerUp);
    }
}

}  // namespace partd
