// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "verbs/verbs.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace partd::verbs {

// Why a verb ended without an answer. Each has a word for programs, which stays, and an exit code.
enum class Reason : std::uint8_t {
    Usage,
    UnknownName,
    UnknownGeneration,
    NotPaused,
    NothingWaits,
    OutOfReach,
    NotPermitted,
    Failed,
    Paused,
    Waiting,
    InUse,
    Declined,
    Disabled,
    TooMuch,
    NotConverged,
    CannotRun,
    NoProgram,
};
int exit_code(Reason reason);

// The JSON object for it, one line where `compact`: {"schema": 1, "error": {"code": "unknown-name", …}}.
std::string error_json(Reason reason, const Error& error, std::string_view partition, bool compact = false);

// The whole answer: the sentence on stderr, and on stdout the object where JSON was asked for.
Answer unanswered(const Request& request, Reason reason, const Error& error);

}  // namespace partd::verbs
