// SPDX-License-Identifier: Apache-2.0
#include "kinds/cgroup/cgroup.h"
#include "kinds/firewall/backstop.h"
#include "kinds/firewall/gate.h"
#include "kinds/firewall/guard.h"
#include "kinds/firewall/table.h"
#include "kinds/host/host.h"
#include "kinds/kinds.h"
#include "kinds/later.h"
#include "kinds/link/link.h"
#include "kinds/machine/init.h"
#include "kinds/machine/rootfs.h"
#include "kinds/namespace/namespace.h"
#include "kinds/namespace/netns.h"
#include "kinds/nat/forward.h"
#include "kinds/nat/nat.h"
#include "kinds/nat/sources.h"
#include "kinds/net/address.h"
#include "kinds/net/dns.h"
#include "kinds/net/route.h"
#include "kinds/net/rule.h"
#include "kinds/partition.h"
#include "kinds/policy/reach.h"
#include "kinds/service/service.h"
#include "kinds/sysctl/sysctl.h"

#include <algorithm>
#include <array>

namespace partd {

namespace {

// The list of kinds. Order of looking: a namespace before what is inside it, a partition's processes last.
constexpr std::array kAll = {
    &kNamespace, &kNetns, &kCgroup,   &kLimit,   &kLink,       &kAddress,    &kRoute, &kRule,    &kSysctl,
    &kDnsFile,   &kTable, &kNat,      &kForward, &kMasquerade, &kSnat,       &kGate,  &kReaches, &kAdmits,
    &kHost,      &kGuard, &kBackstop, &kLayer,   &kInit,       &kDelegation, &kLater, &kService, &kPartition};

constexpr std::size_t kCount = kAll.size();

}  // namespace

std::span<const LiveKind* const> live_kinds() {
    return kAll;
}

const LiveKind& live_kind(const Kind& kind) {
    return **std::ranges::find(kAll, &kind, [](const LiveKind* live) { return &live->kind; });
}

Kinds pure_kinds() {
    static const auto kPure = [] {
        std::array<const Kind*, kCount> kinds{};
        std::ranges::transform(kAll, kinds.begin(), [](const LiveKind* live) { return &live->kind; });
        return kinds;
    }();
    return kPure;
}

}  // namespace partd
