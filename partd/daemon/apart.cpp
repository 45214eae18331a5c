// SPDX-License-Identifier: Apache-2.0
#include "daemon/apart.h"

#include "base/text.h"
#include "verbs/reason.h"

#include <sys/epoll.h>

#include <algorithm>

#include <fmt/format.h>

// Text of others than root is compiled where it can take what it likes.
namespace partd::daemon {

namespace {

// A file has 1 MiB at most; a thousand partitions are half of that, and take 40 MB and 0.2 s.
constexpr kernel::Bounds kBounds = {
    .memory = std::size_t{256} << 20, .time = std::chrono::seconds(5), .answer = std::size_t{16} << 20};
constexpr std::uint64_t kLongest = 10'000'000;  // microseconds by the clock
constexpr std::size_t kMostAtOnce = 4;

// "CODE GENERATION SIZE\n", what goes to stdout, what goes to stderr.
std::string write_answer(const verbs::Answer& answer) {
    return fmt::format("{} {} {}\n{}{}", answer.code, answer.generation, answer.out.size(), answer.out,
                       answer.err);
}

std::optional<verbs::Answer> read_answer(std::string_view text) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    const auto head = words(text.substr(0, end));
    text.remove_prefix(end + 1);
    constexpr std::size_t kFields = 3;
    const auto number = [&](std::size_t at) { return parse_number(head[at]); };
    if (head.size() != kFields || !number(0) || !number(1) || !number(2) || *number(2) > text.size()) {
        return std::nullopt;
    }
    return verbs::Answer{.out = std::string(text.substr(0, *number(2))),
                         .err = std::string(text.substr(*number(2))),
                         .code = static_cast<int>(*number(0)),
                         .generation = *number(1)};
}

}  // namespace

int Server::answer_apart(Client& client, sd_bus_message* message, const verbs::Verb& verb,
                         const verbs::Request& request, uid_t caller) {
    if (apart_.size() >= kMostAtOnce || std::ranges::count(apart_, caller, &Apart::caller) > 0) {
        return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_LIMITS_EXCEEDED, "%s",
                                          "partd is at work on another text: ask again when it has answered");
    }
    kernel::Bounds bounds = kBounds;
    bounds.needs_rights = verb.read == nullptr;
    auto work =
        kernel::BoundedWork::start(bounds, [&] { return write_answer(service_.call_apart(verb, request)); });
    if (!work) {
        return reply(message, verbs::unanswered(request, verbs::Reason::Failed, work.error()));
    }
    Apart& apart = apart_.emplace_back(client, caller, message, std::move(*work));
    apart.asked.name = request.name;
    apart.asked.json = request.json;
    int result = sd_event_add_io(event_, &apart.done, apart.work.fd(), EPOLLIN, on_apart_done, &apart);
    result = result < 0 ? result
                        : sd_event_add_time_relative(event_, &apart.late, CLOCK_BOOTTIME, kLongest, 0,
                                                     on_apart_late, &apart);
    if (result < 0) {
        apart_.pop_back();
        return result;
    }
    return 1;
}

int Server::on_apart_late(sd_event_source*, std::uint64_t, void* apart) {
    static_cast<Apart*>(apart)->work.stop();
    return 0;
}

int Server::on_apart_done(sd_event_source*, int, std::uint32_t, void* data) {
    auto& apart = *static_cast<Apart*>(data);
    const auto text = apart.work.answer();
    auto answer = text ? read_answer(*text) : std::nullopt;
    if (!answer) {
        const std::string why = fmt::format(
            "the configuration is not looked at for others than root: {} (at most {} MB and {} s)",
            text ? "no answer" : text.error().message, kBounds.memory >> 20, kBounds.time.count());
        answer = verbs::unanswered(apart.asked, verbs::Reason::TooMuch, {.message = why});
    }
    Server& server = *apart.server;
    const uid_t caller = apart.caller;
    (void)reply(apart.message, std::move(*answer));
    server.apart_.remove_if([&](const Apart& each) { return &each == &apart; });
    server.go_on_with(caller);
    return 0;
}

}  // namespace partd::daemon
