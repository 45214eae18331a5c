// SPDX-License-Identifier: Apache-2.0
#include "verbs/context.h"

namespace partd::verbs {

Answer diff(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    if (!work.inspect(engine, false, true)) {
        return std::move(work.answer);
    }
    work.keep(work.view.plan);
    work.print_plan(work.view.plan);
    return work.done(!work.view.plan.changes.empty()    ? kDifferences
                     : work.view.plan.conflicts.empty() ? kDone
                                                        : kRefused);
}

}  // namespace partd::verbs
