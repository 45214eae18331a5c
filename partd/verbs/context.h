// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/diagnostics.h"
#include "base/value.h"
#include "reconcile/discretion.h"
#include "reconcile/file_record.h"
#include "verbs/reason.h"
#include "verbs/verbs.h"

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace partd::verbs {

// One verb at work: what was asked, what the files say, and the answer as it grows.
struct VerbContext {
    const kernel::Paths& paths;
    const Request& request;
    Desired desired = {};
    Inspection view = {};
    Answer answer = {};
    Discretion discretion = {};

    VerbContext(const kernel::Paths& where, const Request& asked) : paths(where), request(asked) {}

    // True when values declared there are kept from who asks.
    bool keeps(const Source& source) { return request.reader && discretion.keeps(source); }
    void keep(Plan& plan);
    void keep(std::vector<Problem>& problems);

    // Adds to stdout.
    template <class... Arguments>
    void print(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        fmt::format_to(std::back_inserter(answer.out), format, std::forward<Arguments>(arguments)...);
    }
    // Prints JSON with the schema's version in front.
    void print_json(Value value);
    // Prints the plan: lines with a summary, or JSON.
    void print_plan(const Plan& plan);
    // A line on stderr.
    void say(std::string_view text);
    // A line on stderr that begins with the program's name.
    void complain(std::string_view text);
    // FILE:LINE:COLUMN: error: TEXT, with its note, for each.
    void complain(const std::vector<Problem>& problems);

    // The answer with that exit code. Where there is nothing to tell, JSON is the version alone.
    Answer done(int code = kDone);
    // Ends without an answer: a sentence on stderr and, for who wants JSON, an object with the reason. An
    // answer that stands on stdout already stays alone there.
    Answer stop(Reason reason, const Error& error);
    Answer stop(Reason reason, std::string message);
    Answer failed(const Error& error);
    // Ends with kInvalid; these errors are told already, and are data for who wants JSON.
    Answer invalid(const std::vector<Problem>& problems);
    // The document could not be read: an error of the kernel is not a mistake in it.
    Answer not_loaded(const Error& error);

    // Reads the files. False when there is no going on: what is wrong was told, the answer has its code.
    // `tolerant`: files that are wrong are told, but do not end it. `as_written`: also files that were rolled
    // back.
    bool load(bool tolerant, bool as_written = false);
    // As load(), and looks at the host; both only as far as it concerns the name asked for, where that
    // suffices.
    bool inspect(Engine& engine, bool tolerant, bool as_written = false);
    // Reports the problems of a loaded document; false if the verb cannot go on.
    bool judge(const Desired& loaded, bool tolerant);
    // True if there is such a partition or slice; else reports that there is none.
    bool knows_name(Engine& engine);
    // True unless the generation asked for is not in the history, which is reported.
    bool knows_generation();

private:
    bool inspect_part(Engine& engine, const FileRecord& record);
};

// File, line, column and message, and the second place where there is one.
Value to_value(const Problem& problem);
Value to_value(const std::vector<Problem>& problems);

// "; did you mean "web"?" where a partition or slice that is declared, or made, has nearly that name; else
// "".
std::string near_name(Engine& engine, const State& desired, const std::string& name);

}  // namespace partd::verbs
