// SPDX-License-Identifier: Apache-2.0
#include "daemon/daemon.h"
#include "kernel/file/own_files.h"
#include "kinds/machine/init.h"
#include "kinds/partition.h"
#include "reconcile/discretion.h"
#include "verbs/metrics.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

// The daemon's reports about its work: happenings, states of partitions, metrics.
namespace partd::daemon {

namespace {

Scope scope_of(const Change& change) {
    Scope scope = Scope::nothing();
    scope.add(*change.key.kind, change.owner);
    return scope;
}

// In words, of a PID 1 that goes because it has ended; "" where the kernel does not tell.
std::optional<std::string> how_it_ended(const Change& change) {
    if (change.key.kind != &kInit.kind || change.action != Action::Remove) {
        return std::nullopt;
    }
    const Init& init = change.found.as<Init>();
    return init.running ? std::nullopt : std::optional(init.how);
}

std::string contest_text(const std::string& object) {
    return object +
           " is contested: something else keeps changing it back. It is mended less often now; find the "
           "other "
           "program and let one of the two go";
}

}  // namespace

void Daemon::say(const Happening& happening) {
    tell(happening, [this](const bus::Event& event) { server_->emit(event); });
}

void Daemon::complain(std::vector<std::string> about_files) {
    if (about_files != told_) {
        for (const std::string& complaint : about_files) {
            say({.what = "files", .message = complaint, .bad = true});
        }
        told_ = std::move(about_files);
    }
}

void Daemon::applied(const Applied& done) {
    const Outcome& outcome = done.outcome;
    const auto now = Clock::now();
    if (!outcome.refused.empty()) {
        if (outcome.refused != refused_) {
            say({.what = "refused", .message = outcome.refused, .bad = true});
        }
        refused_ = outcome.refused;
        return;
    }
    applied_ = true;
    generation_ = done.generation;
    tell_not_kept(done);
    tell_waits();
    if (done.scope.all) {
        refused_.clear();
    }
    std::uint64_t repairs = 0;
    Discretion discretion;
    for (const Change& change : outcome.plan.changes) {
        if (!outcome.left.contains(change.key.text()) && outcome.execution.did(change.key)) {
            tell_change(change, discretion.line_of(change), repairing_, now);
            repairs += repairing_ ? 1 : 0;
        }
    }
    engine_->count_repairs(repairs);
    ending_ = !outcome.execution.postponed.empty();
    for (const Change& change : outcome.execution.postponed) {
        pending_.add(scope_of(change));
    }
    tell_failures(outcome.execution, now);
    note_states(done);
}

// Each once, until it is something else: a disk stays full for a while.
void Daemon::tell_not_kept(const Applied& done) {
    const bool tried = !done.not_kept.empty() || done.generation != 0;
    for (const std::string& why : done.not_kept) {
        if (std::ranges::find(not_kept_, why) == not_kept_.end()) {
            say({.what = "failed",
                 .message = "not kept for later, the host is made as declared all the same: " + why,
                 .bad = true});
        }
    }
    if (tried) {
        not_kept_ = done.not_kept;
    }
}

void Daemon::tell_waits() {
    std::map<std::string, std::string> now;
    for (const auto& [name, one] : engine_->host().waits().all()) {
        if (one.text.empty()) {
            continue;
        }
        const auto before = waits_.find(name);
        if (before == waits_.end() || before->second != one.text) {
            say({.what = "waiting",
                 .partition = one.owner,
                 .object = name,
                 .message = one.at.prefix() + one.text});
        }
        now[name] = one.text;
    }
    waits_ = std::move(now);
}

// Updates the states of observed partitions; the others keep theirs.
void Daemon::note_states(const Applied& done) {
    auto now = done.scope.all ? std::map<std::string, std::string>() : std::move(states_);
    std::set<std::string> seen = done.scope.owners;
    if (done.scope.all) {
        const auto names = partitions();
        seen.insert(names.begin(), names.end());
    }
    for (const std::string& name : seen) {
        if (partition(name) != nullptr) {
            now[name] = "active";
        } else {
            now.erase(name);
        }
    }
    const auto note = [&](const std::string& owner, const char* state) {
        if (const auto found = now.find(owner); found != now.end()) {
            found->second = state;
        }
    };
    for (const auto& failed : done.outcome.execution.failed) {
        note(failed.change.owner, "degraded");
    }
    for (const auto& skipped : done.outcome.execution.skipped) {
        note(skipped.change.owner, "degraded");
    }
    for (const Change& change : done.outcome.plan.changes) {
        if (done.outcome.left.contains(change.key.text())) {
            note(change.owner, "degraded");
        }
    }
    for (const Conflict& conflict : done.outcome.plan.conflicts) {
        note(conflict.owner, "conflict");
    }
    for (const std::string& name : seen) {
        const Resource* found = partition(name);
        if (found != nullptr && engine_->desired().stale.contains(*found->source.file)) {
            note(name, "invalid");
        }
    }
    std::ranges::for_each(engine_->contested(), [&](const std::string& name) { note(name, "contested"); });
    std::ranges::for_each(paused(), [&](const std::string& name) { note(name, "paused"); });
    states_ = std::move(now);
}

void Daemon::tell_change(const Change& change, const std::string& line, bool repair, Clock::time_point now) {
    Happening happening{.what = repair ? "repaired" : "changed",
                        .partition = change.owner,
                        .kind = std::string(change.key.kind->name),
                        .object = change.key.text(),
                        .change = line,
                        .culprit = repair ? culprit_ : "",
                        .message = (repair ? "put back: " : "") + line};
    if (!happening.culprit.empty()) {
        happening.message += "  after " + happening.culprit;
    }
    const std::string& object = happening.object;
    if (const auto how = how_it_ended(change); how) {
        ended_[object] = *how;
        happening.message += ": its PID 1 has ended by itself" + (how->empty() ? "" : ", " + *how);
        say(happening);
        return;  // its making counts
    }
    say(happening);
    const auto ended = ended_.find(object);
    if (repair && backoff_.repaired(object, scope_of(change), now, ended != ended_.end())) {
        happening.bad = true;
        happening.what = ended == ended_.end() ? "contested" : "failed";
        happening.message =
            change.source.prefix() +
            (ended == ended_.end() ? contest_text(object) : end_again_text(change, ended->second));
        say(happening);
    }
    if (ended != ended_.end()) {
        ended_.erase(ended);
    }
}

std::string Daemon::end_again_text(const Change& change, const std::string& how) const {
    const std::string object = change.key.text();
    return fmt::format(
        "PID 1 of partition {} ends by itself again and again: {} times lately{}. If it does so once more, "
        "it is "
        "started after {} ms; what it writes goes to /dev/null: have it log to a file, or try its command by "
        "partctl exec",
        change.owner, backoff_.repairs(object), how.empty() ? "" : ", the last time " + how,
        backoff_.delay(object).count());
}

void Daemon::tell_failures(const Execution& execution, Clock::time_point now) {
    Discretion discretion;
    for (const auto& [change, error] : execution.failed) {
        say({.what = "failed",
             .partition = change.owner,
             .kind = std::string(change.key.kind->name),
             .object = change.key.text(),
             .change = discretion.line_of(change),
             .message = change.source.prefix() + discretion.told(error, change.source),
             .bad = true});
        backoff_.failed(change.key.text(), scope_of(change), now);
    }
}

void Daemon::write_metrics() {
    const std::string path = engine_->settings().metrics.value_or(engine_->paths().state() + "/partd.prom");
    if (path != figures_path_ && !figures_path_.empty()) {
        kernel::remove_among_others(figures_path_);
    }
    figures_path_ = path;
    if (path.empty()) {
        return;
    }
    if (auto done = kernel::write_among_others(path, verbs::metrics_text(*engine_, states_)); !done) {
        say({.what = "failed", .message = "metrics: " + done.error().message, .bad = true});
    }
}

}  // namespace partd::daemon
