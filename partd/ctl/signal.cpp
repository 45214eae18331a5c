#include "base/log.h"
#include "base/text.h"
#include "ctl/session.h"
#include "kernel/processes.h"
#include "kinds/isolation/init.h"

#include <fmt/format.h>

namespace partd::ctl {

namespace {

struct Target {
    Session session;
    std::string group;
};

// The partition as the host has it: what a file says does not matter here.
std::expected<Target, int> open_target(const Options& options, std::string_view verb) {
    auto session = open_session(options, verb, true);
    if (!session) {
        return std::unexpected(session.error());
    }
    const std::string group = session->host.group_of(options.name);
    if (group.empty()) {
        complain(fmt::format("there is no partition \"{}\" on this host", printable(options.name)));
        return std::unexpected(kUsage);
    }
    return Target{std::move(*session), group};
}

int freeze(const Options& options, bool frozen) {
    auto target = open_target(options, frozen ? "freeze" : "thaw");
    if (!target) {
        return target.error();
    }
    if (auto done = target->session.host.cgroups().freeze(target->group, frozen); !done) {
        complain(fmt::format("{}: {}", options.name, done.error().message));
        return kSomeFailed;
    }
    return kDone;
}

}  // namespace

int run_freeze(const Options& options) {
    return freeze(options, true);
}

int run_thaw(const Options& options) {
    return freeze(options, false);
}

int run_kill(const Options& options) {
    const auto signal = kernel::signal_number(options.signal);
    if (!signal) {
        complain(fmt::format("there is no signal \"{}\"", printable(options.signal)));
        return kUsage;
    }
    auto target = open_target(options, "kill");
    if (!target) {
        return target.error();
    }
    auto& host = target->session.host;
    auto processes = host.cgroups().processes(target->group);
    // What holds the partition is no process of its user's.
    if (const auto holder = find_holder(host, options.name)) {
        processes.erase(*holder);
    }
    const std::size_t reached = kernel::signal_processes(processes, *signal);
    log_detail(fmt::format("{} processes of {} got {}", reached, options.name, options.signal));
    return kDone;
}

}  // namespace partd::ctl
