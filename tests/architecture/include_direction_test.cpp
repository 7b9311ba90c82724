// SPDX-License-Identifier: Apache-2.0
#include "tests/architecture/source_tree.h"
#include "tests/support/lathe_test.h"

#include <map>
#include <regex>
#include <set>

namespace lathe {

/// The include rule: who may see whom, and who may see which library. Qt stays above `session`,
/// CUDA and intrinsics inside `kernels`, SQLite inside `store`.
class IncludeDirectionTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase();
    void noUpwardInclude();
    void thirdPartyStaysWhereItBelongs();
    void includesStartAtTheRoot();
    void kernelHeadersHideTheBuild();
    void theRuleItselfFindsFaults();

private:
    std::vector<test::SourceFile> m_files;
};

namespace {

const std::map<std::string, std::set<std::string>>& allowedModules() {
    static const std::map<std::string, std::set<std::string>> kAllowed{
        {"core", {"core"}},
        {"kernels", {"kernels"}}, // and two headers of core, see below
        {"engine", {"engine", "kernels", "core"}},
        {"audio", {"audio"}},
        {"session", {"session", "core"}},
        {"studies", {"studies", "engine", "kernels", "core"}},
        {"cli", {"cli", "studies", "session", "engine", "kernels", "core", "audio"}},
        {"widgets", {"widgets", "session", "core", "audio"}},
        {"app", {"app", "widgets", "session", "core", "audio"}}};
    return kAllowed;
}

std::string upwardFault(const std::string& from, const std::string& path) {
    const std::string to = test::moduleOf(path);
    if (from == "tests" || to.empty()) {
        return to.empty() ? "is in no module" : "";
    }
    const bool bottom = path == "engine/core/error.h" || path == "engine/core/check.h";
    if (from == "kernels" && bottom) {
        return {};
    }
    return allowedModules().at(from).contains(to) ? "" : "is " + to + ", above " + from;
}

struct Library {
    const char* name;
    std::regex header;
    std::set<std::string> modules;
};

const std::vector<Library>& libraries() {
    static const std::vector<Library> kLibraries{
        {"Qt", std::regex("^Q[A-Z]\\w*$|^Qt\\w*/|^QtTest$"), {"widgets", "app"}},
        {"QCustomPlot", std::regex("^qcustomplot"), {"widgets"}},
        {"CUDA",
         std::regex("^cu(da|blas|rand)\\w*(\\.h|/)|^mma\\.h|^cooperative_groups"),
         {"kernels"}},
        {"intrinsics", std::regex("^(imm|x86|emm|xmm|avx)\\w*intrin\\.h"), {"kernels"}},
        {"oneDNN", std::regex("^(dnnl|oneapi/)"), {"kernels"}},
        {"SQLite", std::regex("^sqlite3"), {"session"}},
        {"SentencePiece", std::regex("^sentencepiece"), {"engine"}},
        {"PCRE2", std::regex("^pcre2"), {"engine"}},
        {"utf8proc", std::regex("^utf8proc"), {"engine"}},
        {"xxHash", std::regex("^xxhash"), {"core"}},
        {"CLI11", std::regex("^CLI/"), {"cli"}}};
    return kLibraries;
}

std::string place(const test::SourceFile& file, const test::Include& include) {
    return file.path + ":" + std::to_string(include.line) + " includes " + include.target;
}

} // namespace

void IncludeDirectionTest::initTestCase() {
    m_files = test::readSourceTree();
    QVERIFY2(m_files.size() > 100, "the source tree was not found");
}

void IncludeDirectionTest::noUpwardInclude() {
    std::string faults;
    for (const test::SourceFile& file : m_files) {
        for (const test::Include& include : test::includesOf(file)) {
            if (!include.own || include.target.ends_with(".moc")) {
                continue;
            }
            if (const std::string fault = upwardFault(file.module(), include.target);
                !fault.empty()) {
                faults += place(file, include) + ", which " + fault + "\n";
            }
        }
    }
    QVERIFY2(faults.empty(), faults.c_str());
}

void IncludeDirectionTest::thirdPartyStaysWhereItBelongs() {
    std::string faults;
    for (const test::SourceFile& file : m_files) {
        for (const test::Include& include : test::includesOf(file)) {
            for (const Library& library : libraries()) {
                const std::string module = file.module();
                if (!include.own && module != "tests" &&
                    std::regex_search(include.target, library.header) &&
                    !library.modules.contains(module)) {
                    faults += place(file, include) + ": " + library.name + " does not belong in " +
                              module + "\n";
                }
            }
        }
    }
    QVERIFY2(faults.empty(), faults.c_str());
}

void IncludeDirectionTest::includesStartAtTheRoot() {
    std::string faults;
    for (const test::SourceFile& file : m_files) {
        for (const test::Include& include : test::includesOf(file)) {
            const bool generated = include.target.ends_with(".moc");
            if (include.own && !generated &&
                !std::filesystem::exists(test::sourceFolder() / include.target)) {
                faults += place(file, include) + ": not a path from the root\n";
            }
        }
    }
    QVERIFY2(faults.empty(), faults.c_str());
}

void IncludeDirectionTest::kernelHeadersHideTheBuild() {
    std::string faults;
    for (const test::SourceFile& file : m_files) {
        const bool contract =
            file.path.ends_with(".h") &&
            (file.path.starts_with("kernels/core/") || file.path.starts_with("kernels/ops/"));
        if (!contract) {
            continue;
        }
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
            if (file.lines[i].starts_with("#if")) {
                faults += file.path + ":" + std::to_string(i + 1) +
                          ": a caller could tell the build apart\n";
            }
        }
    }
    QVERIFY2(faults.empty(), faults.c_str());
}

void IncludeDirectionTest::theRuleItselfFindsFaults() {
    QVERIFY(!upwardFault("kernels", "engine/core/json.h").empty());
    QVERIFY(upwardFault("kernels", "engine/core/error.h").empty());
    QVERIFY(!upwardFault("engine", "experiments/study.h").empty());
    QVERIFY(!upwardFault("session", "engine/nn/linear.h").empty());
    QVERIFY(!upwardFault("widgets", "experiments/runner.h").empty());
    QVERIFY(!upwardFault("widgets", "kernels/core/tensor.h").empty());
    QVERIFY(upwardFault("widgets", "experiments/remote/client.h").empty());
    QVERIFY(!upwardFault("app", "experiments/remote/server.h").empty());
}

LATHE_TEST(IncludeDirectionTest);

} // namespace lathe

#include "include_direction_test.moc"
