#include "compute-capability.h"

#include "dynamic-library.h"

namespace jina_reranker {

namespace {

#ifdef _WIN32
constexpr const char * kDriver = "nvcuda.dll";
#else
constexpr const char * kDriver = "libcuda.so.1";
#endif

// The driver's API: each function returns 0 when it succeeds, and a device is a number.
constexpr int kMajor = 75;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
constexpr int kMinor = 76;  // likewise

}  // namespace

double compute_capability(const std::string & pci_bus_id) {
    const DynamicLibrary driver(kDriver);
    if (!driver.is_open()) {
        return 0;
    }
    const auto init      = reinterpret_cast<int (*)(unsigned)>(driver.symbol("cuInit"));
    const auto find      = reinterpret_cast<int (*)(int *, const char *)>(driver.symbol("cuDeviceGetByPCIBusId"));
    const auto attribute = reinterpret_cast<int (*)(int *, int, int)>(driver.symbol("cuDeviceGetAttribute"));
    int        device    = 0;
    int        major     = 0;
    int        minor     = 0;
    if (init == nullptr || find == nullptr || attribute == nullptr || init(0) != 0 ||
        find(&device, pci_bus_id.c_str()) != 0 || attribute(&major, kMajor, device) != 0 ||
        attribute(&minor, kMinor, device) != 0) {
        return 0;
    }
    return (10 * major + minor) / 10.0;
}

}  // namespace jina_reranker
