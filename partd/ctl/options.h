// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/host.h"
#include "verbs/reason.h"
#include "verbs/verbs.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace partd::ctl {

using namespace verbs;  // the exit codes, requests and answers

// Everything a user can say.
struct Options {
    std::string root;
    bool verbose = false;
    bool own_process = false;  // without the daemon, even where one runs
    Request request;           // passed to the verb as it is

    std::vector<std::string> files;                    // check
    std::string extra;                                 // apply -f
    std::optional<std::chrono::milliseconds> wait;     // apply --wait, wait --timeout
    std::optional<std::chrono::milliseconds> give_up;  // wait --give-up
    bool watch = false;                                // status --watch
    bool dry_run = false;                              // apply --dry-run
    bool at_terminal = false;                          // somebody is there to be asked
    std::string sort = "cpu";                          // top --sort
    std::optional<unsigned> readings;                  // top --iterations
    std::chrono::milliseconds delay{1000};             // top --delay
    bool manual = false;                               // schema --man
    std::vector<std::string> command;                  // exec
    std::string environment;                           // exec --environment
    std::string user;                                  // exec --user
    char** arguments = nullptr;                        // all of them, to start again with
    unsigned umask = 022;                              // the caller's, for the program that exec becomes

    [[nodiscard]] kernel::Paths paths() const { return {.root = root}; }
};

// Verbs that only partctl has. Each returns the program's exit code.
int run_exec(const Options& options);
int run_shell(const Options& options);
int run_schema(const Options& options);
int run_events(const Options& options);
int run_wait(const Options& options);
int run_purge(const Options& options);
int run_top(const Options& options);
int run_restart(const Options& options);
// Any other: in the daemon when one can be reached, else in this process.
int run_verb(const Options& given, const Verb& verb);

// "partctl: TEXT" on stderr.
void complain(std::string_view text);
// Ends a verb that did not get as far as an answer: the sentence, and the object where JSON was asked for.
// Returns the exit code.
int stop(const Request& request, Reason reason, const Error& error);
int stop(const Request& request, Reason reason, std::string message);
// The exit code for what the caller may not do, after saying so; nullopt when it may.
std::optional<int> refuse_without_rights(const Request& request, std::string_view verb);

}  // namespace partd::ctl
