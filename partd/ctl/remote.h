// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "bus/message.h"
#include "ctl/options.h"

#include <chrono>
#include <memory>
#include <optional>

namespace partd::ctl {

// The daemon, as reached over its own socket or the system bus.
class Remote {
public:
    // nullptr where none can be reached, or none answers in that time: where the service manager listens for
    // it, nobody may.
    static std::unique_ptr<Remote> connect(const Options& options,
                                           std::optional<std::chrono::milliseconds> patience = {});
    // True if the daemon runs, however busy it is.
    static bool runs(const kernel::Paths& paths);
    ~Remote();
    Remote(const Remote&) = delete;
    Remote& operator=(const Remote&) = delete;

    // Returns the daemon's answer. An error if it went away, or refused to answer (EACCES).
    Result<Answer> ask(const Verb& verb, const Request& request);
    // From now on next_event() hears.
    Result<> subscribe();
    // The next event; nullopt when none came in that time.
    Result<std::optional<bus::Event>> next_event(std::chrono::milliseconds patience);

private:
    Remote(sd_bus* bus, bool own_socket) : bus_(bus), own_socket_(own_socket) {}

    sd_bus* bus_;
    bool own_socket_;  // a connection to the daemon itself: messages bear no destination
    std::optional<bus::Event> heard_;
};

}  // namespace partd::ctl
