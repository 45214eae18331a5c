// SPDX-License-Identifier: Apache-2.0
#include "kernel/events/listener.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include <systemd/sd-daemon.h>

namespace partd::kernel {

namespace {

constexpr int kWaiting = 256;  // connections not yet accepted

Result<> make_way(const std::string& path) {
    struct stat st{};
    if (lstat(path.c_str(), &st) != 0) {
        return {};
    }
    if (!S_ISSOCK(st.st_mode)) {
        return fail(ENOTSOCK, path);
    }
    return unlink(path.c_str()) == 0 ? Result<>() : fail_errno("remove " + path);
}

}  // namespace

Result<Fd> listen_at(const std::string& path, const std::string& group) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return fail(ENAMETOOLONG, path);
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    PARTD_TRY(make_way(path));
    Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // Nobody may connect before the rights are right.
    const mode_t mask = umask(0777);
    const bool bound = fd && bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    const int code = errno;
    umask(mask);
    if (!bound) {
        return fail(code, "listen at " + path);
    }
    const struct group* members = getgrnam(group.c_str());
    if (members != nullptr && chown(path.c_str(), 0, members->gr_gid) != 0) {
        return fail_errno("give " + path + " to group " + group);
    }
    if (chmod(path.c_str(), members != nullptr ? 0660 : 0600) != 0 || listen(fd.get(), kWaiting) != 0) {
        return fail_errno("listen at " + path);
    }
    return fd;
}

Fd inherited_listener() {
    const bool handed =
        sd_listen_fds(0) == 1 && sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, nullptr, 0) > 0;
    if (handed) {
        fcntl(SD_LISTEN_FDS_START, F_SETFL, O_NONBLOCK);
    }
    return Fd(handed ? SD_LISTEN_FDS_START : -1);
}

Result<int> accept_connection(int listener) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return fd < 0 ? Result<int>(fail_errno("accept a connection")) : fd;
}

Fd spare_descriptor() {
    return Fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

bool turn_away(int listener, Fd& spare) {
    spare = Fd();
    const bool taken = bool(Fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)));
    spare = spare_descriptor();
    return taken;
}

uid_t peer_of(int connection) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0
               ? credentials.uid
               : std::numeric_limits<uid_t>::max();
}

Result<Fd> try_lock(const std::string& path) {
    Fd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!lock || flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        return fail_errno("lock " + path);
    }
    return lock;
}

}  // namespace partd::kernel
