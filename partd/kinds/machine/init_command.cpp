// SPDX-License-Identifier: Apache-2.0
// [partition.NAME.init]: what files say of a PID 1.
#include "kernel/process/farewell.h"
#include "kinds/machine/init.h"

#include <algorithm>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr Field kCommandFields[] = {
    field<&InitCommand::command>("command", "the program and its arguments; PATH is searched in its root",
                                 {.role = Role::Declared, .required = true}),
    field<&InitCommand::environment>(
        "environment",
        "variables in addition to, or in place of, PATH, HOME, USER, LOGNAME and container=partd",
        {.role = Role::Declared}),
    field<&InitCommand::working_directory>("working_directory", "the directory inside in which it starts",
                                           {.role = Role::Declared, .fallback = "/"}),
    field<&InitCommand::user>("user",
                              "the user that it runs as: a name of its root's /etc/passwd or a number, and "
                              "after a colon a group",
                              {.role = Role::Declared, .fallback = "root"}),
    field<&InitCommand::umask>("umask", "its file mode creation mask, in octal digits",
                               {.role = Role::Declared, .fallback = "\"0022\""}),
    field<&InitCommand::nice>("nice", "its priority among the processes of its group (nice(2))",
                              {.role = Role::Declared, .min = -20, .max = 19, .fallback = "0"}),
    field<&InitCommand::oom_score_adj>("oom_score_adj",
                                       "the higher, the sooner the kernel kills it when memory is short",
                                       {.role = Role::Declared, .min = -1000, .max = 1000, .fallback = "0"}),
    field<&InitCommand::no_new_privileges>("no_new_privileges",
                                           "true: set-user-ID programs give it and what it starts no rights",
                                           {.role = Role::Declared, .fallback = "false"}),
    field<&InitCommand::limits>("limits",
                                "resource limits (getrlimit(2)) by name, soft and hard: { nofile = "
                                "\"1024:4096\", core = \"unlimited\" }",
                                {.role = Role::Declared}),
    field<&InitCommand::capabilities>(
        "capabilities",
        "the only capabilities (capabilities(7)) that it and what it starts can "
        "have; an empty list keeps none",
        {.role = Role::Declared, .fallback = "all of its user namespace"}),
    field<&InitCommand::stop_signal>(
        "stop_signal",
        "the signal that asks it to end, such as \"SIGRTMIN+3\". Its other processes then get none: it ends "
        "them. After stop_timeout SIGKILL ends all",
        {.role = Role::Declared, .fallback = "SIGTERM, to all processes"}),
};

// The number of up to four octal digits.
std::optional<unsigned> mask_of(std::string_view text) {
    constexpr std::uint64_t kMost = 0777;
    constexpr std::size_t kDigits = 4;
    unsigned mask = 0;
    for (const char digit : text) {
        if (digit < '0' || digit > '7') {
            return std::nullopt;
        }
        mask = mask * 8 + static_cast<unsigned>(digit - '0');
    }
    return text.empty() || text.size() > kDigits || mask > kMost ? std::nullopt : std::optional(mask);
}

// Each reports by error(key, text).
template <class Error>
void check_program(const InitCommand& init, const Error& error) {
    const auto has_nul = [](const std::string& text) { return text.contains('\0'); };
    if (init.command.empty() || init.command.front().empty() || std::ranges::any_of(init.command, has_nul)) {
        error("command", "the command is empty: name a program, or leave the table out");
    }
    for (const auto& [name, value] : init.environment) {
        if (name.empty() || name.contains('=') || has_nul(name) || has_nul(value)) {
            error("environment",
                  fmt::format("\"{}\" is not a name of a variable: it must not be empty or have '='", name));
        }
    }
}

template <class Error>
void check_rights(const InitCommand& init, const Error& error) {
    if (init.umask && !mask_of(*init.umask)) {
        error("umask",
              fmt::format("\"{}\" is not a mask: up to four octal digits, such as \"0027\"", *init.umask));
    }
    if (init.user && (init.user->empty() || init.user->starts_with(':') || init.user->ends_with(':') ||
                      init.user->contains('\0') || init.user->contains('\n'))) {
        error("user", "the user is a name or a number, and after a colon a group: \"www\", \"1000:1000\"");
    }
    if (init.stop_signal && !kernel::stop_signal_number(*init.stop_signal)) {
        error("stop_signal", fmt::format("there is no signal \"{}\"", *init.stop_signal));
    }
    for (const auto& [name, text] : init.limits.value_or(std::map<std::string, std::string>())) {
        if (!kernel::resource_number(name)) {
            error("limits",
                  fmt::format("there is no limit \"{}\": it is one of {}", name, kernel::resource_names()));
        } else if (!kernel::parse_limit(text)) {
            error("limits", fmt::format("\"{}\" is not a limit for {}: a number or \"unlimited\", or two of "
                                        "them, \"SOFT:HARD\", the second not below the first",
                                        text, name));
        }
    }
    for (const std::string& name : init.capabilities.value_or(std::vector<std::string>())) {
        if (!kernel::capability_number(name)) {
            error("capabilities", fmt::format("there is no capability \"{}\"", name));
        }
    }
}

}  // namespace

constinit const Table InitCommand::table = {
    "init",
    "PID 1 of its pid namespace. Without this table it is partd-init, which reaps orphaned processes, passes "
    "signals on and ends last. Implies the namespace \"pid\".",
    kCommandFields};

void check_command(const DeclaredObject& object, Diagnostics& problems) {
    const InitCommand& init = object.spec.as<InitCommand>();
    const auto error = [&](std::string_view key, const std::string& text) {
        problems.error(object.place(key), fmt::format("partition {}: {}", object.owner, text));
    };
    check_program(init, error);
    check_rights(init, error);
}

kernel::Privileges privileges_of(const Init& wanted) {
    const InitCommand& init = wanted.started;
    kernel::Privileges all{.user = init.user.value_or(""),
                           .no_new_privileges = init.no_new_privileges.value_or(false),
                           .user_at = wanted.user_at.at,
                           .at = wanted.command_at.at};
    const auto number = [](const auto& value) {
        return value ? std::optional(static_cast<int>(*value)) : std::nullopt;
    };
    all.nice = number(init.nice);
    all.oom_score_adj = number(init.oom_score_adj);
    for (const auto& [name, text] : init.limits.value_or(std::map<std::string, std::string>())) {
        all.limits[kernel::resource_number(name).value_or(0)] =
            kernel::parse_limit(text).value_or(kernel::ResourceLimit());
    }
    if (init.capabilities) {
        all.capabilities = 0;
        for (const std::string& name : *init.capabilities) {
            *all.capabilities |= std::uint64_t{1}
                                 << static_cast<unsigned>(kernel::capability_number(name).value_or(0));
        }
    }
    return all;
}

unsigned file_mode_mask_of(const InitCommand& init) {
    constexpr unsigned kUsual = 022;
    return init.umask ? mask_of(*init.umask).value_or(kUsual) : kUsual;
}

}  // namespace partd
