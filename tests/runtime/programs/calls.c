/* Reads "NAME COUNT" lines, calls that function so often, and says at the end how often each was called. */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#define SDT_USE_VARIADIC
#include <sys/sdt.h>

#define KEEP __attribute__((noinline, noclone))
enum color { RED, GREEN, BLUE = 7 };
enum level { LOW = -1, HIGH = 1 };
struct point { int x; int y; };
struct order {
    int id;
    unsigned char kind;
    const char *who;
    char code[8];
    struct point at;
    struct order *next;
    unsigned rare : 3;
    double price;
};
struct large { long values[4]; int last; };
typedef uint32_t ticket;

KEEP int work(int a, const char *s) { DTRACE_PROBE2(demo, worked, a, s); return a * 2; }
KEEP double half(double d, unsigned char c) { return d / (c + 1); }
KEEP int nap(int us) { usleep(us); return us; }
KEEP int down(int n) { return n ? down(n - 1) + 1 : 0; }
KEEP int paint(enum color color, int width) { return color + width; }
KEEP int raise_to(enum level level) { return level; }
KEEP int ship(struct order *order) { return order->id; }
KEEP long many(long a, long b, long c, long d, long e, long f, long g, int h) {
    return a + b + c + d + e + f + g + h;
}
KEEP bool small(bool yes, char letter, short number, unsigned long long big) {
    return yes && letter && number && big;
}
KEEP int bytes(const uint8_t *data, size_t size) { return size ? data[0] : 0; }
KEEP int draw(struct point point) { return point.x + point.y; }
KEEP long carry(struct large large) { return large.values[0] + large.last; }
KEEP const char *greet(ticket number) { return number % 2 ? "odd" : "even"; }
KEEP enum color pick(int n) { return n % 2 ? BLUE : RED; }
KEEP void nothing(void) { __asm__ volatile(""); }
KEEP int inner(int n) { usleep(500); return n; }
KEEP int middle(int n) { return inner(n) + inner(n + 1); }
KEEP int outer(int n) { if (n % 2) usleep(30000); return middle(n); }
static inline __attribute__((always_inline)) int square(int side) { __asm__ volatile("" : "+r"(side)); return side * side; }
KEEP int area(int n) { return square(n + 3); }
KEEP int volume(int n) {
    int base = square(n);
    return base * n;
}
KEEP int two_names(int n) { return n; }
int other_name(int n) __attribute__((alias("two_names")));
static int chosen_one(int n) { return n; }
static void *choose(void) { return chosen_one; }
int chosen(int n) __attribute__((ifunc("choose")));
__asm__(".globl unsized\n.type unsized,@function\nunsized: ret\n");
void unsized(void);

static long called[64];
static const char *names[64];
static int known;
static long *count_of(const char *name) {
    int i;
    for (i = 0; i < known; i++) if (!strcmp(names[i], name)) return &called[i];
    names[known] = strdup(name);
    return &called[known++];
}
static void *in_thread(void *n) { work((int)(long)n, "thread"); return NULL; }

static FILE *null;
static void call(const char *name, int n) {
    static struct order last = { 9, 2, "mary", "zz9", { 5, 6 }, NULL, 1, 2.5 };
    struct order order = { n, 'k', "john", "ab1", { n, -n }, &last, 3, 1.5 };
    struct large large = { { n, 2, 3, 4 }, 5 };
    uint8_t data[4] = { 200, 1, 2, 3 };
    pthread_t thread;
    /* A page that nobody touched reads as nothing. */
    fprintf(null, "%s %s %s %s %s %s\n", "odd", "hello", "even", order.who, last.who, "thread");
#define IS(what) (!strcmp(name, #what))
    if IS(work) work(n, n % 2 ? "odd" : "hello");
    else if IS(half) half(n, 2);
    else if IS(nap) nap(2000);
    else if IS(long_nap) nap(30000);
    else if IS(down) down(3);
    else if IS(paint) paint(n % 3 == 0 ? RED : n % 3 == 1 ? GREEN : BLUE, n);
    else if IS(raise_to) raise_to(n % 2 ? HIGH : LOW);
    else if IS(ship) ship(&order);
    else if IS(many) many(1, 2, 3, 4, 5, 6, 77, 88);
    else if IS(small) small(true, 'A', -3, 1ull << 40);
    else if IS(bytes) bytes(data, sizeof data);
    else if IS(draw) draw(order.at);
    else if IS(carry) carry(large);
    else if IS(greet) greet(n);
    else if IS(pick) pick(n);
    else if IS(nothing) nothing();
    else if IS(outer) outer(n);
    else if IS(inner) inner(n);
    else if IS(area) area(n);
    else if IS(volume) volume(n);
    else if IS(two_names) two_names(n);
    else if IS(other_name) other_name(n);
    else if IS(chosen) chosen(n);
    else if IS(unsized) unsized();
    else if IS(thread) { pthread_create(&thread, NULL, in_thread, (void *)(long)n); pthread_join(thread, NULL); }
    else { fprintf(stderr, "no %s\n", name); exit(2); }
}

int main(void) {
    char name[64];
    int times, i;
    null = fopen("/dev/null", "w");
    while (scanf("%63s %d", name, &times) == 2)
        for (i = 0; i < times; i++) { call(name, i); ++*count_of(name); }
    for (i = 0; i < known; i++) printf("%s %ld\n", names[i], called[i]);
    return 0;
}
