def walk(
    top: str,
    descriptor: int,
    leave: tuple[bytes, ...],
    plain: bytes,
    elf: bytes,
    most: int,
    least: int,
    threads: int,
    watch: bytearray,
) -> tuple[
    list[tuple[str, int, int, int, int]],
    list[tuple[str, int]],
    bytes | None,
    list[tuple[str, int]],
    bool,
]: ...
