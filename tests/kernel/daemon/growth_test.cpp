// SPDX-License-Identifier: Apache-2.0
// partd after many reconciles has no more memory, descriptors or threads than after a few. PARTD_GROWTH is
// how many; without it a few hundred.

#include "daemon_fixture.h"
#include "heap.h"
#include "host_view.h"

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <thread>

#include <catch2/catch.hpp>

using namespace partd::test;
namespace fs = std::filesystem;

namespace {

/// The kernel's word on a link of this network namespace, without a program for each question.
class Links {
public:
    Links() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        require_call(socket_ >= 0, "socket");
    }
    Links(const Links&) = delete;
    Links& operator=(const Links&) = delete;
    ~Links() { ::close(socket_); }

    /// 0 where there is no such link.
    [[nodiscard]] int mtu(const std::string& link) const {
        ifreq about = of(link);
        return ::ioctl(socket_, SIOCGIFMTU, &about) == 0 ? about.ifr_mtu : 0;
    }
    void set_mtu(const std::string& link, int mtu) const {
        ifreq about = of(link);
        about.ifr_mtu = mtu;
        require_call(::ioctl(socket_, SIOCSIFMTU, &about) == 0, "SIOCSIFMTU");
    }

private:
    static ifreq of(const std::string& link) {
        ifreq about{};
        link.copy(about.ifr_name, IFNAMSIZ - 1);
        return about;
    }
    int socket_;
};

bool soon(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + patient(10s);
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= end) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(300));
    }
    return true;
}

/// As an editor does it, so that no half of a file is ever read.
void replace_file(const std::string& name, const std::string& text) {
    write_file("/etc/partd/." + name + ".new", text);
    fs::rename("/etc/partd/." + name + ".new", "/etc/partd/" + name);
}

/// Resources that partd has while it waits for events.
struct Has {
    std::uint64_t heap = 0;  ///< bytes in use
    std::size_t descriptors = 0;
    std::size_t threads = 0;
    double megabytes = 0;  ///< resident
};

class Host {
public:
    Host() {
        sandbox.write_config(
            "daemon.toml",
            "[daemon]\nsettle = \"0ms\"\nsettle_removal = \"0ms\"\nhistory = 5\nlog_level = \"error\"\n");
        sandbox.write_config("still.toml", numbered_partition(3, "mtu = 1500\n") +
                                               "[partition.p3.nat]\nmasquerade = true\n"
                                               "[partition.p3.cgroup]\npids.max = 50\n");
        sandbox.write_config("edited.toml", numbered_partition(1, "mtu = 1400\n"));
        write_file(kHeap, std::string(sizeof(Heap), '\0'));
        const int file = ::open(kHeap, O_RDWR | O_CLOEXEC);
        void* memory = ::mmap(nullptr, sizeof(Heap), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        ::close(file);
        require_call(memory != MAP_FAILED, kHeap);
        heap_ = static_cast<Heap*>(memory);
    }
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;
    ~Host() { ::munmap(heap_, sizeof(Heap)); }

    /// One reconcile or two: an edit each time, and now and then drift, a partition that comes and goes, a
    /// question.
    bool round(int number) {
        const int mtu = 1300 + number % 2 * 100;
        replace_file("edited.toml", numbered_partition(1, "mtu = " + std::to_string(mtu) + "\n"));
        bool well = soon([&] { return links.mtu("h1") == mtu; });
        if (number % 5 == 0) {
            links.set_mtu("h3", 1280);
            well &= soon([&] { return links.mtu("h3") == 1500; });
        }
        if (number % 20 == 0) {
            replace_file("guest.toml",
                         "[partition.p2]\nhostname = \"guest\"\n"
                         "namespaces = [\"net\", \"mnt\", \"pid\", \"uts\", \"ipc\"]\n" +
                             numbered_partition(2));
            well &= soon([&] { return links.mtu("h2") == 1500; });
            sandbox.remove_config("guest.toml");
            well &= soon([&] { return links.mtu("h2") == 0 && !exists("p2"); });
        }
        if (number % 50 == 0) {
            well &= answers(sandbox);
        }
        return well;
    }

    /// When nothing has happened for a while, and so always the same.
    [[nodiscard]] Has now() const {
        REQUIRE(eventually([&] {
            const auto before = heap_->waits.load();
            return remains([&] { return heap_->waits.load() == before; }, 300ms);
        }));
        const std::string process = "/proc/" + std::to_string(daemon.pid());
        const auto count = [](const std::string& directory) {
            return static_cast<std::size_t>(
                std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
        };
        return {.heap = heap_->bytes,
                .descriptors = count(process + "/fd"),
                .threads = count(process + "/task"),
                .megabytes = daemon.megabytes()};
    }

    /// How many reconciles it counts itself.
    [[nodiscard]] int reconciles() const {
        const std::string words = "partd_reconcile_seconds_count ";
        const std::string told = sandbox.partctl({"metrics"}).out;
        return std::atoi(told.c_str() + told.find(words) + words.size());
    }

    static constexpr const char* kHeap = "/run/scratch/heap";
    Sandbox sandbox;
    Links links;
    Heap* heap_ = nullptr;
    // what the allocator keeps for a thread would count as in use
    Daemon daemon{{"env", "GLIBC_TUNABLES=glibc.malloc.tcache_count=0", std::string("PARTD_HEAP=") + kHeap,
                   "LD_PRELOAD=" PARTD_HEAP_PRELOAD}};
};

void show(const char* when, int reconciles, const Has& has) {
    std::cout << when << ": " << reconciles << " reconciles, " << has.heap << " bytes of heap in use, "
              << has.megabytes << " MB resident, " << has.descriptors << " descriptors, " << has.threads
              << " threads" << std::endl;
}

}  // namespace

TEST_CASE("growth: memory, descriptors and threads stay as they are", "[growth][daemon]") {
#if defined(PARTD_SANITIZED)
    PARTD_CANNOT_RUN("a sanitizer has a heap of its own");
#endif
    constexpr int kFewReconciles = 300;
    const char* wanted = std::getenv("PARTD_GROWTH");
    const int enough = wanted == nullptr ? kFewReconciles : std::max(kFewReconciles, std::atoi(wanted));
    Host host;
    REQUIRE(soon([&] { return host.links.mtu("h1") == 1400 && host.links.mtu("h3") == 1500; }));
    int number = 0;
    const auto rounds = [&](int count) {
        for (int i = 0; i < count; ++i) {
            const bool well = host.round(++number);
            INFO("round " << number << "\n" << host.daemon.log());
            REQUIRE(well);
        }
    };
    rounds(100);
    const Has before = host.now();
    show("warm", host.reconciles(), before);
    while (host.reconciles() < enough) {
        rounds(100);
    }
    const Has after = host.now();
    show("end", host.reconciles(), after);
    // As much as what is made once, at whatever time; no more than that however many there were.
    CHECK(after.heap <= before.heap + 16384);
    CHECK(after.descriptors == before.descriptors);
    CHECK(after.threads == before.threads);
    CHECK(after.megabytes <= before.megabytes + 2);
}
