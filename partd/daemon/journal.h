// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "bus/message.h"

#include <functional>
#include <string>

namespace partd::daemon {

// One thing that happened: for the journal, with fields and a message id of the catalog, and for whoever
// listens on the bus.
struct Happening {
    const char* what = "";  // as bus::Event has it
    std::string partition = {};
    std::string kind = {};
    std::string object = {};
    std::string change = {};   // as partctl diff prints it
    std::string culprit = {};  // the author of a repaired change
    std::string message = {};
    bool bad = false;
};

void tell(const Happening& happening, const std::function<void(const bus::Event&)>& emit);

}  // namespace partd::daemon
