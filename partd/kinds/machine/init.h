// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/session/privileges.h"
#include "kinds/machine/rootfs.h"
#include "kinds/partition.h"

namespace partd {

// [partition.NAME.init]
struct InitCommand {
    std::vector<std::string> command = {};
    std::map<std::string, std::string> environment = {};
    std::optional<AbsolutePath> working_directory = {};
    std::optional<std::string> user = {};
    std::optional<std::string> umask = {};
    std::optional<std::int64_t> nice = {};
    std::optional<std::int64_t> oom_score_adj = {};
    std::optional<bool> no_new_privileges = {};
    std::optional<std::map<std::string, std::string>> limits = {};
    std::optional<std::vector<std::string>> capabilities = {};
    std::optional<std::string> stop_signal = {};
    bool operator==(const InitCommand&) const = default;
    static const Table table;
};

// PID 1 of a partition with its pid namespace, and its mount namespace where it has one of its own: they
// begin and end together.
struct Init {
    std::string partition = {};
    std::string command = {};  // all that it is started with; "partd-init"
    std::string owner = {};    // whose user namespace owns its pid namespace
    std::string root = {};     // the content of its mount namespace; "" without one of its own
    bool running = true;
    bool pinned = true;
    bool operator==(const Init&) const = default;
    static const Table table;

    std::string how = {};  // of one that ended: in words, where the kernel tells

    // Needed to start it, besides the fields.
    InitCommand started = {};
    WantedRoot wanted_root = {};
    std::vector<NamespaceKind> joined =
        {};  // the namespaces that it lives in, but for user, pid and its own mnt
    bool in_user = false;
    std::vector<NamespaceKind> shown = {};
    Place command_at = {};
    Place directory_at = {};
    Place user_at = {};
};

// Reports mistakes of a declared PID 1.
void check_command(const DeclaredObject& object, Diagnostics& problems);
// The rights with which it is started, and its file mode creation mask.
kernel::Privileges privileges_of(const Init& wanted);
unsigned file_mode_mask_of(const InitCommand& init);

extern const LiveKind kInit;
Result<> apply_init(ApplyContext& context, const Change& change, std::size_t number);
Result<> rehearse_init(Stage& stage, const Change& creation);
// Where most likely its PID 1 is.
std::set<pid_t> likely_processes(kernel::Host& host, const std::string& partition);

Key init_key(const std::string& partition);
// On the directory of a partition's pins: what its PID 1 was started with.
inline constexpr char kInitNote[] = "init";
// PID 1 of a partition that nobody declared a command for; nullopt when it has another one, or none.
Result<std::optional<pid_t>> find_holder(kernel::Host& host, const std::string& partition);

}  // namespace partd
