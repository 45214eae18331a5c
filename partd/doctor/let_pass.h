// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "doctor/doctor.h"
#include "doctor/passage.h"
#include "kernel/nft/foreign_rules.h"

#include <string>

namespace partd::doctor {

// The program whose rules a table has, by the chains that it makes.
enum class Maker : std::uint8_t { Nft, Iptables, Docker, Ufw, Firewalld };
Maker maker_of(const kernel::nft::ForeignTable& table);
std::string_view maker_name(Maker maker);

// How to let exactly these packets pass a filter of somebody else's.
struct Opening {
    Remedy remedy;      // the same however often it is run; its undo takes all of partd's rules out
    std::string lasts;  // how long that holds, and what else it does, in a sentence
};
// `passages`: dropped by the chain. Passages that an earlier run of the commands opened stay open while they
// are among `all`.
Opening let_pass(const kernel::nft::ForeignTable& table, const std::string& chain, const Passages& passages,
                 const Passages& all, const CheckContext& patient);
// As let_pass(), for the filter table of iptables-legacy or ip6tables-legacy, whose rules are not read.
Opening let_pass_legacy(bool v6, const Passages& passages);

// firewalld's way: zones and policies of partd's own.
Opening open_firewalld(const Passages& passages, const CheckContext& patient);

// True if the name stands for this interface alone in the rules of all such programs: "+" and "*" are
// wildcards there.
bool plain_name(std::string_view interface);

}  // namespace partd::doctor
