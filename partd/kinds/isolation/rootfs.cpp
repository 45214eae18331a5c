#include "kinds/isolation/rootfs.h"

#include "base/text.h"
#include "kernel/layers.h"
#include "kinds/cgroup.h"
#include "kinds/dns.h"
#include "kinds/isolation/membership.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>

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
    field<&Rootfs::overlay>(
        "overlay",
        "true: what is written goes to a layer, /var/lib/partd/layers/NAME, and the "
        "directory stays as it is. The layer is data: it outlives the partition, is taken "
        "up again when one of that name comes back, and goes by partctl purge alone. "
        "\"temporary\": it goes to memory, and is gone with PID 1 or the mount namespace. "
        "Other mounts below the directory are not seen",
        {.role = Role::Declared, .fallback = "false"}),
    field<&Rootfs::mounts>("mounts",
                           "further mounts, each with source, target, type, options and read_only; /proc, "
                           "/sys, /dev and /tmp are always there",
                           {.role = Role::Declared}),
};

constexpr Field kLayerFields[] = {
    field<&Layer::partition>("partition", "whose it is", {.role = Role::Identity, .live = true}),
    field<&Layer::whole>("whole", "upper/ and work/ are there", {.live = true}),
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

std::map<std::string, Key> groups_of_partitions(const Look& look) {
    std::map<std::string, Key> groups;
    for (const Resource& found : look.observed.all()) {
        if (found.key.kind == &kCgroup.kind && found.standing == Standing::Ours && !found.owner.empty()) {
            groups.emplace(found.owner, found.key);
        }
    }
    return groups;
}

// Those that are wanted and those that a partition on this host writes to. All others are nobody's business
// but their user's.
Result<> observe(Look& look) {
    constexpr std::chrono::milliseconds kPatience{50};  // for the sizes of all of them
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    const kernel::Layers layers = layers_of(look.host);
    const auto groups = groups_of_partitions(look);
    auto names = look.names_of(kLayer.kind);
    if (look.ledger.lost) {
        std::ranges::transform(groups, std::inserter(names, names.end()),
                               [](const auto& group) { return group.first; });
    }
    for (const std::string& name : names) {
        const Resource* wanted = look.desired.find(layer_key(name));
        const auto entry = layers.look(name);
        if (!entry) {
            look.add_unreadable(layer_key(name), Spec(Layer{.partition = name}), name, entry.error());
            continue;
        }
        using State = kernel::Layers::State;
        if (entry->state == State::Foreign) {
            if (wanted != nullptr) {
                look.add_foreign(*wanted, entry->why);
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
            found.needs.push_back(group->second);  // as long as that is there, it is known who has the layer
        }
        look.observed.add(std::move(found));
    }
    return {};
}

Result<> apply(Doing& doing, const Change& change, std::size_t) {
    doing.batch.count_write();
    if (change.action == Action::Remove) {
        layers_of(doing.host).let_go(change.key.name);
        return {};
    }
    return layers_of(doing.host).make(change.key.name);
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
        if (rootfs.read_only && rootfs.overlay != Overlay::None) {
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
constexpr std::string_view kTemporary = "temporary";
constexpr char kHostTree[] = "the host's tree";
}  // namespace

bool shows_host_tree(std::string_view text) {
    return text.starts_with(kHostTree);
}

WantedRoot wanted_root(const Declared& declared, const std::string& partition) {
    WantedRoot wanted;
    if (const DeclaredObject* object = find_rootfs(declared, partition); object != nullptr) {
        wanted.rootfs = object->spec.as<Rootfs>();
        wanted.path = {object->place("path")};
        wanted.text = to_json(Codec<Rootfs>::json(*wanted.rootfs));
    } else {
        wanted.text = kHostTree;
    }
    // Its files of /etc are mounted when it is made; their text may change afterwards.
    wanted.etc = dns_files(declared, partition);
    wanted.text += wanted.etc.empty() ? "" : "; /etc: " + join(wanted.etc, ", ");
    return wanted;
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
constinit const Table Layer::table = {"layer", "What a partition writes over its root.", kLayerFields};

constinit const LiveKind kLayer = {
    .kind = {.name = "layer",
             .table = &Layer::table,
             .language = kLanguage,
             .expand = expand,
             .summary = [](const Spec& spec) { return spec.as<Layer>().stays; },
             .apart = true},
    .observe = observe,
    .apply = apply,
};

}  // namespace partd
