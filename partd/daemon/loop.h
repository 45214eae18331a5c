// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"

#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>

#include <systemd/sd-event.h>

namespace partd::daemon {

// sd-event(3), with functions for handlers. Ends at SIGTERM and SIGINT.
class Loop {
public:
    static Result<std::unique_ptr<Loop>> open();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    using Handler = std::function<void()>;
    // Calls when the descriptor is ready for these (EPOLLIN, …).
    Result<> on_ready(int fd, std::uint32_t events, Handler handler);
    // Calls nobody for that descriptor until it is on again.
    void turn(int fd, bool on);
    Result<> on_signal(int signal, Handler handler);

    // A timer of CLOCK_BOOTTIME: a clock that is set does not move it.
    class Timer {
    public:
        void arm(std::chrono::milliseconds after);
        // As arm(), unless it is armed already.
        void arm_once(std::chrono::milliseconds after);
        void disarm();
        [[nodiscard]] bool armed() const;

    private:
        friend class Loop;
        sd_event_source* source_ = nullptr;
    };
    Result<Timer*> add_timer(Handler handler);

    // Until a signal ends it.
    Result<> run();
    // Tells the service manager that all is well, in the middle of long work: for its watchdog, and for its
    // patience with a start.
    static void still_alive();
    sd_event* event() { return event_; }

private:
    explicit Loop(sd_event* event) : event_(event) {}
    Handler* keep(Handler handler);

    sd_event* event_;
    std::list<Handler> handlers_;
    std::list<Timer> timers_;
    std::map<int, sd_event_source*> ready_;
};

}  // namespace partd::daemon
