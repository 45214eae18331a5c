// SPDX-License-Identifier: Apache-2.0
#include "reconcile/engine.h"

#include "config/toml.h"
#include "kernel/clock.h"
#include "reconcile/incremental.h"
#include "reconcile/pause.h"
#include "reconcile/rest.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace partd {

namespace {

std::string outcome_text(const Outcome& outcome) {
    const std::size_t failed =
        std::max(outcome.execution.failed.size() + outcome.execution.skipped.size(), outcome.left.size());
    const std::size_t conflicts = outcome.plan.conflicts.size();
    std::string text = failed > 0          ? fmt::format("{} changes failed", failed)
                       : outcome.converged ? "converged"
                                           : "not converged";
    return conflicts > 0 ? fmt::format("{}, {} in conflict", text, conflicts) : text;
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(kernel::Paths paths) {
    auto host = kernel::Host::open(std::move(paths));
    PARTD_TRY(host);
    return std::unique_ptr<Engine>(new Engine(std::move(*host)));
}

Scope Engine::adopt(Desired desired) {
    const Scope changed = changed_scope(desired_.compiled.desired, desired.compiled.desired);
    desired_ = std::move(desired);
    leaving_ = {};
    settings_ = daemon_settings(desired_.compiled.declared);
    desired_.compiled.declared = Declared();
    files_ = hash_of(desired_.files);
    parts_ = DesiredIndex(desired_.compiled.desired);
    return changed;
}

// Most often one file of many was edited, and all was well before.
std::optional<Scope> Engine::load_edit(const DesiredOptions& options) {
    const bool was_well = desired_.good() && desired_.notes.empty() && desired_.stale.empty();
    const auto rolled_back = read_rolled_back(paths());
    const auto resting = stopped(paths());
    if (!resting || !resting->empty()) {
        return std::nullopt;
    }
    if (!options.extra.empty() || options.generation || options.as_written || !was_well ||
        desired_.files.empty() || !rolled_back || *rolled_back) {
        return std::nullopt;
    }
    auto found = kernel::read_config_directories(paths().config(), config::kMaxFileSize, &memory_);
    const auto is_missed = [&](const TextFile& file) {
        return found.missing.contains(file.path.substr(0, file.path.rfind('/')));
    };
    if (!found.bad.empty() || !found.unread.empty() || !found.problems.empty() ||
        std::ranges::any_of(desired_.files, is_missed)) {
        return std::nullopt;
    }
    // Vanished files give way to these only if the edit is taken: `keep` works on a copy.
    Leaving leaving = options.leaving == nullptr ? Leaving() : *options.leaving;
    (void)leaving.keep(found.files, kernel::since_boot());
    auto changed = take_edit(desired_, parts_, std::move(found.files));
    if (changed && options.leaving != nullptr) {
        *options.leaving = std::move(leaving);
    }
    files_ = changed ? desired_.written : files_;
    return changed;
}

Result<Scope> Engine::load(DesiredOptions options) {
    if (!std::exchange(forgotten_, false)) {
        if (auto changed = load_edit(options)) {
            return std::move(*changed);
        }
    }
    options.memory = &memory_;
    auto desired = load_desired(paths(), options);
    PARTD_TRY(desired);
    Leaving leaving = options.leaving == nullptr ? Leaving() : std::move(*options.leaving);
    Scope changed = adopt(std::move(*desired));
    leaving_ = desired_.rolled_back ? Leaving() : std::move(leaving);  // then no file's removal counts
    return changed;
}

Result<Scope> Engine::follow_files() {
    std::vector<TextFile> before = desired_.rolled_back ? std::vector<TextFile>() : desired_.files;
    if (!followed_) {
        // A removal may have been on its way when whoever followed the files before was ended.
        auto good = last_good(paths());
        PARTD_TRY(good);
        before = good->of_this_boot ? std::move(good->files) : std::vector<TextFile>();
    }
    if (files_held(paths()) && (followed_ || !before.empty())) {
        leaving_ = {};  // vanished files stay with the rest; their time begins at the release
        if (followed_) {
            return Scope::nothing();
        }
        auto held = load_files(std::move(before));
        PARTD_TRY(held);
        PARTD_TRY(leave_stopped(paths(), *held));
        followed_ = true;
        return adopt(std::move(*held));
    }
    leaving_.expect(std::move(before), paths().config(), settings_.settle_removal);
    auto loaded = load({.keep_going = true, .leaving = &leaving_});
    followed_ |= loaded.has_value();
    return loaded;
}

// Notes a failed write of a record for later; the changes themselves do not depend on it.
void Engine::keep(const Result<>& written) {
    if (!written) {
        not_kept_.push_back(written.error().message);
    }
}

// The way back is what an apply promises that is to be confirmed. Any other one goes on without it.
Result<> Engine::note_way_back(const Inspection& view, const EngineApply& request) {
    const auto last = history().last();
    if (!last && !request.confirm) {
        not_kept_.push_back(last.error().message);
        return {};
    }
    PARTD_TRY(last);
    auto way = partd::way_back(view, request.options.scope, *last ? (*last)->number : 0, {});
    if (!request.confirm) {
        keep(write_way_back(paths(), way));
        return {};
    }
    way.deadline = kernel::since_boot() + *request.confirm;
    return write_confirmation(paths(), way);
}

Result<std::optional<Confirmation>> Engine::way_back() const {
    const auto numbers = history().numbers();
    PARTD_TRY(numbers);
    auto way = read_way_back(paths());
    PARTD_TRY(way);
    const std::uint64_t before = numbers->size() < 2 ? 0 : numbers->at(numbers->size() - 2);
    return *way && !numbers->empty() && (*way)->generation == before ? std::move(*way) : std::nullopt;
}

Result<bool> Engine::wait_for_confirmation(std::chrono::milliseconds patience) {
    constexpr std::chrono::minutes kRecent{10};
    const auto already = waiting();
    PARTD_TRY(already);
    const auto last = history().last();
    PARTD_TRY(last);
    auto way = way_back();
    PARTD_TRY(way);
    if (*already || !*way || !*last || std::chrono::system_clock::now() - (*last)->time > kRecent) {
        return already->has_value();
    }
    (*way)->deadline = kernel::since_boot() + patience;
    PARTD_TRY(write_confirmation(paths(), **way));
    return true;
}

Result<> Engine::confirm() {
    PARTD_TRY(remove_confirmation(paths()));
    return forget_way_back(paths());
}

Result<Applied> Engine::apply(const EngineApply& request) {
    ApplyOptions options = request.options;
    options.parts = &parts_;
    auto resting = paused(paths());
    PARTD_TRY(resting);
    options.paused.merge(*resting);
    options.delete_limit = settings_.delete_limit;
    if (request.confirm || generation_ == 0 || files_ != recorded_) {
        options.before_change = [&](const Inspection& view) { return note_way_back(view, request); };
    }
    const auto begin = std::chrono::steady_clock::now();
    auto outcome = reconciler_.apply(desired_.compiled.desired, options);
    PARTD_TRY(outcome);
    count(*outcome, std::chrono::steady_clock::now() - begin);
    return finish(std::move(*outcome), request);
}

Result<Applied> Engine::apply_instead(Desired desired, const EngineApply& request) {
    Desired former = std::exchange(desired_, Desired());
    Leaving leaving = std::exchange(leaving_, Leaving());
    DesiredIndex parts = std::exchange(parts_, DesiredIndex());
    const DaemonSettings settings = settings_;
    const std::uint64_t files = files_;
    (void)adopt(std::move(desired));
    auto applied = apply(request);
    if (!applied || !applied->outcome.refused.empty()) {
        desired_ = std::move(former);
        leaving_ = std::move(leaving);
        parts_ = std::move(parts);
        settings_ = settings;
        files_ = files;
    }
    return applied;
}

void Engine::count(const Outcome& outcome, std::chrono::duration<double> took) {
    ++counters_.reconciled;
    counters_.seconds += took.count();
    counters_.refused += outcome.refused.empty() ? 0 : 1;
    counters_.failed += outcome.execution.failed.size();
    if (!outcome.refused.empty()) {
        return;
    }
    for (const Change& change : outcome.plan.changes) {
        if (outcome.execution.did(change.key)) {
            ++(change.action == Action::Create   ? counters_.created
               : change.action == Action::Update ? counters_.updated
                                                 : counters_.removed);
        }
    }
}

Result<Applied> Engine::finish(Outcome outcome, const EngineApply& request) {
    Applied applied{.outcome = std::move(outcome), .scope = request.options.scope};
    if (!applied.outcome.refused.empty()) {
        not_kept_.clear();
        if (on_applied) {
            on_applied(applied);
        }
        return applied;
    }
    if (!desired_.rolled_back) {
        keep(forget_rolled_back(paths()));
    }
    // A look at a part says nothing about how the whole went.
    const bool tells = request.options.scope.all && request.options.only.empty();
    if (generation_ == 0 || files_ != recorded_ || (tells && outcome_text(applied.outcome) != outcome_)) {
        const auto number = record(applied.outcome, request.origin);
        keep(number ? Result<>() : std::unexpected(number.error()));
        // The last good text of a silent file may be in a history that is not mounted yet: do not replace it.
        if (!number || !desired_.silent || last_good_is_known()) {
            keep(accept(paths(), desired_.files));
        }
    }
    applied.generation = files_ == recorded_ ? generation_ : 0;
    applied.not_kept = std::exchange(not_kept_, {});
    if (on_applied) {
        on_applied(applied);
    }
    return applied;
}

bool Engine::last_good_is_known() const {
    const auto good = last_good(paths());
    return good && good->accepted;
}

Result<std::uint64_t> Engine::record(const Outcome& outcome, const std::string& origin) {
    const auto read = history().last();
    PARTD_TRY(read);
    const auto& last = *read;
    const bool same = last && hash_of(last->files) == files_;
    Generation generation =
        same
            ? *last
            : Generation{.time = std::chrono::system_clock::now(), .origin = origin, .files = desired_.files};
    generation.outcome = outcome_text(outcome);
    if (!same || generation.outcome != last->outcome) {
        const auto most = static_cast<std::size_t>(settings_.history);
        auto number = history().record(generation, most);
        PARTD_TRY(number);
        generation.number = *number;
    }
    generation_ = generation.number;
    recorded_ = files_;
    outcome_ = generation.outcome;
    return generation_;
}

Result<WentBack> Engine::make_as(const Confirmation& way, const EngineApply& request) {
    auto as_written = load_desired(paths(), {.keep_going = true, .as_written = true});
    PARTD_TRY(as_written);
    auto desired = load_desired(paths(), {.keep_going = true, .generation = way.generation});
    PARTD_TRY(desired);
    desired->rolled_back = true;
    want_former(way, desired->compiled.desired);
    WentBack result;
    auto applied = apply_instead(std::move(*desired), request);
    PARTD_TRY(applied);
    result.applied = std::move(*applied);
    if (!result.applied.outcome.refused.empty()) {
        return result;
    }
    auto view = look(desired_);
    PARTD_TRY(view);
    result.differing = differences(way, view->observed);
    if (files_ != as_written->written) {
        // The one that it became: the earlier one may be dropped from the history any time.
        const std::uint64_t in_force =
            result.applied.generation == 0 ? way.generation : result.applied.generation;
        keep(write_rolled_back(paths(), {.files = as_written->written, .generation = in_force}));
        std::ranges::move(std::exchange(not_kept_, {}), std::back_inserter(result.applied.not_kept));
    }
    PARTD_TRY(remove_confirmation(paths()));
    return result;
}

Result<WentBack> Engine::go_back(const Confirmation& way, EngineApply request) {
    request.options.allow_delete = true;  // later objects have to go: the apply that made them said so
    return make_as(way, request);
}

Result<WentBack> Engine::roll_back(std::uint64_t generation, const EngineApply& request) {
    const auto wanted = load_desired(paths(), {.generation = generation});
    PARTD_TRY(wanted);
    if (!wanted->good()) {
        const Problem& first = wanted->problems.front();
        return fail(fmt::format("generation {} is not valid any more, and nothing was changed: {}{}",
                                generation, first.at.prefix(), first.message));
    }
    return make_as({.generation = generation}, request);
}

bool Engine::knows(const State& desired, const std::string& name) {
    const auto declared = [&](const Resource& resource) { return resource.owner == name; };
    return name.empty() || std::ranges::any_of(desired.all(), declared) || !ledger().of_owner(name).empty();
}

}  // namespace partd
