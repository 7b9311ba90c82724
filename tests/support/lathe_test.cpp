// SPDX-License-Identifier: Apache-2.0
#include "tests/support/lathe_test.h"

#include <QCoreApplication>

#include <cstdio>
#include <cstdlib>
#include <map>

#ifdef LATHE_TEST_WIDGETS
#include <QApplication>
#endif

namespace lathe::test {

namespace {

std::map<std::string, std::function<std::unique_ptr<QObject>()>>& classes() {
    static std::map<std::string, std::function<std::unique_ptr<QObject>()>> all;
    return all;
}

std::filesystem::path fromEnvironment(const char* variable, const char* fallback) {
    const char* value = std::getenv(variable);
    return value != nullptr && *value != '\0' ? value : fallback;
}

} // namespace

bool addClass(const char* name, std::function<std::unique_ptr<QObject>()> make) {
    classes()[name] = std::move(make);
    return true;
}

std::filesystem::path sourceFolder() {
    return fromEnvironment("LATHE_SOURCE_DIR", LATHE_TEST_SOURCE_DIR);
}

std::filesystem::path fixture(const std::string& name) {
    return sourceFolder() / "tests" / "data" / "fixtures" / name;
}

std::filesystem::path bundledModel(const std::string& name) {
    return sourceFolder() / "resources" / "models" / name;
}

std::filesystem::path programFolder() {
    return fromEnvironment("LATHE_BIN_DIR", LATHE_TEST_BIN_DIR);
}

TemporaryFolder::TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "lathe-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
        throw std::runtime_error("cannot make a temporary folder");
    }
    m_path = pattern;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(m_path, ignored);
}

int runClasses(int argc, char** argv) {
    std::string only;
    if (argc > 1 && argv[1][0] != '-') {
        only = argv[1];
        for (int i = 1; i + 1 < argc; ++i) {
            argv[i] = argv[i + 1];
        }
        --argc;
    }
    if (!only.empty() && !classes().contains(only)) {
        std::fprintf(stderr, "no test class is called %s\n", only.c_str());
        return 1;
    }
    int failures = 0;
    for (const auto& [name, make] : classes()) {
        if (only.empty() || name == only) {
            const std::unique_ptr<QObject> object = make();
            failures += QTest::qExec(object.get(), argc, argv);
        }
    }
    return failures == 0 ? 0 : 1;
}

} // namespace lathe::test

int main(int argc, char** argv) {
#ifdef LATHE_TEST_WIDGETS
    QApplication application(argc, argv);
#else
    QCoreApplication application(argc, argv);
#endif
    return lathe::test::runClasses(argc, argv);
}
