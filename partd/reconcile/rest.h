// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "reconcile/load.h"

namespace partd {

// Takes the partitions out of the desired state that are not to run, by their files or because somebody
// stopped them by hand. A note tells of these: the files alone are then not all that counts.
Result<> leave_stopped(const kernel::Paths& paths, Desired& desired);

// True for that note, which tells of no trouble with the files.
bool tells_of_rest(const std::string& note);

// The declared partitions that are not to run, by hand or by their files.
std::set<std::string> not_running(const kernel::Paths& paths, const Declared& declared);

}  // namespace partd
