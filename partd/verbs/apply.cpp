// SPDX-License-Identifier: Apache-2.0
#include "verbs/apply.h"

#include "base/text.h"
#include "plan/render.h"
#include "reconcile/pause.h"
#include "verbs/context.h"
#include "verbs/lines.h"
#include "verbs/warnings.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>

namespace partd::verbs {

namespace {

Value identify(const Change& change) {
    Value value;
    value.set("kind", change.key.kind->name);
    value.set("name", change.key.name);
    value.set("file", change.source ? Value(*change.source.file) : Value());
    value.set("line", change.source ? Value(change.source.line) : Value());
    return value;
}

// Why a change failed, for who asks.
std::string told(VerbContext& work, const Execution::Failed& failed) {
    return work.request.reader ? work.discretion.told(failed.error, failed.change.source)
                               : failed.error.message;
}

Value to_value(VerbContext& work, const Outcome& outcome) {
    Value all = plan::to_value(outcome.plan);
    all.set("done", outcome.execution.done);
    all.set("writes", outcome.execution.writes);
    Value& failed = all.set("failed", Array());
    for (const auto& each : outcome.execution.failed) {
        Value value = identify(each.change);
        value.set("error", told(work, each));
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
    all.set("unsettled", *plan::to_value(outcome.unsettled).find("changes"));
    return all;
}

// The plan as far as it was carried out.
Plan done_of(const Outcome& outcome) {
    const Execution& execution = outcome.execution;
    Plan done = outcome.plan;
    std::erase_if(done.changes, [&](const Change& change) {
        const auto is_it = [&](const Change& other) {
            return other.key == change.key && other.action == change.action;
        };
        return std::ranges::any_of(execution.failed, is_it, &Execution::Failed::change) ||
               std::ranges::any_of(execution.skipped, is_it, &Execution::Skipped::change) ||
               std::ranges::any_of(execution.postponed, is_it);
    });
    return done;
}

// A change that was not carried out, with what became of it in front.
void print_undone(VerbContext& work, const char* fate, plan::Color hue, Change change) {
    if (work.request.reader) {
        Plan alone{.changes = {std::move(change)}};
        work.keep(alone);
        change = std::move(alone.changes.front());
    }
    work.print("{} {}\n", plan::painted(fate, hue, work.request.color), line_of(change));
}

void print_record(VerbContext& work, const Outcome& outcome, const Plan& done) {
    work.print("{}", lines_of(done, work.request.color));
    for (const auto& failed : outcome.execution.failed) {
        print_undone(work, "failed:     ", plan::Color::Red, failed.change);
    }
    for (const auto& skipped : outcome.execution.skipped) {
        print_undone(work, "not reached:", plan::Color::Yellow, skipped.change);
    }
    for (const Change& postponed : outcome.execution.postponed) {
        print_undone(work, "not yet:    ", plan::Color::Yellow, postponed);
    }
}

void tell(VerbContext& work, const Outcome& outcome) {
    const Plan done = done_of(outcome);
    print_record(work, outcome, done);
    for (const auto& failed : outcome.execution.failed) {
        work.say(fmt::format("{}error: {}", printable(failed.change.source.prefix()),
                             printable(told(work, failed))));
    }
    for (const auto& skipped : outcome.execution.skipped) {
        work.say(fmt::format("skipped {}, which {} {}", skipped.change.key.text(),
                             skipped.together ? "comes with" : "needs", skipped.because.text()));
    }
    for (const Change& postponed : outcome.execution.postponed) {
        work.say(
            fmt::format("{}: its processes have some time left to end (stop_timeout); partd goes on when "
                        "they are gone",
                        postponed.key.text()));
    }
    for (const Change& change : outcome.unsettled.changes) {
        work.say(fmt::format(
            "not as declared, although it was done: {}: find the program that changes it back, or "
            "declare what the kernel made of it",
            line_of(change)));
    }
    if (work.request.legend) {
        const auto& execution = outcome.execution;
        const bool nothing =
            execution.done == 0 && outcome.plan.changes.empty() && outcome.plan.conflicts.empty();
        work.say(nothing ? "nothing to do"
                         : fmt::format("{} done, {} failed, {} skipped, {} in conflict",
                                       execution.done - std::min(execution.done, plan::folded(done)),
                                       execution.failed.size(), execution.skipped.size(),
                                       outcome.plan.conflicts.size()));
    }
}

// The rest of the answer, besides the outcome.
struct Beside {
    std::vector<Warning> warned = {};
    std::vector<Problem> problems = {};
    std::optional<std::int64_t> waits = {};  // seconds for the confirmation
};

// Tells the outcome, as data or as text, and the warnings.
void report(VerbContext& work, Applied& applied, const Beside& beside = {}) {
    work.keep(applied.outcome.plan);
    work.keep(applied.outcome.unsettled);
    work.answer.generation = applied.generation;
    if (work.request.json) {
        Value value = to_value(work, applied.outcome);
        value.set("generation", applied.generation == 0 ? Value() : Value(applied.generation));
        value.set("waits", beside.waits ? Value(*beside.waits) : Value());
        value.set("warnings", verbs::to_value(beside.warned));
        if (!beside.problems.empty()) {
            value.set("errors", verbs::to_value(beside.problems));
        }
        work.print_json(std::move(value));
    } else if (applied.outcome.refused.empty()) {
        tell(work, applied.outcome);
        for (const Warning& each : beside.warned) {
            work.say(printable("warning: " + each.text()));
        }
    }
    if (!applied.outcome.refused.empty()) {
        work.complain(applied.outcome.refused);
    }
    for (const std::string& why : applied.not_kept) {
        work.complain("not kept for later: " + printable(why));
    }
}

int exit_code(const Outcome& outcome) {
    if (!outcome.refused.empty()) {
        return kRefused;
    }
    const auto& failed = outcome.execution.failed;
    const bool all_refused = std::ranges::all_of(failed, [](const auto& each) { return each.error.refused; });
    if (!failed.empty()) {
        return all_refused ? kRefused : kSomeFailed;
    }
    if (!outcome.plan.conflicts.empty()) {
        return kRefused;
    }
    return outcome.converged && outcome.execution.postponed.empty() ? kDone : kNotConverged;
}

EngineApply request_of(const Request& request) {
    return {.options = {.only = request.name, .allow_delete = request.allow_delete},
            .origin = request.origin,
            .confirm = request.confirm};
}

// A partition that is paused is left as it is, also by an apply that names it.
bool may_apply(VerbContext& work) {
    const auto resting = paused(work.paths);
    if (!resting) {
        work.answer = work.failed(resting.error());
        return false;
    }
    if (work.request.name.empty() || !resting->contains(work.request.name)) {
        return true;
    }
    work.answer =
        work.stop(Reason::Paused, fmt::format("{0} is paused: partctl resume {0}", work.request.name));
    return false;
}

}  // namespace

Answer apply(Engine& engine, const Request& request) {
    return apply_files(engine, request, true);
}

Answer apply_files(Engine& engine, const Request& request, bool as_written) {
    VerbContext work(engine.paths(), request);
    auto loaded =
        load_desired(engine.paths(),
                     {.extra = request.extras(), .keep_going = request.keep_going, .as_written = as_written});
    if (!loaded) {
        return work.not_loaded(loaded.error());
    }
    const bool good = loaded->good();
    work.desired = std::move(*loaded);
    work.keep(work.desired.problems);
    if (!work.judge(work.desired, false) || !work.knows_name(engine) || !may_apply(work)) {
        return std::move(work.answer);
    }
    const auto waiting = engine.waiting();
    if (!waiting) {
        return work.failed(waiting.error());
    }
    if (*waiting) {
        return work.stop(Reason::Waiting,
                         "an earlier apply waits to be confirmed: partctl confirm or partctl rollback first");
    }
    const bool bare = work.desired.files.empty();
    Beside beside{.warned = warnings_about(work, engine.host(), request.name),
                  .problems = work.desired.problems};
    add_cut_offs(work, engine, request.name, beside.warned);
    auto applied = engine.apply_instead(std::move(work.desired), request_of(request));
    if (!applied) {
        return work.failed(applied.error());
    }
    add_waits(work, engine.host(), request.name, beside.warned);
    const auto waits = request.confirm ? engine.wait_for_confirmation(*request.confirm) : Result<bool>(false);
    const auto seconds =
        std::chrono::ceil<std::chrono::seconds>(request.confirm.value_or(std::chrono::seconds(0))).count();
    if (waits.value_or(false)) {
        beside.waits = seconds;
    }
    report(work, *applied, beside);
    if (bare && applied->outcome.plan.changes.empty() && request.legend && !request.json) {
        work.say(kNoFiles);
    }
    if (auto released =
            as_written && applied->outcome.refused.empty() ? release_files(engine.paths()) : Result<>();
        !released) {
        work.complain(released.error().message);
    }
    if (!waits) {
        return work.failed(waits.error());
    }
    if (request.confirm) {
        work.say(*waits ? fmt::format("waits for partctl confirm; goes back in {} s otherwise", seconds)
                        : "there is nothing to confirm");
    }
    const int code = exit_code(applied->outcome);
    return work.done(code == kDone && !good ? kInvalid : code);
}

Answer confirm(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    const auto waiting = engine.waiting();
    if (!waiting) {
        return work.failed(waiting.error());
    }
    if (!*waiting) {
        return work.stop(Reason::NothingWaits, "nothing waits to be confirmed");
    }
    if (auto done = engine.confirm(); !done) {
        return work.failed(done.error());
    }
    return work.done();
}

namespace {

// The one before what is in force: that is the newest one, unless it could not be recorded.
Result<std::optional<std::uint64_t>> generation_before(const Engine& engine) {
    const auto numbers = engine.history().numbers();
    PARTD_TRY(numbers);
    const auto last = engine.history().last();
    PARTD_TRY(last);
    const auto in_force = last_good(engine.paths());
    PARTD_TRY(in_force);
    if (*last && in_force->accepted && hash_of(in_force->files) != hash_of((*last)->files)) {
        return (*last)->number;
    }
    return numbers->size() < 2 ? std::nullopt : std::optional(numbers->at(numbers->size() - 2));
}

}  // namespace

Answer rollback(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    const auto waiting = engine.waiting();
    if (!waiting) {
        return work.failed(waiting.error());
    }
    if (!work.knows_generation()) {
        return std::move(work.answer);
    }
    const bool takes_back = !request.generation && *waiting;
    std::uint64_t generation = request.generation.value_or(0);
    if (!request.generation && !takes_back) {
        const auto earlier = generation_before(engine);
        if (!earlier) {
            return work.failed(earlier.error());
        }
        if (!*earlier) {
            return work.stop(Reason::UnknownGeneration,
                             "there is no earlier generation: see partctl history");
        }
        generation = **earlier;
    }
    EngineApply how = request_of(request);
    how.options.only.clear();
    auto back = takes_back ? engine.go_back(**waiting, how) : engine.roll_back(generation, how);
    if (!back) {
        return work.failed(back.error());
    }
    report(work, back->applied);
    if (!back->applied.outcome.refused.empty()) {
        work.say("partctl rollback --allow-delete goes back all the same; the files count as before");
        return work.done(kRefused);
    }
    for (const std::string& line : back->differing) {
        work.complain("not as it stood before: " + printable(work.request.reader ? object_of(line) : line));
    }
    const int code = exit_code(back->applied.outcome);
    return work.done(code == kDone && !back->differing.empty() ? kNotConverged : code);
}

}  // namespace partd::verbs
