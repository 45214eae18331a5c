// SPDX-License-Identifier: Apache-2.0
#include "daemon/visit.h"

#include "base/log.h"
#include "daemon/apart.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

// How what others send reaches sd-bus.
namespace partd::daemon {

namespace {

// A file of the configuration has 1 MiB.
constexpr std::size_t kMostOfMessage = std::size_t{2} << 20;
constexpr std::size_t kMostOfUser = std::size_t{4} << 20;
// Answers that are not read.
constexpr std::uint64_t kMostUnread = 4;
// For what is begun and has to come to its end: a handshake, a message, the reading of answers.
constexpr std::uint64_t kPatience = 5'000'000;  // microseconds
constexpr std::uint64_t kTick = 50'000;

bool is_deaf(sd_bus* bus) {
    std::uint64_t unread = 0;
    return sd_bus_get_n_queued_write(bus, &unread) >= 0 && unread > kMostUnread;
}

void enable(sd_event_source* source, bool enabled) {
    sd_event_source_set_enabled(source, enabled ? SD_EVENT_ON : SD_EVENT_OFF);
}

}  // namespace

// Returns where sd-bus reads.
int Server::start_visit(Client& client, int connection) {
    auto inlet = kernel::Inlet::open(connection, kMostOfMessage);
    auto outlet = inlet ? inlet->take_outlet() : Result<int>(std::unexpected(inlet.error()));
    if (!outlet) {
        return -(outlet.error().code == 0 ? EIO : outlet.error().code);
    }
    client.visit = std::make_shared<Visit>(std::move(*inlet));
    Visit& visit = *client.visit;
    const int input = visit.inlet.socket();
    const int pipe = visit.inlet.pipe();
    int result = sd_event_add_io(event_, &visit.sent, input, EPOLLIN, on_sent, &client);
    result = result < 0 ? result : sd_event_add_io(event_, &visit.room, pipe, EPOLLOUT, on_room, &client);
    result = result < 0 ? result : sd_event_add_defer(event_, &visit.more, on_more, &client);
    result = result < 0 ? result
                        : sd_event_add_time_relative(event_, &visit.hurry, CLOCK_MONOTONIC, kTick, 0,
                                                     on_hurry, &client);
    for (sd_event_source* source : {visit.sent, visit.room, visit.more}) {
        result = result < 0 ? result : sd_event_source_set_priority(source, kAfterAllElse);
    }
    if (result < 0) {
        const Fd closed(*outlet);
        return result;
    }
    enable(visit.room, false);
    enable(visit.more, false);
    return *outlet;
}

bool Server::may_go_on(const Client& client) {
    const kernel::Inlet& inlet = client.visit->inlet;
    const auto is_at_work = [&](const Apart& apart) { return apart.caller == client.uid; };
    const auto is_under_way = [&](const Client& each) {
        return each.visit != nullptr && each.uid == client.uid && !each.dead && each.visit->is_under_way();
    };
    return inlet.in_handshake() ||
           (sd_bus_is_ready(client.bus) > 0 && !is_deaf(client.bus) &&
            std::ranges::none_of(clients_, is_under_way) && std::ranges::none_of(apart_, is_at_work));
}

void Server::go_on(Client& client) {
    Visit& visit = *client.visit;
    kernel::Inlet& inlet = visit.inlet;
    if (client.dead) {
        return;
    }
    while (!inlet.writes() && inlet.has_next() && may_go_on(client)) {
        inlet.next();
        if (!inlet.write()) {
            drop(client);
            return;
        }
    }
    enable(visit.room, inlet.writes());
    enable(visit.sent, !inlet.writes() && !inlet.has_next());
    hurry(client, inlet.unfinished() || (inlet.has_next() && is_deaf(client.bus)));
}

// A client has a certain time for what is awaited from it, which begins anew with each message.
void Server::hurry(Client& client, bool late) {
    Visit& visit = *client.visit;
    std::uint64_t now = 0;
    sd_event_now(event_, CLOCK_MONOTONIC, &now);
    visit.late_after = !late ? 0 : visit.late_after == 0 ? now + kPatience : visit.late_after;
    if (visit.late_after != 0 && now >= visit.late_after) {
        log_detail(fmt::format("a client of user {} is too slow: its connection ends", client.uid));
        drop(client);
    } else if (late) {
        sd_event_source_set_time_relative(visit.hurry, kTick);
        sd_event_source_set_enabled(visit.hurry, SD_EVENT_ONESHOT);
    } else {
        enable(visit.hurry, false);
    }
}

void Server::go_on_with(uid_t caller) {
    for (Client& client : clients_) {
        if (client.visit != nullptr && client.uid == caller) {
            client.visit->connected();
        }
    }
}

int Server::on_sent(sd_event_source*, int, std::uint32_t, void* data) {
    auto& client = *static_cast<Client*>(data);
    Server& server = *client.server;
    const auto read = client.visit->inlet.read();
    std::size_t held = 0;
    for (const Client& each : server.clients_) {
        held += each.visit != nullptr && each.uid == client.uid ? each.visit->inlet.held() : 0;
    }
    if (!read || !*read || held > kMostOfUser) {
        server.drop(client);
    } else {
        server.go_on(client);
    }
    server.sweep();
    return 0;
}

int Server::on_room(sd_event_source*, int, std::uint32_t, void* data) {
    auto& client = *static_cast<Client*>(data);
    Server& server = *client.server;
    if (client.visit->inlet.write()) {
        server.go_on(client);
    } else {
        server.drop(client);
    }
    server.sweep();
    return 0;
}

int Server::on_more(sd_event_source*, void* data) {
    auto& client = *static_cast<Client*>(data);
    Server& server = *client.server;
    server.go_on(client);
    server.sweep();
    return 0;
}

int Server::on_hurry(sd_event_source* source, std::uint64_t, void* data) {
    return on_more(source, data);
}

}  // namespace partd::daemon
