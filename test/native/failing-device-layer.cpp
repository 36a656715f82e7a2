// A Vulkan layer between the loader and a driver, for tests: a device whose memory is small, and one that is lost.
//
// FAILING_DEVICE_MEMORY: bytes that the device has; what goes beyond them cannot be allocated.
// FAILING_DEVICE_LOST: path of a file. From the moment it exists, the device is lost for this process, as a device that was reset
// or unplugged is.

#include "vulkan/vk_layer.h"
#include "vulkan/vulkan.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string_view>

namespace {

// ggml makes one instance, and of a software device one device.
PFN_vkGetInstanceProcAddr next_of_instance = nullptr;
PFN_vkGetDeviceProcAddr   next_of_device   = nullptr;
VkDevice                  device           = VK_NULL_HANDLE;

// Looked up while the instance is made: afterwards the loader answers with the first layer's.
PFN_vkCreateDevice                       next_create_device       = nullptr;
PFN_vkGetPhysicalDeviceMemoryProperties  next_memory_properties   = nullptr;
PFN_vkGetPhysicalDeviceMemoryProperties2 next_memory_properties_2 = nullptr;

std::mutex                             memory_mutex;
std::map<VkDeviceMemory, VkDeviceSize> allocated;

template <typename Function>
Function next(const char * name) {
    return reinterpret_cast<Function>(next_of_device(device, name));
}

template <typename Function>
void look_up(Function & function, VkInstance instance, const char * name) {
    function = reinterpret_cast<Function>(next_of_instance(instance, name));
}

VkDeviceSize device_memory() {
    const char * bytes = std::getenv("FAILING_DEVICE_MEMORY");
    return bytes == nullptr ? ~VkDeviceSize{ 0 } : std::strtoull(bytes, nullptr, 10);
}

// A lost device does no more work, so the driver's ends what it was given.
bool lost() {
    static std::once_flag    ended;
    static std::atomic<bool> was_lost{ false };
    const char *             file = std::getenv("FAILING_DEVICE_LOST");
    if (file != nullptr && access(file, F_OK) == 0) {
        std::call_once(ended, [] {
            next<PFN_vkDeviceWaitIdle>("vkDeviceWaitIdle")(device);
            was_lost = true;
        });
    }
    return was_lost;
}

VkDeviceSize n_allocated() {
    VkDeviceSize sum = 0;
    for (const auto & [memory, n_bytes] : allocated) {
        sum += n_bytes;
    }
    return sum;
}

// The loader puts what a layer needs to call the next one into the chain of the create info.
template <typename Info>
Info * link_of(const void * chain, VkStructureType type) {
    auto * info = static_cast<Info *>(const_cast<void *>(chain));
    while (info != nullptr && (info->sType != type || info->function != VK_LAYER_LINK_INFO)) {
        info = static_cast<Info *>(const_cast<void *>(info->pNext));
    }
    return info;
}

VkResult
create_instance(const VkInstanceCreateInfo * info, const VkAllocationCallbacks * callbacks, VkInstance * made) {
    auto * link        = link_of<VkLayerInstanceCreateInfo>(info->pNext, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO);
    next_of_instance   = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    PFN_vkCreateInstance create = nullptr;
    look_up(create, VK_NULL_HANDLE, "vkCreateInstance");
    const VkResult result = create(info, callbacks, made);
    if (result == VK_SUCCESS) {
        look_up(next_create_device, *made, "vkCreateDevice");
        look_up(next_memory_properties, *made, "vkGetPhysicalDeviceMemoryProperties");
        look_up(next_memory_properties_2, *made, "vkGetPhysicalDeviceMemoryProperties2");
    }
    return result;
}

VkResult create_device(VkPhysicalDevice              physical,
                       const VkDeviceCreateInfo *    info,
                       const VkAllocationCallbacks * callbacks,
                       VkDevice *                    made) {
    auto * link           = link_of<VkLayerDeviceCreateInfo>(info->pNext, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO);
    next_of_device        = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    link->u.pLayerInfo    = link->u.pLayerInfo->pNext;
    const VkResult result = next_create_device(physical, info, callbacks, made);
    device                = *made;
    return result;
}

void limit_heaps(VkPhysicalDeviceMemoryProperties & properties) {
    for (uint32_t heap = 0; heap < properties.memoryHeapCount; heap++) {
        properties.memoryHeaps[heap].size = std::min(properties.memoryHeaps[heap].size, device_memory());
    }
}

void memory_properties(VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties * properties) {
    next_memory_properties(physical, properties);
    limit_heaps(*properties);
}

void memory_properties_2(VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties2 * properties) {
    next_memory_properties_2(physical, properties);
    limit_heaps(properties->memoryProperties);
    for (auto * info = static_cast<VkBaseOutStructure *>(properties->pNext); info != nullptr; info = info->pNext) {
        if (info->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT) {
            auto *                budget = reinterpret_cast<VkPhysicalDeviceMemoryBudgetPropertiesEXT *>(info);
            const std::lock_guard lock(memory_mutex);
            for (uint32_t heap = 0; heap < properties->memoryProperties.memoryHeapCount; heap++) {
                budget->heapBudget[heap] = std::min(budget->heapBudget[heap], device_memory());
                budget->heapUsage[heap]  = n_allocated();
            }
        }
    }
}

VkResult allocate_memory(VkDevice                      on,
                         const VkMemoryAllocateInfo *  info,
                         const VkAllocationCallbacks * callbacks,
                         VkDeviceMemory *              memory) {
    const std::lock_guard lock(memory_mutex);
    if (lost()) {
        return VK_ERROR_DEVICE_LOST;
    }
    if (n_allocated() + info->allocationSize > device_memory()) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    const VkResult result = next<PFN_vkAllocateMemory>("vkAllocateMemory")(on, info, callbacks, memory);
    if (result == VK_SUCCESS) {
        allocated[*memory] = info->allocationSize;
    }
    return result;
}

void free_memory(VkDevice on, VkDeviceMemory memory, const VkAllocationCallbacks * callbacks) {
    const std::lock_guard lock(memory_mutex);
    allocated.erase(memory);
    next<PFN_vkFreeMemory>("vkFreeMemory")(on, memory, callbacks);
}

// What a device that is lost does, whatever it is asked.
template <typename Function>
struct Lost;

template <typename... Arguments>
struct Lost<VkResult (*)(Arguments...)> {
    template <const char * name>
    static VkResult call(Arguments... arguments) {
        return lost() ? VK_ERROR_DEVICE_LOST : next<VkResult (*)(Arguments...)>(name)(arguments...);
    }
};

#define CAN_BE_LOST(function)                        \
    constexpr char name_of_##function[] = #function; \
    const auto     lost_##function      = Lost<PFN_##function>::call<name_of_##function>

CAN_BE_LOST(vkQueueSubmit);
CAN_BE_LOST(vkQueueSubmit2);
CAN_BE_LOST(vkQueueWaitIdle);
CAN_BE_LOST(vkDeviceWaitIdle);
CAN_BE_LOST(vkWaitForFences);
CAN_BE_LOST(vkGetFenceStatus);
CAN_BE_LOST(vkWaitSemaphores);
#undef CAN_BE_LOST

template <typename Function>
PFN_vkVoidFunction of(Function function) {
    return reinterpret_cast<PFN_vkVoidFunction>(function);
}

PFN_vkVoidFunction ours(const char * name) {
    const std::map<std::string_view, PFN_vkVoidFunction> functions = {
        { "vkCreateInstance", of(create_instance) },
        { "vkCreateDevice", of(create_device) },
        { "vkGetPhysicalDeviceMemoryProperties", of(memory_properties) },
        { "vkGetPhysicalDeviceMemoryProperties2", of(memory_properties_2) },
        { "vkAllocateMemory", of(allocate_memory) },
        { "vkFreeMemory", of(free_memory) },
        { "vkQueueSubmit", of(lost_vkQueueSubmit) },
        { "vkQueueSubmit2", of(lost_vkQueueSubmit2) },
        { "vkQueueWaitIdle", of(lost_vkQueueWaitIdle) },
        { "vkDeviceWaitIdle", of(lost_vkDeviceWaitIdle) },
        { "vkWaitForFences", of(lost_vkWaitForFences) },
        { "vkGetFenceStatus", of(lost_vkGetFenceStatus) },
        { "vkWaitSemaphores", of(lost_vkWaitSemaphores) },
    };
    const auto found = functions.find(name);
    return found == functions.end() ? nullptr : found->second;
}

PFN_vkVoidFunction device_function(VkDevice on, const char * name) {
    const auto own = std::strcmp(name, "vkGetDeviceProcAddr") == 0 ? of(device_function) : ours(name);
    return own != nullptr ? own : next_of_device(on, name);
}

PFN_vkVoidFunction instance_function(VkInstance on, const char * name) {
    const auto own = std::strcmp(name, "vkGetInstanceProcAddr") == 0 ? of(instance_function) :
                     std::strcmp(name, "vkGetDeviceProcAddr") == 0   ? of(device_function) :
                                                                       ours(name);
    return own != nullptr || next_of_instance == nullptr ? own : next_of_instance(on, name);
}

}  // namespace

extern "C" VKAPI_ATTR VkResult VKAPI_CALL vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface * layer) {
    layer->loaderLayerInterfaceVersion  = CURRENT_LOADER_LAYER_INTERFACE_VERSION;
    layer->pfnGetInstanceProcAddr       = instance_function;
    layer->pfnGetDeviceProcAddr         = device_function;
    layer->pfnGetPhysicalDeviceProcAddr = nullptr;
    return VK_SUCCESS;
}
