#include "daemon/daemon.h"

#include "base/log.h"
#include "base/text.h"
#include "plan/render.h"

#include <sys/epoll.h>

#include <algorithm>
#include <csignal>

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

namespace partd::daemon {

namespace {

using std::chrono::milliseconds;

Daemon& self(void* data) {
    return *static_cast<Daemon*>(data);
}

std::unexpected<Error> fail_sd(int result, std::string_view doing) {
    return fail(-result, doing);
}

std::string place_text(const Source& source) {
    return source ? source.text() + ": " : "";
}

std::pair<std::string_view, std::string_view> text_of(const TextFile& file) {
    return {file.path, file.text};
}

// Processes come and go in a control group; its limits are another matter.
bool is_no_traffic(std::string_view name) {
    return name != "cgroup.procs" && name != "cgroup.threads" && name != "tasks";
}

// Drafts, and what partd keeps beside the files of /run/partd, are nothing to read.
bool is_config(std::string_view name) {
    return name.ends_with(".toml");
}

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::make(kernel::Paths paths) {
    auto host = kernel::Host::open(paths);
    PARTD_TRY(host);
    auto files = kernel::DirectoryWatch::open();
    PARTD_TRY(files);
    auto places = kernel::DirectoryWatch::open();
    PARTD_TRY(places);
    auto watch = kernel::HostWatch::open();
    PARTD_TRY(watch);
    std::unique_ptr<Daemon> daemon(new Daemon(std::move(paths), std::move(*host), std::move(*files),
                                              std::move(*places), std::move(*watch)));
    PARTD_TRY(daemon->start());
    return daemon;
}

Daemon::Daemon(kernel::Paths paths, kernel::Host host, kernel::DirectoryWatch files,
               kernel::DirectoryWatch places, kernel::HostWatch host_watch)
    : paths_(std::move(paths)),
      host_(std::move(host)),
      files_(std::move(files)),
      places_(std::move(places)),
      host_watch_(std::move(host_watch)) {}

Daemon::~Daemon() {
    for (sd_event_source* timer : {settle_, soon_, later_}) {
        sd_event_source_unref(timer);
    }
    sd_event_unref(event_);
}

Result<> Daemon::add_io(int fd, std::uint32_t events, sd_event_io_handler_t handler) {
    const int result = sd_event_add_io(event_, nullptr, fd, events, handler, this);
    return result < 0 ? fail_sd(result, "wait for events") : Result<>();
}

Result<> Daemon::add_timer(sd_event_source*& timer, sd_event_time_handler_t handler) {
    int result = sd_event_add_time(event_, &timer, CLOCK_BOOTTIME, 0, 1000, handler, this);
    if (result >= 0) {
        result = sd_event_source_set_enabled(timer, SD_EVENT_OFF);
    }
    return result < 0 ? fail_sd(result, "make a timer") : Result<>();
}

Result<> Daemon::start() {
    if (const int result = sd_event_new(&event_); result < 0) {
        return fail_sd(result, "make the event loop");
    }
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
        sigaddset(&signals, signal);
    }
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    for (const int signal : {SIGTERM, SIGINT}) {
        sd_event_add_signal(event_, nullptr, signal, nullptr, nullptr);  // ends the loop
    }
    sd_event_add_signal(
        event_, nullptr, SIGHUP,
        [](sd_event_source*, const signalfd_siginfo*, void* data) { return self(data).reload(), 0; }, this);
    (void)sd_event_set_watchdog(event_, 1);
    const auto host_changed = [](sd_event_source*, int, std::uint32_t, void* data) {
        return self(data).host_changed(), 0;
    };
    PARTD_TRY(add_io(files_.fd(), EPOLLIN, [](sd_event_source*, int, std::uint32_t, void* data) {
        return self(data).files_changed(), 0;
    }));
    PARTD_TRY(add_io(places_.fd(), EPOLLIN, host_changed));
    PARTD_TRY(add_io(host_watch_.links(), EPOLLIN, host_changed));
    PARTD_TRY(add_io(host_watch_.nftables(), EPOLLIN, host_changed));
    // Waiting for a change of the mounts takes it: it is not there any more to be drained.
    PARTD_TRY(add_io(host_watch_.mounts(), EPOLLPRI, [](sd_event_source*, int, std::uint32_t, void* data) {
        return self(data).look_soon(), 0;
    }));
    const auto act = [](sd_event_source*, std::uint64_t, void* data) { return self(data).converge(), 0; };
    PARTD_TRY(add_timer(settle_, act));
    PARTD_TRY(add_timer(soon_, act));
    PARTD_TRY(add_timer(later_, act));
    const auto directories = paths_.config();
    files_.follow({directories.begin(), directories.end()});
    arm(settle_, milliseconds(0));
    return {};
}

Result<> Daemon::run() {
    const int result = sd_event_loop(event_);
    sd_notify(0, "STOPPING=1");
    return result < 0 ? fail_sd(result, "run the event loop") : Result<>();
}

void Daemon::arm(sd_event_source* timer, milliseconds after) {
    std::uint64_t now = 0;
    sd_event_now(event_, CLOCK_BOOTTIME, &now);
    sd_event_source_set_time(timer, now + static_cast<std::uint64_t>(after.count()) * 1000);
    sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

void Daemon::disarm(sd_event_source* timer) {
    sd_event_source_set_enabled(timer, SD_EVENT_OFF);
}

void Daemon::files_changed() {
    if (files_.drain(is_config)) {
        stale_files_ = true;
        arm(settle_, settings_.settle);  // again with every change: a burst is read once
    }
}

void Daemon::drain_host() {
    (void)host_watch_.drain();
    (void)places_.drain(is_no_traffic);
}

void Daemon::host_changed() {
    const bool host = host_watch_.drain();
    const bool places = places_.drain(is_no_traffic);
    if (host || places) {
        look_soon();
    }
}

void Daemon::look_soon() {
    int enabled = SD_EVENT_OFF;
    sd_event_source_get_enabled(soon_, &enabled);
    drift_ = true;
    if (enabled == SD_EVENT_OFF) {
        // A storm of foreign events leaves most of the time to others.
        arm(soon_, last_look_ * 4);
    }
}

void Daemon::reload() {
    std::uint64_t now = 0;
    sd_event_now(event_, CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", static_cast<unsigned long long>(now));
    stale_files_ = true;
    backoff_.forget();
    converge();
    sd_notify(0, "READY=1");
}

void Daemon::converge() {
    disarm(settle_);
    disarm(soon_);
    if (auto read = stale_files_ ? read_files() : Result<>(); !read) {
        log_error(read.error().message);
        return plan_next(Clock::now());
    }
    carry_out();
}

Result<> Daemon::read_files() {
    auto desired = load_desired(paths_, {.keep_going = true});
    PARTD_TRY(desired);
    stale_files_ = false;
    if (!std::ranges::equal(desired->files, desired_.files, {}, text_of, text_of)) {
        drift_ = false;  // what is done now is what the files say anew
        backoff_.forget();
    }
    desired_ = std::move(*desired);
    settings_ = daemon_settings(desired_.compiled.declared);
    std::vector<std::string> complaints = desired_.notes;
    for (const Problem& problem : desired_.problems) {
        complaints.push_back(place_text(problem.at) + problem.message);
    }
    if (complaints != told_) {
        for (const std::string& complaint : complaints) {
            log_error(printable(complaint));
        }
        told_ = std::move(complaints);
    }
    return {};
}

void Daemon::carry_out() {
    const auto begin = Clock::now();
    auto outcome = reconcile(host_, desired_.compiled.desired,
                             {.delete_limit = settings_.delete_limit,
                              .held = backoff_.held(begin),
                              .before_look = [this] { drain_host(); }});
    const auto end = Clock::now();
    last_look_ = std::chrono::duration_cast<milliseconds>(end - begin);
    if (!outcome) {
        log_error(outcome.error().message);
        backoff_.failed("the host", end);
    } else {
        tell(*outcome);
        if (outcome->refused.empty()) {
            if (auto kept = accept(paths_, desired_.files); !kept) {
                log_error(kept.error().message);
            }
        }
    }
    drift_ = false;
    follow_places();
    host_.forget_all();  // an open namespace lives on when its name is gone
    plan_next(end);
    const char* state =
        outcome && outcome->converged && outcome->plan.conflicts.empty() ? "as declared" : "degraded";
    sd_notifyf(0, "%sSTATUS=%zu objects, %s", ready_ ? "" : "READY=1\n",
               desired_.compiled.desired.all().size(), state);
    ready_ = true;
}

void Daemon::tell(const Outcome& outcome) {
    const auto now = Clock::now();
    if (!outcome.refused.empty()) {
        log_error(outcome.refused);
        return;
    }
    const auto held = backoff_.held(now);
    const auto failed = [&](const Change& change) {
        const auto is_same = [&](const auto& each) { return each.change.key == change.key; };
        return std::ranges::any_of(outcome.execution.failed, is_same) ||
               std::ranges::any_of(outcome.execution.skipped, is_same);
    };
    for (const Change& change : outcome.plan.changes) {
        const std::string object = change.key.text();
        if (held.contains(object) || failed(change)) {
            continue;
        }
        log_info(fmt::format("{}{}", drift_ ? "put back: " : "", plan::render_line(change)));
        if (drift_ && backoff_.repaired(object, now)) {
            log_error(fmt::format(
                "{}{} is contested: something else keeps changing it back. It is mended less often "
                "now; find the other program and let one of the two go",
                place_text(change.source), object));
        }
    }
    for (const auto& each : outcome.execution.failed) {
        log_error(fmt::format("{}{}", place_text(each.change.source), each.error.message));
        backoff_.failed(each.change.key.text(), now);
    }
}

void Daemon::follow_places() {
    std::set<std::string> places;
    for (const Resource& resource : desired_.compiled.desired.all()) {
        if (resource.key.kind->name == "cgroup") {
            const auto directories = host_.cgroups().directories(resource.key.name);
            places.insert(directories.begin(), directories.end());
        } else if (resource.key.kind->name == "file") {
            places.insert(paths_.etc_netns() + "/" + resource.owner);
        }
    }
    places_.follow(places);
    (void)places_.drain(is_no_traffic);
}

void Daemon::plan_next(Clock::time_point now) {
    const auto next = backoff_.next(now);
    const auto retry = next == Clock::time_point::max()
                           ? settings_.resync
                           : std::chrono::duration_cast<milliseconds>(next - now);
    arm(later_, std::min(settings_.resync, retry + milliseconds(1)));
}

}  // namespace partd::daemon
