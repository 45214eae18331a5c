#pragma once

#include "kernel/host.h"

#include <string>
#include <vector>

namespace partd::ctl {

// The exit codes of partctl.
enum Exit : int {
    kDone = 0,
    kDifferences = 1,
    kUsage = 2,
    kInvalid = 3,
    kNotPermitted = 5,
    kSomeFailed = 6,
    kRefused = 7,
    kNotConverged = 8,
};

// Everything a user can say.
struct Options {
    std::string root;
    bool json = false;
    bool legend = true;
    bool color = false;  // as it came out of --color, NO_COLOR and whether stdout is a terminal
    bool verbose = false;

    std::string name;                // a partition or slice
    std::vector<std::string> files;  // check
    std::string extra;               // apply -f
    bool keep_going = false;
    bool allow_delete = false;
    bool manual = false;               // schema --man
    bool check = false;                // status --check
    std::string signal = "TERM";       // kill
    std::vector<std::string> command;  // exec
    char** arguments = nullptr;        // all of them, to start again with
    unsigned umask = 022;              // the caller's, for the program that exec becomes

    [[nodiscard]] kernel::Paths paths() const { return {.root = root}; }
};

// The verbs. Each returns the program's exit code.
int run_check(const Options& options);
int run_diff(const Options& options);
int run_apply(const Options& options);
int run_status(const Options& options);
int run_list(const Options& options);
int run_show(const Options& options);
int run_ns(const Options& options);
int run_exec(const Options& options);
int run_shell(const Options& options);
int run_kill(const Options& options);
int run_freeze(const Options& options);
int run_thaw(const Options& options);
int run_doctor(const Options& options);
int run_schema(const Options& options);

}  // namespace partd::ctl
