#pragma once

// NVIDIA's number for what a card can do, such as 9.0, which ggml does not tell: its driver is asked. Any thread.

#include <string>

namespace jina_reranker {

// pci_bus_id: as ggml gives it, "0000:c1:00.0". 0 where there is no driver or no such card.
double compute_capability(const std::string & pci_bus_id);

}  // namespace jina_reranker
