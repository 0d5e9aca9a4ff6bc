from collections.abc import Buffer

def read(
    sections: dict[str, Buffer],
    *,
    big: bool,
    zero_is_used: bool,
    threads: int,
    alt: dict[str, Buffer] | None,
    split: list[dict[str, Buffer]],
) -> tuple[dict[str, Buffer], list[tuple[str, str]]]: ...
def split_names(sections: dict[str, Buffer], *, big: bool) -> list[tuple[str, str, int]]: ...
def start_threads(count: int, /) -> int: ...
