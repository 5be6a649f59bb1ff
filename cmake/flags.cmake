# Warnings and hardening for everything, sanitizers where a preset asks for them.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                    -Wnon-virtual-dtor -fstack-protector-strong -fcf-protection)
add_compile_definitions(_GLIBCXX_ASSERTIONS)
add_link_options(-Wl,-z,relro,-z,now)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(CERTLINE_SANITIZE)
  add_compile_options(-fsanitize=${CERTLINE_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # takes instrumented std::function copies for it
    add_compile_options(-Wno-maybe-uninitialized)
  else()
    add_compile_options(-fno-sanitize=function)  # Clang 14 cannot, where there are coroutines
  endif()
  if(CERTLINE_SANITIZE MATCHES thread)
    add_compile_options(-Wno-tsan)  # Asio's fences; its queues are locked as well
  endif()
  add_link_options(-fsanitize=${CERTLINE_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
  add_compile_options(-D_FORTIFY_SOURCE=3)
  add_link_options(-pie)
endif()
