/* USDT probes behind counters (semaphores), one with a floating point argument. */
#include <stdio.h>
#include <string.h>
#define SDT_USE_VARIADIC
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
#define COUNTER __attribute__((unused)) __attribute__((section(".probes")))
__extension__ unsigned short demo_gated_semaphore COUNTER;
__extension__ unsigned short demo_real_semaphore COUNTER;

int main(void) {
    char name[64];
    int times, i;
    while (scanf("%63s %d", name, &times) == 2) {
        for (i = 0; i < times; i++) {
            volatile double value = i + 0.5;
            if (!strcmp(name, "gated")) { if (demo_gated_semaphore) STAP_PROBE1(demo, gated, i); }
            else STAP_PROBE2(demo, real, i, value);
        }
        printf("%s %d\n", name, times);
    }
    return 0;
}
