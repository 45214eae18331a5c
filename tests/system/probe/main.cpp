// SPDX-License-Identifier: Apache-2.0
// Traffic of the soak (tests/system/tests/beside_all.sh): UDP questions and answers in many network
// namespaces, until SIGTERM. One thread and few system calls, for the machine is slow.
//   partd_probe PLAN NOTES
// PLAN has a line for each thing to do. NOTES gets one for each question without an answer, and for each with
// one of a flow that is called control….
//   serve PLACE NETNS PORT            answers whatever comes, and notes what a closed partition has sent
//   ask FLOW NETNS ADDRESS PORT       asks again and again, each time from a new port
//   knock PLACE NETNS ADDRESS PORT    sends as a closed partition, which nobody should get
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <list>
#include <map>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

namespace {

constexpr double kInterval = 0.25;  // seconds between two questions of one flow
constexpr double kPatience = 3.0;   // seconds; a late answer is one

volatile std::sig_atomic_t ending = 0;

double now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

int must(int result, const std::string& what) {
    if (result < 0) {
        throw std::system_error(errno, std::generic_category(), what);
    }
    return result;
}

struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;

    Address(const std::string& text, std::uint16_t port) {
        if (auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage); text.find(':') != std::string::npos) {
            v6->sin6_family = AF_INET6;
            v6->sin6_port = htons(port);
            length = sizeof *v6;
            must(inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) - 1, text);
            return;
        }
        auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        length = sizeof *v4;
        must(inet_pton(AF_INET, text.c_str(), &v4->sin_addr) - 1, text);
    }
};

/// Asks or knocks.
struct Task {
    bool knocks = false;
    std::string name;
    int netns = -1;
    std::string text;
    Address target;
    long sent = 0;
    long answered = 0;
};

struct Question {
    Task* task = nullptr;
    long number = 0;
    double sent = 0;
    std::list<int>::iterator place = {};
};

class Probe {
public:
    Probe(const char* plan, const char* notes)
        : notes_(notes), poll_(must(epoll_create1(EPOLL_CLOEXEC), "epoll")) {
        std::ifstream lines(plan);
        for (std::string line; std::getline(lines, line);) {
            add(line);
        }
        notes_ << std::fixed;
        notes_.precision(3);
    }

    void run() {
        notes_ << "interval " << kInterval << '\n';
        const double step = kInterval / static_cast<double>(tasks_.size());
        auto next = tasks_.begin();
        for (double due = now(); ending == 0;) {
            for (; due <= now(); due = std::max(due + step, now() - kInterval)) {
                work(*next);
                if (++next == tasks_.end()) {
                    next = tasks_.begin();
                }
            }
            // All that has come is heard before anything is given up, however long this process did not run.
            hear(static_cast<int>((due - now()) * 1000) + 1);
            while (hear(0)) {
            }
            give_up(now() - kPatience);
        }
        for (const auto& task : tasks_) {
            notes_ << (task.knocks ? "knocked " : "asked ") << task.sent << ' ' << task.answered << ' '
                   << task.name << '\n';
        }
    }

private:
    void add(const std::string& line) {
        std::istringstream words(line);
        std::string kind;
        std::string name;
        std::string netns;
        std::string address;
        std::uint16_t port = 0;
        words >> kind >> name >> netns;
        if (kind == "serve") {
            words >> port;
            serve(name, netns_of(netns), port);
            return;
        }
        words >> address >> port;
        tasks_.push_back({.knocks = kind == "knock",
                          .name = name,
                          .netns = netns_of(netns),
                          .text = address + " port " + std::to_string(port),
                          .target = Address(address, port)});
    }

    int netns_of(const std::string& path) {
        const auto [found, is_new] = netns_.try_emplace(path, -1);
        if (is_new) {
            found->second = must(open(path.c_str(), O_RDONLY | O_CLOEXEC), path);
        }
        return found->second;
    }

    int socket_in(int netns, int family) {
        if (netns != here_) {
            must(setns(netns, CLONE_NEWNET), "setns");
            here_ = netns;
        }
        return must(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
    }

    void watch(int socket) {
        epoll_event event{.events = EPOLLIN, .data = {.fd = socket}};
        must(epoll_ctl(poll_, EPOLL_CTL_ADD, socket, &event), "epoll_ctl");
    }

    void serve(const std::string& name, int netns, std::uint16_t port) {
        const int server = socket_in(netns, AF_INET6);
        const Address any("::", port);
        must(bind(server, reinterpret_cast<const sockaddr*>(&any.storage), any.length), "bind");
        watch(server);
        servers_.emplace(server, name + " port " + std::to_string(port));
    }

    void work(Task& task) {
        const double sent = now();
        ++task.sent;
        const int socket = socket_in(task.netns, task.target.storage.ss_family);
        std::ostringstream text;
        text << std::fixed << (task.knocks ? "closed " : "open ") << sent << ' ' << task.name << " to "
             << task.text;
        const bool gone = connect(socket, reinterpret_cast<const sockaddr*>(&task.target.storage),
                                  task.target.length) == 0 &&
                          send(socket, text.str().data(), text.str().size(), 0) > 0;
        if (task.knocks) {
            task.answered += gone ? 1 : 0;
            close(socket);
        } else if (!gone) {
            failed(task, task.sent, sent);
            close(socket);
        } else {
            watch(socket);
            waiting_.push_back(socket);
            questions_[socket] = {
                .task = &task, .number = task.sent, .sent = sent, .place = std::prev(waiting_.end())};
        }
    }

    bool hear(int milliseconds) {
        std::array<epoll_event, 64> events{};
        const int count = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), milliseconds);
        for (int i = 0; i < count; ++i) {
            const int socket = events.at(static_cast<std::size_t>(i)).data.fd;
            if (const auto server = servers_.find(socket); server != servers_.end()) {
                answer(socket, server->second);
            } else {
                answered(socket);
            }
        }
        return count > 0;
    }

    void answer(int socket, const std::string& where) {
        std::array<char, 512> text{};
        sockaddr_storage from{};
        for (;;) {
            socklen_t length = sizeof from;
            const auto size =
                recvfrom(socket, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
            if (size < 0) {
                return;
            }
            const std::string_view got(text.data(), static_cast<std::size_t>(size));
            if (got.starts_with("closed ")) {
                notes_ << "arrived " << now() << ' ' << where << ": " << got << '\n';
            } else {
                (void)sendto(socket, text.data(), got.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
            }
        }
    }

    void answered(int socket) {
        char byte = 0;
        Question& question = questions_.at(socket);
        if (recv(socket, &byte, 1, 0) >= 0) {
            ++question.task->answered;
            if (question.task->name.starts_with("control")) {
                notes_ << "answered " << question.sent << ' ' << question.task->name << '\n';
            }
        } else {  // an ICMP error
            failed(*question.task, question.number, question.sent);
        }
        forget(socket);
    }

    void give_up(double before) {
        while (!waiting_.empty()) {
            const int socket = waiting_.front();
            const Question& question = questions_.at(socket);
            if (question.sent > before) {
                return;
            }
            failed(*question.task, question.number, question.sent);
            forget(socket);
        }
    }

    void forget(int socket) {
        waiting_.erase(questions_.at(socket).place);
        questions_.erase(socket);
        close(socket);
    }

    void failed(const Task& task, long number, double sent) {
        notes_ << "failed " << sent << ' ' << number << ' ' << task.name << '\n';
    }

    std::ofstream notes_;
    int poll_;
    int here_ = -1;
    std::map<std::string, int> netns_;
    std::map<int, std::string> servers_;
    std::list<Task> tasks_;
    std::map<int, Question> questions_;
    std::list<int> waiting_;  // in the order in which they were sent
};

}  // namespace

int main(int count, char** words) {
    if (count != 3) {
        std::cerr << "usage: partd_probe PLAN NOTES\n";
        return 2;
    }
    // A socket for each question that has no answer yet.
    constexpr rlimit kSockets = {.rlim_cur = 65536, .rlim_max = 65536};
    (void)setrlimit(RLIMIT_NOFILE, &kSockets);
    std::signal(SIGTERM, [](int) { ending = 1; });
    try {
        Probe(words[1], words[2]).run();
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
    return 0;
}
