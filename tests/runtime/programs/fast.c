/* Optimised: copies of functions, functions that are only inlined, tail calls. */
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
volatile int sink;
__attribute__((noinline)) int scaled(int value, int factor) {
    int i, sum = 0;
    for (i = 0; i < factor; i++) sum += value ^ i;
    sink = sum;
    return sum;
}
static inline int only_inlined(int value) { sink = value; return value + 1; }
__attribute__((noinline)) static int gone(int value, int unused) { sink = value; return value * 3; }
__attribute__((noinline)) int kept(int value, const char *name, double ratio) {
    sink = value; return value + name[0] + (int)ratio;
}
/* A function, and a copy of it as gcc names one, which takes the calls. */
__attribute__((noinline, used)) int split(int value) { sink = value; return value * 5; }
__attribute__((noinline, used)) static int copied(int) __asm__("split.constprop.0");
static int copied(int value) { sink = value; return value * 5 + 1; }
int main(void) {
    char name[64];
    int times, i;
    long count = 0;
    while (scanf("%63s %d", name, &times) == 2)
        for (i = 0; i < times; i++) {
            if (!strcmp(name, "scaled")) scaled(i, 4);
            else if (!strcmp(name, "only_inlined")) only_inlined(i);
            else if (!strcmp(name, "gone")) gone(i, 7);
            else if (!strcmp(name, "split")) copied(i);
            else kept(i, "name", 2.5);
            count++;
        }
    printf("%s %ld\n", name, count);
    return 0;
}
