#pragma once

#include "kinds/service.h"

namespace partd {

inline constexpr char kInPlace[] = "in place";

std::vector<std::string> claims_of(const Service& service);

// Finds the files that partd wrote below /run/systemd/system, and asks systemd about their units.
Result<> observe_services(Look& look);
Result<> apply_service(Doing& doing, const Change& change, std::size_t number);

}  // namespace partd
