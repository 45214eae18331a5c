#include "ctl/session.h"
#include "plan/render.h"

#include <cstdio>

#include <fmt/format.h>

namespace partd::ctl {

int run_diff(const Options& options) {
    auto session = open_session(options, "diff", false);
    if (!session) {
        return session.error();
    }
    if (!knows_name(*session, options.name)) {
        return kUsage;
    }
    const State& desired = session->desired.compiled.desired;
    auto view = look(session->host, desired, options.name);
    if (!view) {
        complain(view.error().message);
        return kSomeFailed;
    }
    if (options.json) {
        print_json(plan::to_value(view->plan));
    } else {
        fmt::print("{}", plan::render(view->plan, options.color));
        std::fflush(stdout);
        if (options.legend) {
            fmt::print(stderr, "{}\n", plan::summary(view->plan));
        }
    }
    return !view->plan.changes.empty() ? kDifferences : view->plan.conflicts.empty() ? kDone : kRefused;
}

}  // namespace partd::ctl
