// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lathe {

/// `lathe-run serve`: speaks the protocol of experiments/remote/frame.h on standard input and
/// output and runs what it is sent. End of input cancels everything and ends the process within a
/// second.
/// @param nice  added to the process's priority value, 0..19
/// @return exit status
int serve(int nice);

} // namespace lathe
