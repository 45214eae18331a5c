// SPDX-License-Identifier: Apache-2.0
#include "verbs/life.h"

#include "base/text.h"
#include "kinds/partition.h"
#include "reconcile/pause.h"
#include "verbs/apply.h"
#include "verbs/context.h"

#include <fmt/format.h>

namespace partd::verbs {

namespace {

// The declaration of the partition that is to be started or stopped; nullptr after saying that there is none.
const DeclaredObject* find_declared(Engine& engine, VerbContext& work) {
    const std::string& name = work.request.name;
    const DeclaredObject* found = find_partition(work.desired.compiled.declared, name);
    if (found == nullptr) {
        work.answer = work.stop(Reason::UnknownName,
                                fmt::format("no file declares a partition \"{}\"{}", printable(name),
                                            near_name(engine, work.desired.compiled.desired, name)));
    }
    return found;
}

// The files as they count now; a wrong one holds nobody back from stopping another partition.
Answer apply_it(Engine& engine, const Request& request) {
    Request how = request;
    how.keep_going = true;
    return apply_files(engine, how, false);
}

}  // namespace

Answer stop(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    if (!work.load(true) || find_declared(engine, work) == nullptr) {
        return std::move(work.answer);
    }
    const auto before = stopped(engine.paths());
    if (!before) {
        return work.failed(before.error());
    }
    if (auto noted = note_stopped(engine.paths(), request.name); !noted) {
        return work.failed(noted.error());
    }
    if (auto allowed = allow_stop(engine.host(), request.name); !allowed) {
        return work.failed(allowed.error());
    }
    Answer answer = apply_it(engine, request);
    const bool nothing_done = answer.code == kRefused || answer.code == kUsage;
    if (nothing_done && !before->contains(request.name)) {
        (void)forget_stopped(engine.paths(), request.name);
    }
    return answer;
}

Answer start(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    if (!work.load(true)) {
        return std::move(work.answer);
    }
    const DeclaredObject* declared = find_declared(engine, work);
    if (declared == nullptr) {
        return std::move(work.answer);
    }
    if (declared->spec.as<Partition>().enabled == false) {
        return work.stop(
            Reason::Disabled,
            fmt::format("{} is stopped by its file: {} has enabled = false; change it, and apply",
                        request.name, declared->place("enabled").place()));
    }
    if (auto forgotten = forget_stopped(engine.paths(), request.name); !forgotten) {
        return work.failed(forgotten.error());
    }
    return apply_it(engine, request);
}

}  // namespace partd::verbs
