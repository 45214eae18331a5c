// SPDX-License-Identifier: Apache-2.0
#include "kinds/link/types/rows.h"

#include <linux/if_bonding.h>

#include <array>

namespace partd {

namespace {

enum class BondMode : std::uint8_t {
    BalanceRr = BOND_MODE_ROUNDROBIN,
    ActiveBackup = BOND_MODE_ACTIVEBACKUP,
    BalanceXor = BOND_MODE_XOR,
    Broadcast = BOND_MODE_BROADCAST,
    Lacp = BOND_MODE_8023AD,
    BalanceTlb = BOND_MODE_TLB,
    BalanceAlb = BOND_MODE_ALB,
    Unsaid = 0xff,
};

}  // namespace

template <>
struct EnumWords<BondMode> {
    static constexpr std::array<EnumWord<BondMode>, 7> kWords = {{{"balance-rr", BondMode::BalanceRr},
                                                                  {"active-backup", BondMode::ActiveBackup},
                                                                  {"balance-xor", BondMode::BalanceXor},
                                                                  {"broadcast", BondMode::Broadcast},
                                                                  {"802.3ad", BondMode::Lacp},
                                                                  {"balance-tlb", BondMode::BalanceTlb},
                                                                  {"balance-alb", BondMode::BalanceAlb}}};
};

namespace {

constexpr std::chrono::milliseconds kMiimon{100};

// [partition.NAME.link.IFNAME] of kind bond.
struct Bond {
    static constexpr std::string_view kName = "bond";
    LinkEnd self = {};
    std::vector<Sourced<Address>> address = {};
    std::vector<Sourced<IfName>> ports = {};
    BondMode mode = BondMode::BalanceRr;
    std::chrono::milliseconds miimon = kMiimon;
    // The kernel does not look at the ports by itself: a bond of those would never notice that one is down.
    // Its mode may be another one by an option of the module.
    static Bond as_made() { return {.mode = BondMode::Unsaid, .miimon = {}}; }
    bool operator==(const Bond&) const = default;
    static const Table table;
};

constexpr auto kAttributes = link::joined(
    link::self_attributes<Bond>(), link::ports_attribute<Bond>(),
    std::array{
        link::type_number<IFLA_BOND_MODE, std::uint8_t, &Bond::mode>(
            "mode", "how it spreads packets over its ports",
            {.role = Role::Replace, .fallback = "\"balance-rr\""}),
        link::type_number<IFLA_BOND_MIIMON, std::uint32_t, &Bond::miimon>(
            "miimon", "how often it looks if its ports are up; \"0s\": never", {.fallback = "\"100ms\""})});
constexpr auto kFields = link::fields_of(kAttributes);

}  // namespace

constinit const Table Bond::table = {"link", "A bond: several links that act as one.", kFields};

extern constinit const LinkType kBond =
    link::make_type<Bond, kAttributes>({.takes_packets = true, .enslaves = true});

}  // namespace partd
