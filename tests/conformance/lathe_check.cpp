// SPDX-License-Identifier: Apache-2.0
// lathe-check: every kernel that can run on this machine against its scalar reference, without Qt.
#include "tests/conformance/conformance.h"

#include <cstdio>
#include <exception>
#include <string>

namespace {

using namespace lathe;
using namespace lathe::conformance;

/// Runs one check and prints a line per kernel; returns how many failed.
int report(Machine& machine, const Check& check) {
    int failures = 0;
    for (const Outcome& outcome : check.run(machine)) {
        const bool passed = outcome.failure.empty();
        std::printf(
            "%-4s %-21s %-6s %-13s error %.1e (bound %.0e)  %s%s%s\n", passed ? "ok" : "FAIL",
            check.op.c_str(), std::string(nameOf(outcome.target)).c_str(), outcome.kernel.c_str(),
            outcome.error, outcome.bound, check.name.c_str(), passed ? "" : ": ",
            outcome.failure.c_str());
        failures += passed ? 0 : 1;
    }
    return failures;
}

int runAll(const std::string& onlyOp) {
    Machine machine;
    if (!machine.whyNoCuda().empty()) {
        std::printf("no CUDA target: %s\n", machine.whyNoCuda().c_str());
    }
    int failures = 0;
    int checks = 0;
    for (const Check& check : allChecks()) {
        if (!onlyOp.empty() && check.op != onlyOp) {
            continue;
        }
        ++checks;
        try {
            failures += report(machine, check);
        } catch (const Error& error) {
            std::printf("FAIL %s %s: %s\n", check.op.c_str(), check.name.c_str(), error.what());
            ++failures;
        }
    }
    std::printf("%d cases, %d failures\n", checks, failures);
    if (checks == 0) {
        std::fprintf(stderr, "lathe-check: no op is called '%s'\n", onlyOp.c_str());
        return 2;
    }
    return failures == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    const std::string only = argc > 1 ? argv[1] : "";
    if (only.starts_with("-")) {
        std::printf("usage: lathe-check [OP]\n"
                    "Runs every kernel of every target that is available here (of one op when its\n"
                    "name is given) and compares it with the scalar kernel.\n"
                    "Exit status: 0 all agree, 1 some do not, 2 no such op, 3 device failure.\n");
        return only == "--help" || only == "-h" ? 0 : 2;
    }
    try {
        return runAll(only);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "lathe-check: %s\n", error.what());
        return 3;
    }
}
