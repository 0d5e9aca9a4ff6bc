"""Chosen functions nested as they call each other in a thread, each with its time: a tree of one call.

A tree begins with a call of the first chosen function, and has the calls of the others inside of it. A line
is ``TID DEPTH INDENT-> NAME`` where a call begins, ``TID DEPTH INDENT<- NAME MICROSECONDS us`` where it ends;
INDENT is two spaces a depth below 1, up to fourteen of them. With ``milliseconds`` lines are kept in maps
until the tree is whole, and printed only when its first call took that long; of each tree the first hundred.
"""

from __future__ import annotations

from app.errors import BadInput
from app.trace.filters import predicate
from app.trace.recipes.plan import TICK, Made, Plan, entries, returns, total
from app.trace.targets import Target
from app.trace.values import literal, string

MOST_LINES = 100
# Deeper calls are shown as deep as this.
MOST_INDENTED = 8
_INSIDE = "@level[tid] > 0"
_KEPT = ("@what", "@deep", "@took")


def tree(plan: Plan) -> Made:
    pairs = returns(plan, entries(plan))
    if any(target.probe.wildcard for target, _ in pairs):
        raise BadInput("A tree of so many functions cannot be read.", "Choose fewer functions.")
    limit = plan.options.milliseconds
    lines = [f"// A tree begins with {literal(pairs[0][0].title)}; tid, depth, call, microseconds."]
    begin = [_indent(depth) for depth in range(1, MOST_INDENTED + 1)]
    for number, (target, back) in enumerate(pairs):
        calls = plan.calls(target) if number == 0 else ()
        began = f"({_INSIDE} || ({' && '.join(calls)}))" if calls else ""
        conditions = [began or _INSIDE] if number or began else []
        where = predicate(*plan.filter.process, *conditions)
        lines += [f"{target.places}{where} {{", *_entry(target, limit), "}"]
        lines += [f"{back.places}{predicate(_INSIDE)} {{", *_back(target, limit, number == 0), "}"]
    maps = [
        "@level",
        "@start",
        "@indent",
        *(["@lines", *_KEPT] if limit is not None else []),
        *plan.filter.kept,
    ]
    twice = [None if back.expected is None else 2 * back.expected for _, back in pairs]
    return Made([*lines, f"{TICK} {{ print(@n); }}"], total(twice), maps, begin)


def _indent(depth: int) -> str:
    return f'@indent[{depth}] = "{"  " * (depth - 1)}";'


def _shown_depth() -> str:
    return f"  $shown = $depth < {MOST_INDENTED} ? $depth : {MOST_INDENTED};"


def _entry(target: Target, limit: float | None) -> list[str]:
    begin = ["  @level[tid]++;", "  $depth = @level[tid];", "  @start[tid, $depth] = nsecs;"]
    if limit is None:
        text = f'printf("%d %d %s-> {literal(target.title)}\\n", tid, $depth, @indent[$shown]);'
        return [*begin, _shown_depth(), f"  @n = count(); {text}"]
    first = "  if ($depth == 1) { @lines[tid] = 0; }"
    return [*begin, first, *_keep(target, "0")]


def _keep(target: Target, took: str) -> list[str]:
    return [
        "  $line = @lines[tid];",
        f"  if ($line < {MOST_LINES}) {{",
        f"    @what[tid, $line] = {string(target.title)}; @deep[tid, $line] = $depth;",
        f"    @took[tid, $line] = {took};",
        "  }",
        "  @lines[tid] = $line + 1;",
    ]


def _back(target: Target, limit: float | None, first: bool) -> list[str]:
    end = ["  $depth = @level[tid];", "  $ns = nsecs - @start[tid, $depth];"]
    down = "  @level[tid]--;"
    if limit is None:
        shown = "tid, $depth, @indent[$shown], $ns / 1000"
        text = f'printf("%d %d %s<- {literal(target.title)} %lu us\\n", {shown});'
        return [*end, _shown_depth(), f"  @n = count(); {text}", down]
    # A time of 0 stands for a beginning, so an end has at least 1.
    kept = [*end, *_keep(target, "$ns / 1000 + 1")]
    return [*kept, *(_printed(limit) if first else []), down]


def _printed(limit: float) -> list[str]:
    """What a whole tree is printed by, where its first call took long."""
    return [
        f"  if ($depth == 1 && $ns >= {round(limit * 1e6)}) {{",
        "    $at = 0;",
        f"    while ($at < @lines[tid] && $at < {MOST_LINES}) {{",
        "      $deep = @deep[tid, $at];",
        f"      $shown = $deep < {MOST_INDENTED} ? $deep : {MOST_INDENTED};",
        "      @n = count();",
        "      if (@took[tid, $at] == 0) {",
        '        printf("%d %d %s-> %s\\n", tid, $deep, @indent[$shown], @what[tid, $at]);',
        "      } else {",
        '        printf("%d %d %s<- %s %lu us\\n", tid, $deep, @indent[$shown], @what[tid, $at],',
        "          @took[tid, $at] - 1);",
        "      }",
        "      $at++;",
        "    }",
        "  }",
    ]
