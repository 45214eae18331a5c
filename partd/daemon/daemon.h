// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/backoff.h"
#include "daemon/journal.h"
#include "daemon/loop.h"
#include "daemon/loud.h"
#include "daemon/server.h"
#include "daemon/subscriptions.h"
#include "kernel/events/directory_watch.h"
#include "kernel/events/host_watch.h"
#include "reconcile/engine.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace partd::daemon {

// partd: keeps the host as the files declare. Events only say whom to look at again; every change of the host
// goes through the engine, one at a time.
class Daemon : public Service {
public:
    static Result<std::unique_ptr<Daemon>> make(kernel::Paths paths);

    // Until a signal ends it. Whatever it made stays as it is.
    Result<> run() { return loop_->run(); }

    verbs::Answer call(const verbs::Verb& verb, const verbs::Request& request) override;
    verbs::Answer call_apart(const verbs::Verb& verb, const verbs::Request& request) override;
    void reload() override;
    [[nodiscard]] std::string state() const override;
    [[nodiscard]] std::uint64_t generation() const override { return generation_; }
    [[nodiscard]] std::uint64_t confirm_in() const override;
    [[nodiscard]] std::vector<std::string> partitions() const override;
    [[nodiscard]] std::vector<std::string> paused() const override;
    [[nodiscard]] std::vector<std::string> contested() const override;

private:
    Daemon(Fd alone, std::unique_ptr<Loop> loop, std::unique_ptr<Engine> engine, kernel::DirectoryWatch files,
           kernel::DirectoryWatch places, kernel::HostWatch host);
    Result<> start();

    void files_changed();
    void removal_settled();
    void host_changed();
    void look_soon();
    void look_at_loud();
    void listen_again();
    void resync();
    void confirm_time_is_over();
    // Makes the host as the files say: the files first when they changed, then whoever has to be looked at.
    void converge();
    bool host_goes_down();
    // False when it could not be read at all.
    bool read_files();
    void complain(std::vector<std::string> about_files);
    void carry_out(Scope scope);
    // Another run's lock is waited for by a timer, and in the loop only for so long.
    static constexpr std::chrono::milliseconds kLockPatience{20};
    static constexpr std::chrono::milliseconds kLockPatienceOfCaller{1000};
    // Another run has the lock: again in a while.
    void locked_out(const Error& error, const Scope& scope);
    // Takes the events up to now: those in the scope are about to be observed, the others have their turn
    // later.
    void hear(const Scope& looked_at) { take(host_.drain(engine_->host().nftables_port()), looked_at); }
    void take(kernel::Topics topics, const Scope& looked_at);
    void applied(const Applied& done);
    void note_states(const Applied& done);
    void tell_not_kept(const Applied& done);
    void tell_waits();
    void say(const Happening& happening);
    void tell_change(const Change& change, const std::string& line, bool repair, Clock::time_point now);
    [[nodiscard]] std::string end_again_text(const Change& change, const std::string& how) const;
    void tell_failures(const Execution& execution, Clock::time_point now);
    void judge(const Outcome& outcome, const Scope& scope);
    // Applies settings and watches of the document that is in force now.
    void settle_in(const Scope& scope);
    void plan_next(Clock::time_point now);
    void await_confirmation();
    void notify();
    void tidy_up();
    void write_metrics();
    // As declared; nullptr when there is none.
    [[nodiscard]] const Resource* partition(const std::string& name) const;

    Fd alone_;  // the lock of the only daemon of a host
    std::unique_ptr<Loop> loop_;
    std::unique_ptr<Engine> engine_;
    kernel::DirectoryWatch files_;   // of the configuration
    kernel::DirectoryWatch places_;  // of what partd made in file systems
    kernel::HostWatch host_;
    std::unique_ptr<Server> server_;
    Loop::Timer* settle_ = nullptr;   // files changed
    Loop::Timer* soon_ = nullptr;     // the host changed
    Loop::Timer* again_ = nullptr;    // something gets another chance
    Loop::Timer* resync_ = nullptr;   // time to look at everything anyway
    Loop::Timer* confirm_ = nullptr;  // nobody confirmed
    Loop::Timer* removal_ = nullptr;  // files have been gone for long enough
    Loop::Timer* calm_ = nullptr;     // busy objects have their turn
    Loop::Timer* listen_ = nullptr;   // the kernel's events have had their share of time
    Loop::Timer* tidy_ = nullptr;     // housekeeping some time after a change

    Subscriptions concerns_;
    Backoff backoff_;
    Loud loud_;
    Share listening_;
    Clock::time_point storm_until_ = {};
    Scope noise_ = Scope::nothing();  // of the loud, who have to be looked at
    Scope pending_ = {};              // to be observed next
    bool stale_files_ = true;         // they have to be read again
    bool applied_ = false;            // something was, since a caller asked
    bool loaded_ = false;             // they were read, once at least
    bool used_much_ = false;          // memory, for a look at everything or for files
    bool drift_ = false;              // the next apply repairs foreign changes
    std::string culprit_;             // their author, if the kernel tells
    bool repairing_ = false;          // the present apply does
    std::string figures_path_;        // of the file of metrics that was written last
    bool ready_ = false;
    bool blind_ = false;  // the last look failed
    bool goes_down_ = false;
    bool ending_ = false;  // processes of a partition that goes have some time left
    std::uint64_t generation_ = 0;
    std::map<std::string, std::string> states_;  // of partitions, as far as the last looks told
    std::vector<std::string> told_;              // the last complaints about files, so as not to repeat them
    std::map<std::string, std::string> ended_;   // PID 1 that ended, until it is made again: how
    std::map<std::string, std::string> waits_;   // of objects, as last told
    std::vector<std::string> not_kept_;          // records that could not be written, as last told
    Clock::time_point locked_out_ = {};          // since when another run has the lock; {}: none
    std::string holder_;                         // of the lock, as last told
    std::string refused_;                        // the last plan that was refused, so as not to repeat it
    Clock::time_point looked_ = {};
    Clock::duration last_look_{0};                // of a processor
    std::chrono::milliseconds tidy_after_{1000};  // changes that follow each other are gathered
};

}  // namespace partd::daemon
