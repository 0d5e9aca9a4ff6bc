/* Its address of a library's function is that of a stub of its own. */
#include <stdio.h>
#include <stdlib.h>
int main(void) {
    int (*volatile called)(int) = abs;
    char name[64];
    int times, i;
    while (scanf("%63s %d", name, &times) == 2) {
        for (i = 0; i < times; i++) called(i);
        printf("%s %d\n", name, times);
    }
    return 0;
}
