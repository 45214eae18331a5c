// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/nft/nftables.h"

#include <linux/netlink.h>

#include <functional>
#include <memory>

#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>

namespace partd::kernel::nft {

using RulePtr = std::unique_ptr<nftnl_rule, void (*)(const nftnl_rule*)>;
using SetPtr = std::unique_ptr<nftnl_set, void (*)(const nftnl_set*)>;

using TablePtr = std::unique_ptr<nftnl_table, void (*)(const nftnl_table*)>;

// A message of nf_tables with the payload that `build` puts behind its header; without a sequence number.
std::vector<std::uint8_t> make_message(std::uint16_t type, std::uint16_t flags,
                                       const std::function<void(nlmsghdr*)>& build);
// A table of family inet by its name.
TablePtr encode_table(const std::string& name);

// libnftnl's form of a rule and a set of a table of family inet.
RulePtr encode_rule(const std::string& table, const Rule& rule);
SetPtr encode_set(const std::string& table, const Set& set, std::uint32_t id);

// A comment as user data, as nft(8) writes and prints it, and back; "" when there is none.
std::vector<std::uint8_t> encode_comment(const std::string& comment);
std::string decode_comment(const void* data, std::uint32_t size);

}  // namespace partd::kernel::nft
