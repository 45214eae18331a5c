// SPDX-License-Identifier: Apache-2.0
#include "kernel/mount/mount_words.h"

#include <linux/mount.h>
#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

// The subject of a word: two different words about one subject contradict each other.
enum class Subject : std::uint8_t { Writing, Devices, Setuid, Programs, Links, Directories, Times };

struct Flag {
    std::string_view word;
    Subject subject;
    std::uint64_t set;
};
constexpr std::array kFlags = {
    Flag{"ro", Subject::Writing, MOUNT_ATTR_RDONLY},
    Flag{"rw", Subject::Writing, 0},
    Flag{"nodev", Subject::Devices, MOUNT_ATTR_NODEV},
    Flag{"dev", Subject::Devices, 0},
    Flag{"nosuid", Subject::Setuid, MOUNT_ATTR_NOSUID},
    Flag{"suid", Subject::Setuid, 0},
    Flag{"noexec", Subject::Programs, MOUNT_ATTR_NOEXEC},
    Flag{"exec", Subject::Programs, 0},
    Flag{"nosymfollow", Subject::Links, MOUNT_ATTR_NOSYMFOLLOW},
    Flag{"symfollow", Subject::Links, 0},
    Flag{"nodiratime", Subject::Directories, MOUNT_ATTR_NODIRATIME},
    Flag{"diratime", Subject::Directories, 0},
    Flag{"relatime", Subject::Times, MOUNT_ATTR_RELATIME},
    Flag{"noatime", Subject::Times, MOUNT_ATTR_NOATIME},
    Flag{"strictatime", Subject::Times, MOUNT_ATTR_STRICTATIME},
};

// About what a bind mount has of its own beside the flags.
struct Way {
    std::string_view word;
    std::uint64_t propagation;
    bool all_below;
};
constexpr std::array kWays = {Way{"slave", 0, true}, Way{"rslave", 0, true},
                              Way{"private", MS_PRIVATE, false}, Way{"rprivate", MS_PRIVATE, true}};

// Options of the whole file system, which a new one takes by fsconfig(2).
constexpr std::array<std::string_view, 7> kOfFileSystem = {"sync",       "async", "dirsync", "lazytime",
                                                           "nolazytime", "mand",  "nomand"};
// Options that only programs which read fstab(5) understand.
constexpr std::array<std::string_view, 16> kOfFstab = {
    "auto",  "noauto", "nofail",  "_netdev", "user", "nouser", "users",   "owner",
    "group", "rmove",  "remount", "move",    "loop", "silent", "comment", "loud"};
constexpr std::array<std::string_view, 4> kOutward = {"shared", "rshared", "unbindable", "runbindable"};

bool is_one_of(std::span<const std::string_view> all, std::string_view word) {
    return std::ranges::find(all, word) != all.end();
}

class Reader {
public:
    Reader(bool bind, bool read_only) : bind_(bind) {
        words_.set = MOUNT_ATTR_NODEV;
        if (read_only) {
            words_.set |= MOUNT_ATTR_RDONLY;
            said_.emplace_back(Subject::Writing, "read_only = true");
        }
    }

    Result<MountWords> read(std::span<const std::string> words) {
        for (const std::string& word : words) {
            PARTD_TRY(take(word));
        }
        return std::move(words_);
    }

private:
    Result<> take(const std::string& word) {
        if (word.empty()) {
            return fail("an option is empty");
        }
        const auto flag = std::ranges::find(kFlags, word, &Flag::word);
        if (flag != kFlags.end()) {
            return take_flag(*flag);
        }
        if (is_one_of(kOutward, word)) {
            return fail(
                fmt::format("\"{}\" would reach beyond the partition, whose mounts never do: leave it "
                            "out, or write \"slave\" or \"private\"",
                            word));
        }
        if (is_one_of(kOfFstab, word) || word.starts_with("x-") || word.starts_with("X-")) {
            return fail(
                fmt::format("\"{}\" is a word for mount(8) and fstab(5), not for the mount itself: leave "
                            "it out",
                            word));
        }
        if (word == "defaults") {
            return {};
        }
        return bind_ ? take_of_bind(word) : take_of_new(word);
    }

    Result<> take_flag(const Flag& flag) {
        for (const auto& [subject, word] : said_) {
            const bool agrees = word == flag.word || (word.starts_with("read_only") && flag.word == "ro");
            if (subject == flag.subject && !agrees) {
                return fail(fmt::format("\"{}\" and {} contradict each other: leave one out", flag.word,
                                        word.starts_with("read_only") ? word : "\"" + word + "\""));
            }
        }
        said_.emplace_back(flag.subject, flag.word);
        if (flag.word == "dev") {
            words_.set &= ~static_cast<std::uint64_t>(MOUNT_ATTR_NODEV);
        }
        if (flag.word == "ro" && !bind_) {
            words_.own.emplace_back("ro", "");  // a device that is itself read-only is opened so
        }
        words_.access_times = words_.access_times || flag.subject == Subject::Times;
        words_.set |= flag.set;
        return {};
    }

    Result<> take_of_bind(const std::string& word) {
        if (const auto way = std::ranges::find(kWays, word, &Way::word); way != kWays.end()) {
            words_.propagation = way->propagation;
            words_.all_below = way->all_below;
        } else if (word == "bind" || word == "rbind") {
            words_.recursive = word == "rbind";
        } else if (word == "idmap") {
            words_.idmap = true;
        } else if (is_one_of(kOfFileSystem, word)) {
            return fail(
                fmt::format("\"{}\" belongs to the whole file system, and a bind mount shows one that is "
                            "mounted already: set it where that is mounted",
                            word));
        } else {
            return fail(
                fmt::format("a bind mount has no option \"{}\": read_only = true, or one of {}, bind, "
                            "rbind, private, rprivate, slave, rslave, idmap",
                            word, flag_words()));
        }
        return {};
    }

    Result<> take_of_new(const std::string& word) {
        if (std::ranges::find(kWays, word, &Way::word) != kWays.end()) {
            return {};  // nobody else has a new one
        }
        if (word == "bind" || word == "rbind" || word == "idmap") {
            return fail(fmt::format("{} is for bind mounts", word));
        }
        if (const std::size_t comma = word.find(','); comma != std::string::npos && holds_several(word)) {
            return fail(fmt::format("\"{}\" is several options: write each in quotes of its own, [\"{}\", …]",
                                    word, word.substr(0, comma)));
        }
        const std::size_t equals = word.find('=');
        words_.own.emplace_back(word.substr(0, equals),
                                equals == std::string::npos ? "" : word.substr(equals + 1));
        return {};
    }

    // A comma may stand in a value, as in a security label, but there no option follows it.
    static bool holds_several(std::string_view word) {
        const std::string_view rest = word.substr(word.find(',') + 1);
        const std::string_view next = rest.substr(0, rest.find(','));
        return !word.contains('"') && (next.contains('=') || is_one_of(kOfFileSystem, next) ||
                                       std::ranges::find(kFlags, next, &Flag::word) != kFlags.end());
    }

    static std::string flag_words() {
        std::string all;
        for (const Flag& flag : kFlags) {
            all += (all.empty() ? "" : ", ") + std::string(flag.word);
        }
        return all;
    }

    bool bind_;
    MountWords words_;
    std::vector<std::pair<Subject, std::string>> said_;
};

}  // namespace

Result<MountWords> read_mount_words(const std::string& type, std::span<const std::string> words,
                                    bool read_only) {
    return Reader(type == "bind", read_only).read(words);
}

}  // namespace partd::kernel
