// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/systemd/systemd.h"
#include "kinds/service/service.h"

namespace partd {

inline constexpr char kInPlace[] = "in place";

std::vector<std::string> claims_of(const Service& service);

// Units and drop-ins that outlive a reboot.
std::string lasting_units(const kernel::Host& host);
// The file by which it runs in its partition until the next boot, and that which keeps a joined one from
// starting elsewhere afterwards.
std::string service_path(const kernel::Host& host, const Service& service);
std::string hold_path(const kernel::Host& host, const Service& service);
// The file with the variables of its command.
std::string environment_path(const kernel::Host& host, const Service& service);
// The text in the place that an image without an /etc to write to has for the same file; "" when there is
// none.
std::string hold_of_image(const kernel::Host& host, const Service& service);
// Is there while partd has stopped a unit that it starts again.
std::string stopped_path(const kernel::Host& host, const std::string& unit);

bool is_active(const kernel::Systemd::Unit& unit);
// True if systemd's knowledge of that drop-in is up to date: it exists and is loaded, or neither.
bool is_read(const kernel::Systemd::Unit& unit, const std::string& path);

// kInPlace when the unit runs where it belongs, as far as it runs; else what is the matter.
std::string state_of(kernel::Host& host, kernel::Systemd& systemd, const Service& service,
                     const kernel::Systemd::Unit& unit);

// Finds the files that partd wrote below /run/systemd/system and /etc/systemd/system, and asks systemd about
// their units.
Result<> observe_services(Observation& observation);
Result<> apply_service(ApplyContext& context, const Change& change, std::size_t number);

}  // namespace partd
