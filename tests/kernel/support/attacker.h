// SPDX-License-Identifier: Apache-2.0
#pragma once
// Partitions whose root is an enemy: a tree with busybox and the attacker's program (attack/attack.cpp), the
// configuration around it, and what the attempts came to.

#include "sandbox.h"

#include <sys/stat.h>

#include <map>
#include <string>

namespace partd::test {

/// Results of attempts by their names: "done", or the name of an errno.
using Attempts = std::map<std::string, std::string>;
/// From the "ATTEMPT RESULT" lines of the attacker's program.
Attempts attempts(const std::string& text);
/// The names of those that were done.
std::vector<std::string> successes(const Attempts& all);

/// A directory of memory over /var/lib and over /srv, in the sandbox's mounts: the machine's own stay
/// untouched.
void private_state();

/// /srv/cells/NAME, below a directory that only root can enter: busybox with its applets, /etc/passwd, the
/// attacker's program as /bin/attack.
std::string make_tree(const std::string& name);
void set_root_account(const std::string& tree, const std::string& home, const std::string& shell);

struct Cell {
    std::string name = "cell";
    std::string namespaces = R"(["net", "mnt", "pid", "uts", "ipc", "user", "cgroup", "time"])";
    bool user = true;  ///< with a map to `outside`
    unsigned outside = 1'000'000;
    bool rootfs = true;
    bool overlay = true;
    std::string more_rootfs = {};  ///< further lines of [partition.NAME.rootfs]
};
/// As config-examples/lightvm.toml has it.
std::string cell_config(const Cell& cell);

/// A sandbox with private_state() and one such partition, which is applied at once.
struct Prison {
    Sandbox sandbox;
    Cell cell;
    std::string tree;
    explicit Prison(Cell wanted = {});

    /// `partctl exec CELL -- COMMAND`.
    [[nodiscard]] Outcome exec(const Arguments& command, RunOptions options = {}) const;
    /// The attacker's program, inside.
    [[nodiscard]] Attempts attack(const Arguments& words) const;
    /// Host's id of a process in the cgroup of the cell, or of another partition, by its command line; or -1.
    [[nodiscard]] pid_t find(const std::string& command, const std::string& partition = {}) const;
};

/// The attacker's program as the host's root: what shows that an attempt can succeed at all.
Attempts attack_outside(const Arguments& words);

/// Dies with this object; for signals that ought not to arrive.
Background bystander();

/// All mounts but the pins of namespaces.
std::string mounts_of_host();
std::string pid_namespace();

}  // namespace partd::test
