// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/nat/layout.h"

#include <cstring>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

namespace partd::nat {

// The conditions and verdicts of which the table's rules are made.

inline constexpr char kForward[] = "forward";
inline constexpr char kForwards[] = "forwards";
inline constexpr char kPrerouting[] = "prerouting";
inline constexpr char kOutput[] = "output";
inline constexpr char kPostrouting[] = "postrouting";
inline constexpr char kSources[] = "sources";
inline constexpr char kInput[] = "input";
inline constexpr char kAnswers[] = "answers";
inline constexpr char kPorts[] = "ports";
inline constexpr char kOthers[] = "others";
inline constexpr char kStrangers[] = "strangers";
inline constexpr char kShadows[] = "shadows";

using Steps = std::vector<kernel::nft::Step>;
Steps operator+(Steps a, const Steps& b);

template <class T>
std::vector<std::uint8_t> native(T value) {
    std::vector<std::uint8_t> bytes(sizeof value);
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

// Any of these states of the packet's connection.
Steps is_established_or_related();
Steps is_established();
Steps is_related();
// The packet goes the way of its connection's first one, or the other way.
Steps is_original();
Steps is_answer();
// The connection's destination was translated.
Steps was_forwarded();
Steps family_is(bool v6);
Steps protocol_is(std::uint8_t protocol);
// The first byte behind the IP headers: the type of an ICMP message.
Steps type_is(std::uint8_t type);
Steps in_is_in(const char* set);
Steps out_is_in(const char* set);
Steps in_is_not_in(const char* set);
Steps out_is_not_in(const char* set);
// From the interface by which the packet came to the one by which it leaves.
Steps pair_is_in(const char* set);
Steps verdict(std::int32_t what);
Steps jump(const char* chain);
Steps go_to(const char* chain);

// Registers that an address fills.
unsigned width(bool v6);
Steps load_source(bool v6, unsigned reg);
Steps load_destination(bool v6, unsigned reg);
// Masks the address in the registers from 0 as the set wants it.
Steps masked(const PrefixSet& set);

// The sets among `names` with these roles. Special ones come first: with an interface before without, long
// prefixes before short ones.
std::vector<PrefixSet> in_order(const std::set<std::string>& names, std::initializer_list<Role> roles);

// The rules of the chains that translate, with these sets in use, and of those that say what may pass.
void add_translation_rules(std::vector<kernel::nft::Rule>& rules, const std::set<std::string>& sets);
void add_policy_rules(std::vector<kernel::nft::Rule>& rules, const std::set<std::string>& sets);
// The rules among them that ask the sets of the gate: for forwarded packets, and for the host's services.
void add_forward_rules(std::vector<kernel::nft::Rule>& rules, const std::set<std::string>& sets);
void add_host_rules(std::vector<kernel::nft::Rule>& rules, const std::set<std::string>& sets);

}  // namespace partd::nat
