// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs a program under ptrace(2), counts what it and its children change, and disturbs one of these calls.

#include "../kernel/support/process.h"
#include "calls.h"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace partd::fault {

enum class Act : std::uint8_t {
    None,            ///< only count
    KillBefore,      ///< who makes the call dies before it
    KillAfter,       ///< or when it is done
    KillMainBefore,  ///< the program dies while one of its children makes the call
    KillMainAfter,
    KillInit,  ///< PID 1 of every partition dies before the call
    Abandon,   ///< as KillBefore; and then all is to be removed, without having been finished
    Fail,      ///< the call is not made and returns an error
    Refuse,    ///< the kernel refuses one netlink message of the call
};

const char* act_name(Act act);

struct Injection {
    Act act = Act::None;
    int call = 0;      ///< the number of the call, from 1
    std::string name;  ///< and its name: processes beside each other make their calls in any order, so the
                       ///< first of that name from there on is meant
    int message = 0;   ///< Refuse: which of its messages, from 0
    int error = 0;     ///< Fail, Refuse
};

/// One of the calls that were seen.
struct Seen {
    std::string name;
    std::string object;
    bool changes = true;
    bool by_main = true;
    std::vector<int> errors;
    std::vector<std::string> messages;
};

struct Traced {
    int code = -1;  ///< exit code of the program; 128 + signal when killed by one
    bool timed_out = false;
    bool hit = false;         ///< whether the disturbed call was reached
    Seen at;                  ///< which it was
    std::vector<Seen> calls;  ///< Act::None: all of them
    std::string written;      ///< stdout and stderr together
};

struct Command {
    std::vector<std::string> words;
    std::chrono::seconds patience{20};
    /// Disturbs the program meanwhile, from a process of its own; the program must end because of it.
    std::function<void(pid_t program)> beside;
};

test::Json as_json(const Seen& seen);
Seen seen_from(const test::Json& json);

/// In the process that traces: seizes the program, lets it go, and follows it to its end and that of the
/// other process `beside` it, if that is one.
Traced follow(pid_t program, const std::function<void()>& go, pid_t beside, std::chrono::seconds patience,
              const Injection& injection);

/// The program's children may live on, untraced, as children of this process if it is their subreaper.
Traced trace(const Command& command, const Injection& injection);

}  // namespace partd::fault
