// SPDX-License-Identifier: Apache-2.0
#include "daemon/loop.h"

#include "kernel/clock.h"

#include <csignal>

#include <systemd/sd-daemon.h>

namespace partd::daemon {

namespace {

constexpr std::uint64_t kAccuracy = 1000;  // microseconds

Result<> check(int result, std::string_view context) {
    return result < 0 ? Result<>(fail(-result, context)) : Result<>();
}

int call(void* handler) {
    (*static_cast<Loop::Handler*>(handler))();
    return 0;
}

}  // namespace

Result<std::unique_ptr<Loop>> Loop::open() {
    sd_event* event = nullptr;
    PARTD_TRY(check(sd_event_new(&event), "make the event loop"));
    std::unique_ptr<Loop> loop(new Loop(event));
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
        sigaddset(&signals, signal);
    }
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    for (const int signal : {SIGTERM, SIGINT}) {
        PARTD_TRY(check(sd_event_add_signal(event, nullptr, signal, nullptr, nullptr), "wait for signals"));
    }
    (void)sd_event_set_watchdog(event, 1);
    return loop;
}

Loop::~Loop() {
    for (const Timer& timer : timers_) {
        sd_event_source_unref(timer.source_);
    }
    for (const auto& [fd, source] : ready_) {
        sd_event_source_unref(source);
    }
    sd_event_unref(event_);
}

Loop::Handler* Loop::keep(Handler handler) {
    return &handlers_.emplace_back(std::move(handler));
}

Result<> Loop::on_ready(int fd, std::uint32_t events, Handler handler) {
    return check(sd_event_add_io(
                     event_, &ready_[fd], fd, events,
                     [](sd_event_source*, int, std::uint32_t, void* data) { return call(data); },
                     keep(std::move(handler))),
                 "wait for events");
}

void Loop::turn(int fd, bool on) {
    sd_event_source_set_enabled(ready_[fd], on ? SD_EVENT_ON : SD_EVENT_OFF);
}

Result<> Loop::on_signal(int signal, Handler handler) {
    return check(sd_event_add_signal(
                     event_, nullptr, signal,
                     [](sd_event_source*, const signalfd_siginfo*, void* data) { return call(data); },
                     keep(std::move(handler))),
                 "wait for signals");
}

Result<Loop::Timer*> Loop::add_timer(Handler handler) {
    Timer& timer = timers_.emplace_back();
    PARTD_TRY(check(
        sd_event_add_time(
            event_, &timer.source_, CLOCK_BOOTTIME, 0, kAccuracy,
            [](sd_event_source*, std::uint64_t, void* data) { return call(data); }, keep(std::move(handler))),
        "make a timer"));
    timer.disarm();
    return &timer;
}

void Loop::Timer::arm(std::chrono::milliseconds after) {
    // Of this moment: the loop's own time is that of the event that is being worked on.
    const std::chrono::microseconds time = kernel::since_boot() + after;
    sd_event_source_set_time(source_, static_cast<std::uint64_t>(time.count()));
    sd_event_source_set_enabled(source_, SD_EVENT_ONESHOT);
}

void Loop::Timer::arm_once(std::chrono::milliseconds after) {
    if (!armed()) {
        arm(after);
    }
}

bool Loop::Timer::armed() const {
    int enabled = SD_EVENT_OFF;
    sd_event_source_get_enabled(source_, &enabled);
    return enabled != SD_EVENT_OFF;
}

void Loop::Timer::disarm() {
    sd_event_source_set_enabled(source_, SD_EVENT_OFF);
}

Result<> Loop::run() {
    auto done = check(sd_event_loop(event_), "run the event loop");
    sd_notify(0, "STOPPING=1");
    return done;
}

void Loop::still_alive() {
    // While it starts, also more time for that: no step between two of these takes longer.
    sd_notify(0, "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=180000000");
}

}  // namespace partd::daemon
