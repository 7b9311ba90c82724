// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "experiments/store/database.h"

#include <string>
#include <string_view>
#include <vector>

/// The language of the run table's filter, as SQL. Terms are separated by spaces and all must hold:
///
///   lm-big "a title"       free text in study, title, tags, notes and parameters
///   study:quant            study's id begins with it
///   state:done  tag:paper  device:cpu  id:12
///   model:lm-big           any other word: the parameter of that name has this value in a cell
///   bits<=4  group=none    a parameter, or else a result, of any cell; <, <=, >, >=, =, !=
///   param.bits=3  metric.perplexity<60    one of the two only
namespace lathe {

struct RunFilter {
    struct Value {
        std::string text;
        double number = 0.0;
        bool isText = true;
    };

    std::string where; ///< SQL over the table `run`, placeholders only; "1" when all runs pass
    std::vector<Value> values;

    /// Binds from `index`; returns the next free index.
    int bind(Statement& statement, int index) const;
};

/// @throws InputError naming the term that cannot be read.
RunFilter parseRunQuery(std::string_view text);

} // namespace lathe
