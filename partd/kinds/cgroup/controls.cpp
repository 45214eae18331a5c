// SPDX-License-Identifier: Apache-2.0
#include "kinds/cgroup/controls.h"

#include "base/text.h"
#include "kinds/cgroup/limit_text.h"
#include "kinds/cgroup/limit_unit.h"
#include "kinds/cgroup/v1.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace partd {

template <>
struct TextFormat<CpuMax> {
    static constexpr std::string_view kExpected =
                                          "a share of one processor like \"50%\", \"QUOTA PERIOD\" in "
                                          "microseconds, or \"max\"",
                                      kPattern = "^([0-9]+%|[0-9]+ [0-9]+|max( [0-9]+)?)$";
};
template <>
struct TextFormat<CpuList> {
    static constexpr std::string_view kExpected = "a list of numbers like \"0-3,8\"",
                                      kPattern = "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$";
};

std::optional<CpuMax> CpuMax::parse(std::string_view text) {
    // The kernel's bounds: a quota of at least 1 ms, a period of 1 ms to 1 s
    // (kernel/sched/core.c).
    constexpr std::uint64_t kLeast = 1'000;
    constexpr std::uint64_t kLongest = 1'000'000;
    constexpr std::uint64_t kUsualPeriod = 100'000;
    constexpr std::uint64_t kMost = (std::uint64_t{1} << 44) - 1;  // MAX_BW
    const auto parts = words(text);
    if (text.ends_with('%') && parts.size() == 1) {
        const auto percent = parse_number(text.substr(0, text.size() - 1));
        if (!percent || *percent < 1 || *percent > 1'000'000) {
            return std::nullopt;
        }
        return CpuMax(fmt::format("{} {}", *percent * kUsualPeriod / 100, kUsualPeriod).c_str());
    }
    if (parts.empty() || parts.size() > 2) {
        return std::nullopt;
    }
    const auto quota = parse_number(parts[0]);
    const auto period = parts.size() == 2 ? parse_number(parts[1]) : std::optional(kUsualPeriod);
    if (!period || *period < kLeast || *period > kLongest ||
        (parts[0] != "max" && (!quota || *quota < kLeast || *quota > kMost || parts.size() != 2))) {
        return std::nullopt;
    }
    return CpuMax(fmt::format("{} {}", parts[0], *period).c_str());
}

std::optional<CpuList> CpuList::parse(std::string_view text) {
    const auto list = canonical_cpu_list(text);
    return list ? std::optional(CpuList(list->c_str())) : std::nullopt;
}

namespace {

// A number of bytes of at least that many, or nullopt for "max".
bool read_bytes(const Value& value, std::uint64_t least, std::optional<std::uint64_t>& out,
                Diagnostics& problems) {
    const auto* integer = value.get_if<std::int64_t>();
    const auto* text = value.get_if<std::string>();
    const auto bytes = integer != nullptr && *integer >= 0
                           ? std::optional(static_cast<std::uint64_t>(*integer))
                       : text != nullptr ? parse_size(*text)
                                         : std::nullopt;
    const bool none = !bytes && text != nullptr && *text == "max";
    if (!none && (!bytes || *bytes < least)) {
        report_unexpected(value, "a size like \"512M\", a number of bytes, or \"max\"", problems);
        return false;
    }
    out = bytes;
    return true;
}

}  // namespace

template <>
struct Codec<MemoryLimit> {
    static bool read(const Value& value, MemoryLimit& out, Diagnostics& problems) {
        if (!read_bytes(value, 0, out.bytes, problems)) {
            return false;
        }
        if (out.bytes && *out.bytes > 0 && *out.bytes < kPage) {
            problems.error(value.source, fmt::format("{} bytes are less than a page of memory "
                                                     "({}), of which the kernel "
                                                     "makes 0: write 0, or at least {}",
                                                     *out.bytes, kPage, kPage));
            return false;
        }
        if (out.bytes) {
            out.bytes = *out.bytes / kPage * kPage;
        }
        return true;
    }
    static std::string text(const MemoryLimit& value) {
        return value.bytes ? std::to_string(*value.bytes) : "max";
    }
    static Value json(const MemoryLimit& value) { return text(value); }
    static Value schema() {
        Value text = string_schema("^([0-9]+(\\.[0-9]{1,6})?[KMGT]|[0-9]+|max)$", "a size or \"max\"");
        Value number;
        number.set("type", "integer");
        number.set("minimum", 0);
        Value schema;
        schema.set("anyOf", Array{text, number});
        return schema;
    }

private:
    // The unit to which the kernel rounds. A constant, so that a plan does not depend on the machine that
    // makes it.
    static constexpr std::uint64_t kPage = 4096;
};

template <>
struct Codec<CountLimit> {
    static bool read(const Value& value, CountLimit& out, Diagnostics& problems) {
        const auto* integer = value.get_if<std::int64_t>();
        const auto* text = value.get_if<std::string>();
        if (integer != nullptr && *integer >= 0) {
            out.count = *integer;
            return true;
        }
        if (text != nullptr && *text == "max") {
            return true;
        }
        report_unexpected(value, "a number or \"max\"", problems);
        return false;
    }
    static std::string text(const CountLimit& value) {
        return value.count ? std::to_string(*value.count) : "max";
    }
    static Value json(const CountLimit& value) { return value.count ? Value(*value.count) : Value("max"); }
    static Value schema() {
        Value number;
        number.set("type", "integer");
        number.set("minimum", 0);
        Value schema;
        schema.set("anyOf", Array{number, string_schema("^max$", "no limit")});
        return schema;
    }
};

template <>
struct Codec<Switch> {
    static bool read(const Value& value, Switch& out, Diagnostics& problems) {
        return Codec<bool>::read(value, out.on, problems);
    }
    static std::string text(const Switch& value) { return value.on ? "1" : "0"; }
    static Value json(const Switch& value) { return value.on; }
    static Value schema() { return Codec<bool>::schema(); }
};

namespace {

// Bytes a second, which the kernel keeps to the byte, unlike memory.
template <auto Member>
constexpr Field rate(std::string_view name, std::string_view description) {
    Field exact = field<Member>(name, description, {.min = 1});
    exact.read = [](const Value& value, void* object, Diagnostics& problems) {
        return read_bytes(value, 1, (static_cast<IoMax*>(object)->*Member).emplace().bytes, problems);
    };
    return exact;
}

// The device's path has no control character, no blank and no "..": it is
// opened below /dev.
constexpr Field kIoFields[] = {
    field<&IoMax::device>("device", "the block device: its path below /dev, or MAJOR:MINOR",
                          {.required = true}),
    rate<&IoMax::rbps>("rbps", "bytes read a second"),
    rate<&IoMax::wbps>("wbps", "bytes written a second"),
    field<&IoMax::riops>("riops", "read operations a second", {.min = 1}),
    field<&IoMax::wiops>("wiops", "write operations a second", {.min = 1}),
};

constexpr FieldOptions kWeight = {.role = Role::Declared, .min = 1, .max = 10000, .fallback = "100"};
constexpr FieldOptions kPlain = {.role = Role::Declared};

// A limit in bytes of the memory controller.
template <auto Member>
constexpr Control memory(std::string_view key, std::string_view description, std::string_view initial,
                         const char* property) {
    return {.field = field<Member>(key, description, kPlain),
            .initial = initial,
            .kept = kept_bytes,
            .unit = unit_number,
            .property = property};
}

template <auto Member>
constexpr Control huge_pages(std::string_view key, std::string_view description) {
    return {.field = field<Member>(key, description, kPlain),
            .initial = "max",
            .kept = kept_huge_pages,
            .v1 = hugetlb_v1};
}

constexpr Control kControls[] = {
    {.field = field<&Limits::cpu_weight>("cpu.weight", "share of processor time under contention", kWeight),
     .initial = "100",
     .v1 = cpu_shares_v1},
    {.field = field<&Limits::cpu_max>("cpu.max",
                                      "most processor time: \"50%\" of one processor, or the kernel's "
                                      "\"QUOTA PERIOD\"",
                                      kPlain),
     .initial = "max 100000",
     .v1 = cpu_quota_v1,
     .unit = unit_cpu_quota,
     .property = "CPUQuotaPerSecUSec"},
    {.field = field<&Limits::cpu_idle>("cpu.idle", "its processes run only when no other process wants to",
                                       kPlain),
     .initial = "0",
     .v1 = same_in_v1},
    {.field = field<&Limits::cpuset_cpus>("cpuset.cpus", "processors it may run on", kPlain),
     .v1 = same_in_v1,
     .unit = unit_list,
     .property = "AllowedCPUs"},
    {.field = field<&Limits::cpuset_mems>("cpuset.mems", "memory nodes it may use", kPlain),
     .v1 = same_in_v1,
     .unit = unit_list,
     .property = "AllowedMemoryNodes"},
    memory<&Limits::memory_min>("memory.min", "memory that is never reclaimed", "0", "MemoryMin"),
    memory<&Limits::memory_low>("memory.low", "memory that is reclaimed last", "0", "MemoryLow"),
    memory<&Limits::memory_high>("memory.high", "memory above which its processes are throttled", "max",
                                 "MemoryHigh"),
    {.field = field<&Limits::memory_max>("memory.max", "memory above which its processes are killed", kPlain),
     .initial = "max",
     .kept = kept_bytes,
     .v1 = memory_max_v1,
     .unit = unit_number,
     .property = "MemoryMax"},
    memory<&Limits::memory_swap_max>("memory.swap.max", "most swap space", "max", "MemorySwapMax"),
    {.field = field<&Limits::memory_oom_group>(
         "memory.oom.group", "when it is out of memory, all its processes are killed together", kPlain),
     .initial = "0"},
    {.field = field<&Limits::io_weight>("io.weight", "share of disk time under contention", kWeight),
     .initial = "100",
     .v1 = io_weight_v1,
     .unit = unit_number,
     .property = "IOWeight"},
    {.field = field<&Limits::io_max>("io.max", "most bytes and operations a second of a device", kPlain),
     .kept = kept_devices,
     .unit = unit_devices,
     .property = "IOReadBandwidthMax"},
    {.field = field<&Limits::pids_max>("pids.max", "most processes and threads",
                                       {.role = Role::Declared, .max = 4194304}),
     .initial = "max",
     .v1 = same_in_v1,
     .unit = unit_number,
     .property = "TasksMax"},
    huge_pages<&Limits::hugetlb_64k>("hugetlb.64KB.max", "most memory in huge pages of 64 KiB"),
    huge_pages<&Limits::hugetlb_2m>("hugetlb.2MB.max", "most memory in huge pages of 2 MiB"),
    huge_pages<&Limits::hugetlb_32m>("hugetlb.32MB.max", "most memory in huge pages of 32 MiB"),
    huge_pages<&Limits::hugetlb_512m>("hugetlb.512MB.max", "most memory in huge pages of 512 MiB"),
    huge_pages<&Limits::hugetlb_1g>("hugetlb.1GB.max", "most memory in huge pages of 1 GiB"),
    huge_pages<&Limits::hugetlb_16g>("hugetlb.16GB.max", "most memory in huge pages of 16 GiB"),
    {.field = field<&Limits::freeze>("freeze", "its processes are frozen", kPlain), .initial = "0"},
};
constexpr std::size_t kCount = std::size(kControls);

// Keys of the language that are not limits.
constexpr Field kParent = field<&Limits::parent>("parent", "the slice that contains it", kPlain);
constexpr Field kOthers[] = {
    field<&Limits::delegate>("delegate",
                             "its root (with a user namespace, the root of that) may make groups below it; "
                             "with a rootfs it needs the namespace \"cgroup\" to see them",
                             kPlain),
    reserved("devices"),
    reserved("net.priority"),
    reserved("match"),
};

constexpr auto kLimitsFields = [] {
    std::array<Field, 1 + kCount + std::size(kOthers)> all;
    all[0] = kParent;
    std::ranges::transform(kControls, all.begin() + 1, &Control::field);
    std::ranges::copy(kOthers, all.begin() + 1 + kCount);
    return all;
}();

}  // namespace

constinit const Table IoMax::table = {"io.max", "Limits of one block device.", kIoFields};
constinit const Table Limits::table = {"cgroup", "Shares and limits; keys and values are the kernel's own.",
                                       kLimitsFields};

std::span<const Control> controls() {
    return kControls;
}

const Control* find_control(std::string_view key) {
    const auto found =
        std::ranges::find(kControls, key, [](const Control& control) { return control.field.name; });
    return found == std::end(kControls) ? nullptr : found;
}

std::string kept_limit(std::string_view key, const std::string& value) {
    const Control* control = find_control(key);
    return control == nullptr || control->kept == nullptr ? value : control->kept(key, value);
}

std::optional<kernel::UnitProperties> unit_properties(std::string_view key, const std::string& value) {
    const Control* control = find_control(key);
    return control == nullptr || control->unit == nullptr
               ? std::nullopt
               : std::optional(control->unit(control->property, value));
}

}  // namespace partd
