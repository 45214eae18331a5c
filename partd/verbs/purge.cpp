// SPDX-License-Identifier: Apache-2.0
#include "base/hint.h"
#include "base/text.h"
#include "kernel/file/config_files.h"
#include "kernel/file/files.h"
#include "kernel/layer/layers.h"
#include "kinds/machine/rootfs.h"
#include "reconcile/rest.h"
#include "verbs/context.h"
#include "verbs/summary.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <ranges>

namespace partd::verbs {

namespace {

using Clock = std::chrono::steady_clock;
using kernel::Layers;

constexpr std::chrono::minutes kMostForSize{1};

// The daemon does others' work too: it deletes a little, and is asked again.
Clock::time_point deadline(Engine& engine) {
    constexpr std::chrono::milliseconds kSlice{50};
    return engine.host().patience() ? Clock::now() + kSlice : Clock::time_point::max();
}

std::optional<std::string> declared_at(const Desired& desired, const std::string& name) {
    const Resource* layer = desired.compiled.desired.find(layer_key(name));
    return layer == nullptr ? std::nullopt : std::optional(layer->source.place());
}

// Where the layer is declared by a file that was last seen in a directory that is not there now; "" when it
// is not. A disk that is not mounted takes no declaration back, and the generations since know nothing of it.
Result<std::string> declared_where_missing(const Engine& engine, const std::string& name) {
    constexpr std::size_t kNothing = 0;  // of the files; which directories there are is all that is asked
    const auto missing = kernel::read_config_directories(engine.paths().config(), kNothing).missing;
    const auto is_missed = [&](const TextFile& file) {
        return missing.contains(file.path.substr(0, file.path.rfind('/')));
    };
    const auto numbers = engine.history().numbers();
    PARTD_TRY(numbers);
    for (const std::uint64_t number : std::views::reverse(*numbers)) {
        auto generation =
            missing.empty() ? Result<std::optional<Generation>>(std::nullopt) : engine.history().find(number);
        PARTD_TRY(generation);
        if (!*generation || std::ranges::none_of((*generation)->files, is_missed)) {
            continue;
        }
        const auto desired = load_files(std::move((*generation)->files));
        PARTD_TRY(desired);
        const Resource* layer = desired->compiled.desired.find(layer_key(name));
        const bool there = layer != nullptr && layer->source.file != nullptr;
        return there && is_missed({*layer->source.file, ""}) ? layer->source.place() : std::string();
    }
    return std::string();
}

// The reason why the layer has to stay; "" if it may be deleted. An unknown state is a reason, too.
Result<std::string> objection(Engine& engine, const std::string& name) {
    for (const bool as_written : {false, true}) {
        const auto desired = load_desired(engine.paths(), {.keep_going = true, .as_written = as_written});
        PARTD_TRY(desired);
        if (const auto place = declared_at(*desired, name)) {
            return fmt::format(
                "{} is declared with this layer in {}: take it out there, or set overlay = "
                "false, and apply; then purge it",
                name, *place);
        }
        if (!desired->rolled_back &&
            (!desired->good() || !std::ranges::all_of(desired->notes, tells_of_rest))) {
            return fmt::format("not all files can be read, and one of them may declare {}: see partctl check",
                               name);
        }
    }
    const auto before = declared_where_missing(engine, name);
    PARTD_TRY(before);
    if (!before->empty()) {
        return fmt::format(
            "{} was declared with this layer in {}, whose directory is missing or cannot be read now: purge "
            "it "
            "when the directory is there and does not declare it",
            name, *before);
    }
    // Its partition may not be declared any more and still be there (on_remove, pause, a failed apply).
    const bool known = engine.ledger().find({kLayer.kind.name, name}) != nullptr;
    const bool unclear = engine.ledger().lost && !engine.host().group_of(name).empty();
    return known || unclear ? fmt::format("{} still uses this layer: apply first, so that it is gone", name)
                            : std::string();
}

// A layer that is there and may be deleted; what is to be said about any other was said.
bool may_purge(Engine& engine, VerbContext& work, const Layers& layers, const std::string& name) {
    const auto entry = layers.look(name);
    const auto against =
        entry && (entry->state == Layers::State::Whole || entry->state == Layers::State::Incomplete)
            ? objection(engine, name)
            : Result<std::string>();
    if (!entry || !against) {
        work.answer = work.failed(entry ? against.error() : entry.error());
        return false;
    }
    if (entry->state == Layers::State::Absent) {
        const auto all = layers.list().value_or(Layers::Names());
        const std::vector<std::string_view> names(all.layers.begin(), all.layers.end());
        work.answer = work.stop(Reason::UnknownName,
                                fmt::format("there is no layer \"{}\"{}", name,
                                            did_you_mean(name, names, ": see partctl status --layers")));
        return false;
    }
    const std::string& why = entry->state == Layers::State::Foreign ? entry->why : *against;
    if (!why.empty()) {
        work.answer = work.stop(Reason::InUse, why);
        return false;
    }
    return true;
}

// The end of the layer, come or to come, as a word and for people.
struct Fate {
    const char* word;
    const char* text;
};
constexpr Fate kDeleted = {"deleted", "deleted"};
constexpr Fate kToDelete = {"to-delete", "would be deleted"};
constexpr Fate kHalfPurged = {"half-purged", "its deletion was begun, and goes on"};

void print_size(VerbContext& work, const std::string& name, const kernel::LayerSize& size, const Fate& fate) {
    if (work.request.json) {
        Value value;
        value.set("name", name);
        value.set("state", fate.word);
        value.set("bytes", size.bytes);
        value.set("files", size.files);
        value.set("complete", size.complete);
        work.print_json(std::move(value));
        return;
    }
    work.print("layer {}: {}{}: {}\n", name, size_text(size),
               size.written == 0
                   ? ""
                   : fmt::format(", last written {}",
                                 time_text(std::chrono::system_clock::from_time_t(size.written))),
               fate.text);
}

Answer remove_aside(Engine& engine, VerbContext& work, const Layers& layers, const std::string& name) {
    const auto gone = layers.remove_aside(name, deadline(engine));
    if (!gone) {
        return work.failed(gone.error());
    }
    if (!*gone) {
        return work.stop(Reason::NotConverged,
                         fmt::format("layer {}: not all of it is deleted yet: purge it once more", name));
    }
    return work.done();
}

enum class Verdict : std::uint8_t {
    Delete,
    GoOn,    // an interrupted purge of that name is finished
    Refuse,  // the answer says why
};

Verdict judge(Engine& engine, VerbContext& work, const Layers& layers, const std::string& name) {
    const auto names = layers.list();
    if (!names) {
        work.answer = work.failed(names.error());
        return Verdict::Refuse;
    }
    const bool begun = names->leftover.contains(name);
    if (begun && !names->layers.contains(name)) {
        return Verdict::GoOn;
    }
    if (may_purge(engine, work, layers, name)) {
        return Verdict::Delete;
    }
    if (!begun || work.request.check) {
        return Verdict::Refuse;
    }
    // An interrupted purge goes on; the objection concerns only the layer that stays.
    work.answer = {};
    return Verdict::GoOn;
}

// Judges once more and takes the layer's name away: nobody takes the layer up in between.
Verdict set_aside(Engine& engine, VerbContext& work, const Layers& layers, const std::string& name) {
    const auto failed = [&](const Error& error) {
        work.answer = work.failed(error);
        return Verdict::Refuse;
    };
    const auto lock = engine.host().lock();
    if (!lock) {
        return failed(lock.error());
    }
    const Verdict verdict = judge(engine, work, layers, name);
    if (verdict != Verdict::Delete) {
        return verdict;
    }
    const auto renamed = layers.set_aside(name);
    return renamed ? verdict : failed(renamed.error());
}

}  // namespace

// With `check` it says what is there; with `yes` it deletes it.
Answer purge(Engine& engine, const Request& request) {
    VerbContext work(engine.paths(), request);
    const auto name = Name::parse(request.name);
    if (!name || request.check == request.yes) {
        return work.stop(Reason::Usage,
                         !name ? fmt::format("\"{}\" is not a name of a layer", request.name)
                               : "purge deletes a user's data: it is asked for with \"yes\", or \"check\" "
                                 "to see what it would delete");
    }
    const Layers layers(engine.paths().layers());
    Verdict verdict = judge(engine, work, layers, *name);
    kernel::LayerSize size;
    if (verdict == Verdict::Delete) {
        // It takes long, and others wait for the lock.
        size = layers.size(*name, std::min(deadline(engine), Clock::now() + kMostForSize));
    }
    if (verdict != Verdict::Refuse && request.check) {
        print_size(work, *name, size, verdict == Verdict::Delete ? kToDelete : kHalfPurged);
        return work.done();
    }
    if (verdict == Verdict::Delete) {
        verdict = set_aside(engine, work, layers, *name);
    }
    if (verdict == Verdict::Refuse) {
        return std::move(work.answer);
    }
    if (verdict == Verdict::Delete || request.json) {
        print_size(work, *name, size, kDeleted);
    }
    return remove_aside(engine, work, layers, *name);
}

}  // namespace partd::verbs
