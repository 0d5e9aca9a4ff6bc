// C++: methods, strings, references, overloads, exceptions.
#include <cstdio>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>

namespace shop {
enum class State : unsigned char { open, closed, moved };
struct Base { long serial = 4711; };
struct Item : Base {
    int price = 0;
    std::string label;
    __attribute__((noinline)) int cost(int count) const { return price * count; }
    virtual ~Item() = default;
};
__attribute__((noinline)) int sell(const std::string &who, int count) { return static_cast<int>(who.size()) + count; }
__attribute__((noinline)) int sell(int count) { return count; }
__attribute__((noinline)) int take(std::string name) { return static_cast<int>(name.size()); }
__attribute__((noinline)) int change(int &value, State state) { return ++value + static_cast<int>(state); }
__attribute__((noinline)) int look(const Item *item) { return item->price; }
template <typename T> __attribute__((noinline)) T twice(T value) { return value + value; }
__attribute__((noinline)) void fail(int code) { if (code >= 0) throw std::runtime_error("no"); }
}

static volatile long sink;
int main() {
    char name[64];
    int times;
    std::map<std::string, long> called;
    while (std::scanf("%63s %d", name, &times) == 2)
        for (int i = 0; i < times; i++) {
            std::string what = name;
            shop::Item item;
            item.price = i + 10;
            item.label = "a label that is long enough for the heap";
            int value = i;
            if (what == "sell") sink = sink + shop::sell(std::string("a customer with a long name"), i);
            else if (what == "sell_int") sink = sink + shop::sell(i);
            else if (what == "take") sink = sink + shop::take("short");
            else if (what == "change") sink = sink + shop::change(value, i % 2 ? shop::State::closed : shop::State::moved);
            else if (what == "look") sink = sink + shop::look(&item);
            else if (what == "cost") sink = sink + item.cost(i);
            else if (what == "twice") sink = sink + shop::twice<long>(i);
            else if (what == "fail") { try { shop::fail(i); } catch (const std::exception &) { } }
            called[what]++;
        }
    for (auto &[what, count] : called) std::printf("%s %ld\n", what.c_str(), count);
}
