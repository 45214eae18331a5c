// SPDX-License-Identifier: Apache-2.0
#include "kernel/layer/layer_ids.h"

#include "base/text.h"

#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

constexpr char kInside[] = "inside";
constexpr char kNote[] = "trusted.partd.ids";

std::string map_text(const IdMap& map) {
    std::vector<std::string> ranges;
    for (const IdRange& range : map) {
        ranges.push_back(fmt::format("{}:{}:{}", range.inside, range.outside, range.count));
    }
    return partd::join(ranges, ",");
}

// True if a stored range is mapped as it was then.
bool range_fits(std::string_view stored, const IdMap& map) {
    const auto parts = split(stored, ':');
    if (parts.size() != 3) {
        return true;  // a later version wrote it
    }
    const auto inside = parse_number(parts[0]);
    const auto outside = parse_number(parts[1]);
    const auto count = parse_number(parts[2]);
    if (!inside || !outside || !count || *count == 0) {
        return true;
    }
    const auto is_kept = [&](std::uint64_t offset) {
        return outside_id(map, static_cast<std::uint32_t>(*inside + offset)) ==
               static_cast<std::uint32_t>(*outside + offset);
    };
    return is_kept(0) && is_kept(*count - 1);
}

bool map_fits(std::string_view stored, const IdMap& map) {
    const auto ranges = split(stored, ',');
    return std::ranges::all_of(ranges, [&](std::string_view range) { return range_fits(range, map); });
}

}  // namespace

std::string layer_ids(bool mapped_by_mount, const UserMaps& maps) {
    return mapped_by_mount || maps.uids.empty() ? std::string(kInside)
                                                : map_text(maps.uids) + "/" + map_text(maps.gids);
}

bool ids_fit(std::string_view stored, bool mapped_by_mount, const UserMaps& maps) {
    const bool inside = mapped_by_mount || maps.uids.empty();
    if (stored == kInside) {
        return inside;
    }
    if (inside) {
        return !mapped_by_mount;  // the host's numbers are those of a partition without users of its own
    }
    const std::size_t slash = stored.find('/');
    return slash == std::string_view::npos ||
           (map_fits(stored.substr(0, slash), maps.uids) && map_fits(stored.substr(slash + 1), maps.gids));
}

Result<bool> has_layer_ids(int upper, bool mapped_by_mount, const UserMaps& maps) {
    std::array<char, 4096> buffer;
    const ssize_t size = fgetxattr(upper, kNote, buffer.data(), buffer.size());
    if (size <= 0) {
        return false;
    }
    const std::string_view stored(buffer.data(), static_cast<std::size_t>(size));
    if (!ids_fit(stored, mapped_by_mount, maps)) {
        return fail(fmt::format(
            "the files of its layer belong to other users than it has now (they were written as {}, now "
            "it is {}): take the change of uid_map, gid_map or of the root directory's owner back, give "
            "the files to the new numbers (chown) and remove the attribute {} of upper, or purge the "
            "layer",
            printable(stored), layer_ids(mapped_by_mount, maps), kNote));
    }
    return true;
}

Result<> prepare_layer(int upper, int work, const struct stat& lower, bool mapped_by_mount,
                       const UserMaps& maps) {
    const auto noted = has_layer_ids(upper, mapped_by_mount, maps);
    PARTD_TRY(noted);
    if (*noted) {
        return fchown(work, lower.st_uid, lower.st_gid) == 0 ? Result<>() : fail_errno("prepare the layer");
    }
    if (fchown(upper, lower.st_uid, lower.st_gid) != 0 || fchmod(upper, lower.st_mode & 07777U) != 0 ||
        fchown(work, lower.st_uid, lower.st_gid) != 0) {
        return fail_errno("prepare the layer");
    }
    // On a full disk it goes without: the next time it is as new once more.
    const std::string note = layer_ids(mapped_by_mount, maps);
    (void)fsetxattr(upper, kNote, note.data(), note.size(), 0);
    return {};
}

}  // namespace partd::kernel
