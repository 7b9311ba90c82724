# SPDX-License-Identifier: Apache-2.0
# Finds nvcc when LATHE_CUDA asks for it; LATHE_HAVE_CUDA says whether the CUDA target is compiled.
set(LATHE_HAVE_CUDA OFF)
if(NOT LATHE_CUDA STREQUAL "OFF")
  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    find_program(LATHE_NVCC nvcc HINTS /usr/local/cuda/bin)
    if(LATHE_NVCC)
      set(CMAKE_CUDA_COMPILER "${LATHE_NVCC}" CACHE FILEPATH "CUDA compiler")
    endif()
  endif()
  # The architectures must be known before the language is enabled.
  set(CMAKE_CUDA_ARCHITECTURES "${LATHE_CUDA_ARCHITECTURES}")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    # CMake 3.25 does not know how to ask nvcc for C++20.
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA_STANDARD 20)
    set(CMAKE_CUDA_STANDARD_REQUIRED ON)
    set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
    find_package(CUDAToolkit REQUIRED)
    set(LATHE_HAVE_CUDA ON)
  elseif(LATHE_CUDA STREQUAL "ON")
    message(FATAL_ERROR "LATHE_CUDA=ON, but no nvcc was found; set CMAKE_CUDA_COMPILER or CUDACXX, "
                        "or configure with LATHE_CUDA=AUTO")
  endif()
endif()
