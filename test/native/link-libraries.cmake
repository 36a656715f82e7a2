# Links the libraries of FROM into TO, where a second build of the addon lies.
file(GLOB libraries "${FROM}/*.so" "${FROM}/*.dylib")
foreach(library ${libraries})
    get_filename_component(name "${library}" NAME)
    file(CREATE_LINK "${library}" "${TO}/${name}" SYMBOLIC)
endforeach()
