// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/namespace/namespaces.h"

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace partd::kernel {

// One entry of /proc/PID/ns.
struct NamespaceRef {
    NamespaceType type = NamespaceType::Net;
    ino_t inode = 0;
};

struct Process {
    pid_t pid = 0;
    uid_t uid = 0;
    std::string command;  // its command line, or its name in brackets
    std::vector<NamespaceRef> namespaces;
};

// The numbers of all processes of the host.
Result<std::vector<pid_t>> all_processes();
// All processes that can be looked at now; what ends meanwhile is left out.
Result<std::vector<Process>> list_processes();
// Processes by the inodes of their namespaces, of these types; one pass over /proc.
Result<std::multimap<ino_t, pid_t>> processes_by_namespace(std::span<const NamespaceType> types);

// The command line of a process, or its name in brackets; "[?]" when it is gone.
std::string command_of(pid_t pid);
// The resources that a process has used so far (proc_pid_stat(5), proc_pid_io(5)); nothing when it is gone.
struct ProcessUse {
    double cpu_seconds = 0;
    std::uint64_t memory = 0;  // bytes that are in memory, also those that it shares
    std::uint64_t read = 0;    // bytes from block devices, and to them
    std::uint64_t written = 0;
};
ProcessUse use_of(pid_t pid);

// A set of signals in a text of /proc/PID/status, by its key ("SigCgt:", proc_pid_status(5)): the lowest bit
// is SIGHUP. 0 where the text does not have it.
std::uint64_t signal_set(std::string_view status, std::string_view key);
// The signal's number by its name ("TERM", "SIGTERM") or number; nullopt when there is none.
std::optional<int> signal_number(std::string_view text);
// True if the process lives in the namespace with that inode.
bool lives_in(pid_t pid, NamespaceType type, ino_t inode);

// Selects the processes that are still the ones meant. A pid may have been reused: the function is called
// when all are held by pidfds, which keep their pids from being reused.
using Meant = std::function<Result<std::set<pid_t>>(const std::set<pid_t>&)>;
// Selects the processes that live in that namespace.
Meant inhabitants(NamespaceType type, ino_t inode);
// Sends it to each that is still meant; returns how many got it.
Result<std::size_t> signal_processes(const std::set<pid_t>& pids, const Meant& meant, int signal);

// "processes 12, 34, …", for a message.
std::string describe(const std::set<pid_t>& pids);

// Processes that are to end, and how long they have between SIGTERM and SIGKILL.
struct Termination {
    std::set<pid_t> pids;
    Meant meant;
    std::chrono::milliseconds patience;
    bool told = false;  // they got their SIGTERM before
};
// Ends them all at once. Returns those of each that are still there a moment after SIGKILL (in an
// uninterruptible wait), or of which could not be told whether they are still meant.
// `most`: returns after that time, with those whose patience is not over yet, too.
std::vector<std::set<pid_t>> end_processes(std::span<const Termination> endings,
                                           std::optional<std::chrono::milliseconds> most = std::nullopt);

}  // namespace partd::kernel
