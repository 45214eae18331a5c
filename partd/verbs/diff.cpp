// SPDX-License-Identifier: Apache-2.0
#include "verbs/context.h"

namespace partd::verbs {

Answer diff(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    if (!work.load(false, true) || !work.knows_name(engine)) {
        return std::move(work.answer);
    }
    auto view = engine.look(work.desired, request.name);
    if (!view) {
        return work.failed(view.error());
    }
    work.keep(view->plan);
    work.print_plan(view->plan);
    return work.done(!view->plan.changes.empty()    ? kDifferences
                     : view->plan.conflicts.empty() ? kDone
                                                    : kRefused);
}

}  // namespace partd::verbs
