#include "ctl/session.h"
#include "kernel/enter.h"

#include <cerrno>

#include <fmt/format.h>

namespace partd::ctl {

int run_exec(const Options& options) {
    // As sh(1) does it: 126 for what cannot be run, 127 for what is not there.
    constexpr int kCannotRun = 126;
    constexpr int kNotFound = 127;
    auto session = open_session(options, "exec", true);
    if (!session) {
        return session.error();
    }
    auto view = look(session->host, session->desired.compiled.desired);
    if (!view) {
        complain(view.error().message);
        return kCannotRun;
    }
    kernel::Entry entry;
    for (const Resource& found : view->observed.all()) {
        if (found.owner == options.name && found.standing == Standing::Ours) {
            const std::string_view kind = found.key.kind->name;
            entry.netns = kind == "netns" ? std::optional(found.key.name) : entry.netns;
            entry.group = kind == "cgroup" ? std::optional(found.key.name) : entry.group;
        }
    }
    if (!entry.netns && !entry.group) {
        complain(fmt::format("partition {} is not there: partctl apply makes it when a file declares it",
                             options.name));
        return kCannotRun;
    }
    if (auto entered = kernel::enter(session->host, entry); !entered) {
        complain(fmt::format("exec {}: {}", options.name, entered.error().message));
        return kCannotRun;
    }
    const Error error = kernel::become(options.command, options.umask);
    complain(error.message);
    return error.code == ENOENT ? kNotFound : kCannotRun;
}

}  // namespace partd::ctl
