// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/host.h"
#include "kinds/host/host.h"
#include "reconcile/desired_index.h"
#include "reconcile/history.h"
#include "reconcile/load.h"
#include "reconcile/reconciler.h"
#include "reconcile/rollback.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace partd {

struct EngineApply {
    ApplyOptions options = {};
    std::string origin = {};                                // the caller, for the history
    std::optional<std::chrono::milliseconds> confirm = {};  // goes back after so long, unless confirmed
};

struct Applied {
    Outcome outcome;
    std::uint64_t generation =
        0;             // that this became part of; 0 when nothing was done, or it could not be recorded
    Scope scope = {};  // that was looked at
    // Records that could not be written, a sentence each; the host is as declared all the same.
    std::vector<std::string> not_kept = {};
};

// Result of going back.
struct WentBack {
    Applied applied;
    std::vector<std::string> differing;  // differences from the former state, a line each
};

// Totals since the engine was opened.
struct Counters {
    std::uint64_t created = 0, updated = 0, removed = 0;
    std::uint64_t repaired = 0;  // of these: put back after something else had changed it
    std::uint64_t failed = 0, refused = 0;
    std::uint64_t reconciled = 0;
    double seconds = 0;  // spent reconciling
};

// One host with its files and its history: what partctl works with once and partd again and again.
class Engine {
public:
    static Result<std::unique_ptr<Engine>> open(kernel::Paths paths);

    [[nodiscard]] const kernel::Paths& paths() const { return host_.paths(); }
    kernel::Host& host() { return host_; }
    // Without what the files declare: it is as large as all the rest, and read anew when it is asked for.
    [[nodiscard]] const Desired& desired() const { return desired_; }
    [[nodiscard]] const DaemonSettings& settings() const { return settings_; }
    // A hash of its files, as hash_of() makes it.
    [[nodiscard]] std::uint64_t files() const { return files_; }
    [[nodiscard]] const DesiredIndex& parts() const { return parts_; }
    const Ledger& ledger() { return reconciler_.ledger(); }
    [[nodiscard]] const Ledger& last_ledger() const { return reconciler_.last_ledger(); }
    [[nodiscard]] History history() const { return History(paths().history()); }

    // Reads the files; returns what is wanted differently now.
    Result<Scope> load(DesiredOptions options);
    // As load(), for a caller that goes on following the files: vanished files count until their removal has
    // settled, and files that a writer has open are not read.
    Result<Scope> follow_files();
    // When a removal has settled, since the boot: then follow_files() again. nullopt when none is on its way.
    [[nodiscard]] std::optional<std::chrono::milliseconds> next_removal() const { return leaving_.due(); }
    // Has the next load() read all files, also those that seem to be the same, and those that they name.
    void forget_files() {
        memory_ = {};
        forgotten_ = true;
    }
    // As load(), with files that were read already.
    Scope adopt(Desired desired);
    Result<Inspection> look(const Desired& desired, const std::string& only = {}) {
        return reconciler_.look(desired.compiled.desired, only);
    }
    Result<std::optional<Inspection>> look_at(const Desired& desired, const std::string& name,
                                              std::span<const LiveKind* const> kinds = {}) {
        return reconciler_.look_at(desired.compiled.desired, name, kinds);
    }
    // Makes the host as loaded, and remembers what was applied: as last good, and as a generation when it is
    // another document than the last one.
    Result<Applied> apply(const EngineApply& request);
    // As apply(), with files that were read already: they replace the loaded ones, unless the apply is
    // refused or fails.
    Result<Applied> apply_instead(Desired desired, const EngineApply& request);

    // The apply that waits to be confirmed; nullopt if none does.
    [[nodiscard]] Result<std::optional<Confirmation>> waiting() const { return read_confirmation(paths()); }
    // Confirms the apply that waits: it is not undone any more.
    Result<> confirm();
    // The way back from the document in force, where it is known.
    [[nodiscard]] Result<std::optional<Confirmation>> way_back() const;
    // Has what was applied within the last minutes wait to be confirmed after all. False when it is longer
    // ago, or the way back is not known.
    Result<bool> wait_for_confirmation(std::chrono::milliseconds patience);
    // Makes the host as it was before the apply that waits, however much of what was made since has to go, or
    // as a generation said: nothing is done when that cannot be read as a whole, or when it is refused. The
    // files stay as they are, and say nothing until they change.
    Result<WentBack> go_back(const Confirmation& way, EngineApply request);
    Result<WentBack> roll_back(std::uint64_t generation, const EngineApply& request);

    // True if that partition or slice is wanted, or partd made it; always for "".
    bool knows(const State& desired, const std::string& name);

    // Whose objects something else keeps changing back, as far as whoever runs this has seen.
    [[nodiscard]] const std::set<std::string>& contested() const { return contested_; }
    void set_contested(std::set<std::string> owners) { contested_ = std::move(owners); }
    [[nodiscard]] const Counters& counters() const { return counters_; }
    void count_repairs(std::uint64_t repairs) { counters_.repaired += repairs; }
    // Is told what came of every apply.
    std::function<void(const Applied&)> on_applied = {};

private:
    std::optional<Scope> load_edit(const DesiredOptions& options);
    explicit Engine(kernel::Host host) : host_(std::move(host)), reconciler_(host_) {}
    Result<> note_way_back(const Inspection& view, const EngineApply& request);
    Result<WentBack> make_as(const Confirmation& way, const EngineApply& request);
    void keep(const Result<>& written);
    [[nodiscard]] bool last_good_is_known() const;
    void count(const Outcome& outcome, std::chrono::duration<double> took);
    Result<Applied> finish(Outcome outcome, const EngineApply& request);
    Result<std::uint64_t> record(const Outcome& outcome, const std::string& origin);

    kernel::Host host_;
    Reconciler reconciler_;
    kernel::ConfigMemory memory_;
    Leaving leaving_;
    bool forgotten_ = false;  // all files are to be read
    bool followed_ = false;   // the files were read by follow_files()
    Desired desired_;
    DaemonSettings settings_;
    DesiredIndex parts_;
    std::uint64_t files_ = hash_of({});  // a hash of what is desired, as files
    std::uint64_t recorded_ = 0;         // a hash of the files that the generation below was recorded with
    std::uint64_t generation_ = 0;
    std::string outcome_;
    std::vector<std::string> not_kept_;
    std::set<std::string> contested_;
    Counters counters_;
};

}  // namespace partd
