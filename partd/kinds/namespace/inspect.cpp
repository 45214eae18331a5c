// SPDX-License-Identifier: Apache-2.0
#include "kinds/namespace/inspect.h"

#include "base/text.h"
#include "kernel/root/look.h"
#include "kernel/session/enter.h"
#include "kinds/machine/init.h"
#include "kinds/namespace/namespace.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace partd {

namespace {

bool is_layered(const Rootfs& rootfs) {
    return rootfs.overlay != decltype(rootfs.overlay)();
}

class Inspection {
public:
    Inspection(const kernel::Paths& paths, const Resource& resource, Diagnostics& problems)
        : paths_(paths), resource_(resource), problems_(problems) {}

    void look_at_root(const WantedRoot& wanted) {
        const Rootfs& rootfs = *wanted.rootfs;
        const auto there = kernel::look_at_path(rootfs.path);
        tell(there, wanted.path.at, "rootfs");
        for (const auto& [mount, at] : rootfs.mounts) {
            if (mount.type == "bind" && mount.source) {
                tell(kernel::look_at_path(*mount.source), at, "mount on " + mount.target);
            }
            // A layer may have something else there.
            if (there && !is_layered(rootfs)) {
                tell(kernel::look_at_target(rootfs.path, mount.target), at, "mount on " + mount.target);
            }
        }
    }

    void look_at_program(const Init& init) {
        const auto& command = init.started.command;
        const auto& rootfs = init.wanted_root.rootfs;
        if (command.empty() || (rootfs && !kernel::look_at_path(rootfs->path)) || is_covered(init)) {
            return;
        }
        std::vector<std::string> roots;
        if (rootfs && is_layered(*rootfs)) {
            roots.push_back(paths_.layers() + "/" + init.partition + "/upper");
        }
        roots.push_back(rootfs ? std::string(rootfs->path) : "/");
        Result<> found = fail(ENOENT, command[0]);
        for (const std::string& candidate : candidates(init)) {
            if (auto looked = kernel::look_at_program(roots, candidate);
                looked || found.error().code == ENOENT) {
                found = looked ? std::move(looked) : fail(looked.error().code, command[0]);
            }
            if (found) {
                return;
            }
        }
        tell(found, init.command_at.at, "init");
    }

private:
    // A relative one begins where only the running program is.
    static std::vector<std::string> candidates(const Init& init) {
        const std::string& name = init.started.command[0];
        if (name.contains('/')) {
            return {name};
        }
        auto environment = init.started.environment;
        environment.merge(kernel::clean_environment());
        std::vector<std::string> all;
        for (const std::string_view directory : split(environment.at("PATH"), ':')) {
            all.push_back(fmt::format("{}/{}", directory, name));
        }
        return all;
    }

    // True if a mount that does not exist yet, or another partition's root, may contain the program.
    static bool is_covered(const Init& init) {
        const std::string& name = init.started.command[0];
        if (name.contains('/') && !name.starts_with('/')) {
            return true;
        }
        const auto& rootfs = init.wanted_root.rootfs;
        const auto brings_it = [&](const auto& mount) {
            return !name.contains('/') || name.starts_with(mount.value.target);
        };
        return std::ranges::find(init.joined, NamespaceKind::Mnt) != init.joined.end() ||
               (rootfs && std::ranges::any_of(rootfs->mounts, brings_it));
    }

    void tell(const Result<>& looked, const Source& at, const std::string& what) {
        if (!looked) {
            problems_.error(
                at, fmt::format("partition {}: {}: {}", resource_.owner, what, looked.error().message));
        }
    }

    const kernel::Paths& paths_;
    const Resource& resource_;
    Diagnostics& problems_;
};

}  // namespace

void inspect_roots(const kernel::Paths& paths, const State& desired, Diagnostics& problems) {
    for (const Resource& resource : desired.all()) {
        Inspection inspection(paths, resource, problems);
        if (resource.key.kind == &kInit.kind) {
            const Init& init = resource.spec.as<Init>();
            if (init.wanted_root.rootfs) {
                inspection.look_at_root(init.wanted_root);
            }
            inspection.look_at_program(init);
        } else if (resource.key.kind == &kNamespace.kind) {
            const auto& ns = resource.spec.as<PinnedNamespace>();
            if (ns.wanted_root.rootfs) {
                inspection.look_at_root(ns.wanted_root);
            }
        }
    }
}

}  // namespace partd
