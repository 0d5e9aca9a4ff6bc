/* Raw rows of a unit to rows: origins and specifications merged in, types and files followed, sites tied to what
 * was inlined.
 *
 * What a DIE does not say, its abstract_origin or specification says, and so on; the place of the last one gives
 * the scope. A function's parameters are those of its origin, which has the whole signature, without artificial
 * ones that the function itself does not have (C++ constructors), and with those that it alone has.
 * Source: DWARF 5, sections 2.13.2 and 3.3.8.
 */
#include "functions.h"

/* Entries that are read for one function without code. */
enum { MOST_WORK = 1 << 14 };

/* The raw row of a DIE of the unit at work; NULL where the walk kept none. */
static Raw *function_at(Worker *worker, const DieRef *die)
{
    if (die->unit != worker->unit)
        return NULL;
    uint64_t place = die->offset - die->unit->offset;
    size_t low = 0, high = worker->raw_places.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (worker->raw_places.items[middle] < place)
            low = middle + 1;
        else
            high = middle;
    }
    return low < worker->raws.count && worker->raws.items[low].die == die->offset ? &worker->raws.items[low] : NULL;
}

static bool decode(Worker *worker, const DieRef *die, Raw *raw)
{
    Fields fields;
    Cursor at;
    const Plan *plan = fields_at(worker, die->unit, die->offset, &fields, &at);
    if (!plan || (plan->action != ACT_FUNCTION && plan->action != ACT_VARIABLE && plan->action != ACT_MEMBER))
        return false;
    *raw = raw_of(worker, die->unit, &fields);
    raw->die = die->offset;
    raw->scope = scope_at(worker, die->unit, die->offset);
    return true;
}

/* Follows the first link, which is set. */
static void follow_chain(Worker *worker, Chain *chain)
{
    chain->broken = false;
    for (chain->count = 1; chain->count < LONGEST_CHAIN; chain->count++) {
        const Link *last = &chain->links[chain->count - 1];
        Link *next = &chain->links[chain->count];
        DieRef die;
        if (!last->raw.origin.form)
            return;
        if (!follow(worker, last->unit, last->raw.origin, &die)) {
            chain->broken = true;
            return;
        }
        const Raw *kept = function_at(worker, &die);
        next->kept = kept != NULL;
        next->unit = die.unit;
        if (kept)
            next->raw = *kept;
        else if (!decode(worker, &die, &next->raw)) {
            chain->broken = true;
            return;
        }
    }
}

/* What the links of a chain say together; each is asked in order. */
typedef struct {
    uint32_t name, linkage, scope, file, line, flags;
    uint8_t inlining;
    const Link *typed; /* that has the type; NULL for none */
} Said;

static Said said_by(Worker *worker, const Chain *chain)
{
    Said said = {.scope = chain->links[chain->count - 1].raw.scope};
    bool file = false, line = false;
    for (unsigned i = 0; i < chain->count; i++) {
        const Link *link = &chain->links[i];
        said.flags |= i ? link->raw.flags & ~(uint32_t)(FN_ADDRESS | FN_COLD | FN_LOCAL) : link->raw.flags;
        if (!said.name)
            said.name = link->raw.name;
        if (!said.linkage)
            said.linkage = link->raw.linkage;
        if (!line && link->raw.has_line) {
            said.line = link->raw.line;
            line = true;
        }
        if (!file && link->raw.file != NONE) {
            said.file = file_of(worker, link->unit, link->raw.file);
            file = true;
        }
        if (!said.inlining)
            said.inlining = link->raw.inlining;
        if (!said.typed && link->raw.type.form)
            said.typed = link;
    }
    return said;
}

static void settle_function(Worker *worker, const Chain *chain, FnRow *row)
{
    const Link *self = &chain->links[0];
    Said said = said_by(worker, chain);
    *row = (FnRow){.low = self->raw.low, .size = self->raw.size, .die = die_key(self->unit, self->raw.die),
                   .name = said.name, .linkage = said.linkage, .scope = said.scope, .file = said.file,
                   .line = said.line, .flags = said.flags, .unit = self->unit->row, .ranges = self->raw.ranges};
    bool listed = said.inlining == DW_INL_declared_not_inlined || said.inlining == DW_INL_declared_inlined;
    row->flags |= listed ? FN_DECLARED_INLINE : 0;
    row->flags |= said.inlining == DW_INL_inlined || said.inlining == DW_INL_declared_inlined ? FN_INLINED : 0;
    Results results = {0};
    row->params.first = (uint32_t)worker->params.count;
    settle_params(worker, chain, row, &results);
    row->params.count = (uint32_t)worker->params.count - row->params.first;
    bool assembler = self->unit->language == DW_LANG_Mips_Assembler;
    if (!worker->work || (!row->params.count && !results.count && (chain->broken || assembler)))
        row->flags |= FN_PARAMETERS_UNKNOWN;
    bool unknown = !said.typed && (chain->broken || assembler);
    if (said.typed)
        row->type = type_text(worker, said.typed->unit, &said.typed->raw.type, &unknown);
    if (results.count) {
        unknown = results.unknown;
        Text *text = &results.text;
        if (results.count > 1 && !unknown) {
            if (!text_add(text, TEXT(")")) || !vec_push(text, '('))
                worker->memory = true;
            memmove(text->items + 1, text->items, text->count - 1);
            text->items[0] = '(';
        }
        row->type = unknown ? 0 : text_id(worker, text->items, text->count);
    }
    vec_free(&results.text);
    row->flags |= unknown ? FN_RETURN_UNKNOWN : 0;
}

/* Where the row of a variable without an address goes: headers repeat them in many units, and the first is kept.
 * NULL where it is kept already. */
static VarRow *constant_place(Worker *worker, const Said *said)
{
    const uint32_t key[SAID] = {said->name, said->linkage, said->scope, said->file, said->line};
    uint32_t index = same_index(&worker->constant_rows, key);
    if (index < worker->constants.count)
        return worker->constants.items[index].unit > worker->unit_row ? &worker->constants.items[index] : NULL;
    if (index == UINT32_MAX || !vec_push(&worker->constants, (VarRow){0})) {
        worker->memory = true;
        return NULL;
    }
    return &worker->constants.items[index];
}

static void settle_variable(Worker *worker, Unit *unit, const Raw *raw)
{
    Chain chain;
    chain.links[0] = (Link){*raw, unit, false};
    follow_chain(worker, &chain);
    Said said = said_by(worker, &chain);
    VarRow made, *row = raw->row ? &made : constant_place(worker, &said);
    if (!row)
        return;
    *row = (VarRow){.address = raw->low, .die = die_key(unit, raw->die), .name = said.name,
                    .linkage = said.linkage, .scope = said.scope, .file = said.file, .line = said.line,
                    .unit = unit->row, .flags = raw->row};
    row->flags |= (said.flags & FN_EXTERNAL ? VAR_EXTERNAL : 0) | (said.flags & FN_ARTIFICIAL ? VAR_ARTIFICIAL : 0)
                  | (said.flags & FN_LOCAL ? VAR_LOCAL : 0);
    bool unknown = true;
    if (said.typed) {
        row->type = type_text(worker, said.typed->unit, &said.typed->raw.type, &unknown);
        row->size = type_size(worker, said.typed->unit, &said.typed->raw.type);
    }
    row->flags |= unknown ? VAR_UNKNOWN : 0;
    if (raw->row && !vec_push(&worker->variables, *row))
        worker->memory = true;
}

static InlineRow inline_of(Worker *worker, const Chain *chain)
{
    Said said = said_by(worker, chain);
    const Link *self = &chain->links[0];
    return (InlineRow){self->raw.die, said.name, said.linkage, said.scope, said.file, said.line, self->unit->row,
                       NONE};
}

static bool chain_at(Worker *worker, const DieRef *die, Chain *chain)
{
    worker->work = MOST_WORK;
    chain->links[0].unit = die->unit;
    chain->links[0].kept = false;
    if (!plans_of(worker, die->unit) || !decode(worker, die, &chain->links[0].raw))
        return false;
    follow_chain(worker, chain);
    return true;
}

bool inline_row(Worker *worker, const DieRef *die, InlineRow *row)
{
    Chain chain;
    if (!chain_at(worker, die, &chain))
        return false;
    *row = inline_of(worker, &chain);
    return true;
}

void settle_inline(Worker *worker, const InlineRow *inlined, FnRow *row)
{
    Unit *unit = worker->reading->units.items[inlined->unit].unit;
    worker->language = unit->language;
    Chain chain;
    if (chain_at(worker, &(DieRef){unit, inlined->offset}, &chain))
        settle_function(worker, &chain, row);
}

/* The row of an abstract function of the unit at work, if it is the first that says so: headers repeat them in
 * many units. What it finds wrong is no fault of the unit: another one may have the row in the end. */
static uint32_t make_inline(Worker *worker, const Chain *chain, const InlineRow *inlined)
{
    const uint32_t key[SAID] = {inlined->name, inlined->linkage, inlined->scope, inlined->file, inlined->line};
    uint32_t index = same_index(&worker->made_rows, key);
    const FnRow *known = index < worker->made.count ? &worker->made.items[index] : NULL;
    uint64_t die = die_key(worker->unit, inlined->offset);
    if (known && (known->unit < worker->unit_row || (known->unit == worker->unit_row && known->die <= die)))
        return index;
    if (index == UINT32_MAX || (index == worker->made.count && !vec_push(&worker->made, (FnRow){0}))) {
        worker->memory = true;
        return NONE;
    }
    uint64_t work = worker->work;
    uint32_t faults = worker->faults;
    FnRow row;
    worker->work = MOST_WORK;
    settle_function(worker, chain, &row);
    row.flags &= ~(uint32_t)FN_LOCAL;
    worker->made.items[index] = row;
    worker->work = work;
    worker->faults = faults;
    return index;
}

static void add_inline(Worker *worker, Raw *raw)
{
    Chain chain;
    chain.links[0] = (Link){*raw, worker->unit, true};
    follow_chain(worker, &chain);
    raw->target = TARGET_INLINE | (uint32_t)worker->inlines.count;
    InlineRow row = inline_of(worker, &chain);
    if (!worker->unit->abbrevs->crossing)
        row.made = make_inline(worker, &chain, &row);
    if (!vec_push(&worker->inlines, row))
        worker->memory = true;
}

/* What a site means in the unit at work, which refers to no other, where the walk kept no row of it: read now, for
 * later the unit may be gone. */
static uint32_t find_inline(Worker *worker, const DieRef *die)
{
    bool fresh;
    uint32_t *known = map_put(&worker->unit_found, die->offset - die->unit->offset + 1, &fresh);
    if (!known) {
        worker->memory = true;
        return NOTHING;
    }
    if (!fresh)
        return *known;
    uint64_t work = worker->work;
    uint32_t faults = worker->faults;
    Chain chain;
    *known = NOTHING;
    if (chain_at(worker, die, &chain)) {
        InlineRow row = inline_of(worker, &chain);
        row.made = make_inline(worker, &chain, &row);
        *known = (uint32_t)worker->found.count;
        if (!vec_push(&worker->found, row))
            worker->memory = true;
    }
    worker->work = work;
    worker->faults = faults;
    return *known;
}

/* Marks the functions of this unit that sites mean; keeps for each site the number of its raw row. */
static void mark_sites(Worker *worker, uint32_t first)
{
    for (uint32_t i = 0; i < worker->site_origins.count && !worker->memory; i++) {
        SiteRow *site = &worker->sites.items[first + i];
        RawRef origin = worker->site_origins.items[i];
        DieRef die;
        worker->site_origins.items[i].form = 0;
        if (!origin.form || !follow(worker, worker->unit, origin, &die))
            continue;
        Raw *raw = function_at(worker, &die);
        if (raw) {
            raw->wanted = true;
            site->function = (uint32_t)(raw - worker->raws.items);
            worker->site_origins.items[i].form = origin.form;
            continue;
        }
        uint32_t row = worker->unit->abbrevs->crossing ? NONE : find_inline(worker, &die);
        if (!vec_push(&worker->foreign, ((ForeignSite){first + i, row, die})))
            worker->memory = true;
    }
}

static void settle_sites(Worker *worker, uint32_t first)
{
    mark_sites(worker, first);
    for (size_t i = 0; i < worker->raws.count && !worker->memory; i++) {
        Raw *raw = &worker->raws.items[i];
        bool inlined = raw->inlining == DW_INL_inlined || raw->inlining == DW_INL_declared_inlined;
        if (raw->row == NONE && raw->target == NONE && (raw->wanted || inlined))
            add_inline(worker, raw);
    }
    for (uint32_t i = 0; i < worker->site_origins.count && !worker->memory; i++) {
        if (!worker->site_origins.items[i].form)
            continue;
        SiteRow *site = &worker->sites.items[first + i];
        const Raw *raw = &worker->raws.items[site->function];
        site->function = raw->row != NONE ? raw->row : raw->target;
    }
}

/* An abstract function has the row of the first function that goes back to it. */
static void claim_origins(Worker *worker, const Chain *chain, uint32_t row)
{
    for (unsigned i = 1; i < chain->count && chain->links[i - 1].raw.abstract; i++) {
        DieRef die = {chain->links[i].unit, chain->links[i].raw.die};
        Raw *raw = function_at(worker, &die);
        if (!raw || raw->row != NONE || raw->target != NONE)
            continue;
        raw->target = row;
        if (!vec_push(&worker->abstracts, ((Abstract){die_key(die.unit, die.offset), row})))
            worker->memory = true;
    }
}

void settle_unit(Worker *worker, UnitRows *rows, uint32_t first_site)
{
    Unit *unit = worker->unit;
    rows->functions.first = (uint32_t)worker->functions.count;
    rows->inlines.first = (uint32_t)worker->inlines.count;
    rows->variables.first = (uint32_t)worker->variables.count;
    rows->foreign.first = (uint32_t)worker->foreign.count;
    rows->sites = (Span){first_site, (uint32_t)worker->sites.count - first_site};
    if (worker->unit_found.count && !map_reset(&worker->unit_found, 0))
        worker->memory = true;
    for (size_t i = 0; i < worker->raws.count && !worker->memory; i++) {
        const Raw *raw = &worker->raws.items[i];
        if (raw->row == NONE)
            continue;
        Chain chain;
        FnRow row;
        chain.links[0] = (Link){*raw, unit, true};
        follow_chain(worker, &chain);
        settle_function(worker, &chain, &row);
        claim_origins(worker, &chain, raw->row);
        if (!vec_push(&worker->functions, row))
            worker->memory = true;
    }
    settle_sites(worker, first_site);
    for (size_t i = 0; i < worker->raw_variables.count && !worker->memory; i++)
        settle_variable(worker, unit, &worker->raw_variables.items[i]);
    rows->functions.count = (uint32_t)worker->functions.count - rows->functions.first;
    rows->inlines.count = (uint32_t)worker->inlines.count - rows->inlines.first;
    rows->variables.count = (uint32_t)worker->variables.count - rows->variables.first;
    rows->foreign.count = (uint32_t)worker->foreign.count - rows->foreign.first;
}
