// SPDX-License-Identifier: Apache-2.0
// The runner: prints the seed, so that what fails can be had again.

#define CATCH_CONFIG_RUNNER
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

#include <catch2/catch.hpp>

int main(int argc, char** argv) {
    const char* given = std::getenv("RC_PARAMS");
    std::string parameters = given == nullptr ? "" : given;
    if (parameters.find("seed=") == std::string::npos && parameters.find("reproduce=") == std::string::npos) {
        parameters += " seed=" + std::to_string(std::random_device{}());
        ::setenv("RC_PARAMS", parameters.c_str(), 1);
    }
    std::cout << "RC_PARAMS=\"" << parameters << "\"" << std::endl;
    return Catch::Session().run(argc, argv);
}
