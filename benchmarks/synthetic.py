"""A shared library of as many units of C++ as wanted: one compiled, its copies with names of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

SOURCE = """
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <unordered_map>
#include <vector>
extern "C" __attribute__((visibility("hidden"))) void *__dso_handle = nullptr;
struct Row { std::string name; double price; std::vector<int> sizes; };
std::map<std::string, Row> rows;
static int calls;
bool find(const std::string &text, const std::regex &pattern) {
    calls++;
    return std::regex_search(text, pattern);
}
double total(const std::vector<Row> &all, std::function<double(const Row &)> each) {
    double sum = 0;
    for (const auto &row : all) sum += each(row);
    return sum;
}
std::shared_ptr<Row> make(std::string name) {
    auto made = std::make_shared<Row>(Row{name, 1.5, {1, 2, 3}});
    std::sort(made->sizes.begin(), made->sizes.end());
    std::unordered_map<std::string, int> seen{{name, 1}};
    rows[name] = *made;
    std::cout << seen.size() << made->name;
    return made;
}
"""


def library(scratch: Path, units: int) -> Path:
    """Of the same units, ``units`` times; linked, so that no relocation is left."""
    first = scratch / "unit.o"
    if not first.exists():
        text = scratch / "unit.cc"
        text.write_text(SOURCE)
        _run("g++", "-g", "-O2", "-fPIC", "-c", "-o", first, text)
    copies = []
    for number in range(units):
        copy = scratch / f"unit{number}.o"
        if not copy.exists():
            _run("objcopy", f"--prefix-symbols=u{number}_", first, copy)
        copies.append(copy)
    out = scratch / f"lib{units}.so"
    _run("gcc", "-shared", "-nostdlib", "-Wl,--unresolved-symbols=ignore-all", "-o", out, *copies)
    return out


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
