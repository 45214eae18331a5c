// SPDX-License-Identifier: Apache-2.0
#include "plan/render.h"
#include "verbs/context.h"

namespace partd::verbs {

Answer diff(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    if (!work.inspect(engine, false, true)) {
        return std::move(work.answer);
    }
    const std::string refused =
        too_many_removals(engine.last_ledger(), work.view.plan,
                          {.delete_limit = daemon_settings(work.desired.compiled.declared).delete_limit});
    work.keep(work.view.plan);
    if (request.json) {
        Value all = plan::to_value(work.view.plan);
        all.set("refused", refused.empty() ? Value() : Value(refused));
        work.print_json(std::move(all));
    } else {
        work.print_plan(work.view.plan);
    }
    if (!refused.empty()) {
        work.complain(refused + ": that takes --allow-delete");
    }
    return work.done(!work.view.plan.changes.empty()    ? kDifferences
                     : work.view.plan.conflicts.empty() ? kDone
                                                        : kRefused);
}

}  // namespace partd::verbs
