// SPDX-License-Identifier: Apache-2.0
#include "config/nesting.h"

namespace partd::config {

namespace {

class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    std::optional<TextPosition> scan() {
        while (!rest_.empty()) {
            if (rest_[0] == '"' || rest_[0] == '\'') {
                skip_string();
            } else if (rest_[0] == '#') {
                skip(rest_.find('\n'));
            } else {
                count(rest_[0]);
                if (dots_ > kMaxNesting || brackets_ > kMaxNesting) {
                    return at_;
                }
                skip(1);
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] std::optional<TextPosition> open_string() const { return open_string_; }

private:
    void count(char c) {
        switch (c) {
            case '.':
                ++dots_;
                break;
            case '[':
            case '{':
                ++brackets_;
                dots_ = 0;
                break;
            case ']':
            case '}':
                brackets_ -= brackets_ > 0 ? 1 : 0;
                dots_ = 0;
                break;
            case '\n':
            case '=':
            case ',':
                dots_ = 0;
                break;
            default:
                break;
        }
    }

    void skip(std::size_t bytes) {
        for (const char c : rest_.substr(0, bytes)) {
            const bool continues = (static_cast<unsigned char>(c) & 0xc0U) == 0x80;  // a character of UTF-8
            at_.column = c == '\n' ? 1 : at_.column + (continues ? 0 : 1);
            at_.line += c == '\n' ? 1 : 0;
        }
        rest_.remove_prefix(bytes < rest_.size() ? bytes : rest_.size());
    }

    // A string in any of TOML's four spellings; one that never ends is the parser's to report.
    void skip_string() {
        const char quote = rest_[0];
        const TextPosition begin = at_;
        const bool multi = rest_.size() >= 3 && rest_[1] == quote && rest_[2] == quote;
        skip(multi ? 3 : 1);
        while (!rest_.empty()) {
            if (quote == '"' && rest_[0] == '\\') {
                skip(2);
            } else if (rest_[0] == quote &&
                       (!multi || rest_.starts_with(std::string_view(quote == '"' ? "\"\"\"" : "'''")))) {
                skip(multi ? 3 : 1);
                return;
            } else if (rest_[0] == '\n' && !multi) {
                break;
            } else {
                skip(1);
            }
        }
        open_string_ = open_string_.value_or(begin);
    }

    std::string_view rest_;
    TextPosition at_;
    std::optional<TextPosition> open_string_;
    unsigned dots_ = 0;
    unsigned brackets_ = 0;
};

}  // namespace

std::optional<TextPosition> find_deep_nesting(std::string_view toml) {
    return Scanner(toml).scan();
}

std::optional<TextPosition> find_open_string(std::string_view toml) {
    Scanner scanner(toml);
    (void)scanner.scan();
    return scanner.open_string();
}

}  // namespace partd::config
