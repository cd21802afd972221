/* Stands in for the driver's library: two cards, of which the second fell off the bus if NVML_LOST is set. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory { unsigned long long total, free, used; };
struct memory_v2 { unsigned int version; unsigned long long total, reserved, free, used; };
struct utilization { unsigned int gpu, memory; };
enum { SUCCESS = 0, INVALID = 2, LOST = 15 };

static int index_of(void *device) { return (int)(long)device - 1; }
static int answer(void *device) { return index_of(device) == 1 && getenv("NVML_LOST") ? LOST : SUCCESS; }

int nvmlInit_v2(void) { return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
int nvmlSystemGetDriverVersion(char *text, unsigned int size) { snprintf(text, size, "570.1"); return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 2; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device) {
    if (index > 1) return INVALID;
    *device = (void *)(long)(index + 1);
    return SUCCESS;
}
int nvmlDeviceGetName(void *device, char *text, unsigned int size) { snprintf(text, size, "Fake %d", index_of(device)); return answer(device); }
int nvmlDeviceGetUUID(void *device, char *text, unsigned int size) { snprintf(text, size, "GPU-%d", index_of(device)); return answer(device); }
int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory_v2 *memory) {
    memory->total = 80ULL << 30; memory->used = 3ULL << 30; memory->free = 77ULL << 30; memory->reserved = 0;
    return answer(device);
}
int nvmlDeviceGetMemoryInfo(void *device, struct memory *memory) {
    memory->total = 80ULL << 30; memory->used = 3ULL << 30; memory->free = 77ULL << 30;
    return answer(device);
}
int nvmlDeviceGetUtilizationRates(void *device, struct utilization *rates) { rates->gpu = 87; rates->memory = 5; return answer(device); }
int nvmlDeviceGetPowerUsage(void *device, unsigned int *milliwatts) { *milliwatts = 312500; return answer(device); }
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned int *degrees) { *degrees = 61; return answer(device); }
