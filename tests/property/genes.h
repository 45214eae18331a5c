// SPDX-License-Identifier: Apache-2.0
#pragma once
// Streams of bytes, which RapidCheck draws and shrinks. Any of them makes a valid host, a shorter one with
// smaller numbers a simpler host.

#include "host.h"

#include <rapidcheck.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace partd::test {

using Stream = std::vector<std::uint8_t>;

struct PartitionGenes {
    Stream head;
    std::vector<Stream> links;
    std::vector<Stream> routes;
    std::vector<Stream> rules;
    std::vector<Stream> forwards;
    Stream nat;
    Stream limits;
    Stream rest;
};

/// A partition before and after; what of it is not `changed` stays as it was.
struct Slot {
    std::uint8_t presence = 0;
    std::uint8_t name = 0;
    std::uint8_t changed = 0;
    PartitionGenes before;
    PartitionGenes after;
};

/// Something done by hand in between: kind, on what, how.
struct Damage {
    std::uint8_t kind = 0;
    std::uint8_t target = 0;
    std::uint8_t detail = 0;
};

struct Case {
    std::vector<Slot> slots;
    Stream slices_before;
    Stream slices_after;
    std::vector<Damage> damages;
};

enum class Side : std::uint8_t { Before, After };

/// `controllers`: those of cgroups that this machine offers.
Host build(const Case& drawn, Side side, const std::set<std::string>& controllers);

rc::Gen<Case> arbitrary_case();

/// How RapidCheck prints a case that fails; declared where a case is drawn, or it prints "<???>".
void showValue(const Case& drawn, std::ostream& out);

}  // namespace partd::test
