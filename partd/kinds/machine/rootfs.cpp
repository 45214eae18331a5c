// SPDX-License-Identifier: Apache-2.0
#include "kinds/machine/rootfs.h"

#include "base/text.h"
#include "kernel/layer/layers.h"
#include "kernel/mount/mount_words.h"
#include "kinds/cgroup/cgroup.h"
#include "kinds/namespace/membership.h"
#include "kinds/net/dns.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <utility>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr Field kMountFields[] = {
    field<&MountEntry::source>("source",
                               "source of the mount: a path of the host, or a device as the type names it",
                               {.role = Role::Declared}),
    field<&MountEntry::target>("target", "mount point inside; created when it is missing",
                               {.role = Role::Declared, .required = true}),
    field<&MountEntry::type>(
        "type", "\"bind\" for a file or directory of the host, \"tmpfs\", or another file system",
        {.role = Role::Declared, .fallback = "bind"}),
    field<&MountEntry::options>(
        "options",
        "words of mount(8): nosuid, noexec, dev (device nodes work), noatime, ro and their like. A bind "
        "includes the mounts below its source; it also takes bind (without these mounts), private (later "
        "mounts there do not appear) and idmap (owners are seen through the uid map). Another type also "
        "takes the file system's own options, like \"size=64m\"",
        {.role = Role::Declared}),
    field<&MountEntry::read_only>("read_only", "the mount is read-only",
                                  {.role = Role::Declared, .fallback = "false"}),
};

constexpr Field kRootfsFields[] = {
    field<&Rootfs::path>("path",
                         "the directory that becomes its root, by pivot_root(2); no symbolic link may lead "
                         "there. With a user namespace, files of the host's root appear as those of the "
                         "partition's. Keep it below a directory that only root can enter",
                         {.role = Role::Declared, .required = true}),
    field<&Rootfs::read_only>("read_only", "the root is read-only",
                              {.role = Role::Declared, .fallback = "false"}),
    field<&Rootfs::overlay>(
        "overlay",
        "true: writes go to a layer, /var/lib/partd/layers/NAME, and the directory stays as it is. The layer "
        "is data: it outlives the partition, a later partition of that name uses it again, and only partctl "
        "purge deletes it. \"temporary\": writes go to memory, and are gone with PID 1 or the mount "
        "namespace. Other mounts below the directory are not visible",
        {.role = Role::Declared, .fallback = "false"}),
    field<&Rootfs::mounts>("mounts",
                           "further mounts, each with source, target, type, options and read_only; /proc, "
                           "/sys, /dev and /tmp are always there",
                           {.role = Role::Declared}),
};

constexpr Field kLayerFields[] = {
    field<&Layer::partition>("partition", "its partition", {.role = Role::Identity, .live = true}),
    field<&Layer::whole>("whole", "upper/ and work/ are there", {.live = true}),
};

constexpr Declaration kLanguage[] = {declaration<Rootfs>("partition.*.rootfs")};

const DeclaredObject* find_rootfs(const Declared& declared, const std::string& partition) {
    const auto found = declared.all<Rootfs>(partition);
    return found.empty() ? nullptr : found.front();
}

void check_mount(const DeclaredObject& object, const Sourced<MountEntry>& entry, Diagnostics& problems) {
    const MountEntry& mount = entry.value;
    const auto error = [&](const std::string& text) {
        problems.error(entry.at,
                       fmt::format("partition {}: mount on {}: {}", object.owner, mount.target, text));
    };
    static constexpr std::array<std::string_view, 4> kTaken = {"/", "/proc", "/sys", "/dev"};
    if (std::ranges::find(kTaken, std::string_view(mount.target)) != kTaken.end()) {
        error("that place is not free: /, /proc, /sys and /dev are mounted already");
    }
    if (words(mount.type).size() != 1 || mount.type == "overlay") {
        error(fmt::format(
            "type \"{}\": bind, tmpfs or another file system of the kernel's; for layers set rootfs.overlay",
            mount.type));
    }
    if (mount.type == "bind" && (!mount.source || !AbsolutePath::parse(*mount.source))) {
        error("a bind mount needs a source, a path that begins with '/', without \"..\"");
    }
    // Each by itself first: all that are wrong are told.
    bool good = true;
    for (const std::string& option : mount.options) {
        const auto read = kernel::read_mount_words(mount.type, std::array{option}, mount.read_only);
        if (!read) {
            error(read.error().message);
            good = false;
        }
    }
    if (const auto all = kernel::read_mount_words(mount.type, mount.options, mount.read_only); good && !all) {
        error(all.error().message);
    }
}

// Of two mounts on one place only the later one would be seen.
void check_places(const DeclaredObject& object, const std::vector<Sourced<MountEntry>>& mounts,
                  Diagnostics& problems) {
    std::map<std::string_view, const Source*> seen;
    for (const auto& [mount, at] : mounts) {
        const auto [first, fresh] = seen.emplace(mount.target, &at);
        if (!fresh) {
            problems.error(
                at,
                fmt::format("partition {}: {} has two mounts, and one would hide the other: give each "
                            "a place of its own",
                            object.owner, mount.target),
                *first->second, "the other mount");
        }
    }
}

// A parent before what is in it, and in an order that does not depend on that of the file.
void put_in_order(std::vector<Sourced<MountEntry>>& mounts) {
    std::ranges::stable_sort(mounts, {}, [](const auto& mount) {
        const std::string& target = mount.value.target;
        return std::pair(std::ranges::count(target, '/'), target);
    });
}

// As all of its spellings are written.
void normalise(Rootfs& rootfs) {
    for (auto& [mount, at] : rootfs.mounts) {
        if (mount.type == "bind" && mount.source) {
            mount.source = AbsolutePath::parse(*mount.source).value_or(AbsolutePath(mount.source->c_str()));
        }
    }
    put_in_order(rootfs.mounts);
}

void expand(const Declared& declared, State& desired, Diagnostics&) {
    for (const DeclaredObject* object : declared.all<Rootfs>()) {
        if (object->spec.as<Rootfs>().overlay == Overlay::Kept) {
            desired.add({.key = layer_key(object->owner),
                         .spec = Spec(Layer{.partition = object->owner}),
                         .owner = object->owner,
                         .source = object->source});
        }
    }
}

kernel::Layers layers_of(const kernel::Host& host) {
    return kernel::Layers(host.paths().layers());
}

std::map<std::string, Key> groups_of_partitions(const Observation& observation) {
    std::map<std::string, Key> groups;
    for (const Resource& found : observation.observed.all()) {
        if (found.key.kind == &kCgroup.kind && found.ownership == Ownership::Ours && !found.owner.empty()) {
            groups.emplace(found.owner, found.key);
        }
    }
    return groups;
}

// Observes the layers that are wanted or that a partition on this host writes to. All others belong to the
// user.
Result<> observe(Observation& observation) {
    constexpr std::chrono::milliseconds kPatience{50};  // for the sizes of all of them
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    const kernel::Layers layers = layers_of(observation.host);
    const auto groups = groups_of_partitions(observation);
    auto names = observation.names_of(kLayer.kind);
    if (observation.ledger.lost) {
        std::ranges::transform(groups, std::inserter(names, names.end()),
                               [](const auto& group) { return group.first; });
    }
    for (const std::string& name : names) {
        const Resource* wanted = observation.desired.find(layer_key(name));
        const auto entry = layers.look(name);
        if (!entry) {
            observation.add_unreadable(layer_key(name), Spec(Layer{.partition = name}), name, entry.error());
            continue;
        }
        using State = kernel::Layers::State;
        if (entry->state == State::Foreign) {
            if (wanted != nullptr) {
                observation.add_foreign(*wanted, entry->why);
            }
            continue;
        }
        if (entry->state == State::Absent && (wanted != nullptr || !layers.begun(name))) {
            continue;
        }
        Layer layer{.partition = name, .whole = entry->state == State::Whole};
        if (wanted == nullptr && entry->state != State::Absent) {
            layer.stays = "kept on disk: " + size_text(layers.size(name, deadline));
        }
        Resource found{.key = layer_key(name), .spec = Spec(std::move(layer)), .owner = name, .marked = true};
        if (const auto group = groups.find(name); group != groups.end()) {
            found.depends_on.push_back(
                group->second);  // as long as that is there, it is known who has the layer
        }
        observation.observed.add(std::move(found));
    }
    return {};
}

Result<> apply(ApplyContext& context, const Change& change, std::size_t) {
    context.batch.count_write();
    if (change.action == Action::Remove) {
        layers_of(context.host).let_go(change.key.name);
        return {};
    }
    return layers_of(context.host).make(change.key.name);
}

}  // namespace

void check_rootfs(const Declared& declared, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<Rootfs>()) {
        const Rootfs& rootfs = object->spec.as<Rootfs>();
        if (rootfs.path == "/") {
            problems.error(object->place("path"),
                           fmt::format("partition {}: the host's own root is not a rootfs: leave it "
                                       "out and name the namespace \"mnt\"",
                                       object->owner));
        }
        if (rootfs.read_only && rootfs.overlay != Overlay::None) {
            problems.error(object->place("overlay"),
                           fmt::format("partition {}: overlay is for writing, and read_only "
                                       "forbids it: leave one out",
                                       object->owner));
        }
        for (const auto& mount : rootfs.mounts) {
            check_mount(*object, mount, problems);
        }
        check_places(*object, rootfs.mounts, problems);
    }
}

namespace {
constexpr std::string_view kTemporary = "temporary";
constexpr char kHostTree[] = "the host's tree";
}  // namespace

bool shows_host_tree(std::string_view text) {
    return text.starts_with(kHostTree);
}

namespace {

constexpr std::string_view kGroups = "; groups: ";

std::string_view groups_text(bool delegated) {
    return delegated ? "delegated" : "read-only";
}

// A group's own file system is shown where it has a cgroup namespace, and written to where it is its own.
bool is_delegated(const Declared& declared, const std::string& partition) {
    const auto limits = declared.all<Limits>(partition);
    return !limits.empty() && limits.front()->spec.as<Limits>().delegate.value_or(false);
}

// Whose namespace it is that the partition has.
std::string giver_of(const Membership& membership, NamespaceKind type, const std::string& partition) {
    const auto shared = membership.shared.find(type);
    return shared == membership.shared.end() ? partition : shared->second;
}

}  // namespace

WantedRoot wanted_root(const Declared& declared, const std::string& partition) {
    WantedRoot wanted;
    const Membership membership = membership_of(declared, partition);
    if (membership.has(NamespaceKind::Ipc)) {
        wanted.memory_of = giver_of(membership, NamespaceKind::Ipc, partition);
    }
    if (const DeclaredObject* object = find_rootfs(declared, partition); object != nullptr) {
        wanted.rootfs = object->spec.as<Rootfs>();
        normalise(*wanted.rootfs);
        wanted.path = {object->place("path")};
        wanted.text = to_json(Codec<Rootfs>::json(*wanted.rootfs));
        wanted.delegated = is_delegated(declared, giver_of(membership, NamespaceKind::Cgroup, partition));
    } else {
        wanted.text = kHostTree;
    }
    // Its files of /etc are mounted when it is made; their text may change afterwards.
    wanted.etc = dns_files(declared, partition);
    wanted.text += wanted.etc.empty() ? "" : "; /etc: " + join(wanted.etc, ", ");
    if (wanted.rootfs && membership.has(NamespaceKind::Cgroup)) {
        wanted.text.append(kGroups).append(groups_text(wanted.delegated));
    }
    return wanted;
}

std::string renewed_root(const std::string& noted, const WantedRoot* wanted) {
    std::string text = noted;
    const std::size_t end = noted.starts_with('{') ? noted.rfind('}') + 1 : 0;
    if (const auto value = from_json(noted.substr(0, end)); end > 0 && value) {
        Rootfs rootfs;
        Diagnostics ignored;
        if (Codec<Rootfs>::read(*value, rootfs, ignored)) {
            normalise(rootfs);
            text = to_json(Codec<Rootfs>::json(rootfs)) + noted.substr(end);
        }
    }
    // An earlier one did not note it: what is made next is as the files say.
    const std::size_t groups = wanted == nullptr ? std::string::npos : wanted->text.rfind(kGroups);
    if (end > 0 && groups != std::string::npos && !text.contains(kGroups)) {
        text += wanted->text.substr(groups);
    }
    return text;
}

kernel::RootPlan root_plan(kernel::Host& host, const std::string& partition, const WantedRoot& wanted) {
    kernel::RootPlan plan{.etc = host.paths().etc_netns() + "/" + partition, .pins = host.pins().path()};
    if (!wanted.rootfs) {
        return plan;
    }
    plan.path = wanted.rootfs->path;
    plan.at = wanted.path.at;
    plan.read_only = wanted.rootfs->read_only;
    plan.layer = wanted.rootfs->overlay == Overlay::Kept ? layers_of(host).path_of(partition) : "";
    plan.temporary = wanted.rootfs->overlay == Overlay::Temporary;
    plan.delegated = wanted.delegated;
    for (const auto& entry : wanted.rootfs->mounts) {
        const MountEntry& mount = entry.value;
        plan.mounts.push_back(
            {mount.source.value_or(""), mount.target, mount.type, mount.options, mount.read_only, entry.at});
    }
    return plan;
}

bool Codec<Overlay>::read(const Value& value, Overlay& out, Diagnostics& problems) {
    const bool* kept = value.get_if<bool>();
    const auto* word = value.get_if<std::string>();
    if (kept == nullptr && (word == nullptr || *word != kTemporary)) {
        report_unexpected(value, "true, false or \"temporary\"", problems);
        return false;
    }
    out = kept == nullptr ? Overlay::Temporary : *kept ? Overlay::Kept : Overlay::None;
    return true;
}

std::string Codec<Overlay>::text(const Overlay& value) {
    return value == Overlay::Temporary ? std::string(kTemporary) : value == Overlay::Kept ? "true" : "false";
}

Value Codec<Overlay>::json(const Overlay& value) {
    return value == Overlay::Temporary ? Value(std::string(kTemporary)) : Value(value == Overlay::Kept);
}

Value Codec<Overlay>::schema() {
    Value words = Array();
    words.push(true);
    words.push(false);
    words.push(std::string(kTemporary));
    Value schema;
    schema.set("enum", std::move(words));
    return schema;
}

std::string size_text(const kernel::LayerSize& size) {
    const auto bytes = static_cast<double>(size.bytes);
    constexpr double kMega = 1 << 20;
    const std::string amount = bytes < kMega          ? fmt::format("{:.0f} kB", bytes / 1024)
                               : bytes < 1024 * kMega ? fmt::format("{:.1f} MB", bytes / kMega)
                                                      : fmt::format("{:.1f} GB", bytes / kMega / 1024);
    return fmt::format("{}{} in {} file{}", size.complete ? "" : "more than ", amount, size.files,
                       size.files == 1 ? "" : "s");
}

Key layer_key(const std::string& partition) {
    return {&kLayer.kind, partition};
}

constinit const Table MountEntry::table = {"mount", "A mount inside a partition's root.", kMountFields};
constinit const Table Rootfs::table = {
    "rootfs", "A root directory of its own. Implies the namespace \"mnt\".", kRootfsFields};
constinit const Table Layer::table = {"layer", "The files that a partition writes over its root.",
                                      kLayerFields};

constinit const LiveKind kLayer = {
    .kind = {.name = "layer",
             .language = kLanguage,
             .expand = expand,
             .summary = [](const Spec& spec) { return spec.as<Layer>().stays; },
             .independent = true},
    .observe = observe,
    .apply = apply,
};

}  // namespace partd
