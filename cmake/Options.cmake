# SPDX-License-Identifier: Apache-2.0
# The switches of a build. AUTO finds out and the summary prints what was found.
set(LATHE_CUDA "AUTO" CACHE STRING "Compile the CUDA target: AUTO, ON or OFF")
set_property(CACHE LATHE_CUDA PROPERTY STRINGS AUTO ON OFF)
set(LATHE_CUDA_ARCHITECTURES "80-real;86-real;89-real;90a-real;90-virtual"
    CACHE STRING "GPU architectures of the CUDA target")
option(LATHE_ONEDNN "Float matrix products on the CPU by oneDNN (else the project's tiled kernel)" ON)
option(LATHE_GUI "Build the window (Qt 6, QCustomPlot)" ON)
option(LATHE_TESTS "Build the tests (Qt Test)" ON)
option(LATHE_WERROR "Treat warnings as errors" OFF)
option(LATHE_FUZZ "Build the libFuzzer targets (clang)" OFF)
option(LATHE_PCH "Precompile the Qt headers of widgets and app" ON)
set(LATHE_SANITIZE "" CACHE STRING "Sanitizers, comma separated: address,undefined or thread")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()
find_program(LATHE_CCACHE ccache)
if(LATHE_CCACHE)
  foreach(language CXX CUDA)
    set(CMAKE_${language}_COMPILER_LAUNCHER "${LATHE_CCACHE}")
  endforeach()
endif()
