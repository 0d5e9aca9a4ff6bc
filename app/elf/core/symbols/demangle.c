/* C++ names by the C++ library's own demangler, which is looked up when it is first needed, so that their text
 * is the one that nm -C prints; Rust's old scheme is C++'s with a hash behind, which is dropped, and escapes,
 * which are undone. What that library does not read is left to another demangler.
 * Sources: https://itanium-cxx-abi.github.io/cxx-abi/abi.html#mangling;
 * https://doc.rust-lang.org/rustc/symbol-mangling/legacy.html.
 */
#include "demangle.h"

#include <dlfcn.h>

enum { MOST_OF_LIBRARY = 1024 }; /* bytes of a name; libiberty refuses what could need a deep stack */
enum { RUST_HASH = 16 };
/* References to earlier parts let a text double with each few bytes of its name. No name of the 322,000 C++ names
 * of a Debian system with its compilers is estimated at more than a fourth of this. */
enum { MOST_WORK = 1 << 28, BYTE_WORK = 8, MOST_REFERENCES = 64 };
enum { DOUBLINGS = 15 }; /* of the work of the longest name, until it is the most */

/* What references of one kind, S_ or T_, cost: each at most what stood before the first one as high. */
typedef struct {
    uint32_t count, index[MOST_REFERENCES];
    double work[MOST_REFERENCES];
} References;

void demangler_open(Demangler *demangler)
{
    *demangler = (Demangler){.demangle = NULL};
    /* Never closed: it stays loaded like any library that a program is linked with. */
    void *library = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL);
    void *found = library ? dlsym(library, "__cxa_demangle") : NULL;
    memcpy(&demangler->demangle, &found, sizeof found);
}

void demangler_close(Demangler *demangler)
{
    vec_free(&demangler->name);
    vec_free(&demangler->rust);
}

Outcome append(Blob *blob, Bytes bytes)
{
    if (!vec_room(blob, bytes.size))
        return NO_MEMORY;
    if (bytes.size)
        memcpy(blob->items + blob->count, bytes.data, bytes.size);
    blob->count += bytes.size;
    return DONE;
}

static bool starts(Bytes text, const char *start)
{
    size_t length = strlen(start);
    return text.size >= length && !memcmp(text.data, start, length);
}

static bool is_hex(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
}

static bool hex_digits(Bytes text, size_t count)
{
    if (text.size < count)
        return false;
    for (size_t at = 0; at < count; at++)
        if (!is_hex(text.data[at]))
            return false;
    return true;
}

/* Whether a mangled name has the element "h" and 16 digits, by which Rust's old scheme is known. */
static bool is_rust(Bytes name)
{
    for (size_t at = 0; at + 3 + RUST_HASH + 1 <= name.size; at++) {
        if (name.data[at] != '1')
            continue;
        Bytes rest = bytes_part(name, at, name.size);
        if (starts(rest, "17h") && rest.data[3 + RUST_HASH] == 'E'
            && hex_digits(bytes_part(rest, 3, rest.size), RUST_HASH))
            return true;
    }
    return false;
}

static Outcome append_letter(Blob *out, uint32_t code)
{
    uint8_t bytes[4] = {(uint8_t)code};
    size_t size = 1;
    if (code >= 0x10000) {
        bytes[0] = (uint8_t)(0xf0 | code >> 18);
        bytes[1] = (uint8_t)(0x80 | (code >> 12 & 63));
        bytes[2] = (uint8_t)(0x80 | (code >> 6 & 63));
        bytes[3] = (uint8_t)(0x80 | (code & 63));
        size = 4;
    } else if (code >= 0x800) {
        bytes[0] = (uint8_t)(0xe0 | code >> 12);
        bytes[1] = (uint8_t)(0x80 | (code >> 6 & 63));
        bytes[2] = (uint8_t)(0x80 | (code & 63));
        size = 3;
    } else if (code >= 0x80) {
        bytes[0] = (uint8_t)(0xc0 | code >> 6);
        bytes[1] = (uint8_t)(0x80 | (code & 63));
        size = 2;
    }
    return append(out, (Bytes){bytes, size});
}

/* The length of an escape like $LT$ or $u20$ at the start of `text`, 0 for none; what it stands for. */
static size_t escape(Bytes text, uint32_t *code)
{
    static const struct {
        char word[6];
        char letter;
    } WORDS[] = {{"$SP$", '@'}, {"$BP$", '*'}, {"$RF$", '&'}, {"$LT$", '<'},
                 {"$GT$", '>'}, {"$LP$", '('}, {"$RP$", ')'}, {"$C$", ','}};
    for (size_t index = 0; index < sizeof WORDS / sizeof *WORDS; index++)
        if (starts(text, WORDS[index].word)) {
            *code = (uint8_t)WORDS[index].letter;
            return strlen(WORDS[index].word);
        }
    if (!starts(text, "$u"))
        return 0;
    *code = 0;
    for (size_t at = 2; at < text.size && at <= 8; at++) {
        uint8_t byte = text.data[at];
        if (byte == '$' && at > 2)
            return *code < 0x110000 && (*code < 0xd800 || *code >= 0xe000) ? at + 1 : 0;
        if (!is_hex(byte))
            return 0;
        *code = *code << 4 | (uint32_t)(byte <= '9' ? byte - '0' : byte - 'a' + 10);
    }
    return 0;
}

/* Without the hash, and with the escapes undone. */
static Outcome unescape(Bytes text, Blob *out)
{
    Outcome outcome = DONE;
    for (size_t at = 0; at < text.size && outcome == DONE;) {
        Bytes rest = bytes_part(text, at, text.size), hash = bytes_part(rest, 3, rest.size);
        uint32_t code;
        size_t size;
        if (starts(rest, "::h") && hex_digits(hash, RUST_HASH)
            && (hash.size == RUST_HASH || hash.data[RUST_HASH] == ' ' || hash.data[RUST_HASH] == '.')) {
            at += 3 + RUST_HASH;
        } else if ((size = escape(rest, &code))) {
            outcome = append_letter(out, code);
            at += size;
        } else {
            outcome = append(out, bytes_part(rest, 0, 1));
            at++;
        }
    }
    return outcome;
}

/* ".." is "::"; an element that starts with an escape had a _ before it, because no identifier starts with $. */
static Outcome separate(Bytes text, Blob *out)
{
    Outcome outcome = DONE;
    for (size_t at = 0; at < text.size && outcome == DONE; at++) {
        Bytes rest = bytes_part(text, at, text.size);
        bool first = !at || (at >= 2 && text.data[at - 1] == ':' && text.data[at - 2] == ':');
        if (first && *rest.data == '_' && rest.size > 1 && memchr("<&*@([{", rest.data[1], 7))
            continue;
        if (starts(rest, "..")) {
            outcome = append(out, (Bytes){(const uint8_t *)"::", 2});
            at++;
        } else {
            outcome = append(out, bytes_part(rest, 0, 1));
        }
    }
    return outcome;
}

/* The number of the reference S_, S0_, ... T_, T0_, ... at the start of `text`; false where there is none. */
static bool reference(Bytes text, uint32_t *index)
{
    uint32_t value = 0;
    for (size_t at = 1; at < text.size && at < 7; at++) {
        uint8_t byte = text.data[at];
        if (byte == '_') {
            *index = at == 1 ? 0 : value + 1;
            return true;
        }
        if (!((byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z')))
            return false;
        value = value * 36 + (uint32_t)(byte <= '9' ? byte - '0' : byte - 'A' + 10);
    }
    return false;
}

/* Whether writing the name out could take long: its parts and what they refer to, counted as if nothing were
 * known of where a part begins. */
static bool is_expensive(Bytes name)
{
    References kinds[2];
    double work = 0;
    size_t letters = 0;
    for (size_t at = 0; at < name.size; at++)
        letters += name.data[at] == 'S' || name.data[at] == 'T';
    /* Each reference at most doubles. */
    if (letters < DOUBLINGS)
        return false;
    kinds[0].count = kinds[1].count = 0;
    for (size_t at = 0; at < name.size; at++) {
        uint8_t byte = name.data[at];
        uint32_t index, known = 0;
        work += BYTE_WORK;
        if ((byte != 'S' && byte != 'T') || !reference(bytes_part(name, at, name.size), &index))
            continue;
        References *kind = &kinds[byte == 'T'];
        while (known < kind->count && kind->index[known] < index)
            known++;
        if (known == kind->count && kind->count < MOST_REFERENCES) {
            kind->index[kind->count] = index;
            kind->work[kind->count++] = work;
        }
        work += known < kind->count ? kind->work[known] : work;
    }
    return work > MOST_WORK;
}

static Outcome by_library(Demangler *demangler, Bytes name, Blob *out, Spelling *spelling)
{
    int status = 0;
    demangler->name.count = 0;
    if (append(&demangler->name, name) != DONE || !vec_push(&demangler->name, 0))
        return NO_MEMORY;
    char *text = demangler->demangle((const char *)demangler->name.items, NULL, NULL, &status);
    if (!text)
        return DONE;
    Bytes found = {(const uint8_t *)text, strlen(text)};
    Outcome outcome = DONE;
    demangler->written += found.size;
    if (found.size <= LONGEST_SHOWN && !same_bytes(found, name)) {
        *spelling = DEMANGLED;
        demangler->rust.count = 0;
        if (!is_rust(name))
            outcome = append(out, found);
        else if ((outcome = unescape(found, &demangler->rust)) == DONE)
            outcome = separate((Bytes){demangler->rust.items, demangler->rust.count}, out);
    }
    free(text);
    return outcome;
}

Outcome demangle(Demangler *demangler, Bytes name, Blob *out, Spelling *spelling)
{
    *spelling = AS_IT_IS;
    if (name.size < 3 || name.size > LONGEST_NAME || name.data[0] != '_')
        return DONE;
    if (name.data[1] == 'R')
        *spelling = FOREIGN;
    else if (name.data[1] == 'Z' || starts(name, "_GLOBAL_")) {
        if (!demangler->demangle || name.size > MOST_OF_LIBRARY)
            *spelling = FOREIGN;
        else if (!is_expensive(name))
            return by_library(demangler, name, out, spelling);
    }
    return DONE;
}
