// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "message.h"

#include <string_view>
#include <vector>

namespace bench {

inline constexpr char kTable[] = "partd";

// A message of nf_tables for the family inet.
Messages& begin_nft(Messages& m, std::uint16_t type, std::uint16_t flags);
// The comment of an object, as nft(8) keeps and shows it.
std::vector<std::uint8_t> comment_data(std::string_view comment);

void add_table(Messages& m);
// The chains of the table and their rules; the sets are there.
void add_rules(Messages& m);

}  // namespace bench
