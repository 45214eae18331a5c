// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "message.h"
#include "partition.h"

#include <string>

namespace bench {

// Requests of rtnetlink(7), each appended to a batch.

// The pair, eth0 here and the host's end in the namespace behind `host`, with their aliases.
void add_pair(Messages& m, const Partition& p, int host);
void set_alias(Messages& m, int index, const std::string& alias);
void set_up(Messages& m, int index);
void set_mtu(Messages& m, int index, std::uint32_t mtu);
void without_generated_address(Messages& m, int index);
void add_address4(Messages& m, int index, const std::array<std::uint8_t, 4>& ip);
void add_address6(Messages& m, int index, const std::array<std::uint8_t, 16>& ip, std::uint8_t scope);
void add_default_route4(Messages& m, int index, const std::array<std::uint8_t, 4>& via);
void add_default_route6(Messages& m, int index, const std::array<std::uint8_t, 16>& via);

}  // namespace bench
