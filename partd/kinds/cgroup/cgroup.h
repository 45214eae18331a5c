// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kinds/kinds.h"

namespace partd {

// Values of cgroup keys; as text they are the kernel's own form (cgroup v2,
// Documentation/admin-guide/cgroup-v2.rst).

// A size or "max"; the kernel keeps whole pages.
struct MemoryLimit {
    std::optional<std::uint64_t> bytes;  // nullopt: max
    bool operator==(const MemoryLimit&) const = default;
};
// A number or "max".
struct CountLimit {
    std::optional<std::int64_t> count;
    bool operator==(const CountLimit&) const = default;
};
// "50%" of one processor, "QUOTA PERIOD" in microseconds, or "max".
struct CpuMax : std::string {
    using std::string::string;
    static std::optional<CpuMax> parse(std::string_view text);
    [[nodiscard]] const std::string& text() const { return *this; }
};
// "0-3,8".
struct CpuList : std::string {
    using std::string::string;
    static std::optional<CpuList> parse(std::string_view text);
    [[nodiscard]] const std::string& text() const { return *this; }
};
// Limits of one block device.
struct IoMax {
    std::string device;  // "/dev/sda"
    std::optional<CountLimit> riops, wiops;
    std::optional<MemoryLimit> rbps, wbps;
    bool operator==(const IoMax&) const = default;
    static const Table table;
};
// True or false as the kernel's 1 or 0.
struct Switch {
    bool on = false;
    bool operator==(const Switch&) const = default;
};

// [partition.NAME.cgroup] and [slice.NAME].
struct Limits {
    std::optional<Name> parent;
    std::optional<std::int64_t> cpu_weight, io_weight;
    std::optional<CpuMax> cpu_max;
    std::optional<Switch> cpu_idle, memory_oom_group, freeze;
    std::optional<bool> delegate;
    std::optional<CpuList> cpuset_cpus, cpuset_mems;
    std::optional<MemoryLimit> memory_min, memory_low, memory_high, memory_max, memory_swap_max;
    std::vector<Sourced<IoMax>> io_max;
    std::optional<CountLimit> pids_max;
    std::optional<MemoryLimit> hugetlb_64k, hugetlb_2m, hugetlb_32m, hugetlb_512m, hugetlb_1g, hugetlb_16g;
    static const Table table;
};

// One control group.
struct Cgroup {
    std::string group;            // "partd.slice/partd-web.slice"
    std::string mark;             // whose it is
    std::string in_the_way = {};  // of one that nobody wants any more: why it cannot go, or not yet
    bool open = true;             // groups can be made below it
    bool operator==(const Cgroup&) const = default;
    static const Table table;
};

// One value of a group.
struct Limit {
    std::string group;
    std::string key;    // "memory.max"
    std::string value;  // in the kernel's v2 form
    bool operator==(const Limit&) const = default;
    static const Table table;
};

extern const LiveKind kCgroup;
extern const LiveKind kLimit;
extern const LiveKind kDelegation;

// The extended attribute of a group that holds what was asked for as that limit.
std::string limit_mark(std::string_view key);
// True if a limit is the switch that freezes all processes of the group.
bool is_freeze(const Key& limit);
// The group of a partition or slice: "partd.slice/partd-batch.slice/partd-batch-crunch.slice".
std::string group_of(const Declared& declared, std::string_view name);

}  // namespace partd
