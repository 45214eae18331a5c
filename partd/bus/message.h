// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "verbs/verbs.h"

#include <cstdint>
#include <string>
#include <vector>

#include <systemd/sd-bus.h>

namespace partd::bus {

// A request as the options of a method call, and back. An option that is not known, or not of its type, is an
// error that names it.
int append(sd_bus_message* message, const verbs::Request& request);
Result<verbs::Request> read_request(sd_bus_message* message);
// True for a message that brings a text of the caller's own to apply. It is as unread afterwards as before.
bool brings_text(sd_bus_message* message);

int append(sd_bus_message* message, const verbs::Answer& answer);
Result<verbs::Answer> read_answer(sd_bus_message* message);

// An event of the daemon's work, sent while it works.
struct Event {
    std::uint64_t time = 0;  // microseconds since 1970
    std::string what = {};  // "changed", "repaired", "failed", "contested", "refused", "files", "rolled-back"
    std::string partition = {};
    std::string object = {};
    std::string message = {};
};
int append(sd_bus_message* message, const Event& event);
Result<Event> read_event(sd_bus_message* message);

}  // namespace partd::bus
