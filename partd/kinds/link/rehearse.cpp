// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/interfaces.h"
#include "kinds/link/live.h"
#include "kinds/link/messages.h"
#include "kinds/namespace/membership.h"

#include <linux/if_link.h>

#include <algorithm>
#include <cerrno>

namespace partd {

namespace {

using kernel::Message;

constexpr int kLower = kernel::kFirstOwnIndex;
constexpr int kTried = kernel::kFirstOwnIndex + 1;
constexpr std::uint32_t kWidest = 65535;

// A lower link for those that need one.
Message lower_request() {
    Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.head(link::header(kLower, false, false)).text(IFLA_IFNAME, "lower");
    message.number<std::uint32_t>(IFLA_MTU, kWidest);  // what stands on it is never wider
    const auto info = message.open(IFLA_LINKINFO);
    message.text(IFLA_INFO_KIND, "bridge");
    message.close(info);
    return message;
}

// True if the plan makes an interface of that name there.
bool is_planned(const Plan& plan, const std::string& netns, const std::string& name) {
    return std::ranges::any_of(plan.changes, [&](const Change& change) {
        const auto ends = change.wanted ? ends_of(change.wanted) : std::vector<const LinkEnd*>();
        return std::ranges::any_of(
            ends, [&](const LinkEnd* end) { return end->netns == netns && end->name == name; });
    });
}

}  // namespace

Result<> rehearse_link(Stage& stage, const Change& creation) {
    const LinkType& type = *type_of(creation.wanted);
    const LinkEnd& self = *type.end(creation.wanted.data(), Side::Self);
    const Lower* lower = self.lower();
    if (lower != nullptr) {
        const std::string netns = lower->on_host() ? "" : self.netns;
        const std::string name = lower->name();
        if (stage.host.find_link(netns, name) == nullptr && !is_planned(*stage.plan, netns, name)) {
            return fail(ENODEV, "find " + place_text(netns, name));
        }
    }
    if (type.ops.peer_info != 0) {
        return {};  // its kind is what partd lives on
    }
    if (type.ops.prepare != nullptr) {
        PARTD_TRY(type.ops.prepare(creation.wanted));
    }
    auto nowhere = kernel::Netns::make();
    PARTD_TRY(nowhere);
    const auto ignore = [](const kernel::Reply&) {};
    if (lower != nullptr) {
        PARTD_TRY(nowhere->route().request(lower_request(), ignore));
    }
    const std::array places = {link::Place{&self, &*nowhere, kTried}};
    return nowhere->route().request(
        link::create_request(creation.wanted, places, lower != nullptr ? kLower : 0), ignore);
}

}  // namespace partd
