/* The walk: threads take directories from one stack; every name is opened from its parent's descriptor.
 *
 * No link is followed anywhere below the top, also when a directory is exchanged for one meanwhile, because
 * each step is openat(2) with O_NOFOLLOW. Children are taken last in, first out, so few descriptors stay open.
 * Only a regular file that is not known by its stamp is opened, for its first four bytes.
 * Sources: getdents64(2), openat(2), fstatat(2).
 */
#define _GNU_SOURCE
#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LISTING 65536
#define DEEPEST 256u
#define MOST_PROBLEMS 1000u

/* As the kernel lays it. */
typedef struct {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
} Listed;

typedef struct Directory {
    struct Directory *parent; /* until this one is open */
    int descriptor;
    unsigned users; /* itself until it is read, and each child that is not open yet; under the lock */
    unsigned depth;
    size_t length;
    char path[];
} Directory;

typedef VEC(Directory *) Directories;

typedef struct {
    const Walk *walk;
    pthread_mutex_t lock;
    pthread_cond_t more;
    Directories waiting;
    unsigned busy;
    bool over;
    size_t elf;
} Shared;

typedef struct {
    Shared *shared;
    Tree tree;
    Directories below; /* of the directory that is being read */
    union {
        char bytes[LISTING];
        Listed aligned;
    } listing;
} Worker;

static uint64_t stamp_hash(const Stamp *stamp)
{
    uint64_t hash = (uint64_t)stamp->inode * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)stamp->mtime_ns;
    hash ^= (uint64_t)stamp->device << 32 ^ (uint64_t)stamp->size;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 32;
}

bool known_make(Known *known, const Stamp *stamps, size_t plain, size_t count)
{
    size_t slots = 16;
    while (slots < 2 * count)
        slots *= 2;
    *known = (Known){stamps, plain, count, calloc(slots, sizeof(uint32_t)), slots - 1, calloc(count + 1, 1)};
    if (!known->slots || !known->seen || count >= UNKNOWN) {
        known_free(known);
        return false;
    }
    for (size_t number = 0; number < count; number++) {
        size_t slot = stamp_hash(&stamps[number]) & known->mask;
        while (known->slots[slot])
            slot = (slot + 1) & known->mask;
        known->slots[slot] = (uint32_t)number + 1;
    }
    return true;
}

void known_free(Known *known)
{
    free(known->slots);
    free(known->seen);
    known->slots = NULL;
    known->seen = NULL;
}

/* The number of a stamp that is known, marked as seen with all its equals; UNKNOWN for none. */
static uint32_t known_find(Known *known, const Stamp *stamp)
{
    uint32_t found = UNKNOWN;
    for (size_t slot = stamp_hash(stamp) & known->mask; known->slots[slot]; slot = (slot + 1) & known->mask) {
        uint32_t number = known->slots[slot] - 1;
        if (memcmp(&known->stamps[number], stamp, sizeof *stamp) == 0) {
            __atomic_store_n(&known->seen[number], 1, __ATOMIC_RELAXED);
            if (found == UNKNOWN || number >= known->plain)
                found = number;
        }
    }
    return found;
}

static void directory_leave(Directory *directory)
{
    if (--directory->users)
        return;
    if (directory->descriptor >= 0)
        close(directory->descriptor);
    free(directory);
}

/* `name` below `parent`, or the top itself when that is NULL. */
static Directory *directory_make(Directory *parent, const char *name)
{
    size_t before = parent ? parent->length : 0, length = strlen(name);
    bool slash = parent && parent->path[before - 1] != '/';
    Directory *made = malloc(sizeof *made + before + length + 2);
    if (!made)
        return NULL;
    *made = (Directory){parent, -1, 1, parent ? parent->depth + 1 : 0, before + slash + length};
    if (parent)
        memcpy(made->path, parent->path, before);
    if (slash)
        made->path[before] = '/';
    memcpy(made->path + before + slash, name, length + 1);
    return made;
}

static bool keep_text(Tree *tree, const Directory *directory, const char *name, uint64_t *place)
{
    size_t length = name ? strlen(name) : 0;
    if (!vec_room(&tree->texts, directory->length + length + 2))
        return false;
    *place = tree->texts.count;
    char *to = tree->texts.items + tree->texts.count;
    memcpy(to, directory->path, directory->length);
    to += directory->length;
    if (name) {
        if (to[-1] != '/')
            *to++ = '/';
        memcpy(to, name, length);
        to += length;
    }
    *to++ = 0;
    tree->texts.count = (size_t)(to - tree->texts.items);
    return true;
}

static void keep_problem(Tree *tree, const Directory *directory, int error)
{
    Entry entry = {.number = UNKNOWN, .error = error};
    if (tree->problems.count >= MOST_PROBLEMS)
        return;
    if (!keep_text(tree, directory, NULL, &entry.text) || !vec_push(&tree->problems, entry))
        tree->memory = true;
}

/* 1 for ELF, 0 for not, -1 for a file that cannot be read. */
static int starts_as_elf(int directory, const char *name)
{
    char magic[4];
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (file < 0)
        return -1;
    ssize_t got = read(file, magic, sizeof magic);
    close(file);
    return got < 0 ? -1 : got == 4 && memcmp(magic, "\177ELF", 4) == 0;
}

static void look_at_file(Worker *worker, const Directory *directory, const char *name, const struct stat *status)
{
    const Walk *walk = worker->shared->walk;
    Tree *tree = &worker->tree;
    Entry entry = {
        .stamp = {(int64_t)status->st_dev, (int64_t)(status->st_ino & INT64_MAX), status->st_size,
                  (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec},
    };
    entry.number = known_find(walk->known, &entry.stamp);
    bool elf = entry.number != UNKNOWN && entry.number >= walk->known->plain;
    if (entry.number == UNKNOWN) {
        int found = starts_as_elf(directory->descriptor, name);
        if (found < 0)
            return;
        elf = found;
        if (!elf)
            tree->changed = true;
    }
    if (!elf) {
        if (!vec_push(&tree->plain, entry.stamp))
            tree->memory = true;
        return;
    }
    if (__atomic_fetch_add(&worker->shared->elf, 1, __ATOMIC_RELAXED) >= walk->most) {
        tree->full = true;
        return;
    }
    if (!keep_text(tree, directory, name, &entry.text) || !vec_push(&tree->elf, entry))
        tree->memory = true;
}

static bool is_left_out(const Walk *walk, const char *path)
{
    for (const char *const *left = walk->leave; *left; left++)
        if (strcmp(*left, path) == 0)
            return true;
    return false;
}

static void look_at_directory(Worker *worker, Directory *directory, const char *name)
{
    Directory *child = directory_make(directory, name);
    if (!child) {
        worker->tree.memory = true;
        return;
    }
    if (child->depth > DEEPEST)
        keep_problem(&worker->tree, child, ELOOP);
    else if (is_left_out(worker->shared->walk, child->path))
        ;
    else if (vec_push(&worker->below, child))
        return;
    else
        worker->tree.memory = true;
    free(child);
}

/* Entries of one open directory; directories below it are left in `below`. */
static void read_directory(Worker *worker, Directory *directory)
{
    const Walk *walk = worker->shared->walk;
    for (;;) {
        uint64_t files = 0;
        if (__atomic_load_n(&walk->watch->stop[0], __ATOMIC_RELAXED))
            return;
        long got = syscall(SYS_getdents64, directory->descriptor, worker->listing.bytes, LISTING);
        if (got < 0)
            keep_problem(&worker->tree, directory, errno);
        if (got <= 0)
            return;
        for (long at = 0; at < got;) {
            const Listed *listed = (const Listed *)(worker->listing.bytes + at);
            struct stat status;
            at += listed->length;
            const char *name = listed->name;
            bool maybe = listed->type == DT_UNKNOWN;
            if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])))
                continue;
            if (listed->type == DT_DIR)
                look_at_directory(worker, directory, name);
            if (listed->type != DT_REG && !maybe)
                continue;
            if (fstatat(directory->descriptor, name, &status, AT_SYMLINK_NOFOLLOW))
                continue; /* gone since it was listed */
            if (maybe && S_ISDIR(status.st_mode))
                look_at_directory(worker, directory, name);
            if (!S_ISREG(status.st_mode))
                continue;
            files++;
            if (status.st_size >= walk->least)
                look_at_file(worker, directory, name, &status);
        }
        __atomic_fetch_add(&walk->watch->files, files, __ATOMIC_RELAXED);
    }
}

static void open_directory(Worker *worker, Directory *directory)
{
    Directory *parent = directory->parent;
    const char *name = ".";
    if (parent) {
        name = directory->path + parent->length;
        name += *name == '/';
    }
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    directory->descriptor = openat(parent ? parent->descriptor : worker->shared->walk->descriptor, name, flags);
    /* One that is gone, or no directory any more, was taken away since it was listed. */
    if (directory->descriptor < 0 && !(parent && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)))
        keep_problem(&worker->tree, directory, errno);
}

static void work_off(Worker *worker, Directory *directory)
{
    Shared *shared = worker->shared;
    open_directory(worker, directory);
    worker->below.count = 0;
    if (directory->descriptor >= 0)
        read_directory(worker, directory);
    pthread_mutex_lock(&shared->lock);
    if (directory->parent)
        directory_leave(directory->parent);
    bool room = vec_room(&shared->waiting, worker->below.count);
    for (size_t index = 0; index < worker->below.count; index++) {
        if (!room) {
            free(worker->below.items[index]);
            worker->tree.memory = true;
            continue;
        }
        directory->users++;
        shared->waiting.items[shared->waiting.count++] = worker->below.items[index];
    }
    directory_leave(directory);
}

static void *work(void *argument)
{
    Worker *worker = argument;
    Shared *shared = worker->shared;
    pthread_mutex_lock(&shared->lock);
    for (;;) {
        while (!shared->waiting.count && shared->busy && !shared->over)
            pthread_cond_wait(&shared->more, &shared->lock);
        if (!shared->waiting.count || shared->over)
            break;
        Directory *directory = shared->waiting.items[--shared->waiting.count];
        shared->busy++;
        pthread_mutex_unlock(&shared->lock);
        work_off(worker, directory); /* comes back with the lock */
        shared->busy--;
        if (__atomic_load_n(&shared->walk->watch->stop[0], __ATOMIC_RELAXED))
            shared->over = true;
        pthread_cond_broadcast(&shared->more);
    }
    pthread_cond_broadcast(&shared->more);
    pthread_mutex_unlock(&shared->lock);
    return NULL;
}

/* Moves all of `from` into `into`. */
static void gather(Tree *into, Tree *from)
{
    uint64_t moved = into->texts.count;
    Entries *lists[2][2] = {{&into->elf, &from->elf}, {&into->problems, &from->problems}};
    if (!vec_room(&into->texts, from->texts.count) || !vec_room(&into->plain, from->plain.count) ||
        !vec_room(&into->elf, from->elf.count) || !vec_room(&into->problems, from->problems.count)) {
        into->memory = true;
        tree_free(from);
        return;
    }
    if (from->texts.count)
        memcpy(into->texts.items + moved, from->texts.items, from->texts.count);
    into->texts.count += from->texts.count;
    if (from->plain.count)
        memcpy(into->plain.items + into->plain.count, from->plain.items, from->plain.count * sizeof(Stamp));
    into->plain.count += from->plain.count;
    for (int list = 0; list < 2; list++)
        for (size_t index = 0; index < lists[list][1]->count; index++) {
            Entry entry = lists[list][1]->items[index];
            entry.text += moved;
            lists[list][0]->items[lists[list][0]->count++] = entry;
        }
    into->changed |= from->changed;
    into->memory |= from->memory;
    into->full |= from->full;
    tree_free(from);
}

static int by_stamp(const void *one, const void *other)
{
    const Stamp *a = one, *b = other;
    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    return a->inode < b->inode ? -1 : a->inode > b->inode;
}

static int by_path(const void *one, const void *other, void *texts)
{
    return strcmp((char *)texts + ((const Entry *)one)->text, (char *)texts + ((const Entry *)other)->text);
}

static int by_inode(const void *one, const void *other, void *texts)
{
    int order = by_stamp(&((const Entry *)one)->stamp, &((const Entry *)other)->stamp);
    return order ? order : by_path(one, other, texts);
}

static int by_size(const void *one, const void *other, void *texts)
{
    int64_t a = ((const Entry *)one)->stamp.size, b = ((const Entry *)other)->stamp.size;
    return a != b ? (a < b ? 1 : -1) : by_path(one, other, texts);
}

/* In an order that no number of threads changes: one of each new inode, the largest first. */
static void arrange(Tree *tree, const Known *known)
{
    Entry *elf = tree->elf.items;
    size_t kept = 0;
    if (tree->elf.count)
        qsort_r(elf, tree->elf.count, sizeof *elf, by_inode, tree->texts.items);
    for (size_t index = 0; index < tree->elf.count; index++)
        if (!kept || elf[index].number != UNKNOWN || by_stamp(&elf[index].stamp, &elf[kept - 1].stamp))
            elf[kept++] = elf[index];
    tree->elf.count = kept;
    if (kept)
        qsort_r(elf, kept, sizeof *elf, by_size, tree->texts.items);
    if (tree->problems.count)
        qsort_r(tree->problems.items, tree->problems.count, sizeof *elf, by_path, tree->texts.items);
    for (size_t number = 0; number < known->plain && !tree->changed; number++)
        tree->changed = !known->seen[number];
    if (tree->changed && tree->plain.count)
        qsort(tree->plain.items, tree->plain.count, sizeof(Stamp), by_stamp);
}

void walk_tree(const Walk *walk, Tree *tree)
{
    Shared shared = {.walk = walk};
    unsigned wanted = walk->threads ? walk->threads : 1, running = 0;
    *tree = (Tree){0};
    Directory *top = directory_make(NULL, walk->top);
    Worker *workers = calloc(wanted, sizeof *workers);
    pthread_t *threads = calloc(wanted, sizeof *threads);
    if (!top || !workers || !threads || !vec_push(&shared.waiting, top)) {
        tree->memory = true;
        free(top);
        free(workers);
        free(threads);
        return;
    }
    pthread_mutex_init(&shared.lock, NULL);
    pthread_cond_init(&shared.more, NULL);
    for (unsigned index = 0; index < wanted; index++)
        workers[index].shared = &shared;
    while (running + 1 < wanted && !pthread_create(&threads[running], NULL, work, &workers[running + 1]))
        running++;
    work(&workers[0]);
    for (unsigned index = 0; index < running; index++)
        pthread_join(threads[index], NULL);
    for (unsigned index = 0; index < wanted; index++) {
        gather(tree, &workers[index].tree);
        vec_free(&workers[index].below);
    }
    /* What a stopped walk left: each gives its parent back first. */
    while (shared.waiting.count) {
        Directory *left = shared.waiting.items[--shared.waiting.count];
        if (left->parent)
            directory_leave(left->parent);
        directory_leave(left);
    }
    vec_free(&shared.waiting);
    pthread_cond_destroy(&shared.more);
    pthread_mutex_destroy(&shared.lock);
    free(workers);
    free(threads);
    arrange(tree, walk->known);
}

void tree_free(Tree *tree)
{
    vec_free(&tree->elf);
    vec_free(&tree->problems);
    vec_free(&tree->plain);
    vec_free(&tree->texts);
}
