// SPDX-License-Identifier: Apache-2.0
// Every kernel of every available target against its scalar reference; lathe-check runs the same
// cases.
#include "tests/conformance/conformance.h"

#include "tests/support/lathe_test.h"

using namespace lathe;
using namespace lathe::conformance;

class ConformanceTest : public QObject {
    Q_OBJECT

    Machine m_machine;
    std::vector<Check> m_checks = allChecks();

private slots:
    void kernelsAgreeWithTheScalarOne_data() {
        QTest::addColumn<int>("index");
        for (std::size_t i = 0; i < m_checks.size(); ++i) {
            const Check& check = m_checks[i];
            QTest::addRow("%s: %s", check.op.c_str(), check.name.c_str()) << static_cast<int>(i);
        }
    }

    void kernelsAgreeWithTheScalarOne() {
        QFETCH(const int, index);
        for (const Outcome& outcome : m_checks[static_cast<std::size_t>(index)].run(m_machine)) {
            const std::string message = outcome.kernel + ": " + outcome.failure;
            QVERIFY2(outcome.failure.empty(), message.c_str());
        }
    }

    void cudaKernelsAgreeToo() {
        if (!m_machine.whyNoCuda().empty()) {
            QSKIP(m_machine.whyNoCuda().c_str());
        }
        QVERIFY(m_machine.find(Target::Cuda) != nullptr);
    }

    void damageIsNoticed() {
        ExecContext& context = m_machine.scalar();
        Arrays reference(context, 1, false);
        reference.output("y", {4}, DType::F32, 1e-6);
        QCOMPARE(reference.collect(), std::string());

        Arrays behind(context, 1, false);
        const TensorView y = behind.output("y", {4}, DType::F32, 1e-6);
        y.ptr<float>()[4] = 1.0F;
        QVERIFY(behind.collect().find("behind y") != std::string::npos);

        Arrays front(context, 1, true);
        const TensorView z = front.output("z", {4}, DType::F32, 1e-6);
        z.ptr<float>()[-1] = 1.0F;
        QVERIFY(front.collect().find("in front of z") != std::string::npos);

        Arrays input(context, 1, false);
        const ConstView x = input.floats("x", {4});
        const_cast<float*>(x.ptr<float>())[2] = 7.0F;
        QVERIFY(input.collect().find("input x") != std::string::npos);
    }

    void differencesAreNoticed() {
        const auto filled = [&](float value, std::int32_t number) {
            auto arrays = std::make_unique<Arrays>(m_machine.scalar(), 1, false);
            const TensorView y = arrays->output("y", {2}, DType::F32, 1e-6);
            const TensorView n = arrays->output("n", {1}, DType::I32);
            y.as<float>()[0] = 100.0F;
            y.as<float>()[1] = value;
            n.as<std::int32_t>()[0] = number;
            arrays->collect();
            return arrays;
        };
        const auto reference = filled(1.0F, 3);
        QCOMPARE(filled(1.0F, 3)->differenceFrom(*reference).text, std::string());
        QCOMPARE(filled(1.00009F, 3)->differenceFrom(*reference).text, std::string());
        QVERIFY(!filled(1.001F, 3)->differenceFrom(*reference).text.empty());
        QVERIFY(!filled(std::nanf(""), 3)->differenceFrom(*reference).text.empty());
        QVERIFY(!filled(1.0F, 4)->differenceFrom(*reference).text.empty());
        const auto invalid = filled(std::nanf(""), 3);
        QCOMPARE(filled(std::nanf(""), 3)->differenceFrom(*invalid).text, std::string());
    }
};

LATHE_TEST(ConformanceTest);
#include "conformance_test.moc"
