#include "kernel/host.h"

#include <unistd.h>

#include <algorithm>

namespace partd::kernel {

Result<Host> Host::open(Paths paths) {
    auto self = Netns::current();
    PARTD_TRY(self);
    auto cgroups = Cgroups::find();
    PARTD_TRY(cgroups);
    return Host(std::move(paths), std::move(*self), std::move(*cgroups));
}

Result<Netns*> Host::netns(const std::string& name) {
    if (name.empty()) {
        return &self_;
    }
    if (const auto found = open_.find(name); found != open_.end()) {
        return found->second.get();
    }
    auto netns = directory_.open(name);
    PARTD_TRY(netns);
    keep(name, std::move(*netns));
    return open_.at(name).get();
}

std::string Host::group_of(std::string_view owner) {
    const auto known = groups_.find(owner);
    if (known != groups_.end() && cgroups_.owner(known->second) == owner) {
        return known->second;
    }
    groups_.clear();
    for (const std::string& group : cgroups_.marked()) {
        groups_.emplace(cgroups_.owner(group), group);
    }
    const auto found = groups_.find(owner);
    return found == groups_.end() ? std::string() : found->second;
}

void Host::keep(const std::string& name, Netns netns) {
    open_[name] = std::make_unique<Netns>(std::move(netns));
}

Result<const std::vector<Link>*> Host::links(const std::string& name) {
    if (const auto found = links_.find(name); found != links_.end()) {
        return &found->second;
    }
    auto where = netns(name);
    PARTD_TRY(where);
    auto listed = list_links((*where)->route());
    PARTD_TRY(listed);
    return &links_.emplace(name, std::move(*listed)).first->second;
}

const Link* Host::find_link(const std::string& netns, const std::string& name) {
    const auto all = links(netns);
    if (!all) {
        return nullptr;
    }
    const auto is_called = [&](const Link& link) {
        return link.name == name || std::ranges::find(link.altnames, name) != link.altnames.end();
    };
    const auto found = std::ranges::find_if(**all, is_called);
    return found == (*all)->end() ? nullptr : &*found;
}

Result<nft::Nftables*> Host::nftables() {
    if (!nftables_) {
        auto opened = nft::Nftables::open();
        PARTD_TRY(opened);
        nftables_ = std::move(*opened);
    }
    return &*nftables_;
}

void Host::release(const std::string& name) {
    if (auto found = open_.extract(name)) {
        released_.push_back(std::move(found.mapped()));
    }
    links_.erase(name);
}

void Host::note_link(const std::string& netns, Link link) {
    if (const auto found = links_.find(netns); found != links_.end()) {
        found->second.push_back(std::move(link));
    }
}

int Host::free_index(const std::string& netns) {
    int& next = next_index_[netns];
    const auto all = links(netns);
    for (const Link& link : all ? std::span(**all) : std::span<const Link>()) {
        next = std::max(next, link.index + 1);
    }
    return next++;
}

void Host::wait_until_gone(const std::set<int>& indexes) {
    constexpr int kPatience = 60;  // pauses without progress
    constexpr useconds_t kPause = 5000;
    const auto still_there = [&](const Link& link) { return indexes.contains(link.index); };
    auto left = static_cast<std::ptrdiff_t>(indexes.size());
    for (int idle = 0; idle < kPatience; ++idle) {
        forget_lists();
        const auto all = links("");
        const auto now = all ? std::ranges::count_if(**all, still_there) : 0;
        if (now == 0) {
            return;
        }
        idle = now < left ? 0 : idle;
        left = now;
        usleep(kPause);
    }
}

void Host::forget_lists() {
    links_.clear();
    next_index_.clear();
}

void Host::forget_all() {
    directory_.forget();
    pins_.forget();
    open_.clear();
    users_.clear();
    forget_lists();
}

}  // namespace partd::kernel
