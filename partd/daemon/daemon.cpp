// SPDX-License-Identifier: Apache-2.0
#include "daemon/daemon.h"

#include "base/text.h"
#include "kernel/clock.h"
#include "kernel/file/files.h"
#include "kinds/marks.h"
#include "reconcile/discretion.h"

#include <malloc.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

namespace partd::daemon {

namespace {

using std::chrono::milliseconds;

// Processes that end at once are waited for; the others have their time while the daemon goes on.
constexpr milliseconds kPatience{50};
constexpr milliseconds kAskAgain{100};
// After a failure that may pass.
constexpr milliseconds kPause{1000};

// Drafts, and what partd keeps beside the files of /run/partd, are nothing to read.
bool is_config(std::string_view name) {
    return name.ends_with(".toml");
}

// Such as they may name (config_file of a wireguard).
bool is_named(std::string_view name) {
    return name.ends_with(".conf");
}

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::make(kernel::Paths paths) {
    PARTD_TRY(kernel::make_directories(paths.state()));
    auto alone = kernel::try_lock(paths.state() + "/daemon");
    if (!alone) {
        return alone.error().code == EWOULDBLOCK ? fail("partd runs already (" + alone.error().message + ")")
                                                 : std::unexpected(alone.error());
    }
    auto loop = Loop::open();
    PARTD_TRY(loop);
    auto files = kernel::DirectoryWatch::open();
    PARTD_TRY(files);
    auto places = kernel::DirectoryWatch::open();
    PARTD_TRY(places);
    auto host = kernel::HostWatch::open({paths.netns(), paths.pins()},
                                        {.protocol = kProtocolMark, .alias = mark_of("")});
    PARTD_TRY(host);
    auto engine = Engine::open(std::move(paths));
    PARTD_TRY(engine);
    std::unique_ptr<Daemon> daemon(new Daemon(std::move(*alone), std::move(*loop), std::move(*engine),
                                              std::move(*files), std::move(*places), std::move(*host)));
    PARTD_TRY(daemon->start());
    return daemon;
}

Daemon::Daemon(Fd alone, std::unique_ptr<Loop> loop, std::unique_ptr<Engine> engine,
               kernel::DirectoryWatch files, kernel::DirectoryWatch places, kernel::HostWatch host)
    : alone_(std::move(alone)),
      loop_(std::move(loop)),
      engine_(std::move(engine)),
      files_(std::move(files)),
      places_(std::move(places)),
      host_(std::move(host)) {}

Result<> Daemon::start() {
    const auto host_changed = [this] { this->host_changed(); };
    PARTD_TRY(loop_->on_ready(files_.fd(), EPOLLIN, [this] { files_changed(); }));
    PARTD_TRY(loop_->on_ready(places_.fd(), EPOLLIN, host_changed));
    PARTD_TRY(loop_->on_ready(host_.links(), EPOLLIN, host_changed));
    PARTD_TRY(loop_->on_ready(host_.nftables(), EPOLLIN, host_changed));
    PARTD_TRY(loop_->on_ready(host_.mounts(), EPOLLPRI, [this] {
        host_.mounts_changed();
        if (engine_->desired().silent) {
            stale_files_ = true;  // a wrong file's last good text may be on the new mount
            settle_->arm_once(engine_->settings().settle);
        }
        this->host_changed();
    }));
    PARTD_TRY(loop_->on_signal(SIGHUP, [this] { reload(); }));
    const auto add = [&](Loop::Timer*& timer, void (Daemon::*handler)()) -> Result<> {
        auto added = loop_->add_timer([this, handler] { (this->*handler)(); });
        PARTD_TRY(added);
        timer = *added;
        return {};
    };
    PARTD_TRY(add(settle_, &Daemon::converge));
    PARTD_TRY(add(soon_, &Daemon::converge));
    PARTD_TRY(add(again_, &Daemon::converge));
    PARTD_TRY(add(resync_, &Daemon::resync));
    PARTD_TRY(add(confirm_, &Daemon::confirm_time_is_over));
    PARTD_TRY(add(tidy_, &Daemon::tidy_up));
    PARTD_TRY(add(removal_, &Daemon::removal_settled));
    PARTD_TRY(add(calm_, &Daemon::look_at_loud));
    PARTD_TRY(add(listen_, &Daemon::listen_again));
    const auto directories = engine_->paths().config();
    files_.follow({directories.begin(), directories.end()});
    engine_->host().set_patience(kPatience);
    engine_->host().set_lock_patience(kLockPatience);
    engine_->on_applied = [this](const Applied& done) { applied(done); };
    auto server = Server::open(loop_->event(), *this, engine_->paths().bus(), engine_->paths().root.empty());
    PARTD_TRY(server);
    server_ = std::move(*server);
    settle_->arm(milliseconds(0));
    return {};
}

void Daemon::files_changed() {
    bool named = false;
    const auto counts = [&](std::string_view name) {
        named |= is_named(name);
        return is_config(name) || is_named(name);
    };
    if (!files_.drain(counts).empty()) {
        if (named) {
            engine_->forget_files();
        }
        stale_files_ = true;
        settle_->arm(engine_->settings().settle);  // again with every change: a burst is read once
    }
}

void Daemon::removal_settled() {
    stale_files_ = true;
    converge();
}

void Daemon::resync() {
    pending_.all = true;
    server_->check_system_bus();
    converge();
}

void Daemon::reload() {
    std::uint64_t now = 0;
    sd_event_now(loop_->event(), CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", static_cast<unsigned long long>(now));
    stale_files_ = true;
    engine_->forget_files();
    settle_->disarm();
    pending_.all = true;
    refused_.clear();
    backoff_.forget();
    converge();
    sd_notify(0, "READY=1");
}

// While files are being changed nobody knows what is wanted: what else there is to do waits for them. When
// they cannot be read at all, what was read last is kept.
void Daemon::converge() {
    soon_->disarm();
    if (stale_files_ && settle_->armed()) {
        return;
    }
    if (stale_files_ && !read_files()) {
        settle_->arm(std::max(engine_->settings().settle, kPause));
        notify();  // readiness does not wait for this
    }
    if (!loaded_) {
        return;
    }
    if (drift_ && host_goes_down()) {
        return;
    }
    pending_.add(backoff_.due(Clock::now(), drift_));
    for (const std::string& owner : engine_->host().waits().take_due(Clock::now())) {
        pending_.owners.insert(owner);
    }
    carry_out(std::exchange(pending_, Scope::nothing()));
}

// At shutdown systemd stops units: repairing them would only have them stopped again.
bool Daemon::host_goes_down() {
    auto* systemd = engine_->host().cgroups().systemd();
    const bool goes_down = systemd != nullptr && systemd->state() == "stopping";
    if (goes_down && !goes_down_) {
        say({.what = "resting", .message = "The host is going down: nothing is put back any more"});
    }
    goes_down_ = goes_down;
    return goes_down;
}

bool Daemon::read_files() {
    const std::uint64_t before = engine_->files();
    auto changed = engine_->follow_files();
    if (!changed) {
        complain({changed.error().message});
        return false;
    }
    stale_files_ = false;
    loaded_ = true;
    used_much_ = true;
    const Desired& desired = engine_->desired();
    if (engine_->files() != before) {
        drift_ = false;  // the changes now follow from edited files
        refused_.clear();
        pending_.add(backoff_.forget());  // also where what changed in the files is nothing to it
    }
    pending_.add(*changed);
    std::vector<std::string> complaints = desired.notes;
    auto problems = desired.problems;
    Discretion().keep(problems);
    for (const Problem& problem : problems) {
        complaints.push_back(problem.at.prefix() + problem.message);
    }
    complain(std::move(complaints));
    return true;
}

void Daemon::carry_out(Scope scope) {
    if (drift_ && !scope.all) {
        loud_.looked(scope.owners, Clock::now());
    }
    scope = engine_->parts().closed(std::move(scope));
    // Many one by one cost more than all at once.
    constexpr std::size_t kMany = 8;
    if (scope.owners.size() > kMany && scope.owners.size() * kMany > engine_->parts().owners().size()) {
        scope = {};
    }
    const auto begin = Clock::now();
    const auto before = processor_time();
    repairing_ = drift_;
    auto done = engine_->apply({.options = {.held = backoff_.held(begin),
                                            .scope = scope,
                                            .before_look =
                                                [&] {
                                                    Loop::still_alive();
                                                    hear(scope);
                                                }},
                                .origin = "the files"});
    looked_ = Clock::now();
    last_look_ = processor_time() - before;
    if (!done && done.error().code == EWOULDBLOCK) {
        locked_out(done.error(), scope);
        return;
    }
    blind_ = !done;
    locked_out_ = {};
    holder_.clear();
    if (!done) {
        say({.what = "failed", .message = done.error().message, .bad = true});
        backoff_.failed("the host", {}, looked_);
    } else {
        judge(done->outcome, scope);
    }
    settle_in(scope);
    plan_next(looked_);
}

// Told when it lasts: a partctl of root's own is done in a moment.
void Daemon::locked_out(const Error& error, const Scope& scope) {
    if (locked_out_ == Clock::time_point()) {
        locked_out_ = looked_;
    }
    blind_ = looked_ - locked_out_ >= kPause;
    last_look_ = kLockPatience;
    if (blind_ && holder_ != error.message) {
        holder_ = error.message;
        say({.what = "failed", .message = error.message, .bad = true});
    }
    pending_.add(scope);
    plan_next(looked_);
    notify();
}

// A look at a part that does not end well is followed by one at everything: the reason may lie elsewhere.
void Daemon::judge(const Outcome& outcome, const Scope& scope) {
    const bool loud = loud_.are_loud(scope.owners, looked_) && scope.channels.empty();
    if (!scope.all && !outcome.converged && !loud && outcome.refused.empty()) {
        pending_.all = true;
        look_soon();
    }
}

void Daemon::settle_in(const Scope& scope) {
    const Desired& desired = engine_->desired();
    const LogLevel level = engine_->settings().log_level;
    set_log_level(level == LogLevel::Error  ? LogLeast::Error
                  : level == LogLevel::Info ? LogLeast::Info
                                            : LogLeast::Detail);
    used_much_ |= scope.all;
    concerns_.renew(desired.compiled.desired, engine_->parts(), scope, engine_->host());
    places_.follow(concerns_.directories());
    engine_->host().forget_all();  // an open namespace lives on when its name is gone
    engine_->set_contested(backoff_.contested(Clock::now()));
    drift_ = !pending_.empty() && !ending_;
    notify();
}

void Daemon::plan_next(Clock::time_point now) {
    auto next = backoff_.next();
    if (const auto wait = engine_->host().waits().next()) {
        next = std::min(next, *wait);
    }
    if (ending_) {
        next = std::min(next, now + kAskAgain);
    }
    if (locked_out_ != Clock::time_point()) {
        next = std::min(next, now + (blind_ ? kPause : kAskAgain));
    }
    if (next != Clock::time_point::max()) {
        again_->arm(std::chrono::duration_cast<milliseconds>(std::max(next - now, Clock::duration(0))) +
                    milliseconds(1));
    } else {
        again_->disarm();
    }
    resync_->arm(engine_->settings().resync);
    if (const auto due = engine_->next_removal()) {
        removal_->arm(std::max(*due - kernel::since_boot(), milliseconds(0)) + milliseconds(1));
    } else {
        removal_->disarm();
    }
    await_confirmation();
    tidy_->arm_once(tidy_after_);
}

// Arms the timer of an apply that waits to be confirmed; if that cannot be read, tries again soon.
void Daemon::await_confirmation() {
    const auto waiting = engine_->waiting();
    if (waiting && !*waiting) {
        confirm_->disarm();
    } else {
        confirm_->arm(waiting ? time_left(**waiting) : kPause);
    }
}

void Daemon::confirm_time_is_over() {
    const auto read = engine_->waiting();
    if (!read || !*read || time_left(**read).count() > 0) {
        await_confirmation();
        return;
    }
    const Confirmation& waiting = **read;
    repairing_ = false;
    const auto back = engine_->go_back(waiting, {.origin = "nobody confirmed in time"});
    if (!back && back.error().code == EWOULDBLOCK && back.error().message == holder_) {
        confirm_->arm(kPause);  // as told
        return;
    }
    if (!back) {
        holder_ = back.error().message;
        say({.what = "rolled-back", .message = "going back failed: " + back.error().message, .bad = true});
        confirm_->arm(kPause);
        return;
    }
    std::vector<std::string> differing;
    std::ranges::transform(back->differing, std::back_inserter(differing), object_of);
    say({.what = "rolled-back",
         .message = fmt::format(
             "nobody confirmed in time: the host is as generation {} says again{}", waiting.generation,
             back->differing.empty() ? ", and as it stood before"
                                     : "; not as it stood before: " + join(differing, "; ")),
         .bad = !back->differing.empty()});
    settle_in({});
    plan_next(Clock::now());
}

void Daemon::notify() {
    const bool first = !std::exchange(ready_, true);
    sd_notifyf(0, "%sSTATUS=%zu objects, %s", first ? "READY=1\n" : "",
               engine_->desired().compiled.desired.all().size(), state().c_str());
    server_->properties_changed();
}

// Some time after a change: what is left to do that nobody waits for. It holds up a repair for as long as it
// takes, and so seldom.
void Daemon::tidy_up() {
    constexpr milliseconds kLeast{1000};
    constexpr milliseconds kMost{30'000};
    constexpr int kShare = 200;
    const auto begin = Clock::now();
    write_metrics();
    if (std::exchange(used_much_, false)) {
        malloc_trim(0);
    }
    tidy_after_ =
        std::clamp(std::chrono::duration_cast<milliseconds>(Clock::now() - begin) * kShare, kLeast, kMost);
}

}  // namespace partd::daemon
