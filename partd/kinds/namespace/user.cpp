// SPDX-License-Identifier: Apache-2.0
#include "kinds/namespace/user.h"

#include "base/text.h"
#include "kernel/file/files.h"
#include "kinds/namespace/membership.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace partd {

namespace {

constexpr std::int64_t kMostIds = 4'294'967'295;  // (uid_t)-1 is nobody's

constexpr Field kMappingFields[] = {
    field<&IdMapping::inside>("inside", "the first number inside",
                              {.role = Role::Declared, .required = true, .min = 0, .max = kMostIds - 1}),
    field<&IdMapping::outside>("outside", "the number on the host that it stands for",
                               {.role = Role::Declared, .required = true, .min = 0, .max = kMostIds - 1}),
    field<&IdMapping::count>("count", "length of the range",
                             {.role = Role::Declared, .min = 1, .max = kMostIds, .fallback = "1"}),
};

constexpr Field kUserFields[] = {
    field<&User::uid_map>("uid_map",
                          "users of the host for the users inside, as a list of { inside, outside, count }; "
                          "0 has to be mapped. Give each partition uids of its own",
                          {.role = Role::Declared}),
    field<&User::gid_map>("gid_map", "groups of the host for the groups inside, likewise",
                          {.role = Role::Declared, .fallback = "as uid_map"}),
    field<&User::automatic>("auto",
                            "a range of 65536 users and groups of its own, out of those that /etc/subuid and "
                            "/etc/subgid give to the user partd (else root)",
                            {.role = Role::Declared, .fallback = "true without uid_map"}),
};

bool overlap(std::int64_t a, std::int64_t b, std::int64_t a_count, std::int64_t b_count) {
    return a < b + b_count && b < a + a_count;
}

void check_map(const DeclaredObject& object, const std::vector<Sourced<IdMapping>>& map, std::string_view key,
               Diagnostics& problems) {
    constexpr std::size_t kMostLines = 340;  // of the kernel's
    const auto error = [&](const Source& at, const std::string& text, const Source& other = {}) {
        problems.error(at, fmt::format("partition {}: {}", object.owner, text), other,
                       other ? "the other range" : "");
    };
    for (std::size_t i = 0; i < map.size(); ++i) {
        const IdMapping& line = map[i].value;
        if (line.inside + line.count > kMostIds || line.outside + line.count > kMostIds) {
            error(map[i].at, fmt::format("{}: the range goes beyond {}", key, kMostIds - 1));
        }
        for (std::size_t j = 0; j < i; ++j) {
            const IdMapping& other = map[j].value;
            if (overlap(line.inside, other.inside, line.count, other.count)) {
                error(map[i].at,
                      fmt::format("{}: {} inside is in two ranges", key, std::max(line.inside, other.inside)),
                      map[j].at);
            } else if (overlap(line.outside, other.outside, line.count, other.count)) {
                error(map[i].at,
                      fmt::format("{}: {} outside is in two ranges", key,
                                  std::max(line.outside, other.outside)),
                      map[j].at);
            }
        }
    }
    const auto maps_root = [](const auto& line) { return line.value.inside == 0; };
    if (!map.empty() && std::ranges::none_of(map, maps_root)) {
        error(object.place(key),
              fmt::format("{} does not map 0, and partd enters as root: add {{ inside = 0, outside = … }}",
                          key));
    }
    if (map.size() > kMostLines) {
        error(object.place(key), fmt::format("{} has more than {} lines", key, kMostLines));
    }
}

// In the kernel's order: it sorts long maps.
std::vector<IdMapping> plain(const std::vector<Sourced<IdMapping>>& map) {
    std::vector<IdMapping> all;
    std::ranges::transform(map, std::back_inserter(all), &Sourced<IdMapping>::value);
    std::ranges::sort(all, {}, &IdMapping::inside);
    return all;
}

const User* user_of(const Declared& declared, const std::string& partition) {
    const auto found = declared.all<User>(partition);
    return found.empty() ? nullptr : &found.front()->spec.as<User>();
}

}  // namespace

void check_users(const Declared& declared, Diagnostics& problems) {
    for (const DeclaredObject* object : declared.all<User>()) {
        const User& user = object->spec.as<User>();
        check_map(*object, user.uid_map, "uid_map", problems);
        check_map(*object, user.gid_map, "gid_map", problems);
        const auto error = [&](std::string_view key, const char* text) {
            problems.error(object->place(key), fmt::format("partition {}: {}", object->owner, text));
        };
        if (user.automatic.value_or(false) && !user.uid_map.empty()) {
            error("auto", "auto and uid_map exclude each other: leave one out");
        } else if (user.uid_map.empty() && !user.gid_map.empty()) {
            error("gid_map", "gid_map needs a uid_map: declare one, or leave gid_map out");
        } else if (user.uid_map.empty() && !user.automatic.value_or(true)) {
            error("auto", "auto = false needs a uid_map: declare one, or leave auto out");
        }
    }
}

WantedMaps wanted_maps(const Declared& declared, const std::string& partition) {
    WantedMaps wanted;
    if (const User* user = user_of(declared, partition); user != nullptr) {
        wanted.at = {declared.all<User>(partition).front()->place("uid_map")};
        wanted.uids = plain(user->uid_map);
        wanted.gids = user->gid_map.empty() ? wanted.uids : plain(user->gid_map);
    }
    if (wanted.uids.empty()) {
        for (const DeclaredObject* object : declared.all<User>()) {
            for (const auto* map : {&object->spec.as<User>().uid_map, &object->spec.as<User>().gid_map}) {
                std::ranges::transform(*map, std::back_inserter(wanted.taken), &Sourced<IdMapping>::value);
            }
        }
    }
    return wanted;
}

std::vector<IdMapping> to_mappings(const kernel::IdMap& map) {
    std::vector<IdMapping> all;
    std::ranges::transform(map, std::back_inserter(all), [](const kernel::IdRange& range) {
        return IdMapping{range.inside, range.outside, range.count};
    });
    return all;
}

namespace {

constexpr std::int64_t kRange = kAutomaticIds;

struct Assigned {
    std::string partition;
    std::int64_t uid = 0;
    std::int64_t gid = 0;
};

std::string table_path(const kernel::Paths& paths) {
    return paths.library() + "/subids";
}

Result<std::vector<Assigned>> read_assigned(const kernel::Paths& paths) {
    std::vector<Assigned> all;
    const auto text = kernel::read_if_there(table_path(paths));
    PARTD_TRY(text);
    for (const std::string_view line : split(*text, '\n')) {
        const auto parts = words(line);
        const auto uid = parts.size() == 3 ? parse_number(parts[1]) : std::nullopt;
        const auto gid = parts.size() == 3 ? parse_number(parts[2]) : std::nullopt;
        if (uid && gid) {
            all.push_back(
                {std::string(parts[0]), static_cast<std::int64_t>(*uid), static_cast<std::int64_t>(*gid)});
        }
    }
    return all;
}

Result<> write_assigned(const kernel::Paths& paths, const std::vector<Assigned>& all) {
    std::string text;
    for (const Assigned& each : all) {
        text += fmt::format("{} {} {}\n", each.partition, each.uid, each.gid);
    }
    if (text.empty()) {
        PARTD_TRY(kernel::remove_file(table_path(paths)));
        kernel::remove_empty_directory(paths.library());
        return {};
    }
    PARTD_TRY(kernel::make_directories(paths.library(), 0711));
    return kernel::write_atomically(table_path(paths), text, 0600);
}

}  // namespace

std::vector<IdMapping> subordinate_ranges(const std::string& path) {
    std::vector<IdMapping> partd, root;
    const std::string text = kernel::read_file(path).value_or("");
    for (const std::string_view line : split(text, '\n')) {
        const auto parts = split(trim(line), ':');
        const auto first = parts.size() == 3 ? parse_number(parts[1]) : std::nullopt;
        const auto count = parts.size() == 3 ? parse_number(parts[2]) : std::nullopt;
        if (first && count && *first + *count <= static_cast<std::uint64_t>(kMostIds)) {
            const IdMapping range{0, static_cast<std::int64_t>(*first), static_cast<std::int64_t>(*count)};
            if (parts[0] == "partd") {
                partd.push_back(range);
            } else if (parts[0] == "root" || parts[0] == "0") {
                root.push_back(range);
            }
        }
    }
    return partd.empty() ? root : partd;
}

namespace {

Result<std::int64_t> first_free(const std::string& path, const std::vector<IdMapping>& taken) {
    const auto given = subordinate_ranges(path);
    for (const IdMapping& range : given) {
        std::int64_t start = range.outside;
        const auto blocks = [&](const IdMapping& other) {
            return overlap(start, other.outside, kRange, other.count);
        };
        while (start + kRange <= range.outside + range.count) {
            const auto blocker = std::ranges::find_if(taken, blocks);
            if (blocker == taken.end()) {
                return start;
            }
            start = blocker->outside + blocker->count;
        }
    }
    // A range may be given back in the same run: worth another round.
    return std::unexpected(
        Error{.code = EBUSY,
              .message = fmt::format(
                  "{} has no {} numbers left for it: add a line like partd:1000000:1048576", path, kRange)});
}

// A map that was written down must not reach into a range that was given away.
Result<> keep_apart(const std::vector<Assigned>& assigned, const std::string& partition,
                    const WantedMaps& wanted) {
    for (const Assigned& other : assigned) {
        const auto overlaps = [&](const std::vector<IdMapping>& map, std::int64_t start) {
            return std::ranges::any_of(
                map, [&](const IdMapping& line) { return overlap(line.outside, start, line.count, kRange); });
        };
        if (other.partition != partition &&
            (overlaps(wanted.uids, other.uid) || overlaps(wanted.gids, other.gid))) {
            return fail(fmt::format(
                "its map overlaps {} to {}, which partition {} was given (auto): take other numbers",
                other.uid, other.uid + kRange - 1, other.partition));
        }
    }
    return {};
}

}  // namespace

Result<kernel::UserMaps> assign_maps(const kernel::Paths& paths, const std::string& partition,
                                     const WantedMaps& wanted, bool keep) {
    const auto to_map = [](const std::vector<IdMapping>& mappings) {
        kernel::IdMap map;
        std::ranges::transform(mappings, std::back_inserter(map), [](const IdMapping& each) {
            return kernel::IdRange{static_cast<std::uint32_t>(each.inside),
                                   static_cast<std::uint32_t>(each.outside),
                                   static_cast<std::uint32_t>(each.count)};
        });
        return map;
    };
    auto read = read_assigned(paths);
    PARTD_TRY(read);
    auto& assigned = *read;
    if (!wanted.uids.empty()) {
        PARTD_TRY(keep_apart(assigned, partition, wanted));
        return kernel::UserMaps{to_map(wanted.uids), to_map(wanted.gids)};
    }
    auto own = std::ranges::find(assigned, partition, &Assigned::partition);
    if (own == assigned.end()) {
        std::vector<IdMapping> uids = wanted.taken;
        std::vector<IdMapping> gids = wanted.taken;
        for (const Assigned& each : assigned) {
            uids.push_back({0, each.uid, kRange});
            gids.push_back({0, each.gid, kRange});
        }
        const auto uid = first_free(paths.root + "/etc/subuid", uids);
        PARTD_TRY(uid);
        const auto gid = first_free(paths.root + "/etc/subgid", gids);
        PARTD_TRY(gid);
        assigned.push_back({partition, *uid, *gid});
        own = std::prev(assigned.end());
        if (keep) {
            PARTD_TRY(write_assigned(paths, assigned));
        }
    }
    return kernel::UserMaps{to_map({{0, own->uid, kRange}}), to_map({{0, own->gid, kRange}})};
}

Result<> free_range(const kernel::Paths& paths, const std::string& partition) {
    auto assigned = read_assigned(paths);
    PARTD_TRY(assigned);
    if (std::erase_if(*assigned, [&](const Assigned& each) { return each.partition == partition; }) == 0) {
        return {};
    }
    return write_assigned(paths, *assigned);
}

constinit const Table IdMapping::table = {"mapping", "A range of users or groups.", kMappingFields};
constinit const Table User::table = {
    "user", "Maps between users and groups inside and on the host. Implies the namespace \"user\".",
    kUserFields};

}  // namespace partd
