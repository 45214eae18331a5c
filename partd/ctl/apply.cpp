#include "base/log.h"
#include "base/text.h"
#include "ctl/session.h"
#include "kinds/host.h"
#include "plan/render.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

namespace partd::ctl {

namespace {

Value identify(const Change& change) {
    Value value;
    value.set("kind", change.key.kind->name);
    value.set("name", change.key.name);
    value.set("file", change.source ? Value(*change.source.file) : Value());
    value.set("line", change.source ? Value(change.source.line) : Value());
    return value;
}

Value to_value(const Outcome& outcome) {
    Value all = plan::to_value(outcome.plan);
    all.set("done", outcome.execution.done);
    all.set("writes", outcome.execution.writes);
    Value& failed = all.set("failed", Array());
    for (const auto& each : outcome.execution.failed) {
        Value value = identify(each.change);
        value.set("error", each.error.message);
        failed.push(std::move(value));
    }
    Value& skipped = all.set("skipped", Array());
    for (const auto& each : outcome.execution.skipped) {
        Value value = identify(each.change);
        value.set("because", each.because.text());
        skipped.push(std::move(value));
    }
    all.set("refused", outcome.refused.empty() ? Value() : Value(outcome.refused));
    all.set("converged", outcome.converged);
    return all;
}

void tell(const Outcome& outcome, const Options& options) {
    fmt::print("{}", plan::render(outcome.plan, options.color));
    std::fflush(stdout);
    for (const auto& failed : outcome.execution.failed) {
        const std::string place = failed.change.source ? failed.change.source.text() + ": " : "";
        fmt::print(stderr, "{}error: {}\n", printable(place), printable(failed.error.message));
    }
    for (const auto& skipped : outcome.execution.skipped) {
        fmt::print(stderr, "skipped {}, which needs {}\n", skipped.change.key.text(), skipped.because.text());
    }
    if (options.legend) {
        const auto& execution = outcome.execution;
        const bool nothing =
            execution.done == 0 && execution.failed.empty() && outcome.plan.conflicts.empty();
        fmt::print(stderr, "{}\n",
                   nothing ? "nothing to do"
                           : fmt::format("{} done, {} failed, {} skipped, {} in conflict", execution.done,
                                         execution.failed.size(), execution.skipped.size(),
                                         outcome.plan.conflicts.size()));
    }
}

int exit_code(const Outcome& outcome) {
    const auto& failed = outcome.execution.failed;
    const bool all_refused = std::ranges::all_of(failed, [](const auto& each) { return each.error.refused; });
    if (!failed.empty()) {
        return all_refused ? kRefused : kSomeFailed;
    }
    if (!outcome.plan.conflicts.empty()) {
        return kRefused;
    }
    return outcome.converged ? kDone : kNotConverged;
}

}  // namespace

int run_apply(const Options& options) {
    auto session = open_session(options, "apply", false);
    if (!session) {
        return session.error();
    }
    const auto& compiled = session->desired.compiled;
    if (!knows_name(*session, options.name)) {
        return kUsage;
    }
    auto outcome = reconcile(session->host, compiled.desired,
                             {.only = options.name,
                              .allow_delete = options.allow_delete,
                              .delete_limit = daemon_settings(compiled.declared).delete_limit});
    if (!outcome) {
        complain(outcome.error().message);
        return kSomeFailed;
    }
    log_detail(fmt::format("{} files, {} objects wanted; {} requests in {} rounds",
                           session->desired.files.size(), compiled.desired.all().size(),
                           outcome->execution.writes, outcome->rounds));
    if (outcome->refused.empty()) {
        if (auto kept = accept(options.paths(), session->desired.files); !kept) {
            complain(kept.error().message);
        }
    }
    if (options.json) {
        print_json(to_value(*outcome));
    } else if (outcome->refused.empty()) {
        tell(*outcome, options);
    }
    if (!outcome->refused.empty()) {
        complain(outcome->refused);
        return kRefused;
    }
    const int code = exit_code(*outcome);
    return code == kDone && !session->desired.good() ? kInvalid : code;
}

}  // namespace partd::ctl
