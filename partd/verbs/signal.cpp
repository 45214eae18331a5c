// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kernel/process/processes.h"
#include "kinds/machine/init.h"
#include "verbs/context.h"

namespace partd::verbs {

namespace {

// The partition's control group, as the host has it: what a file says does not matter here. "" after saying
// that there is none.
std::string find_group(Engine& engine, VerbContext& work) {
    const std::string group = engine.host().group_of(work.request.name);
    if (group.empty()) {
        work.answer = work.stop(Reason::UnknownName,
                                fmt::format("there is no partition \"{}\" on this host{}", work.request.name,
                                            near_name(engine, {}, work.request.name)));
    }
    return group;
}

Answer set_frozen(Engine& engine, const Request& request, bool frozen) {
    VerbContext work(engine.paths(), request);
    const std::string group = find_group(engine, work);
    if (group.empty()) {
        return std::move(work.answer);
    }
    if (auto done = engine.host().cgroups().freeze(group, frozen); !done) {
        return work.failed(std::move(done).error().wrap(request.name));
    }
    return work.done();
}

}  // namespace

Answer freeze(Engine& engine, const Request& request) {
    return set_frozen(engine, request, true);
}

Answer thaw(Engine& engine, const Request& request) {
    return set_frozen(engine, request, false);
}

Answer kill(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    const auto signal = kernel::signal_number(request.signal);
    if (!signal) {
        return work.stop(Reason::Usage, fmt::format("there is no signal \"{}\"", request.signal));
    }
    const std::string group = find_group(engine, work);
    if (group.empty()) {
        return std::move(work.answer);
    }
    auto processes = engine.host().cgroups().processes(group);
    // The process that holds the partition is not one of the user's.
    const auto holder = find_holder(engine.host(), request.name);
    if (!processes || !holder) {
        return work.failed(processes ? holder.error() : processes.error());
    }
    if (*holder) {
        processes->erase(**holder);
    }
    const auto sent = kernel::signal_processes(*processes, engine.host().cgroups().members(group), *signal);
    if (!sent) {
        return work.failed(sent.error());
    }
    return work.done();
}

}  // namespace partd::verbs
