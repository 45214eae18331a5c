// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"

namespace partd {

// Compares the kernel's routes for the addresses of one of our interfaces: kAllRoutes, or a list of missing
// ones, "without 10.5.0.0/24, local 10.5.0.2". Routes of addresses that others added are not looked at.
Result<std::string> own_routes(Observation& observation, const std::string& netns, const kernel::Link& link);
// Puts them back as the kernel made them, so that it takes them away with their address.
Result<> put_back_routes(ApplyContext& context, const std::string& netns, const kernel::Link& link,
                         std::size_t number);

// 127.0.0.1/8 and ::1/128, which the kernel gives to each namespace's lo.
const Address& loopback4();
const Address& loopback6();
// Compares the addresses and routes of a namespace's lo: as own_routes(), "without 127.0.0.1/8".
Result<std::string> own_loopback(Observation& observation, const std::string& netns, const kernel::Link& lo);
Result<> put_back_loopback(ApplyContext& context, const std::string& netns, std::size_t number);

}  // namespace partd
