/* What the walk makes of units: rows of each worker, which columns.c joins in the end.
 *
 * Texts in rows are ids of the shared Strings. A row of a function, site or parameter is numbered within its
 * worker; Target says which function row a site means.
 */
#ifndef PROBESCOPE_ROWS_H
#define PROBESCOPE_ROWS_H

#include "dies.h"
#include "map.h"
#include "plan.h"
#include "read.h"
#include "same.h"
#include "string_table.h"

#define NONE UINT32_MAX
#define NOTHING (UINT32_MAX - 1)

enum {
    FN_EXTERNAL = 1,
    FN_ADDRESS = 2,
    FN_INLINED = 4,
    FN_DECLARED_INLINE = 8,
    FN_ARTIFICIAL = 16,
    FN_NORETURN = 32,
    FN_MAIN = 64,
    FN_PROTOTYPED = 128,
    FN_UNSPECIFIED = 256,
    FN_MEMBER = 512,
    FN_VIRTUAL = 1024,
    FN_PARAMETERS_UNKNOWN = 2048,
    FN_RETURN_UNKNOWN = 4096,
    FN_COLD = 8192,
    FN_LOCAL = 16384,
};
enum { PARAM_ARTIFICIAL = 1, PARAM_UNKNOWN = 2, PARAM_CONST = 4, PARAM_ELLIPSIS = 8 };
enum {
    VAR_EXTERNAL = 1,
    VAR_ADDRESS = 2,
    VAR_TLS = 4,
    VAR_LOCAL = 8,
    VAR_ARTIFICIAL = 16,
    VAR_UNKNOWN = 32,
};
enum { KIND_STRUCT = 1, KIND_CLASS, KIND_UNION, KIND_ENUM, KIND_TYPEDEF, KIND_BASE };

typedef struct {
    uint32_t first, count;
} Span;

typedef struct {
    uint32_t name, type;
    uint8_t flags;
} ParamRow;

typedef struct {
    uint64_t low, size, die;
    uint32_t name, linkage, scope, file, line, type, flags, unit;
    Span params, ranges;
} FnRow;

/* An abstract function without a row of its own so far. */
typedef struct {
    uint64_t offset;
    uint32_t name, linkage, scope, file, line, unit;
    uint32_t made; /* the worker's row of the first that says the same; NONE where its unit refers to others */
} InlineRow;

/* A function row: of a worker's functions; with TARGET_INLINE of its inline rows; with TARGET_FOREIGN of the
 * output. NONE for none. */
typedef uint32_t Target;
#define TARGET_INLINE (UINT32_C(1) << 31)
#define TARGET_FOREIGN (UINT32_C(1) << 30)

typedef struct {
    Target function;
    uint32_t host, parent, call_file, call_line;
    Span ranges;
    uint16_t call_column;
} SiteRow;

/* A site whose function lies in another unit, or is none that the walk kept. */
typedef struct {
    uint32_t site;
    uint32_t row; /* of the worker's found rows; NONE where its unit has to be read, NOTHING where there is none */
    DieRef die;
} ForeignSite;

/* Which row of a function with code an abstract function has, for sites of other units. */
typedef struct {
    uint64_t die; /* key */
    uint32_t row;
} Abstract;

typedef struct {
    uint64_t address, size, die;
    uint32_t name, linkage, scope, file, line, type, flags, unit;
} VarRow;

typedef struct {
    uint64_t size, die;
    uint32_t name, unit, next; /* next: of the same key */
    uint8_t kind;
} TypeRow;

/* A key of types that are the same, and of few others. */
static inline uint64_t type_key(const TypeRow *row)
{
    uint64_t key = ((uint64_t)row->name << 3 | row->kind) * UINT64_C(0x9fb21c651e98df25);
    return (key ^ key >> 29 ^ row->size * UINT64_C(0xd6e8feb86659fd93)) | 1;
}

static inline bool same_type(const TypeRow *left, const TypeRow *right)
{
    return left->name == right->name && left->kind == right->kind && left->size == right->size;
}

typedef struct {
    uint64_t number;
    uint16_t form;
} RawRef;

typedef struct {
    uint64_t die;
    RawRef type, origin;
    uint32_t name, next; /* next parameter of the function */
    uint8_t flags;       /* PARAM */
    bool result;         /* Go's results stand among the parameters */
} RawParam;

typedef VEC(RawParam) RawParams;

/* A subprogram or variable DIE as decoded; its references are not followed yet. */
typedef struct {
    uint64_t die, low, size; /* low: of a variable its address */
    RawRef type, origin;     /* origin: abstract_origin or specification */
    uint32_t name, linkage, scope, file, line, flags; /* file: number in the unit's table; NONE where not said */
    uint32_t first_param, last_param;
    uint32_t row;  /* of a function with code; NONE for others */
    Target target; /* of an abstract function: the row that stands for it */
    Span ranges;
    uint8_t inlining; /* DW_INL, 0 without */
    bool has_line;
    bool abstract; /* the origin is an abstract_origin */
    bool wanted;   /* a site means it */
} Raw;

enum { NODE_UNKNOWN, NODE_VOID };

/* A type as a text; see nodes.h. */
typedef struct {
    uint32_t text, split, child, extra;
    uint8_t kind, qualifiers;
} TypeNode;

typedef struct {
    uint32_t offset; /* from the unit's header */
    uint32_t scope;
} ScopePoint;

typedef struct Scopes {
    VEC(ScopePoint) points;
} Scopes;

typedef VEC(char) Text;

#define TEXT(literal) ((Bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

typedef struct {
    uint8_t kind;
    uint32_t scope, function, site;
} Frame;

/* The file names of one line table, made when they are asked for. */
typedef struct {
    const Part *part;
    uint64_t stmt_list;
    const uint8_t *comp_dir;
    void *table;
    VEC(uint32_t) names; /* id + 1 */
} FileNames;

enum { FILE_CACHE = 32 };

/* What went wrong in a unit. */
enum {
    FAULT_CUT = 1,
    FAULT_VERSION = 2,
    FAULT_ABBREVS = 4,
    FAULT_DIE = 8,       /* a DIE with no abbreviation, or beyond the unit's end */
    FAULT_DEPTH = 16,    /* nested too deep */
    FAULT_RANGES = 32,   /* a range list that is not there */
    FAULT_REFERENCE = 64, /* a reference to no DIE */
    FAULT_DWO = 128,     /* its split part is not at hand */
    FAULT_ALT = 256,     /* refers to the alternate file, which is not at hand */
    FAULT_SIZE = 512,    /* of 4 GiB or more */
    FAULT_WORK = 1024,   /* refers to the same entries again and again */
};

typedef struct {
    Unit *unit;      /* that is walked: a skeleton's split unit in its place */
    Unit *head;      /* whose offset names it */
    uint32_t worker; /* whose rows they are */
    uint32_t faults;
    bool walked;
    uint32_t name, comp_dir, producer; /* of a unit that was walked */
    Span functions, inlines, sites, foreign, variables;
} UnitRows;

typedef struct {
    struct Reading *reading;
    Unit *unit; /* at work */
    uint32_t unit_row;
    const Plans *plans;
    uint16_t language;
    bool scoped; /* its classes can hold what has a scope */
    uint32_t faults;
    uint32_t unit_functions; /* of the unit at work, with an address so far */

    /* rows */
    VEC(FnRow) functions;
    VEC(ParamRow) params;
    VEC(InlineRow) inlines;
    VEC(SiteRow) sites;
    VEC(ForeignSite) foreign;
    VEC(InlineRow) found; /* what sites mean that the walk kept no row of */
    VEC(Abstract) abstracts;
    VEC(VarRow) variables;
    VEC(VarRow) constants; /* variables without an address, each once */
    SameTable constant_rows; /* beside them */
    VEC(FnRow) made; /* of abstract functions, each once */
    SameTable made_rows; /* beside them; the number is that of the output */
    VEC(TypeRow) types;
    VEC(DieRef) imports; /* of units, by the unit of `unit_row` in `importers` */
    VEC(uint32_t) importers;
    Ranges ranges;
    Map type_rows; /* key of a type -> type row + 1 */
    Map seen_types; /* (place of the name, kind, size) -> first unit that has it + 1 */

    /* of the unit at work */
    VEC(Raw) raws, raw_variables;
    VEC(uint32_t) raw_places; /* beside raws: offset in the unit, in order; where one is looked for */
    RawParams raw_params, own_params, base_params;
    VEC(RawRef) site_origins; /* beside its sites */
    VEC(Frame) frames;
    Scopes scopes;
    Map unit_types; /* offset in the unit -> type node + 1 */
    Map unit_found; /* offset in the unit + 1 -> of the found rows, or NOTHING */

    /* kept between units */
    Map joins;        /* (scope, name) -> id */
    Map foreign_types;
    Map nodes;        /* what a type node is made of -> node */
    VEC(TypeNode) type_nodes;
    uint32_t forgotten; /* of a type that cannot be remembered */
    FileNames files[FILE_CACHE];
    Text text;
    uint64_t work; /* entries and ranges that may still be read out of their turn, so that cost is linear */
    bool memory;   /* allocation failed */
} Worker;

/* The linker keeps equal texts once, so that most names are known by their offset in .debug_str. Texts that start
 * within a few bytes share a place, where the last one is known: by its id and, below it, where in the place it
 * starts; 0 for none. */
typedef atomic_uint_least32_t Known;

typedef struct {
    Known *items; /* NULL where there is no room for them */
    size_t count;
    unsigned shift; /* of an offset to its place */
} KnownTexts;

typedef struct {
    uint64_t size;
    uint32_t unit;
} Sized;

typedef struct Reading {
    Dwarf dwarf;
    Strings strings;
    KnownTexts *known; /* by part */
    Worker *workers;
    unsigned worker_count;
    VEC(UnitRows) units;
    Sized *order; /* in which the units are walked */
    size_t order_count;
} Reading;

/* walk.c: all rows of one unit. */
void walk_unit(Worker *worker, uint32_t unit_row);

/* scopes.c: those of a unit; NULL when memory is out. */
const Scopes *scopes_of(Worker *worker, Unit *unit);
/* What the DIE at `offset` lies in, "outer::inner". */
uint32_t scope_at(Worker *worker, Unit *unit, uint64_t offset);

/* decode.c: the unit's plans; NULL when it cannot be read. */
const Plans *plans_of(Worker *worker, Unit *unit);
/* Decodes the DIE at `offset`; NULL where there is none. `at` is left at its children. */
const Plan *fields_at(Worker *worker, Unit *unit, uint64_t offset, Fields *fields, Cursor *at);
/* Follows a reference; false where it leads nowhere. The unit it leads to is ready. */
bool follow(Worker *worker, Unit *unit, RawRef reference, DieRef *die);
/* Whether classes of the language can hold functions and types that they are a scope of. */
bool scoped_language(uint16_t language);
Raw raw_of(Worker *worker, const Unit *unit, const Fields *fields);
RawParam param_of(Worker *worker, const Unit *unit, const Fields *fields);
/* The ranges of a function or site, added to the worker's, an empty one only if wanted; `low`: where they start.
 * None for code that the linker dropped. */
Span span_of(Worker *worker, const Unit *unit, const Fields *fields, bool empty, uint64_t *low);
/* What a location says of a variable with static storage, as VAR flags; 0 for other ones. */
uint32_t static_location(const Unit *unit, Bytes expression, uint64_t *address);

/* names.c: texts to ids. */
uint32_t name_of(Worker *worker, const Unit *unit, const Value *value);
uint32_t text_id(Worker *worker, const void *text, size_t size);
bool text_add(Text *text, Bytes part);
/* "outer::inner", with the language's separator. */
uint32_t join_scope(Worker *worker, uint32_t outer, uint32_t inner);
/* The path of a file of the unit's line table. */
uint32_t file_of(Worker *worker, const Unit *unit, uint64_t file);
void files_forget(Worker *worker);

/* types.c: the node of the type that is referred to. */
uint32_t type_node(Worker *worker, Unit *unit, const RawRef *type, unsigned depth);
uint64_t type_size(Worker *worker, Unit *unit, const RawRef *type);
/* Before a unit is walked: the types of the one before are another unit's now. */
void type_forget(Worker *worker);

/* functions.c: raw rows of the unit at work to rows. */
void settle_unit(Worker *worker, UnitRows *rows, uint32_t first_site);
/* The inline row of an abstract function in any unit; false where there is none. */
bool inline_row(Worker *worker, const DieRef *die, InlineRow *row);
/* The whole row that an inline row stands for; no unit is at work. */
void settle_inline(Worker *worker, const InlineRow *inlined, FnRow *row);

/* A row and whose parameters and ranges it has. */
typedef struct {
    const FnRow *row;
    const Worker *worker;
} Source;

/* The functions of all workers in the order of the output. */
typedef struct {
    uint32_t count;
    Source *sources;
    uint32_t **functions; /* by worker and row: numbers in the output */
    uint32_t **inlines;
    VEC(FnRow) made; /* rows of functions without code */
} Numbering;

/* numbering.c: which functions there are, and what the sites mean. False when memory is out. */
bool number_functions(Reading *reading, Pool *pool, Numbering *numbering);
void numbering_free(Reading *reading, Numbering *numbering);

/* columns.c: all rows to the output; the workers' are freed on the way. False when memory is out. */
bool write_columns(Reading *reading, Pool *pool, const Numbering *numbering, DwarfOutput *output);
/* problems.c: what went wrong, in sentences. */
void write_problems(const Reading *reading, DwarfOutput *output);

/* Whether one more entry may be read out of its turn. */
static inline bool spend(Worker *worker)
{
    if (!worker->work) {
        worker->faults |= FAULT_WORK;
        return false;
    }
    worker->work--;
    return true;
}

static inline RawRef raw_ref(const Fields *fields, Slot slot)
{
    if (!has(fields, slot))
        return (RawRef){0, 0};
    return (RawRef){fields->value[slot].number, fields->value[slot].form};
}

#endif
