// SPDX-License-Identifier: Apache-2.0
#include "kernel/session/account.h"

#include "base/text.h"
#include "kernel/file/files.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

constexpr char kUsers[] = "/etc/passwd";
constexpr char kGroups[] = "/etc/group";

// A file of the partition's: no device or FIFO that waits, and not more than a host ever has.
std::string read_foreign(const std::string& path) {
    constexpr std::size_t kMost = std::size_t{1} << 20;
    const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW));
    struct stat st{};
    const bool plain = file && fstat(file.get(), &st) == 0 && S_ISREG(st.st_mode);
    return plain ? read_fd(file.get(), kMost).value_or("") : "";
}

// The fields of the first line whose field at `place` is that; empty when there is none.
std::vector<std::string> line_with(const std::string& text, std::size_t place, std::string_view value) {
    for (const std::string_view line : split(text, '\n')) {
        const auto fields = split(line, ':');
        if (fields.size() > place && fields[place] == value) {
            return {fields.begin(), fields.end()};
        }
    }
    return {};
}

std::optional<std::uint32_t> id_of(std::string_view text) {
    constexpr std::uint64_t kNobody = 0xffffffff;  // (uid_t)-1 changes nothing (setresuid(2))
    const auto number = parse_number(text);
    return number && *number < kNobody ? std::optional(static_cast<std::uint32_t>(*number)) : std::nullopt;
}

std::vector<gid_t> groups_of(const std::string& user) {
    std::vector<gid_t> all;
    const std::string text = read_foreign(kGroups);
    for (const std::string_view line : split(text, '\n')) {
        const auto fields = split(line, ':');
        const auto gid = fields.size() == 4 ? id_of(fields[2]) : std::nullopt;
        const auto members = fields.size() == 4 ? split(fields[3], ',') : std::vector<std::string_view>();
        if (gid && std::ranges::find(members, user) != members.end()) {
            all.push_back(*gid);
        }
    }
    return all;
}

std::unexpected<Error> missing(const char* what, const std::string& name, const char* file) {
    return fail(exists(file)
                    ? fmt::format("the {} \"{}\" is not in {} of its root", what, printable(name), file)
                    : fmt::format("its root has no {}, so that nobody knows the {} \"{}\": give a "
                                  "number",
                                  file, what, printable(name)));
}

Account account_of(const std::vector<std::string>& fields) {
    constexpr std::size_t kHome = 5;
    constexpr std::size_t kShell = 6;
    Account account;
    account.name = fields[0];
    account.uid = id_of(fields.size() > 2 ? fields[2] : "").value_or(0);
    account.gid = id_of(fields.size() > 3 ? fields[3] : "").value_or(account.uid);
    account.home = fields.size() > kHome && !fields[kHome].empty() ? fields[kHome] : "/";
    account.shell = fields.size() > kShell && !fields[kShell].empty() ? fields[kShell] : "/bin/sh";
    return account;
}

}  // namespace

Account root_account() {
    Account account;
    const auto fields = line_with(read_foreign(kUsers), 2, "0");
    if (fields.size() == 7) {
        account.home = fields[5].empty() ? account.home : fields[5];
        account.shell = fields[6].empty() ? account.shell : fields[6];
    }
    return account;
}

Result<Account> find_account(const std::string& text) {
    const std::size_t colon = text.find(':');
    const std::string user = text.substr(0, colon);
    const std::string users = read_foreign(kUsers);
    const auto number = id_of(user);
    const auto fields = line_with(users, number ? 2 : 0, user);
    if (fields.empty() && !number) {
        return missing("user", user, kUsers);
    }
    if (!fields.empty() && !id_of(fields.size() > 2 ? fields[2] : "")) {
        return fail(
            fmt::format("the line of \"{}\" in {} of its root has no number", printable(user), kUsers));
    }
    Account account = fields.empty() ? Account{.name = user, .uid = *number, .gid = *number, .home = "/"}
                                     : account_of(fields);
    account.groups = groups_of(account.name);
    if (colon == std::string::npos) {
        return account;
    }
    const std::string group = text.substr(colon + 1);
    const auto line = line_with(read_foreign(kGroups), 0, group);
    const auto gid = id_of(group).or_else(
        [&] { return line.size() > 2 ? id_of(line[2]) : std::optional<std::uint32_t>(); });
    if (!gid) {
        return missing("group", group, kGroups);
    }
    account.gid = *gid;
    return account;
}

Result<> become_user(const Account& account) {
    const auto named = [&](const char* what) {
        auto error = fail_errno(fmt::format("become {} {} for the user {}", what,
                                            std::string_view(what) == "user" ? account.uid : account.gid,
                                            printable(account.name)));
        if (error.error().code == EINVAL) {
            return fail(fmt::format("the {} {} of the user {} is not mapped into its user namespace", what,
                                    std::string_view(what) == "user" ? account.uid : account.gid,
                                    printable(account.name)));
        }
        return error;
    };
    if (setgroups(account.groups.size(), account.groups.data()) != 0 ||
        setresgid(account.gid, account.gid, account.gid) != 0) {
        return named("group");
    }
    if (setresuid(account.uid, account.uid, account.uid) != 0) {
        return named("user");
    }
    return {};
}

}  // namespace partd::kernel
