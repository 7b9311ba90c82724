// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QFloat16> // QTest declares it only, nlohmann/json asks for its size
#include <QObject>
#include <QTest>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

/// Registers a Qt Test class with its binary: `tst_engine KvCacheTest` runs that class alone.
#define LATHE_TEST(Class)                                                                          \
    static const bool registered##Class = ::lathe::test::addClass(                                 \
        #Class, [] { return std::unique_ptr<QObject>(std::make_unique<Class>()); })

/// Fails unless the expression throws `Type` with a message that contains `part`.
#define LATHE_VERIFY_THROWS(expression, Type, part)                                                \
    do {                                                                                           \
        bool thrown = false;                                                                       \
        try {                                                                                      \
            static_cast<void>(expression);                                                         \
        } catch (const Type& e) {                                                                  \
            thrown = true;                                                                         \
            QVERIFY2(                                                                              \
                std::string(e.what()).find(part) != std::string::npos,                             \
                (std::string("message does not contain '") + (part) + "': " + e.what()).c_str());  \
        }                                                                                          \
        QVERIFY2(thrown, "expected " #Type " from " #expression);                                  \
    } while (false)

namespace lathe::test {

bool addClass(const char* name, std::function<std::unique_ptr<QObject>()> make);

/// The source tree (tests/data, resources); from LATHE_SOURCE_DIR or the build's own record.
std::filesystem::path sourceFolder();
/// tests/data/fixtures/<name>.
std::filesystem::path fixture(const std::string& name);
/// resources/models/<name>.
std::filesystem::path bundledModel(const std::string& name);
/// Where the built programs are.
std::filesystem::path programFolder();

/// A folder that is removed with the object.
class TemporaryFolder {
public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    const std::filesystem::path& path() const noexcept { return m_path; }

private:
    std::filesystem::path m_path;
};

} // namespace lathe::test
