// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "daemon/daemon.h"
#include "kinds/partition.h"
#include "reconcile/pause.h"
#include "verbs/reason.h"

#include <algorithm>

#include <fmt/format.h>

// The daemon's methods and properties for its callers.
namespace partd::daemon {

verbs::Answer Daemon::call(const verbs::Verb& verb, const verbs::Request& request) {
    repairing_ = false;
    applied_ = false;
    engine_->host().set_lock_patience(kLockPatienceOfCaller);
    verbs::Answer answer = verb.run(*engine_, request);
    engine_->host().set_lock_patience(kLockPatience);
    Loop::still_alive();
    used_much_ = true;
    if (verb.right == verbs::Right::Read) {
        engine_->host().forget_all();
        tidy_->arm_once(tidy_after_);
        return answer;
    }
    if (applied_ && engine_->desired().good()) {
        stale_files_ = false;  // it has just read them
        loaded_ = true;
        settle_->disarm();
    }
    // Whatever it did: everything may be different now.
    settle_in({});
    plan_next(Clock::now());
    if (verb.name == "resume" && request.hold) {
        stale_files_ = true;
        settle_->arm(std::chrono::milliseconds(0));
    } else if (verb.name == "resume" || verb.name == "pause") {
        pending_.all = true;  // files may have stopped to declare it meanwhile: no part of them is its own
        look_soon();
    }
    return answer;
}

verbs::Answer Daemon::call_apart(const verbs::Verb& verb, const verbs::Request& request) {
    if (verb.read != nullptr) {
        return verb.read(engine_->paths(), request);
    }
    const auto engine = Engine::open(engine_->paths());
    return engine ? verb.run(**engine, request)
                  : verbs::unanswered(request, verbs::Reason::Failed, engine.error());
}

std::string Daemon::state() const {
    const auto is_well = [](const auto& entry) { return entry.second == "active"; };
    const bool troubled = blind_ || !told_.empty() || !refused_.empty();
    return !ready_                                              ? "starting"
           : !troubled && std::ranges::all_of(states_, is_well) ? "as declared"
                                                                : "degraded";
}

std::uint64_t Daemon::confirm_in() const {
    const auto waiting = engine_->waiting();
    return waiting && *waiting ? static_cast<std::uint64_t>(time_left(**waiting).count()) : 0;
}

std::vector<std::string> Daemon::partitions() const {
    std::vector<std::string> names;
    for (const Resource& resource : engine_->desired().compiled.desired.all()) {
        if (resource.key.kind == &kPartition.kind) {
            names.push_back(resource.owner);
        }
    }
    return names;
}

const Resource* Daemon::partition(const std::string& name) const {
    return engine_->desired().compiled.desired.find({&kPartition.kind, name});
}

std::vector<std::string> Daemon::paused() const {
    const auto names = partd::paused(engine_->paths()).value_or(std::set<std::string>());
    return {names.begin(), names.end()};
}

std::vector<std::string> Daemon::contested() const {
    return {engine_->contested().begin(), engine_->contested().end()};
}

}  // namespace partd::daemon
