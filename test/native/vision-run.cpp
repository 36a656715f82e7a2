// The vision tower, for whoever compares it with something: writes the embeddings of an image, f32 [n_tokens][n_out].
// test/engine/vision.test.ts runs this.
//
//     vision-run LIBRARIES MMPROJ.gguf EMBEDDING_LENGTH RGB WIDTH HEIGHT OUTPUT

#include "backend.h"
#include "cpu-backend.h"
#include "vision.h"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>

using namespace jina_reranker;

int main(int argc, char ** argv) {
    if (argc != 8) {
        std::cerr << "usage: vision-run LIBRARIES MMPROJ.gguf EMBEDDING_LENGTH RGB WIDTH HEIGHT OUTPUT\n";
        return 2;
    }
    load_backends(argv[1]);
    const GgufFile         file(argv[2]);
    const VisionShape      shape   = check_mmproj(file, std::atoi(argv[3]));
    const ggml_backend_ptr backend = cpu_backend(2);
    const VisionWeights    weights(file, shape, ggml_backend_get_device(backend.get()), LoadProgress());
    Vision                 vision(weights, backend.get(), { 2, 768 });
    std::ifstream          rgb(argv[4], std::ios::binary);
    Image                  image;
    image.width  = std::atoi(argv[5]);
    image.height = std::atoi(argv[6]);
    image.rgb.assign(std::istreambuf_iterator<char>(rgb), {});
    vision.begin(image);
    while (vision.step(1)) {
    }
    const auto    embeddings = vision.take();
    std::ofstream output(argv[7], std::ios::binary);
    output.write(reinterpret_cast<const char *>(embeddings.data()),
                 static_cast<std::streamsize>(embeddings.size() * sizeof(float)));
    return output.flush() ? 0 : 1;
}
