// SPDX-License-Identifier: Apache-2.0
#include "reconcile/executor.h"

#include "kernel/batch.h"
#include "kinds/kinds.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace partd {

namespace {

enum class Fate : std::uint8_t { Open, Done, Failed, Skipped };

// On removal, absent is as good as removed.
bool is_success(const Change& change, const Error& error) {
    static constexpr std::array kAbsent = {ENOENT, ENODEV, ESRCH, EADDRNOTAVAIL, ENXIO};
    return change.action == Action::Remove && std::ranges::find(kAbsent, error.code) != kAbsent.end();
}

class Executor {
public:
    Executor(kernel::Host& host, const Plan& plan)
        : plan_(plan), batch_(host), doing_{host, batch_}, fates_(plan.changes.size()) {}

    Execution run() && {
        const auto& changes = plan_.changes;
        for (std::size_t begin = 0; begin < changes.size();) {
            const auto other = std::ranges::find_if(
                changes.begin() + static_cast<std::ptrdiff_t>(begin), changes.end(),
                [&](const Change& change) { return change.wave != changes[begin].wave; });
            const auto end = static_cast<std::size_t>(other - changes.begin());
            for (const LiveKind* kind : live_kinds()) {
                if (kind->begin != nullptr) {
                    kind->begin(doing_, std::span(changes).subspan(begin, end - begin));
                }
            }
            for (std::size_t number = begin; number < end; ++number) {
                start(number);
            }
            for (const auto& failure : batch_.flush()) {
                fail_change(failure.change, failure.error);
            }
            settle(begin, end);
            begin = end;
        }
        result_.writes = batch_.writes();
        result_.learnt = std::move(doing_.learnt);
        return std::move(result_);
    }

private:
    // A change that must come first and failed or was skipped; nullptr if there is none.
    [[nodiscard]] const Change* obstacle(const Change& change) const {
        for (const std::size_t before : change.after) {
            if (fates_[before] == Fate::Failed || fates_[before] == Fate::Skipped) {
                return &plan_.changes[before];
            }
        }
        return nullptr;
    }

    void start(std::size_t number) {
        const Change& change = plan_.changes[number];
        if (const Change* cause = obstacle(change)) {
            skip(number, *cause);
            return;
        }
        if (change.implied) {
            return;
        }
        if (auto applied = live_kind(*change.key.kind).apply(doing_, change, number); !applied) {
            fail_change(number, std::move(applied).error());
        }
    }

    void skip(std::size_t number, const Change& cause) {
        fates_[number] = Fate::Skipped;
        result_.skipped.push_back({plan_.changes[number], cause.key});
    }

    void fail_change(std::size_t number, Error error) {
        const Change& change = plan_.changes[number];
        if (fates_[number] != Fate::Open || is_success(change, error)) {
            return;
        }
        fates_[number] = Fate::Failed;
        if (error.code == EINPROGRESS) {
            result_.postponed.push_back(change);
            return;
        }
        result_.failed.push_back(failed_change(change, std::move(error)));
    }

    // In order, so that what follows a failure in the same wave is told as its consequence.
    void settle(std::size_t begin, std::size_t end) {
        for (std::size_t number = begin; number < end; ++number) {
            const Change* cause = fates_[number] == Fate::Open ? obstacle(plan_.changes[number]) : nullptr;
            if (cause != nullptr) {
                skip(number, *cause);
            } else if (fates_[number] == Fate::Open) {
                fates_[number] = Fate::Done;
                ++result_.done;
                if (plan_.changes[number].action == Action::Remove && !plan_.changes[number].implied) {
                    result_.removed.push_back(plan_.changes[number].key);
                }
            }
        }
    }

    const Plan& plan_;
    kernel::Batch batch_;
    ApplyContext doing_;
    std::vector<Fate> fates_;
    Execution result_;
};

}  // namespace

Execution::Failed failed_change(const Change& change, Error error) {
    Error wrapped =
        std::move(error).wrap(fmt::format("{} {}", action_text(change.action), change.key.text()));
    Execution::Failed failed{
        change, change.owner.empty() ? std::move(wrapped) : std::move(wrapped).wrap(change.owner)};
    failed.change.source = failed.error.at ? failed.error.at : change.source;
    return failed;
}

Execution execute(kernel::Host& host, const Plan& plan) {
    return Executor(host, plan).run();
}

}  // namespace partd
