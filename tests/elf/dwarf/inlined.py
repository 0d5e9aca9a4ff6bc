"""Programs with much inlining, in C and C++, for tests that look up addresses and variables."""

from __future__ import annotations

import atexit
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

C = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct node { struct node *next; int key; double weight; char name[16]; };
static inline int mix(int a, int b) { return (a ^ (b << 3)) * 31 + (a >> 2); }
static inline int twice(int a) { return mix(a, a + 1) + mix(a + 2, a); }
static inline unsigned hash(const char *text)
{
    unsigned sum = 5381;
    while (*text)
        sum = sum * 33 + (unsigned char)*text++;
    return sum;
}
static inline struct node *find(struct node *list, int key)
{
    for (; list; list = list->next)
        if (list->key == key)
            return list;
    return NULL;
}
__attribute__((noinline)) int walk(struct node *list, int key, double factor)
{
    struct node *found = find(list, twice(key));
    int sum = found ? found->key : mix(key, 7);
    for (int i = 0; i < key; i++) {
        sum += twice(sum + i);
        if (sum % 7 == 3)
            sum -= (int)hash("seven");
    }
    return sum + (int)(factor * 3);
}
__attribute__((noinline)) void fill(struct node *list, const char *name, int count)
{
    for (int i = 0; i < count && list; i++, list = list->next) {
        list->key = twice(i);
        list->weight = hash(name) / 3.0;
        strncpy(list->name, name, sizeof list->name - 1);
    }
}
__attribute__((noinline, cold)) int rare(int code)
{
    fprintf(stderr, "rare %d\n", mix(code, 1));
    return code;
}
int main(int argc, char **argv)
{
    struct node nodes[8];
    memset(nodes, 0, sizeof nodes);
    for (int i = 0; i < 7; i++)
        nodes[i].next = &nodes[i + 1];
    fill(nodes, argv[0], 8);
    if (argc > 5)
        return rare(argc);
    return walk(nodes, argc, 1.5) & 1;
}
"""
CPP = r"""
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>
namespace shop {
template <typename T> struct Box {
    T value;
    explicit Box(T v) : value(v) {}
    T get() const { return value; }
};
class Item {
public:
    Item(std::string name, int price) : name_(std::move(name)), price_(price) {}
    virtual ~Item() = default;
    virtual int price() const { return price_; }
    const std::string &name() const { return name_; }

private:
    std::string name_;
    int price_;
};
class Reduced final : public Item {
public:
    Reduced(std::string name, int price, int off) : Item(std::move(name), price), off_(off) {}
    int price() const override { return Item::price() - off_; }

private:
    int off_;
};
static inline int round_up(int x, int to) { return (x + to - 1) / to * to; }
int total(const std::vector<std::unique_ptr<Item>> &items)
{
    return std::accumulate(items.begin(), items.end(), 0,
                           [](int sum, const auto &item) { return sum + round_up(item->price(), 5); });
}
std::map<std::string, int> count(const std::vector<std::string> &words)
{
    std::map<std::string, int> found;
    for (const auto &word : words)
        ++found[word];
    return found;
}
int sorted(std::vector<int> numbers)
{
    std::sort(numbers.begin(), numbers.end(), [](int a, int b) { return round_up(a, 3) < round_up(b, 3); });
    return Box<int>(numbers.empty() ? 0 : numbers.front()).get();
}
}
int main(int argc, char **argv)
{
    std::vector<std::unique_ptr<shop::Item>> items;
    items.push_back(std::make_unique<shop::Item>("bread", argc));
    items.push_back(std::make_unique<shop::Reduced>("milk", argc * 2, 1));
    std::vector<std::string> words(argv, argv + argc);
    auto counted = shop::count(words);
    std::function<int(int)> more = [&](int x) { return x + static_cast<int>(counted.size()); };
    std::printf("%d\n", more(shop::total(items)) + shop::sorted({3, 1, argc}));
    return 0;
}
"""


@cache
def program(compiler: str, *flags: str) -> Path:
    """One of the two, compiled for debugging with ``flags``; kept for the run of the tests."""
    cpp = compiler.endswith("++")
    directory = Path(mkdtemp(prefix="probescope-inlined-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    source = directory / ("program.cpp" if cpp else "program.c")
    source.write_text(CPP if cpp else C)
    out = directory / "program"
    subprocess.run([compiler, "-g", "-o", str(out), str(source), *flags], check=True, capture_output=True)
    return out
