// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "ctl/options.h"
#include "kernel/file/files.h"
#include "kernel/session/session.h"
#include "kernel/session/terminal.h"
#include "kinds/machine/entrance.h"
#include "kinds/machine/environment.h"
#include "verbs/context.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

namespace partd::ctl {

namespace {

// As sh(1) does it: 126 for what cannot be run, 127 for what is not there.
constexpr int kCannotRun = 126;
constexpr int kNotFound = 127;
// All that execve(2) takes.
constexpr std::size_t kMostVariables = std::size_t{2} << 20;

bool has_terminal() {
    constexpr std::array kStandard = {0, 1, 2};
    return std::ranges::any_of(kStandard, kernel::is_terminal);
}

int run(const Options& options, const char* verb) {
    if (const auto refused = refuse_without_rights(verb)) {
        return *refused;
    }
    // The next run of this program has to find the caller's mask again.
    const unsigned own_mask = kernel::set_file_mode_mask(options.umask);
    auto safe = kernel::become_unwritable(options.arguments);
    kernel::set_file_mode_mask(own_mask);
    if (!safe) {
        complain(safe.error().message);
        return kCannotRun;
    }
    const auto variables = options.environment.empty()
                               ? Result<std::string>()
                               : kernel::read_file(options.environment, kMostVariables);
    if (!variables) {
        complain(variables.error().message);
        return kCannotRun;
    }
    auto engine = Engine::open(options.paths());
    auto loaded = engine ? (*engine)->load({.keep_going = true}) : std::unexpected(engine.error());
    auto view = loaded ? (*engine)->look((*engine)->desired()) : std::unexpected(loaded.error());
    auto entry = view ? open_entry((*engine)->host(), (*engine)->desired().compiled.desired, view->observed,
                                   options.request.name)
                      : std::unexpected(view.error());
    if (!entry) {
        const std::string& name = options.request.name;
        const bool unknown = view && !(*engine)->knows((*engine)->desired().compiled.desired, name);
        const std::string near =
            unknown ? near_name(**engine, (*engine)->desired().compiled.desired, name) : "";
        complain(near.empty() ? entry.error().message
                              : fmt::format("there is no partition \"{}\"{}", printable(name), near));
        return kCannotRun;
    }
    const kernel::SessionPlan plan{.command = options.command,
                                   .environment = read_environment(*variables),
                                   .file_mode_mask = options.umask,
                                   .terminal = entry->isolated() && has_terminal()};
    const Error error = kernel::run_session((*engine)->host().cgroups(), *entry, plan);
    complain(fmt::format("{} {}: {}", verb, options.request.name, error.message));
    return error.code == ENOENT ? kNotFound : kCannotRun;
}

}  // namespace

int run_exec(const Options& options) {
    return run(options, "exec");
}

int run_shell(const Options& options) {
    return run(options, "shell");
}

}  // namespace partd::ctl
