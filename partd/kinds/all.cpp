#include "kinds/address.h"
#include "kinds/cgroup.h"
#include "kinds/dns.h"
#include "kinds/host.h"
#include "kinds/isolation/init.h"
#include "kinds/isolation/namespace.h"
#include "kinds/isolation/rootfs.h"
#include "kinds/kinds.h"
#include "kinds/later.h"
#include "kinds/link/link.h"
#include "kinds/nat/backstop.h"
#include "kinds/nat/gate.h"
#include "kinds/nat/guard.h"
#include "kinds/nat/nat.h"
#include "kinds/nat/table.h"
#include "kinds/netns.h"
#include "kinds/partition.h"
#include "kinds/route.h"
#include "kinds/rule.h"
#include "kinds/service.h"
#include "kinds/sysctl.h"

#include <algorithm>
#include <array>

namespace partd {

namespace {

// The list of kinds. Order of looking: a namespace before what is inside it, a partition's processes last.
constexpr std::array kAll = {&kNamespace,  &kNetns, &kCgroup,  &kLimit,    &kLink,  &kAddress,
                             &kRoute,      &kRule,  &kSysctl,  &kDnsFile,  &kTable, &kNat,
                             &kGate,       &kHost,  &kGuard,   &kBackstop, &kLayer, &kInit,
                             &kDelegation, &kLater, &kService, &kPartition};

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
