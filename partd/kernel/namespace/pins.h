// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "base/fd.h"

#include <optional>
#include <string>
#include <vector>

namespace partd::kernel {

// A directory of named namespaces, as ip-netns(8) keeps it: bind mounts of nsfs on empty files, which hold
// the namespaces while nobody lives in them. Names may have a directory: "web/uts".
class PinDirectory {
public:
    // `shared`: ip-netns(8) uses the directory too, and makes its mount under a lock of the directory. A
    // directory of partd's own is protected by the lock of partd's runs.
    explicit PinDirectory(std::string path, bool shared = false) : path_(std::move(path)), shared_(shared) {}

    enum class Entry : std::uint8_t {
        Absent,
        Stale,      // an empty file without a namespace on it: left over
        Namespace,  // a namespace of the type asked for
        Other,      // anything else
    };
    // `flag`: CLONE_NEWNET, …
    [[nodiscard]] Entry look(const std::string& name, int flag) const;
    // The file of that name, whatever it is.
    [[nodiscard]] Result<Fd> open(const std::string& name) const;
    // The names in the directory, or in one below it.
    [[nodiscard]] std::vector<std::string> names(const std::string& below = {}) const;
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string path_of(const std::string& name) const { return path_ + "/" + name; }

    // Why the names cannot be believed now: another mount stands over the directory. nullopt when all is
    // well; an error when the mounts cannot be read.
    [[nodiscard]] Result<std::optional<std::string>> trouble() const;

    // Gives the namespace that name, which nothing but a stale file may have: one of partd's own, or one that
    // is too old to be another program's that is about to mount on it (else EEXIST). Makes the directory a
    // shared mount of its own first where it is not. `alone`: on a private mount, as the kernel wants it for
    // a mount namespace.
    Result<> pin(const std::string& name, int fd, bool alone = false);
    // Takes the name away from this namespace, or a stale file that pin() could use; the namespace lives on
    // while somebody uses it. Success also where the name is absent, or stands for something else by now.
    Result<> unpin(const std::string& name, int ns);
    // Takes the name away, whatever has it: for a directory that is partd's alone.
    Result<> unpin(const std::string& name);
    // When no name is left: takes back the mount and the directory, as far as this class made them.
    void retire();
    // Makes the directory as pin() does.
    Result<> make_ready();
    // Another process may have taken the directory back meanwhile, as retire() does.
    void forget() { ready_ = false; }

private:
    std::string path_;
    bool shared_;
    bool ready_ = false;
};

}  // namespace partd::kernel
