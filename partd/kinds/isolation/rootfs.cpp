#include "kinds/isolation/rootfs.h"

#include "base/text.h"
#include "kernel/files.h"
#include "kinds/cgroup.h"
#include "kinds/dns.h"
#include "kinds/isolation/membership.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr Field kMountFields[] = {
    field<&MountEntry::source>("source",
                               "what is mounted: a path of the host, or what the type calls a device",
                               {.role = Role::Declared}),
    field<&MountEntry::target>("target", "where, inside; made when it is not there",
                               {.role = Role::Declared, .required = true}),
    field<&MountEntry::type>(
        "type", "\"bind\" for a file or directory of the host, \"tmpfs\", or another file system",
        {.role = Role::Declared, .fallback = "bind"}),
    field<&MountEntry::options>(
        "options",
        "nosuid, noexec, noatime, dev (device nodes work), idmap (a bind whose owners are "
        "seen through the uid map); else the file system's own, like \"size=64m\"",
        {.role = Role::Declared}),
    field<&MountEntry::read_only>("read_only", "nothing can be written there",
                                  {.role = Role::Declared, .fallback = "false"}),
};

constexpr Field kRootfsFields[] = {
    field<&Rootfs::path>("path",
                         "the directory that becomes its root, by pivot_root(2); no symbolic link may lead "
                         "there. With a user namespace, files of the host's root appear as those of the "
                         "partition's. Keep it below a directory that only root can enter",
                         {.role = Role::Declared, .required = true}),
    field<&Rootfs::read_only>("read_only", "nothing can be written to it",
                              {.role = Role::Declared, .fallback = "false"}),
    field<&Rootfs::overlay>("overlay",
                            "what is written goes to a layer in /var/lib/partd/layers, which goes with the "
                            "partition; the directory stays as it is. Other mounts below it are not seen",
                            {.role = Role::Declared, .fallback = "false"}),
    field<&Rootfs::mounts>("mounts",
                           "further mounts, each with source, target, type, options and read_only; /proc, "
                           "/sys, /dev and /tmp are always there",
                           {.role = Role::Declared}),
};

constexpr Field kLayerFields[] = {
    field<&Layer::partition>("partition", "whose it is", {.role = Role::Identity, .live = true}),
    field<&Layer::kept>("kept", "it stays when the partition goes", {.live = true}),
};

constexpr Declaration kLanguage[] = {declaration<Rootfs>("partition.*.rootfs")};

const DeclaredObject* find_rootfs(const Declared& declared, const std::string& partition) {
    const auto found = declared.all<Rootfs>(partition);
    return found.empty() ? nullptr : found.front();
}

void check_mount(const DeclaredObject& object, const Sourced<MountEntry>& entry, Diagnostics& problems) {
    static constexpr std::array<std::string_view, 5> kWords = {"nosuid", "noexec", "noatime", "dev", "idmap"};
    const MountEntry& mount = entry.value;
    const auto error = [&](const std::string& text) {
        problems.error(entry.at,
                       fmt::format("partition {}: mount on {}: {}", object.owner, mount.target, text));
    };
    static constexpr std::array<std::string_view, 4> kTaken = {"/", "/proc", "/sys", "/dev"};
    const std::string& written = mount.target;
    std::string target = std::filesystem::path(written).lexically_normal();
    while (target.size() > 1 && target.ends_with('/')) {
        target.pop_back();
    }
    if (std::ranges::find(kTaken, target) != kTaken.end()) {
        error("that place is not free: /, /proc, /sys and /dev are mounted already");
    }
    if (words(mount.type).size() != 1 || mount.type == "overlay") {
        error(fmt::format(
            "type \"{}\": bind, tmpfs or another file system of the kernel's; for layers set rootfs.overlay",
            mount.type));
    }
    const bool maps = std::ranges::find(mount.options, "idmap") != mount.options.end();
    if (maps && mount.type != "bind") {
        error("idmap is for bind mounts");
    }
    if (std::ranges::find(mount.options, "") != mount.options.end()) {
        error("an option is empty");
    }
    if (mount.type != "bind") {
        return;
    }
    if (!mount.source || !AbsolutePath::parse(*mount.source)) {
        error("a bind mount needs a source, a path that begins with '/', without \"..\"");
    }
    for (const std::string& option : mount.options) {
        if (std::ranges::find(kWords, option) == kWords.end()) {
            error(
                fmt::format("a bind mount has no option \"{}\": read_only = true, or one of nosuid, noexec, "
                            "noatime, dev, idmap",
                            option));
        }
    }
}

// It is there after a reboot, when nothing else tells what on_remove was.
constexpr char kKeep[] = "trusted.partd.on_remove";

bool is_kept(const Declared& declared, const std::string& partition) {
    const DeclaredObject* object = find_partition(declared, partition);
    return object != nullptr && object->spec.as<Partition>().on_remove == OnRemove::Keep;
}

void expand(const Declared& declared, State& desired, Diagnostics&) {
    for (const DeclaredObject* object : declared.all<Rootfs>()) {
        if (object->spec.as<Rootfs>().overlay) {
            desired.add({.key = layer_key(object->owner),
                         .spec = Spec(Layer{object->owner, is_kept(declared, object->owner)}),
                         .owner = object->owner,
                         .source = object->source});
        }
    }
}

std::string path_of(const kernel::Host& host, const std::string& partition) {
    return host.paths().layers() + "/" + partition;
}

// What is being made or removed has another name, so that what a killed run left is never taken for a layer.
std::string remains_of(const kernel::Host& host, const std::string& partition) {
    return host.paths().layers() + "/.gone-" + partition;
}

// A layer outlives a reboot, and is its user's work: it goes with its partition, never because a file is
// missing when the host comes up again.
Result<> observe(Look& look) {
    std::map<std::string, Key> groups;
    for (const Resource& found : look.observed.all()) {
        if (found.key.kind == &kCgroup.kind && found.standing == Standing::Ours && !found.owner.empty()) {
            groups.emplace(found.owner, found.key);
        }
    }
    std::set<std::string> names;
    look.for_wanted(kLayer.kind, [&](const Resource& wanted) { names.insert(wanted.key.name); });
    for (const auto& [owner, group] : groups) {
        names.insert(owner);
    }
    // One that was being made when its cgroup was not there yet; after a reboot the ledger knows none.
    look.for_known(kLayer.kind, [&](const std::string& name, const LedgerEntry&) { names.insert(name); });
    for (const std::string& name : names) {
        const bool wanted = look.desired.find(layer_key(name)) != nullptr;
        if (!kernel::exists(path_of(look.host, name)) &&
            (wanted || !kernel::exists(remains_of(look.host, name)))) {
            continue;
        }
        const bool kept = !kernel::get_xattr(path_of(look.host, name), kKeep).empty();
        if (kept && !wanted && !groups.contains(name)) {
            continue;  // its partition is gone
        }
        Resource found{.key = layer_key(name),
                       .spec = Spec(Layer{name, kept}),
                       .owner = name,
                       .kept = kept,
                       .marked = true};
        if (const auto group = groups.find(name); group != groups.end()) {
            found.needs.push_back(group->second);  // as long as that is there, the layer is not forgotten
        }
        look.observed.add(std::move(found));
    }
    return {};
}

Result<> remove_layer(kernel::Host& host, const std::string& partition) {
    const std::string remains = remains_of(host, partition);
    PARTD_TRY(kernel::remove_tree(remains));
    PARTD_TRY(kernel::rename_path(path_of(host, partition), remains));
    PARTD_TRY(kernel::remove_tree(remains));
    kernel::remove_empty_directory(host.paths().layers());
    kernel::remove_empty_directory(host.paths().library());
    return {};
}

Result<> apply(Doing& doing, const Change& change, std::size_t) {
    const std::string path = path_of(doing.host, change.key.name);
    doing.batch.count_write();
    if (change.action == Action::Remove) {
        return remove_layer(doing.host, change.key.name);
    }
    // Nobody but root comes near: a partition's root may leave programs with its rights there.
    PARTD_TRY(kernel::make_directories(doing.host.paths().library(), 0711));
    PARTD_TRY(kernel::make_directories(doing.host.paths().layers(), 0700));
    if (!kernel::exists(path)) {
        const std::string draft = remains_of(doing.host, change.key.name);
        PARTD_TRY(kernel::remove_tree(draft));
        PARTD_TRY(kernel::make_directories(draft + "/work", 0700));
        PARTD_TRY(kernel::make_directories(draft + "/upper", 0755));
        PARTD_TRY(kernel::rename_path(draft, path));
    }
    if (change.wanted.as<Layer>().kept) {
        return kernel::set_xattr(path, kKeep, "keep");
    }
    kernel::remove_xattr(path, kKeep);
    return {};
}

}  // namespace

std::optional<AbsolutePath> AbsolutePath::parse(std::string_view text) {
    const auto parts = split(text, '/');
    const auto is_control = [](char byte) {
        return static_cast<unsigned char>(byte) < ' ' || byte == '\x7f';
    };
    if (!text.starts_with('/') || std::ranges::find(parts, "..") != parts.end() ||
        std::ranges::any_of(text, is_control)) {
        return std::nullopt;
    }
    return AbsolutePath(std::string(text).c_str());
}

void check_rootfs(const Declared& declared, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<Rootfs>()) {
        const Rootfs& rootfs = object->spec.as<Rootfs>();
        if (rootfs.path.find_first_not_of("/.") == std::string::npos) {
            problems.error(object->place("path"),
                           fmt::format("partition {}: the host's own root is no rootfs: leave it "
                                       "out and name the namespace \"mnt\"",
                                       object->owner));
        }
        if (rootfs.read_only && rootfs.overlay) {
            problems.error(object->place("overlay"),
                           fmt::format("partition {}: overlay is for writing, and read_only "
                                       "forbids it: leave one out",
                                       object->owner));
        }
        for (const auto& mount : rootfs.mounts) {
            check_mount(*object, mount, problems);
        }
    }
}

namespace {
constexpr char kHostTree[] = "the host's tree";
}  // namespace

bool shows_host_tree(std::string_view text) {
    return text.starts_with(kHostTree);
}

WantedRoot wanted_root(const Declared& declared, const std::string& partition) {
    WantedRoot wanted;
    if (const DeclaredObject* object = find_rootfs(declared, partition); object != nullptr) {
        wanted.rootfs = object->spec.as<Rootfs>();
        wanted.text = to_json(Codec<Rootfs>::json(*wanted.rootfs));
    } else {
        wanted.text = kHostTree;
    }
    // Its files of /etc are mounted when it is made; their text may change afterwards.
    const auto names = dns_files(declared, partition);
    wanted.text += names.empty() ? "" : "; /etc: " + join(names, ", ");
    return wanted;
}

kernel::RootPlan root_plan(kernel::Host& host, const std::string& partition, const WantedRoot& wanted) {
    kernel::RootPlan plan{.etc = host.paths().etc_netns() + "/" + partition, .pins = host.pins().path()};
    if (!wanted.rootfs) {
        return plan;
    }
    plan.path = wanted.rootfs->path;
    plan.read_only = wanted.rootfs->read_only;
    plan.layer = wanted.rootfs->overlay ? path_of(host, partition) : "";
    for (const auto& entry : wanted.rootfs->mounts) {
        const MountEntry& mount = entry.value;
        plan.mounts.push_back(
            {mount.source.value_or(""), mount.target, mount.type, mount.options, mount.read_only});
    }
    return plan;
}

Key layer_key(const std::string& partition) {
    return {&kLayer.kind, partition};
}

constinit const Table MountEntry::table = {"mount", "A mount inside a partition's root.", kMountFields};
constinit const Table Rootfs::table = {
    "rootfs", "A root directory of its own. Implies the namespace \"mnt\".", kRootfsFields};
constinit const Table Layer::table = {"layer", "What a partition writes over its root.", kLayerFields};

constinit const LiveKind kLayer = {
    .kind = {.name = "layer",
             .table = &Layer::table,
             .language = kLanguage,
             .expand = expand,
             .apart = true,
             .counts = true},
    .observe = observe,
    .apply = apply,
};

}  // namespace partd
