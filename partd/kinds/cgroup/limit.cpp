// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "kernel/file/files.h"
#include "kinds/cgroup/cgroup.h"
#include "kinds/cgroup/limit_nested.h"
#include "kinds/cgroup/limit_text.h"
#include "kinds/cgroup/limit_unit.h"
#include "kinds/cgroup/v1.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace partd {

namespace {

using Version = kernel::Cgroups::Version;

constexpr Field kFields[] = {
    field<&Limit::group>("group", "the control group", {.role = Role::Identity, .live = true}),
    field<&Limit::key>("key", "the kernel's name of the value", {.role = Role::Identity, .live = true}),
    field<&Limit::value>("value", "in the kernel's form", {.live = true}),
};

Key limit_key(const std::string& group, std::string_view key) {
    return {&kLimit.kind, fmt::format("{} {}", group, key)};
}

// An idle group has no weight: the kernel takes only one of the two.
std::vector<std::string> claims_of(const std::string& group, std::string_view key, std::string_view value) {
    const bool weight = key == "cpu.weight" || (key == "cpu.idle" && value == "1");
    return weight ? std::vector{fmt::format("the weight of {} (an idle group has none)", group)}
                  : std::vector<std::string>();
}

void expand(const Declared& declared, State& desired, Diagnostics&) {
    for (const DeclaredObject* object : declared.all<Limits>()) {
        const std::string group = group_of(declared, object->owner);
        const Key cgroup{&kCgroup.kind, group};
        for (const Control& control : controls()) {
            const Field& field = control.field;
            const std::string text = field.text(object->spec.data());
            const std::string value = text.empty() ? "" : kept_limit(field.name, text);
            if (!value.empty()) {
                const Key key = limit_key(group, field.name);
                desired.add({.key = key,
                             .spec = Spec(Limit{group, std::string(field.name), value}),
                             .owner = object->owner,
                             .source = object->place(field.name),
                             .depends_on = {cgroup},
                             .phase = is_freeze(key) ? Phase::Frozen : Phase::Limits,
                             .contained_in = {cgroup},
                             .exclusive_names = claims_of(group, field.name, value)});
            }
        }
    }
}

struct Place {
    std::string path;
    std::string value;
};

// The file that this kernel has.
Place place_of(const kernel::Cgroups& cgroups, const std::string& controller, const std::string& group,
               const CgroupFile& file) {
    const std::string directory = cgroups.directory(controller, group) + "/";
    const bool other = !file.other_name.empty() && !kernel::exists(directory + file.name);
    return other ? Place{directory + file.other_name, file.other_value}
                 : Place{directory + file.name, file.value};
}

// A line of a device in one of the files that hold limits of devices.
struct DeviceLine {
    std::string path;
    std::string number;
    std::string line;
    std::string unlimited;  // the value that ends it
};

// The lines of devices that the value does not name.
std::vector<DeviceLine> other_devices(const kernel::Cgroups& cgroups, const std::string& group,
                                      const CgroupFiles& wanted) {
    std::vector<DeviceLine> others;
    for (const CgroupFile& file : io_reset_files(cgroups.version("io") == Version::V2)) {
        const std::string path = cgroups.directory("io", group) + "/" + file.name;
        const std::string text = kernel::read_file(path).value_or("");
        for (const std::string_view line : split(text, '\n')) {
            const auto parts = words(line);
            const auto names_it = [&](const CgroupFile& each) {
                return each.value.starts_with(std::string(parts[0]) + " ");
            };
            if (!parts.empty() && std::ranges::none_of(wanted.files, names_it)) {
                others.push_back({path, std::string(parts[0]), std::string(line), file.value});
            }
        }
    }
    return others;
}

// The kernel's value of a key in cgroup v2 form; the wanted value itself if all files hold what writing it
// would give.
Result<std::string> read_value(const kernel::Cgroups& cgroups, const Limit& wanted) {
    const CgroupFiles files = files_of(wanted.key, wanted.value, cgroups);
    std::vector<std::string> differing;
    for (const CgroupFile& file : files.files) {
        const auto place = place_of(cgroups, files.controller, wanted.group, file);
        const auto text = kernel::read_file(place.path);
        if (!text && text.error().is_shortage()) {
            return std::unexpected(text.error());
        }
        if (!text || !same_cgroup_value(*text, place.value)) {
            differing.emplace_back(text ? trim(*text) : "none");
        }
    }
    if (wanted.key == "io.max") {
        for (const DeviceLine& other : other_devices(cgroups, wanted.group, files)) {
            differing.push_back(other.line);
        }
    }
    return differing.empty() && !files.files.empty() ? wanted.value
           : differing.empty()                       ? "none"
                                                     : join(differing, " ");
}

Result<> observe(Observation& observation) {
    const auto& cgroups = observation.host.cgroups();
    const std::string prefix = limit_mark("");
    const auto groups = observation.groups();
    PARTD_TRY(groups);
    for (const auto& [group, owner, identity, attributes] : *groups) {
        for (const std::string& attribute : attributes) {
            const std::string key = attribute.substr(std::min(prefix.size(), attribute.size()));
            if (!attribute.starts_with(prefix) || find_control(key) == nullptr) {
                continue;
            }
            const Resource* wanted = observation.desired.find(limit_key(group, key));
            const Limit asked = wanted != nullptr
                                    ? wanted->spec.as<Limit>()
                                    : Limit{group, key, std::string(find_control(key)->initial)};
            // The mark holds what was asked for: a v1 file would say it in its own way.
            const auto value = wanted != nullptr
                                   ? read_value(cgroups, asked)
                                   : Result<std::string>(kernel::get_xattr(cgroups.home(group), attribute));
            PARTD_TRY(value);
            const Key cgroup{&kCgroup.kind, group};
            observation.add({.key = limit_key(group, key),
                             .spec = Spec(Limit{group, key, *value}),
                             .owner = owner == "partd" ? "" : owner,
                             .depends_on = {cgroup},
                             .contained_in = {cgroup},
                             .exclusive_names = claims_of(group, key, *value),
                             .marked = true});
        }
    }
    return {};
}

// The properties of the group's slice for a value; `mark` tells what is declared of the other one that shares
// the property.
std::optional<kernel::UnitProperties> properties_for(const kernel::Cgroups& cgroups, const Limit& limit,
                                                     bool reset) {
    const auto other = [&](const char* key) {
        return kernel::get_xattr(cgroups.home(limit.group), limit_mark(key));
    };
    const std::string own = reset ? "" : limit.value;
    if (limit.key == "cpu.weight") {
        return cpu_weight_properties(own, other("cpu.idle"));
    }
    if (limit.key == "cpu.idle") {
        return cpu_weight_properties(other("cpu.weight"), own);
    }
    if (limit.key == "io.weight" && reset) {
        return unit_properties(limit.key, "");
    }
    return unit_properties(limit.key, limit.value);
}

// systemd has no property for memory.oom.group of a slice, but writes 0 there along with other values.
Result<> keep_oom_group(const kernel::Cgroups& cgroups, const std::string& group) {
    const std::string wanted = kernel::get_xattr(cgroups.home(group), limit_mark("memory.oom.group"));
    return wanted.empty()
               ? Result<>()
               : kernel::write_kernel_file(cgroups.directory("memory", group) + "/memory.oom.group", wanted);
}

// False if systemd has no property for the limit. Else sets it and, unless `reset`, reads the kernel's value
// back: systemd does not report whether the kernel took it.
Result<bool> write_property(const kernel::Cgroups& cgroups, const Limit& limit, bool reset) {
    auto* systemd = cgroups.systemd();
    const auto properties = systemd == nullptr ? std::nullopt : properties_for(cgroups, limit, reset);
    if (!properties) {
        return false;
    }
    const std::string unit = kernel::unit_of(limit.group);
    PARTD_TRY(systemd->set_properties(unit, *properties));
    PARTD_TRY(keep_oom_group(cgroups, limit.group));
    const auto found = reset ? Result<std::string>(limit.value) : read_value(cgroups, limit);
    PARTD_TRY(found);
    if (*found != limit.value) {
        return fail(
            fmt::format("systemd took {} for {}, but the kernel has \"{}\" in {}: see journalctl -b _PID=1",
                        properties->back().name, unit, *found, limit.key));
    }
    return true;
}

// Makes the controller of a value that systemd has no property for usable: of huge pages it knows nothing and
// leaves them alone; that of memory it enables for its own accounting.
Result<> enable(const kernel::Cgroups& cgroups, const std::string& controller, const std::string& group) {
    if (cgroups.systemd() != nullptr && controller == "memory") {
        return cgroups.systemd()->set_properties(kernel::unit_of(group), {{"MemoryAccounting", true}});
    }
    return cgroups.enable(controller, group, cgroups.owner(group));
}

// Takes the limits away of every device that the value does not name.
Result<> reset_devices(const kernel::Cgroups& cgroups, const std::string& group, const CgroupFiles& wanted) {
    for (const DeviceLine& other : other_devices(cgroups, group, wanted)) {
        PARTD_TRY(kernel::write_kernel_file(other.path, fmt::format("{} {}", other.number, other.unlimited)));
    }
    return {};
}

Result<> write(ApplyContext& context, const Limit& limit) {
    const auto& cgroups = context.host.cgroups();
    const CgroupFiles files = files_of(limit.key, limit.value, cgroups);
    if (!files.problem.empty()) {
        return fail(files.problem);
    }
    const auto by_systemd = write_property(cgroups, limit, false);
    PARTD_TRY(by_systemd);
    if (*by_systemd) {
        return {};
    }
    if (!files.controller.empty()) {
        PARTD_TRY(enable(cgroups, files.controller, limit.group));
    }
    if (is_nested(limit.key, cgroups)) {
        return fit_nested(cgroups, limit.group, limit.key, limit.value);
    }
    if (limit.key == "io.max") {
        PARTD_TRY(reset_devices(cgroups, limit.group, files));
    }
    for (const CgroupFile& file : files.files) {
        const Place place = place_of(cgroups, files.controller, limit.group, file);
        if (!kernel::exists(place.path)) {
            return fail(fmt::format("this host's {} controller has no {}", files.controller, file.name));
        }
        if (auto written = kernel::write_kernel_file(place.path, place.value); !written) {
            // Of cgroup v1 alone; on v2 the kernel ends processes instead.
            const bool in_use = limit.key == "memory.max" && written.error().code == EBUSY;
            return in_use ? std::unexpected(std::move(written).error().wrap(
                                "more memory is in use than that, and cannot be reclaimed"))
                          : written;
        }
    }
    return {};
}

Result<> reset(ApplyContext& context, Limit limit) {
    const auto& cgroups = context.host.cgroups();
    limit.value = find_control(limit.key)->initial;
    const auto by_systemd = write_property(cgroups, limit, true);
    PARTD_TRY(by_systemd);
    if (*by_systemd) {
        return {};
    }
    if (limit.key == "io.max") {
        return reset_devices(cgroups, limit.group, {});
    }
    if (is_nested(limit.key, cgroups)) {
        // A v1 cpuset cannot be empty: without a limit it has what its parent has.
        const auto value = limit.value.empty() ? std::nullopt : std::optional(limit.value);
        return kernel::exists(cgroups.directory(limit.key.substr(0, limit.key.find('.')), limit.group))
                   ? fit_nested(cgroups, limit.group, limit.key, value)
                   : Result<>();
    }
    return write(context, limit);
}

Result<> apply(ApplyContext& context, const Change& change, std::size_t) {
    context.batch.count_write();
    const auto& cgroups = context.host.cgroups();
    if (change.action == Action::Remove) {
        const Limit& limit = change.found.as<Limit>();
        PARTD_TRY(reset(context, limit));
        kernel::remove_xattr(cgroups.home(limit.group), limit_mark(limit.key));
        return {};
    }
    const Limit& limit = change.wanted.as<Limit>();
    // The mark first: a value that stands is known to be ours.
    PARTD_TRY(kernel::set_xattr(cgroups.home(limit.group), limit_mark(limit.key), limit.value));
    if (auto written = write(context, limit); !written) {
        if (change.action == Action::Create) {
            (void)reset(context, limit);  // of several files some may have taken it
            kernel::remove_xattr(cgroups.home(limit.group), limit_mark(limit.key));
        }
        return written;
    }
    return {};
}

}  // namespace

std::string limit_mark(std::string_view key) {
    return fmt::format("{}.{}", kernel::kCgroupMark, key);
}

bool is_freeze(const Key& limit) {
    return limit.name.ends_with(" freeze");
}

constinit const Table Limit::table = {"limit", "One value of a control group.", kFields};

namespace {

std::string summary(const Spec& spec) {
    const Limit& limit = spec.as<Limit>();
    return "= " + with_units(limit.key, limit.value);
}

}  // namespace

constinit const LiveKind kLimit = {
    .kind = {.name = "limit", .expand = expand, .summary = summary, .independent = true},
    .observe = observe,
    .apply = apply,
};

}  // namespace partd
