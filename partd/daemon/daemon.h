#pragma once

#include "daemon/backoff.h"
#include "kernel/watch.h"
#include "kinds/host.h"
#include "reconcile/desired.h"
#include "reconcile/reconciler.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <systemd/sd-event.h>

namespace partd::daemon {

// partd: keeps the host as the files declare. Events only tell it to look again; every change of the host
// goes through reconcile(), one at a time.
class Daemon {
public:
    static Result<std::unique_ptr<Daemon>> make(kernel::Paths paths);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    // Until a signal ends it. Whatever it made stays as it is.
    Result<> run();

private:
    Daemon(kernel::Paths paths, kernel::Host host, kernel::DirectoryWatch files,
           kernel::DirectoryWatch places, kernel::HostWatch host_watch);
    Result<> start();
    Result<> add_io(int fd, std::uint32_t events, sd_event_io_handler_t handler);
    Result<> add_timer(sd_event_source*& timer, sd_event_time_handler_t handler);

    void files_changed();
    void host_changed();
    void look_soon();
    void reload();
    // Makes the host as the files say, which are read again when they changed.
    void converge();
    Result<> read_files();
    void carry_out();
    void tell(const Outcome& outcome);
    void follow_places();
    void plan_next(Clock::time_point now);
    void drain_host();

    // Timers of CLOCK_BOOTTIME: a clock that is set does not move them.
    void arm(sd_event_source* timer, std::chrono::milliseconds after);
    void disarm(sd_event_source* timer);

    kernel::Paths paths_;
    kernel::Host host_;
    kernel::DirectoryWatch files_;   // of the configuration
    kernel::DirectoryWatch places_;  // of what partd made in file systems: control groups, /etc/netns
    kernel::HostWatch host_watch_;
    sd_event* event_ = nullptr;
    sd_event_source* settle_ = nullptr;  // files changed
    sd_event_source* soon_ = nullptr;    // the host changed
    sd_event_source* later_ = nullptr;   // something gets another chance, or it is time to look anyway

    Desired desired_;
    DaemonSettings settings_;
    Backoff backoff_;
    bool stale_files_ = true;  // they have to be read again
    bool drift_ = false;       // what is done next puts back what somebody else changed
    bool ready_ = false;
    std::vector<std::string> told_;  // the last complaints about files, so as not to repeat it
    std::chrono::milliseconds last_look_{0};
};

}  // namespace partd::daemon
