// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/server.h"
#include "kernel/events/inlet.h"

namespace partd::daemon {

// Everything that others than root ask for comes after what the host and root have to say.
inline constexpr int kAfterAllElse = SD_EVENT_PRIORITY_NORMAL + 10;

// A connection of somebody who is not root. sd-bus reads what is handed on to it, a message of each user at a
// time: the next one when the last has arrived, the answers are being read, and nothing else of that user's
// is at work.
struct Server::Visit {
    kernel::Inlet inlet;
    sd_event_source* sent = nullptr;   // the client has sent something
    sd_event_source* room = nullptr;   // the pipe takes more
    sd_event_source* more = nullptr;   // the next message can be handed on
    sd_event_source* hurry = nullptr;  // it takes long
    std::uint64_t late_after = 0;      // CLOCK_MONOTONIC, microseconds; 0: nothing is awaited from it
    std::uint64_t answered = 0;        // messages

    explicit Visit(kernel::Inlet from) : inlet(std::move(from)) {}
    ~Visit() {
        for (sd_event_source* source : {sent, room, more, hurry}) {
            sd_event_source_disable_unref(source);
        }
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

    // A message has arrived at its receiver.
    void heard() {
        ++answered;
        late_after = 0;
    }
    [[nodiscard]] bool is_under_way() const { return answered < inlet.messages(); }
    void connected() const { sd_event_source_set_enabled(more, SD_EVENT_ONESHOT); }
};

}  // namespace partd::daemon
