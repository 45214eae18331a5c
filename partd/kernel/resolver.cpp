// SPDX-License-Identifier: Apache-2.0
#include "kernel/resolver.h"

#include "base/text.h"
#include "kernel/file/files.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include <algorithm>

#include <fmt/format.h>

namespace partd::kernel {

namespace {

using std::chrono::seconds;

constexpr seconds kMost{10};    // for one answer
constexpr seconds kGood{30};    // so long an answer is good
constexpr seconds kBad{10};     // so long it is believed that there is none
constexpr char kFailure = '!';  // in front of what went wrong
constexpr Bounds kBounds{
    .memory = std::size_t{64} << 20, .time = seconds(5), .answer = std::size_t{64} << 10};

// The files of a namespace stand over those of /etc, and the host's nscd is out of reach: it would ask in the
// host's namespace. On any failure nothing is asked for.
bool enter(const Resolver::Place& place) {
    const Fd netns(open(place.netns.c_str(), O_RDONLY | O_CLOEXEC));
    if (!netns || setns(netns.get(), CLONE_NEWNET) != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount("", "/", "", MS_SLAVE | MS_REC, nullptr) != 0) {
        return false;
    }
    for (const char* name : {"resolv.conf", "hosts", "nsswitch.conf"}) {
        const std::string own = place.etc + "/" + name;
        if (exists(own) &&
            mount(own.c_str(), ("/etc/" + std::string(name)).c_str(), "", MS_BIND, nullptr) != 0) {
            return false;
        }
    }
    return !exists("/run/nscd") || mount("none", "/run/nscd", "tmpfs", 0, nullptr) == 0;
}

std::string addresses_of(const std::string& name) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    if (const int error = getaddrinfo(name.c_str(), nullptr, &hints, &found); error != 0) {
        return kFailure + std::string(gai_strerror(error));
    }
    std::string text;
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
        char host[NI_MAXHOST];
        if (getnameinfo(each->ai_addr, each->ai_addrlen, host, sizeof host, nullptr, 0, NI_NUMERICHOST) ==
            0) {
            text += std::string(host) + "\n";
        }
    }
    freeaddrinfo(found);
    return text;
}

Resolver::Answer read_answer(const Result<std::string>& text) {
    Resolver::Answer answer;
    if (!text) {
        answer.why = text.error().message;
        return answer;
    }
    if (text->starts_with(kFailure)) {
        answer.why = printable(std::string_view(*text).substr(1));
        return answer;
    }
    for (const std::string_view line : split(*text, '\n')) {
        if (const auto ip = Ip::parse(line)) {
            answer.addresses.push_back(*ip);
        }
    }
    answer.why = answer.addresses.empty() ? "no address" : "";
    return answer;
}

}  // namespace

void Resolver::look_for_answer(Question& question, std::chrono::milliseconds patience) {
    pollfd polled{.fd = question.work->fd(), .events = POLLIN, .revents = 0};
    if (poll(&polled, 1, static_cast<int>(patience.count())) > 0) {
        question.answer = read_answer(question.work->answer());
    } else if (Clock::now() - question.since > kMost) {
        question.answer = Answer{.why = fmt::format("no answer within {} s", kMost.count())};
    } else {
        return;
    }
    question.work.reset();
    question.since = Clock::now();
}

Resolver::Answer Resolver::ask(const Place& place, const std::string& name,
                               std::chrono::milliseconds patience) {
    Question& question = questions_[{place, name}];
    const auto age = Clock::now() - question.since;
    if (question.answer && !question.work && age < (question.answer->why.empty() ? kGood : kBad)) {
        return *question.answer;
    }
    if (!question.work) {
        Bounds bounds = kBounds;
        bounds.needs_rights = !place.netns.empty();
        auto started = BoundedWork::start(bounds, [&] {
            const bool there = place.netns.empty() || enter(place);
            return there ? addresses_of(name) : kFailure + std::string("its namespace cannot be entered");
        });
        if (!started) {
            return {.why = started.error().message};
        }
        question.work.emplace(std::move(*started));
        question.since = Clock::now();
    }
    look_for_answer(question, patience);
    if (question.work) {
        return {.addresses = question.answer ? question.answer->addresses : std::vector<Ip>(),
                .why = "there is no answer yet",
                .pending = true};
    }
    return *question.answer;
}

}  // namespace partd::kernel
