# certline_folder(ROOM LINK …): a static library of all ROOM/*.cpp (main.cpp excepted), named after
# the room with _ for /. A folder below ROOM is a room of its own.
function(certline_folder room)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${room}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  string(REPLACE / _ name ${room})
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
endfunction()

# certline_schema(NAME FILE): generates FILE's C++ header, included as
# "<folder>/<file>_generated.h".
function(certline_schema name schema)
  get_filename_component(folder ${schema} DIRECTORY)
  get_filename_component(base ${schema} NAME_WE)
  set(out ${PROJECT_BINARY_DIR}/generated/${folder})
  add_custom_command(
    OUTPUT ${out}/${base}_generated.h
    COMMAND ${FLATC} --cpp --scoped-enums -o ${out} ${PROJECT_SOURCE_DIR}/${schema}
    DEPENDS ${PROJECT_SOURCE_DIR}/${schema})
  target_sources(${name} PRIVATE ${out}/${base}_generated.h)
  target_include_directories(${name} PRIVATE ${PROJECT_BINARY_DIR}/generated)
endfunction()
