// SPDX-License-Identifier: Apache-2.0
#include "kinds/cgroup/limit_nested.h"

#include "base/text.h"
#include "base/values.h"
#include "kernel/file/files.h"
#include "kinds/cgroup/cgroup.h"

#include <algorithm>
#include <cerrno>
#include <ranges>
#include <set>
#include <vector>

#include <fmt/format.h>

namespace partd {

namespace {

using kernel::Cgroups;

bool is_quota(std::string_view key) {
    return key == "cpu.max";
}

std::set<std::uint64_t> numbers_of(std::string_view list) {
    std::set<std::uint64_t> numbers;
    const std::string canonical = canonical_cpu_list(list).value_or("");
    for (const std::string_view part : split(canonical, ',')) {
        const std::size_t dash = part.find('-');
        const auto first = parse_number(part.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : parse_number(part.substr(dash + 1));
        for (std::uint64_t each = first.value_or(1); each <= last.value_or(0); ++each) {
            numbers.insert(each);
        }
    }
    return numbers;
}

// Processors' worth of time; nullopt for no limit.
std::optional<double> share_of(std::string_view value) {
    const auto parts = words(value);
    const auto quota = parts.empty() ? std::nullopt : parse_number(parts[0]);
    const auto period = parts.size() < 2 ? std::nullopt : parse_number(parts[1]);
    return quota && period && *period > 0
               ? std::optional(static_cast<double>(*quota) / static_cast<double>(*period))
               : std::nullopt;
}

// One key in one hierarchy, all values in the form of cgroup v2.
class Hierarchy {
public:
    Hierarchy(const Cgroups& cgroups, const std::string& key)
        : cgroups_(cgroups), key_(key), controller_(key.substr(0, key.find('.'))) {}

    [[nodiscard]] std::string directory(const std::string& group) const {
        return cgroups_.directory(controller_, group);
    }

    [[nodiscard]] Result<std::string> read(const std::string& directory) const {
        if (!is_quota(key_)) {
            auto text = kernel::read_file(directory + "/" + key_);
            PARTD_TRY(text);
            return std::string(trim(*text));
        }
        auto quota = kernel::read_file(directory + "/cpu.cfs_quota_us");
        PARTD_TRY(quota);
        auto period = kernel::read_file(directory + "/cpu.cfs_period_us");
        PARTD_TRY(period);
        const std::string_view number = trim(*quota);
        return fmt::format("{} {}", number.starts_with('-') ? "max" : number, trim(*period));
    }

    // Quota and period are two files, and the kernel judges them after each write: without a quota, any
    // period fits.
    [[nodiscard]] Result<> write(const std::string& directory, const std::string& value) const {
        if (!is_quota(key_)) {
            return kernel::write_kernel_file(directory + "/" + key_, value);
        }
        const auto before = read(directory);
        PARTD_TRY(before);
        auto written = write_quota(directory, value);
        if (!written) {
            (void)write_quota(directory, *before);
        }
        return written;
    }

    // Groups of ours below one.
    [[nodiscard]] std::vector<std::string> inner(const std::string& group) const {
        std::vector<std::string> groups;
        for (const std::string& name :
             kernel::list_if_there(directory(group)).value_or(std::vector<std::string>())) {
            const std::string path = fmt::format("{}/{}", group, name);
            if (!kernel::get_xattr(directory(path), kernel::kCgroupMark).empty()) {
                groups.push_back(path);
            }
        }
        return groups;
    }

    [[nodiscard]] std::optional<std::string> asked_for(const std::string& group) const {
        std::string mark = kernel::get_xattr(cgroups_.home(group), limit_mark(key_));
        return mark.empty() ? std::nullopt : std::optional(std::move(mark));
    }

    [[nodiscard]] const std::string& key() const { return key_; }

private:
    [[nodiscard]] static Result<> write_quota(const std::string& directory, const std::string& value) {
        const auto parts = words(value);
        const std::string quota = directory + "/cpu.cfs_quota_us";
        PARTD_TRY(kernel::write_kernel_file(quota, "-1"));
        PARTD_TRY(kernel::write_kernel_file(directory + "/cpu.cfs_period_us", parts.at(1)));
        return parts[0] == "max" ? Result<>() : kernel::write_kernel_file(quota, parts[0]);
    }

    const Cgroups& cgroups_;
    const std::string& key_;
    std::string controller_;
};

class Fitting {
public:
    Fitting(const Hierarchy& hierarchy, const std::string& group, const std::optional<std::string>& value)
        : hierarchy_(hierarchy), group_(group), value_(value) {}

    Result<> run() const {
        auto above = kernel::path_down(group_);
        above.pop_back();
        // The outermost has no limit from the files, and stays as it is.
        const auto outermost = hierarchy_.read(hierarchy_.directory(kernel::path_down(group_).front()));
        PARTD_TRY(outermost);
        std::optional<std::string> given = *outermost;
        std::vector<std::optional<std::string>> targets;
        for (const std::string& each : above) {
            given = target_of(each, given);
            targets.push_back(given);
            (void)widen(each, given);
        }
        const auto own = target_of(group_, given);
        if (own) {
            PARTD_TRY(give(own));
        }
        while (!above.empty()) {
            (void)narrow(above.back(), targets.back());  // it waits for what is below it
            above.pop_back();
            targets.pop_back();
        }
        return {};
    }

private:
    // A quota that is not asked for is nobody's business; a cpuset has to have something.
    [[nodiscard]] std::optional<std::string> target_of(const std::string& group,
                                                       const std::optional<std::string>& above) const {
        auto asked = group == group_ ? value_ : hierarchy_.asked_for(group);
        return asked || is_quota(hierarchy_.key()) ? asked : above;
    }

    [[nodiscard]] Result<> widen(const std::string& group, const std::optional<std::string>& target) const {
        const std::string directory = hierarchy_.directory(group);
        const auto has = target ? hierarchy_.read(directory) : Result<std::string>("");
        PARTD_TRY(has);
        return !target || is_within(hierarchy_.key(), *target, *has)
                   ? Result<>()
                   : hierarchy_.write(directory, union_of(hierarchy_.key(), *has, *target));
    }

    [[nodiscard]] Result<> narrow(const std::string& group, const std::optional<std::string>& target) const {
        const std::string directory = hierarchy_.directory(group);
        const auto has = target ? hierarchy_.read(directory) : Result<std::string>("");
        PARTD_TRY(has);
        return !target || *has == *target ? Result<>() : hierarchy_.write(directory, *target);
    }

    // Groups below are first widened and then, innermost first, narrowed to their targets.
    void settle_below(const std::string& group, const std::optional<std::string>& above) const {
        for (const std::string& each : hierarchy_.inner(group)) {
            const auto target = target_of(each, above);
            (void)widen(each, target);
            settle_below(each, target);
            (void)narrow(each, target);
        }
    }

    [[nodiscard]] Result<> give(const std::optional<std::string>& target) const {
        auto done = widen(group_, target);
        if (done) {
            settle_below(group_, target);
            done = narrow(group_, target);
        }
        return done ? done : explained(std::move(done).error(), *target);
    }

    // The kernel's EACCES, EBUSY or EINVAL in words, where it is about another group.
    [[nodiscard]] Result<> explained(Error error, const std::string& target) const {
        auto above = kernel::path_down(group_);
        above.pop_back();
        for (const std::string& each : std::views::reverse(above)) {
            const auto given = hierarchy_.read(hierarchy_.directory(each));
            if (given && !is_within(hierarchy_.key(), target, *given)) {
                return std::unexpected(Error{
                    .code = EBUSY,
                    .message = fmt::format("{} = {} is more than the {} of {} above it, and with cgroup "
                                           "v1 a group has at most that: give it less, or that one more",
                                           hierarchy_.key(), target, *given, each)});
            }
        }
        for (const std::string& name :
             kernel::list_if_there(hierarchy_.directory(group_)).value_or(std::vector<std::string>())) {
            const auto has = hierarchy_.read(hierarchy_.directory(group_) + "/" + name);
            // Without a quota a group has that of the one above.
            const bool open = is_quota(hierarchy_.key()) && has && !share_of(*has);
            if (has && !open && !is_within(hierarchy_.key(), *has, target)) {
                return std::unexpected(Error{
                    .code = EBUSY,
                    .message = fmt::format("{} = {} is less than the {} of the group {} below it, and with "
                                           "cgroup v1 that one would have to have less first",
                                           hierarchy_.key(), target, *has, printable(name))});
            }
        }
        return std::unexpected(std::move(error));
    }

    const Hierarchy& hierarchy_;
    const std::string& group_;
    const std::optional<std::string>& value_;
};

}  // namespace

bool is_nested(std::string_view key, const Cgroups& cgroups) {
    const bool held = key == "cpuset.cpus" || key == "cpuset.mems" || is_quota(key);
    return held && cgroups.version(std::string(key.substr(0, key.find('.')))) == Cgroups::Version::V1;
}

bool is_within(std::string_view key, std::string_view inner, std::string_view outer) {
    if (is_quota(key)) {
        const auto most = share_of(outer);
        const auto asked = share_of(inner);
        return !most || (asked && *asked <= *most);
    }
    return std::ranges::includes(numbers_of(outer), numbers_of(inner));
}

std::string union_of(std::string_view key, const std::string& one, const std::string& other) {
    if (is_quota(key)) {
        return is_within(key, one, other) ? other : one;
    }
    return one.empty() ? other : canonical_cpu_list(one + "," + other).value_or(other);
}

Result<> fit_nested(const Cgroups& cgroups, const std::string& group, const std::string& key,
                    const std::optional<std::string>& value) {
    const Hierarchy hierarchy(cgroups, key);
    return Fitting(hierarchy, group, value).run();
}

}  // namespace partd
