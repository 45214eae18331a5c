// SPDX-License-Identifier: Apache-2.0
#include "ctl/caller.h"

#include "base/log.h"
#include "kernel/rights.h"

#include <cerrno>
#include <cstdio>
#include <thread>

#include <fmt/format.h>

namespace partd::ctl {

using std::chrono::milliseconds;

void complain(std::string_view text) {
    log_error(text);
}

int stop(const Request& request, Reason reason, const Error& error) {
    return tell(unanswered(request, reason, error));
}

int stop(const Request& request, Reason reason, std::string message) {
    return stop(request, reason, Error{.message = std::move(message)});
}

std::optional<int> refuse_without_rights(const Request& request, std::string_view verb) {
    if (kernel::may_manage()) {
        return std::nullopt;
    }
    return stop(request, Reason::NotPermitted,
                fmt::format("{} needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN): run it with sudo", verb));
}

bool Caller::open(const Verb& verb, int& code, std::optional<milliseconds> patience) {
    if (verb.read != nullptr) {
        return true;
    }
    remote_ = Remote::connect(options_, patience);
    if (remote_ != nullptr) {
        log_detail("asking partd");
        return true;
    }
    if (const auto refused = refuse_without_rights(options_.request, verb.name)) {
        code = *refused;
        return false;
    }
    if (engine_ != nullptr) {
        return true;
    }
    auto engine = Engine::open(options_.paths());
    if (!engine) {
        code = stop(options_.request, Reason::Failed, engine.error());
        return false;
    }
    engine_ = std::move(*engine);
    engine_->host().on_waiting = complain;
    return true;
}

Answer Caller::ask(const Verb& verb, const Request& request) {
    if (verb.read != nullptr) {
        return verb.read(options_.paths(), request);
    }
    if (remote_ == nullptr) {
        return verb.run(*engine_, request);
    }
    auto answer = remote_->ask(verb, request);
    if (answer) {
        return std::move(*answer);
    }
    const bool refused = answer.error().code == EACCES;
    return unanswered(request, refused ? Reason::NotPermitted : Reason::OutOfReach, answer.error());
}

void Caller::pause(milliseconds patience) {
    if (remote_ == nullptr || !remote_->next_event(patience)) {
        std::this_thread::sleep_for(std::min(patience, milliseconds(200)));
    }
}

int tell(const Answer& answer) {
    fmt::print("{}", answer.out);
    std::fflush(stdout);
    fmt::print(stderr, "{}", answer.err);
    return answer.code;
}

}  // namespace partd::ctl
