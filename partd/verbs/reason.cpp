// SPDX-License-Identifier: Apache-2.0
#include "verbs/reason.h"

#include "base/text.h"
#include "base/value.h"

#include <array>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace partd::verbs {

namespace {

// As sh(1) has it: 126 for a program that cannot be run, 127 for one that is not there.
constexpr int kCannotRun = 126;
constexpr int kNoProgram = 127;

struct Row {
    Reason reason;
    std::string_view word;
    int code;
};

constexpr std::array kRows = {
    Row{Reason::Usage, "usage", kUsage},
    Row{Reason::UnknownName, "unknown-name", kUsage},
    Row{Reason::UnknownGeneration, "unknown-generation", kUsage},
    Row{Reason::NotPaused, "not-paused", kUsage},
    Row{Reason::NothingWaits, "nothing-waits", kUsage},
    Row{Reason::OutOfReach, "out-of-reach", kOutOfReach},
    Row{Reason::NotPermitted, "not-permitted", kNotPermitted},
    Row{Reason::Failed, "failed", kSomeFailed},
    Row{Reason::Paused, "paused", kRefused},
    Row{Reason::Waiting, "waiting", kRefused},
    Row{Reason::InUse, "in-use", kRefused},
    Row{Reason::Declined, "declined", kRefused},
    Row{Reason::Disabled, "disabled", kRefused},
    Row{Reason::TooMuch, "too-much", kRefused},
    Row{Reason::NotConverged, "not-converged", kNotConverged},
    Row{Reason::CannotRun, "cannot-run", kCannotRun},
    Row{Reason::NoProgram, "no-program", kNoProgram},
};

constexpr bool in_order() {
    for (std::size_t i = 0; i < kRows.size(); ++i) {
        if (std::to_underlying(kRows[i].reason) != i) {
            return false;
        }
    }
    return true;
}
static_assert(in_order());

const Row& row_of(Reason reason) {
    return kRows[std::to_underlying(reason)];
}

}  // namespace

int exit_code(Reason reason) {
    return row_of(reason).code;
}

std::string error_json(Reason reason, const Error& error, std::string_view partition, bool compact) {
    const char* name = error.code == 0 ? nullptr : strerrorname_np(error.code);
    Value told;
    told.set("code", std::string(row_of(reason).word));
    told.set("exit_code", row_of(reason).code);
    told.set("message", error.message);
    told.set("partition", partition.empty() ? Value() : Value(std::string(partition)));
    told.set("errno", name == nullptr ? Value() : Value(name));
    Value all;
    all.set("schema", 1);
    all.set("error", std::move(told));
    return to_json(all, compact ? -1 : 2) + "\n";
}

Answer unanswered(const Request& request, Reason reason, const Error& error) {
    return {.out = request.json ? error_json(reason, error, request.name) : std::string(),
            .err = fmt::format("partctl: {}\n", printable(error.message)),
            .code = exit_code(reason)};
}

}  // namespace partd::verbs
