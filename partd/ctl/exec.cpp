// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "ctl/options.h"
#include "kernel/file/files.h"
#include "kernel/session/session.h"
#include "kernel/session/terminal.h"
#include "kinds/machine/entrance.h"
#include "kinds/machine/environment.h"
#include "reconcile/pause.h"
#include "reconcile/rest.h"
#include "verbs/context.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

namespace partd::ctl {

namespace {

// All that execve(2) takes.
constexpr std::size_t kMostVariables = std::size_t{2} << 20;

bool has_terminal() {
    constexpr std::array kStandard = {0, 1, 2};
    return std::ranges::any_of(kStandard, kernel::is_terminal);
}

Result<kernel::Entry> open_found(Engine& engine, const Desired& desired, const Inspection& view,
                                 const std::string& name) {
    const State& wanted = desired.compiled.desired;
    if (not_running(engine.paths(), desired.compiled.declared).contains(name)) {
        return fail(
            stopped(engine.paths()).value_or(std::set<std::string>()).contains(name)
                ? fmt::format("{0} is stopped: partctl start {0}", name)
                : fmt::format("{} is stopped: it has enabled = false, or shares with one that is stopped",
                              name));
    }
    auto entry = open_entry(engine.host(), wanted, view.observed, name);
    const std::string near =
        entry || engine.knows(wanted, name) ? std::string() : near_name(engine, wanted, name);
    return near.empty() ? std::move(entry)
                        : fail(fmt::format("there is no partition \"{}\"{}", printable(name), near));
}

// By the files about it alone, where that suffices.
Result<kernel::Entry> find_entry(Engine& engine, const std::string& name) {
    const FileRecord record(engine.paths());
    if (const auto part = record.part_of(name)) {
        const auto view = engine.look_at(*part, name, kinds_of_entry());
        if (view && *view) {
            return open_found(engine, *part, **view, name);
        }
    }
    const auto all = load_desired(engine.paths(), {.keep_going = true});
    PARTD_TRY(all);
    record.renew(*all);
    const auto view = engine.look(*all);
    PARTD_TRY(view);
    return open_found(engine, *all, *view, name);
}

int run(const Options& options, const char* verb) {
    if (const auto refused = refuse_without_rights(options.request, verb)) {
        return *refused;
    }
    // The next run of this program has to find the caller's mask again.
    const unsigned own_mask = kernel::set_file_mode_mask(options.umask);
    auto safe = kernel::become_unwritable(options.arguments);
    kernel::set_file_mode_mask(own_mask);
    if (!safe) {
        return stop(options.request, Reason::CannotRun, safe.error());
    }
    const auto variables = options.environment.empty()
                               ? Result<std::string>()
                               : kernel::read_file(options.environment, kMostVariables);
    if (!variables) {
        return stop(options.request, Reason::CannotRun, variables.error());
    }
    const auto engine = Engine::open(options.paths());
    const auto entry = engine ? find_entry(**engine, options.request.name) : std::unexpected(engine.error());
    if (!entry) {
        return stop(options.request, Reason::CannotRun, entry.error());
    }
    const kernel::SessionPlan plan{.command = options.command,
                                   .environment = read_environment(*variables),
                                   .user = options.user,
                                   .file_mode_mask = options.umask,
                                   .terminal = entry->isolated() && has_terminal()};
    Error error = kernel::run_session((*engine)->host().cgroups(), *entry, plan);
    const Reason reason = error.code == ENOENT ? Reason::NoProgram : Reason::CannotRun;
    return stop(options.request, reason,
                std::move(error).wrap(fmt::format("{} {}", verb, options.request.name)));
}

}  // namespace

int run_exec(const Options& options) {
    return run(options, "exec");
}

int run_shell(const Options& options) {
    return run(options, "shell");
}

}  // namespace partd::ctl
