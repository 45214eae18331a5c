#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace partd::kernel {

// One entry of /proc/PID/ns.
struct NamespaceRef {
    std::string type;  // "net", "mnt", …
    ino_t inode = 0;
};

struct Process {
    pid_t pid = 0;
    uid_t uid = 0;
    std::string command;  // its command line, or its name in brackets
    std::vector<NamespaceRef> namespaces;
};

// All processes that can be looked at now; what ends meanwhile is left out.
std::vector<Process> list_processes();
// Processes by the inode of their network namespace; one pass over /proc.
std::multimap<ino_t, pid_t> processes_by_netns();

// Ends processes: SIGTERM, then SIGKILL after `patience`. Returns those that are still there a moment later
// (a process in an uninterruptible wait). The identity of each is held by pidfd, so that a reused number is
// never hit.
std::set<pid_t> end_processes(const std::set<pid_t>& pids, std::chrono::milliseconds patience);

}  // namespace partd::kernel
