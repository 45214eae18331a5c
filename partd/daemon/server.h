// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bus/message.h"
#include "kernel/events/listener.h"
#include "verbs/verbs.h"

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

namespace partd::daemon {

// The daemon as the bus shows it: its properties and the methods that it carries out.
class Service {
public:
    Service() = default;
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    virtual ~Service() = default;

    virtual verbs::Answer call(const verbs::Verb& verb, const verbs::Request& request) = 0;
    // Answers a verb that only looks, in a process where nothing of this one is open.
    virtual verbs::Answer call_apart(const verbs::Verb& verb, const verbs::Request& request) = 0;
    virtual void reload() = 0;
    [[nodiscard]] virtual std::string state() const = 0;
    [[nodiscard]] virtual std::uint64_t generation() const = 0;
    [[nodiscard]] virtual std::uint64_t confirm_in() const = 0;  // milliseconds; 0: nothing waits
    [[nodiscard]] virtual std::vector<std::string> partitions() const = 0;
    [[nodiscard]] virtual std::vector<std::string> paused() const = 0;
    [[nodiscard]] virtual std::vector<std::string> contested() const = 0;
};

// Serves org.partd1 on a socket of partd's own, where root may do all and members of group partd may look,
// and on the system bus where there is one, where polkit decides. A caller that is too many, too slow or too
// loud loses its connection; the others do not notice.
class Server {
public:
    static Result<std::unique_ptr<Server>> open(sd_event* event, Service& service, const std::string& path,
                                                bool system_bus);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    void emit(const bus::Event& event);
    // Joins the system bus again if it went away and is wanted.
    void check_system_bus();
    // Signals the properties that may have changed.
    void properties_changed();

private:
    struct Visit;
    struct Client {
        sd_bus* bus = nullptr;
        uid_t uid = 0;                    // on the own socket
        sd_event_source* rest = nullptr;  // data that came along with the handshake
        bool root = false;                // on the own socket: may do all
        bool system = false;
        bool greeted = false;  // it has asked for something: a client of a bus takes no message before that
        Server* server = nullptr;
        bool dead = false;
        std::shared_ptr<Visit> visit = {};  // of one who is not root
    };
    struct Pending;                                         // a call that waits for polkit
    struct Apart;                                           // one that is answered by another process
    static constexpr std::uint64_t kRejoinFirst = 100'000;  // microseconds, doubled each time

    Server(sd_event* event, Service& service);
    Result<> listen(const std::string& path);
    void join_system_bus();
    void join_later();
    void note_name(std::string trouble);
    void accept();
    int add(Client& client, int connection);
    int set_connection(Client& client, int connection);
    // Of others than root: what they send is looked at after all else, whole, and one at a time.
    int start_visit(Client& client, int connection);
    void go_on(Client& client);
    [[nodiscard]] bool may_go_on(const Client& client);
    void hurry(Client& client, bool late);
    void go_on_with(uid_t caller);
    static int on_sent(sd_event_source* source, int fd, std::uint32_t events, void* data);
    static int on_room(sd_event_source* source, int fd, std::uint32_t events, void* data);
    static int on_more(sd_event_source* source, void* data);
    static int on_hurry(sd_event_source* source, std::uint64_t time, void* data);
    int match_disconnected(Client& client);
    int match_connected(Client& client);
    void drop(Client& client);
    void sweep();
    template <class Each>
    void for_clients(Each each);

    static int on_connection(sd_event_source* source, int fd, std::uint32_t events, void* server);
    static int on_method(sd_bus_message* message, void* data, sd_bus_error* error);
    static int on_reload(sd_bus_message* message, void* data, sd_bus_error* error);
    static int on_polkit(sd_bus_message* reply, void* data, sd_bus_error* error);
    static int on_disconnected(sd_bus_message* message, void* data, sd_bus_error* error);
    static int on_name(sd_bus_message* reply, void* data, sd_bus_error* error);
    static int on_time_to_join(sd_event_source* source, std::uint64_t time, void* server);
    static int on_message(sd_bus_message* message, void* data, sd_bus_error* error);
    static int on_connected(sd_bus_message* message, void* data, sd_bus_error* error);
    static int on_rest(sd_event_source* source, void* data);
    static int on_bus_method(sd_bus_message* message, void* client, sd_bus_error* error);
    static int get_property(sd_bus* bus, const char* path, const char* interface, const char* property,
                            sd_bus_message* reply, void* data, sd_bus_error* error);
    static const std::vector<sd_bus_vtable>& vtable();
    static const sd_bus_vtable kBusVtable[];

    int answer(Client& client, sd_bus_message* message, const verbs::Verb* verb);
    static int reply(sd_bus_message* message, verbs::Answer answer);
    int answer_apart(Client& client, sd_bus_message* message, const verbs::Verb& verb,
                     const verbs::Request& request, uid_t caller);
    static int on_apart_done(sd_event_source* source, int fd, std::uint32_t events, void* data);
    static int on_apart_late(sd_event_source* source, std::uint64_t time, void* apart);
    int ask_polkit(Client& client, sd_bus_message* message, verbs::Right right);

    sd_event* event_;
    Service& service_;
    Fd listener_;
    Fd spare_;
    sd_event_source* source_ = nullptr;
    bool wants_system_bus_ = false;
    sd_event_source* rejoin_ = nullptr;
    std::uint64_t rejoin_after_ = kRejoinFirst;
    std::string name_trouble_;  // why org.partd1 on the system bus is not partd's, as last told
    std::list<Client> clients_;
    std::list<Apart> apart_;
    std::size_t asking_ = 0;  // calls that wait for polkit
};

}  // namespace partd::daemon
