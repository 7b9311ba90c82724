// SPDX-License-Identifier: Apache-2.0
#include "tests/architecture/source_tree.h"
#include "tests/support/lathe_test.h"

#include <regex>

namespace lathe {

/// House rules that a compiler does not check.
class SourceHabitsTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() { m_files = test::readSourceTree(); }
    void filesStayShort();
    void everyFileNamesItsLicence();
    void nothingEndsTheProcess();
    void noVagueNames();

private:
    std::vector<test::SourceFile> m_files;
};

void SourceHabitsTest::filesStayShort() {
    std::string faults;
    for (const test::SourceFile& file : m_files) {
        if (file.lines.size() > 500) {
            faults += file.path + " has " + std::to_string(file.lines.size()) + " lines\n";
        }
    }
    QVERIFY2(faults.empty(), faults.c_str());
}

void SourceHabitsTest::everyFileNamesItsLicence() {
    std::string faults;
    for (const test::SourceFile& file : m_files) {
        const bool gui = file.path.starts_with("widgets/") || file.path.starts_with("app/") ||
                         file.path.starts_with("tests/widgets/") ||
                         file.path.starts_with("tests/app/");
        const std::string expected =
            std::string("// SPDX-License-Identifier: ") + (gui ? "GPL-3.0-or-later" : "Apache-2.0");
        if (file.lines.empty() || file.lines.front() != expected) {
            faults += file.path + " does not begin with '" + expected + "'\n";
        }
    }
    QVERIFY2(faults.empty(), faults.c_str());
}

void SourceHabitsTest::nothingEndsTheProcess() {
    // A bad file must not take the window down.
    static const std::regex kEnds(
        R"((^|[^\w.>:])(std::)?(abort|exit|quick_exit|terminate|assert)\s*\()");
    std::string faults;
    for (const test::SourceFile& file : m_files) {
        if (file.module() == "tests") {
            continue;
        }
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
            const std::string code = file.lines[i].substr(0, file.lines[i].find("//"));
            if (std::regex_search(code, kEnds)) {
                faults += file.path + ":" + std::to_string(i + 1) + ": " + file.lines[i] + "\n";
            }
        }
    }
    QVERIFY2(faults.empty(), faults.c_str());
}

void SourceHabitsTest::noVagueNames() {
    static const std::regex kVague(R"((^|[/_])(utils?|helpers?|common|manager|misc)([/_.]|$))");
    std::string faults;
    for (const test::SourceFile& file : m_files) {
        if (std::regex_search(file.path, kVague)) {
            faults += file.path + "\n";
        }
    }
    QVERIFY2(faults.empty(), faults.c_str());
}

LATHE_TEST(SourceHabitsTest);

} // namespace lathe

#include "source_habits_test.moc"
