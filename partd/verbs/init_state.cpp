// SPDX-License-Identifier: Apache-2.0
#include "verbs/init_state.h"

#include "base/text.h"
#include "kernel/process/farewell.h"
#include "kernel/process/init_search.h"
#include "kernel/process/processes.h"
#include "kinds/machine/init.h"
#include "kinds/namespace/membership.h"
#include "verbs/summary.h"

#include <fmt/format.h>

namespace partd::verbs {

std::optional<InitState> init_state(kernel::Host& host, const State& observed, const std::string& partition) {
    const Resource* found = observed.find(init_key(partition));
    if (found == nullptr) {
        return std::nullopt;
    }
    InitState state{.ended = found->spec.as<Init>().how};
    const auto pid = open_namespace(host, partition, NamespaceKind::Pid);
    const auto process =
        pid ? kernel::find_init(likely_processes(host, partition), *pid) : Result<std::optional<pid_t>>();
    if (process && *process) {
        state.pid = *process;
        state.command = kernel::command_of(**process);
        state.since = kernel::start_of(**process);
    }
    return state;
}

std::string init_text(const InitState& init) {
    if (!init.pid) {
        return init.ended.empty() ? "has ended" : "has ended: " + init.ended;
    }
    const auto age = init.since ? ", for " + age_text(std::chrono::system_clock::now() - *init.since) : "";
    return fmt::format("process {} ({}){}", *init.pid, printable(init.command), age);
}

Value init_value(const std::optional<InitState>& init) {
    if (!init) {
        return {};
    }
    Value value;
    value.set("pid", init->pid ? Value(*init->pid) : Value());
    value.set("command", init->command.empty() ? Value() : Value(init->command));
    value.set("since", init->since ? Value(time_text(*init->since)) : Value());
    value.set("ended", init->ended.empty() ? Value() : Value(init->ended));
    return value;
}

}  // namespace partd::verbs
