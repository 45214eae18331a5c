// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/text_file.h"
#include "reconcile/engine.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace partd::verbs {

// The exit codes of partctl.
enum Exit : int {
    kDone = 0,
    kDifferences = 1,
    kUsage = 2,
    kInvalid = 3,
    kOutOfReach = 4,
    kNotPermitted = 5,
    kSomeFailed = 6,
    kRefused = 7,
    kNotConverged = 8,
};

// A request for a verb: plain data, sent over the bus or used in one process.
struct Request {
    std::string name = {};                 // a partition or slice
    std::vector<TextFile> files = {};      // check: just these
    bool with = false;                     // check: these with those of the directories
    std::vector<Problem> unreadable = {};  // why others of these cannot be read
    std::optional<TextFile> extra = {};    // apply -f
    bool json = false;
    bool legend = true;
    bool color = false;
    bool check = false;   // status --check
    bool layers = false;  // status --layers
    bool full = false;    // status --full, tree --full: all columns, and nothing is cut
    bool yes = false;     // purge: it is meant
    bool hold = false;    // pause, resume: the files, and no partition
    bool keep_going = false;
    bool allow_delete = false;
    std::string signal = "TERM";                            // kill
    std::optional<std::uint64_t> generation = {};           // diff, rollback
    std::optional<std::chrono::milliseconds> confirm = {};  // apply
    std::string origin = {};                                // the caller, for the history
    bool reader = false;  // another than root asks: what is not for all to read is not for this one

    [[nodiscard]] std::vector<TextFile> extras() const {
        return extra ? std::vector{*extra} : std::vector<TextFile>();
    }
};

// An answer: data for stdout, messages for stderr, and the exit code.
struct Answer {
    std::string out = {};
    std::string err = {};
    int code = kDone;
    std::uint64_t generation = 0;  // that a change became part of
};

// The right that a caller needs for a verb, as polkit's actions name it: "org.partd1.read" and so on. A
// request that brings a text of its own (`extra`) needs ApplyText: such a text can name a PID 1 that the
// host's root starts.
enum class Right : std::uint8_t { Read, Apply, ApplyText, Manage };

struct Verb {
    std::string_view name;  // "diff"
    const char* method;     // on the bus: "Diff"
    Right right = Right::Read;
    Answer (*run)(Engine& engine, const Request& request) = nullptr;
    // Of verbs that do not look at the host, and need no rights.
    Answer (*read)(const kernel::Paths& paths, const Request& request) = nullptr;
};

// Every verb that works the same in partctl's own process and in the daemon.
std::span<const Verb> all_verbs();
const Verb& verb(std::string_view name);

// The verbs, one a file.
Answer check(const kernel::Paths& paths, const Request& request);
// As check(), for a caller with the rights of this process: also reports declared paths and programs that are
// missing on this host. The daemon does not tell that to others.
Answer check_here(const kernel::Paths& paths, const Request& request);
Answer diff(Engine& engine, const Request& request);
Answer apply(Engine& engine, const Request& request);
Answer confirm(Engine& engine, const Request& request);
Answer rollback(Engine& engine, const Request& request);
Answer history(Engine& engine, const Request& request);
Answer status(Engine& engine, const Request& request);
Answer list(const kernel::Paths& paths, const Request& request);
Answer show(Engine& engine, const Request& request);
Answer namespaces(Engine& engine, const Request& request);
Answer tree(Engine& engine, const Request& request);
Answer usage(Engine& engine, const Request& request);
Answer pause(Engine& engine, const Request& request);
Answer resume(Engine& engine, const Request& request);
Answer kill(Engine& engine, const Request& request);
Answer freeze(Engine& engine, const Request& request);
Answer thaw(Engine& engine, const Request& request);
Answer purge(Engine& engine, const Request& request);
Answer metrics(Engine& engine, const Request& request);
Answer doctor(Engine& engine, const Request& request);

}  // namespace partd::verbs
