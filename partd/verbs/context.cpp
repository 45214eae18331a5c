// SPDX-License-Identifier: Apache-2.0
#include "verbs/context.h"

#include "base/hint.h"
#include "base/text.h"
#include "kinds/partition.h"
#include "plan/render.h"
#include "reconcile/pause.h"
#include "verbs/lines.h"

#include <algorithm>
#include <set>

namespace partd::verbs {

void VerbContext::keep(Plan& plan) {
    if (request.reader) {
        discretion.keep(plan);
    }
}

void VerbContext::keep(std::vector<Problem>& problems) {
    if (request.reader) {
        discretion.keep(problems);
    }
}

void VerbContext::print_json(Value value) {
    Value all;
    all.set("schema", 1);
    for (Member& member : *value.get_if<Object>()) {
        all.set(member.key, std::move(member.value));
    }
    print("{}\n", to_json(all, 2));
}

void VerbContext::print_plan(const Plan& plan) {
    if (request.json) {
        print_json(plan::to_value(plan));
        return;
    }
    print("{}", lines_of(plan, request.color));
    if (request.legend) {
        say(plan::summary(plan));
    }
}

void VerbContext::say(std::string_view text) {
    answer.err += text;
    answer.err += '\n';
}

void VerbContext::complain(std::string_view text) {
    say(fmt::format("partctl: {}", text));
}

void VerbContext::complain(const std::vector<Problem>& problems) {
    for (const Problem& problem : problems) {
        say(fmt::format("{}error: {}", printable(problem.at.prefix()), printable(problem.message)));
        if (problem.other) {
            say(fmt::format("  {}: note: {}", printable(problem.other.text()), printable(problem.note)));
        }
    }
}

Answer VerbContext::done(int code) {
    if (request.json && answer.out.empty() && code == kDone) {
        print_json(Object());
    }
    answer.code = code;
    return std::move(answer);
}

Answer VerbContext::stop(Reason reason, const Error& error) {
    Answer ended = unanswered(request, reason, error);
    answer.err += ended.err;
    if (answer.out.empty()) {
        answer.out = std::move(ended.out);
    }
    answer.code = ended.code;
    return std::move(answer);
}

Answer VerbContext::stop(Reason reason, std::string message) {
    return stop(reason, Error{.message = std::move(message)});
}

Answer VerbContext::failed(const Error& error) {
    return stop(Reason::Failed, error);
}

Answer VerbContext::invalid(const std::vector<Problem>& problems) {
    if (request.json) {
        Value all;
        all.set("errors", to_value(problems));
        print_json(std::move(all));
    }
    return done(kInvalid);
}

Answer VerbContext::not_loaded(const Error& error) {
    if (error.code != 0) {
        return failed(error);
    }
    complain(printable(error.message));
    return invalid({{.message = error.message}});
}

bool VerbContext::judge(const Desired& loaded, bool tolerant) {
    complain(loaded.problems);
    if (files_held(paths)) {
        complain("the files are paused: partd takes them up at partctl resume --files or partctl apply");
    }
    for (const std::string& note : loaded.notes) {
        complain(printable(note));
    }
    if (!loaded.good() && !tolerant && !request.keep_going) {
        answer = invalid(loaded.problems);
        return false;
    }
    return true;
}

bool VerbContext::load(bool tolerant, bool as_written) {
    if (!knows_generation()) {
        return false;
    }
    auto loaded = load_desired(paths, {.extra = request.extras(),
                                       .keep_going = tolerant || request.keep_going,
                                       .as_written = as_written,
                                       .generation = request.generation});
    if (!loaded) {
        answer = not_loaded(loaded.error());
        return false;
    }
    desired = std::move(*loaded);
    keep(desired.problems);
    return judge(desired, tolerant);
}

bool VerbContext::inspect_part(Engine& engine, const FileRecord& record) {
    auto part = request.name.empty() || request.extra || request.generation ? std::nullopt
                                                                            : record.part_of(request.name);
    const auto found = part ? engine.look_at(*part, request.name) : Result<std::optional<Inspection>>();
    if (!found || !*found) {
        return false;  // a look at everything says what is wrong
    }
    desired = std::move(*part);
    view = **found;
    return judge(desired, true);
}

bool VerbContext::inspect(Engine& engine, bool tolerant, bool as_written) {
    const FileRecord record(paths);
    if (inspect_part(engine, record)) {
        return true;
    }
    if (!load(tolerant, as_written)) {
        return false;
    }
    if (!request.extra && !request.generation) {
        record.renew(desired);
    }
    if (!knows_name(engine)) {
        return false;
    }
    auto found = engine.look(desired, request.name);
    if (!found) {
        answer = failed(found.error());
        return false;
    }
    view = std::move(*found);
    return true;
}

bool VerbContext::knows_name(Engine& engine) {
    const bool declared = find_partition(desired.compiled.declared, request.name) != nullptr;  // or stopped
    if (declared || engine.knows(desired.compiled.desired, request.name)) {
        return true;
    }
    answer =
        stop(Reason::UnknownName, fmt::format("there is no partition or slice \"{}\"{}", request.name,
                                              near_name(engine, desired.compiled.desired, request.name)));
    return false;
}

bool VerbContext::knows_generation() {
    const auto numbers = History(paths.history()).numbers();
    const std::uint64_t number = request.generation.value_or(0);
    if (number == 0 || !numbers || std::ranges::find(*numbers, number) != numbers->end()) {
        return true;
    }
    answer = stop(Reason::UnknownGeneration,
                  fmt::format("there is no generation {}: see partctl history", number));
    return false;
}

namespace {

void set_place(Value& value, const Source& at) {
    value.set("file", at ? Value(*at.file) : Value());
    value.set("line", at.line == 0 ? Value() : Value(at.line));
    value.set("column", at.column == 0 ? Value() : Value(at.column));
}

}  // namespace

Value to_value(const Problem& problem) {
    Value value;
    set_place(value, problem.at);
    value.set("message", problem.message);
    Value& related = value.set("related", Value());
    if (problem.other) {
        set_place(related, problem.other);
        related.set("message", problem.note);
    }
    return value;
}

Value to_value(const std::vector<Problem>& problems) {
    Value all = Array();
    std::ranges::for_each(problems, [&](const Problem& problem) { all.push(to_value(problem)); });
    return all;
}

std::string near_name(Engine& engine, const State& desired, const std::string& name) {
    std::set<std::string_view> names;
    for (const Resource& resource : desired.all()) {
        names.insert(resource.owner);
    }
    engine.ledger().for_all([&](const auto&, const LedgerEntry& entry) { names.insert(entry.owner); });
    names.erase("");  // the owner of shared resources
    return did_you_mean(name, std::vector<std::string_view>(names.begin(), names.end()));
}

}  // namespace partd::verbs
